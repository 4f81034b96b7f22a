#include "source/ctl/check_local.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "nlohmann/json.hpp"
#include "source/base/version.h"
#include "source/ctl/admin_client.h"
#include "source/ctl/table.h"
#include "source/kubernetes/json_read.h"

namespace kith::ctl {
namespace {

using kubernetes::Find;
using kubernetes::Text;
using nlohmann::json;

constexpr absl::Duration kRootSoon = absl::Hours(30 * 24);
constexpr size_t kShown = 5;

// A list; empty when there is none.
const json& List(const json* object, const char* key) {
  static const json& none = *new json(json::array());
  const json* found = Find(object, key);
  return found == nullptr || !found->is_array() ? none : *found;
}

struct Life {
  absl::Time begin = absl::InfiniteFuture();
  absl::Time end = absl::InfinitePast();

  bool Holds(absl::Time now) const { return begin <= now && now < end; }
};

Life LifeOf(const json& certificate) {
  Life life;
  std::string error;
  if (!absl::ParseTime(absl::RFC3339_full, Text(&certificate, "notBefore"), &life.begin, &error) ||
      !absl::ParseTime(absl::RFC3339_full, Text(&certificate, "notAfter"), &life.end, &error)) {
    return Life();
  }
  return life;
}

void CheckVersion(const json& status, CheckList& list) {
  const std::string version = Text(&status, "version");
  if (version == base::kVersion) {
    list.Good("it is of kithctl's version", version);
  } else {
    list.Warn("it is of kithctl's version",
              absl::StrCat("it is ", version, ", kithctl ", base::kVersion),
              "update the older one: sidecars may be one version behind their control plane");
  }
}

void CheckRootLives(const json& roots, absl::Time now, CheckList& list) {
  Life last;
  for (const json& root : roots) {
    const Life life = LifeOf(root);
    if (!life.Holds(now)) {
      list.Bad("its roots are valid",
               absl::StrCat(Text(&root, "subject"), ": from ", Text(&root, "notBefore"), " to ",
                            Text(&root, "notAfter")),
               "compare the clocks; replace a root that has ended: kithctl ca rotate");
      return;
    }
    last.end = std::max(last.end, life.end);
  }
  if (roots.empty()) {
    list.Bad("its roots are valid", "it has none", "it has not reached its identity source yet");
  } else if (last.end - now < kRootSoon) {
    list.Warn("its roots are valid", absl::StrCat("only for ", ShortDuration(last.end - now)),
              "begin their replacement: kithctl ca rotate");
  } else {
    list.Good("its roots are valid", absl::StrCat("for ", ShortDuration(last.end - now)));
  }
}

void CheckRegistry(const json& status, CheckList& list) {
  const json* registry = Find(&status, "registry");
  std::vector<std::string> wrong;
  if (const std::string error = Text(registry, "error"); !error.empty()) wrong.push_back(error);
  for (const json& file : List(registry, "files")) {
    if (Text(&file, "state") == "good" || wrong.size() == kShown) continue;
    wrong.push_back(Text(&file, "error"));
  }
  if (wrong.empty()) {
    list.Good("its documents are good");
  } else {
    list.Bad("its documents are good", absl::StrJoin(wrong, "; "),
             "correct them; until then their last good content is in force");
  }
}

void CheckWorkloads(const json& status, CheckList& list) {
  std::vector<std::string> wrong;
  size_t connected = 0;
  for (const json& workload : List(&status, "workloads")) {
    const json* is_connected = Find(&workload, "connected");
    if (is_connected == nullptr || *is_connected != true) continue;
    ++connected;
    for (const json& type : List(&workload, "config")) {
      if (Text(&type, "state") != "ERROR" || wrong.size() == kShown) continue;
      wrong.push_back(absl::StrCat(Text(&workload, "namespace"), "/", Text(&workload, "name"), ": ",
                                   Text(&type, "type"), ": ", Text(&type, "error")));
    }
  }
  if (wrong.empty()) {
    list.Good("sidecars take their configuration", absl::StrCat(connected, " connected"));
  } else {
    list.Bad("sidecars take their configuration", absl::StrJoin(wrong, "; "),
             "the sidecars keep what they had; kithctl status shows all");
  }
}

void CheckIdentity(const json& certs, absl::Time now, CheckList& list) {
  const json& chain = List(&certs, "chain");
  const Life life = chain.empty() ? Life() : LifeOf(chain.front());
  const json* attempt = Find(&certs, "lastAttempt");
  const std::string error = Text(attempt, "error");
  const std::string because = error.empty() ? "" : absl::StrCat("; the last attempt: ", error);
  if (chain.empty()) {
    list.Bad("it has a certificate", absl::StrCat("none yet", because),
             "is its token current, and does its control plane answer?");
    return;
  }
  if (!life.Holds(now)) {
    list.Bad("its certificate is valid",
             absl::StrCat("from ", Text(&chain.front(), "notBefore"), " to ",
                          Text(&chain.front(), "notAfter"), because),
             "compare the clocks; is its token current, and does its control plane answer?");
    return;
  }
  const std::string left = absl::StrCat("for ", ShortDuration(life.end - now));
  // It renews after half of its life: less than a quarter says that this fails.
  if (life.end - now < (life.end - life.begin) / 4) {
    list.Warn("its certificate is fresh", absl::StrCat("valid only ", left, because),
              "is its token current, and does its control plane answer?");
  } else {
    list.Good("its certificate is fresh", left);
  }
}

void CheckSidecar(const AdminClient& client, const json& status, absl::Time now, CheckList& list) {
  CheckVersion(status, list);
  const json* ready = Find(&status, "ready");
  if (ready != nullptr && *ready == true) {
    list.Good("it is ready");
  } else {
    std::vector<std::string> reasons;
    for (const json& reason : List(&status, "notReady")) reasons.push_back(reason.dump());
    list.Bad("it is ready", absl::StrJoin(reasons, "; "), "its log says more");
  }
  const json* control_plane = Find(&status, "controlPlane");
  const json* connected = Find(control_plane, "connected");
  if (connected != nullptr && *connected == true) {
    list.Good("it is connected to its control plane", Text(control_plane, "address"));
  } else {
    list.Warn("it is connected to its control plane",
              absl::StrCat(Text(control_plane, "address"), ": ", Text(control_plane, "lastError")),
              "it goes on with what it has; is the control plane running and to be reached?");
  }
  const auto certs = client.Get("/v1/certs");
  if (!certs.ok()) {
    list.Bad("it shows its certificates", std::string(certs.status().message()),
             "its log says more");
    return;
  }
  CheckIdentity(*certs, now, list);
  CheckRootLives(List(&*certs, "roots"), now, list);
}

}  // namespace

void CheckSocket(const std::string& socket, absl::Time now, CheckList& list) {
  list.Begin(socket);
  const AdminClient client(socket, "a control plane or sidecar");
  const auto status = client.Get("/v1/status");
  if (!status.ok()) {
    list.Bad("it answers", std::string(status.status().message()),
             "is it running, and may you open its socket?");
    return;
  }
  if (Find(&*status, "workload") != nullptr) {
    list.Begin(absl::StrCat("sidecar ", Text(Find(&*status, "workload"), "name"), " at ", socket));
    CheckSidecar(client, *status, now, list);
    return;
  }
  list.Begin(absl::StrCat("control plane at ", socket));
  CheckVersion(*status, list);
  CheckRootLives(List(&*status, "roots"), now, list);
  CheckRegistry(*status, list);
  CheckWorkloads(*status, list);
}

}  // namespace kith::ctl
