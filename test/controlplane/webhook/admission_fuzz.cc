// Any bytes are answered; what is allowed has a patch that applies and that changes nothing when it
// is asked for again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/escaping.h"
#include "source/controlplane/webhook/admission.h"
#include "source/inject/json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using kith::inject::Json;
  kith::controlplane::Admission::Options options;
  options.injection.image = "kith:fuzz";
  const kith::controlplane::Admission admission(options);
  const std::string body(reinterpret_cast<const char*>(data), size);
  (void)admission.Answer({.method = "POST", .path = "/validate", .body = body});
  const auto answer = admission.Answer({.method = "POST", .path = "/inject", .body = body});
  if (answer.status != 200) return 0;
  Json review = *kith::inject::Parse(body);
  const Json response = (*kith::inject::Parse(answer.body))["response"];
  if (!response.contains("patch")) return 0;
  std::string patch;
  if (!absl::Base64Unescape(std::string(response["patch"]), &patch)) std::abort();
  Json& pod = review["request"]["object"];
  pod = pod.patch(*kith::inject::Parse(patch));
  const auto again =
      admission.Answer({.method = "POST", .path = "/inject", .body = kith::inject::Dump(review)});
  if ((*kith::inject::Parse(again.body))["response"].contains("patch")) std::abort();
  return 0;
}
