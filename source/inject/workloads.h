// The pods of Kubernetes' objects: a Pod itself, and the templates of those that make pods.
// Threads: any, pure. Owns: nothing.
// Errors: a verdict per pod; see inject.h.
#pragma once

#include <string>
#include <vector>

#include "source/inject/inject.h"
#include "source/inject/json.h"
#include "source/inject/options.h"

namespace kith::inject {

// What became of one object with a pod.
struct Report {
  std::string object;  // "Deployment demo/web".
  Verdict::Kind kind = Verdict::Kind::kSkipped;
  std::string reason;
  std::vector<std::string> warnings;
};

// Changes the pods of `object` in place, those of a List's items too. Objects without pods are left
// alone and not reported. `name_space` is for objects that name none.
std::vector<Report> InjectInto(Json& object, const std::string& name_space, const Options& options);

// Takes sidecars out. Reported are objects that had one (kInjected) and those whose sidecar cannot
// be taken out (kRefused).
std::vector<Report> UninjectFrom(Json& object);

}  // namespace kith::inject
