#include "source/inject/probes.h"

#include <cstdint>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "source/inject/options.h"

namespace kith::inject {
namespace {

constexpr int64_t kDefaultGraceSeconds = 30;

struct Place {
  const char* field;
  const char* name;  // The last part of the path at the sidecar, as Istio names it.
};
constexpr Place kProbes[] = {
    {"startupProbe", "startupz"}, {"readinessProbe", "readyz"}, {"livenessProbe", "livez"}};
constexpr Place kHooks[] = {{"postStart", "poststartz"}, {"preStop", "prestopz"}};
constexpr const char* kHandlers[] = {"httpGet", "tcpSocket", "grpc"};

// A number, or the name of one of the container's ports. Zero when it is neither.
int64_t PortOf(const Json& handler, const Json& container) {
  const Json* port = Find(handler, "port");
  if (port == nullptr) return 0;
  int64_t number = 0;
  if (port->is_number_integer()) {
    number = port->get<int64_t>();
  } else if (port->is_string() && !absl::SimpleAtoi(port->get<std::string>(), &number)) {
    const Json* ports = Find(container, "ports");
    if (ports == nullptr || !ports->is_array()) return 0;
    for (const Json& each : *ports) {
      const Json* named = Find(each, "containerPort");
      if (Text(each, "name") == port->get<std::string>() && named != nullptr &&
          named->is_number_integer()) {
        number = named->get<int64_t>();
      }
    }
  }
  return number > 0 && number <= 65535 ? number : 0;
}

// What Kubernetes takes for "ask another host than the pod" is not the sidecar's to answer.
bool IsElsewhere(const Json& handler) { return !Text(handler, "host").empty(); }

Json HttpCheck(const Json& handler, int64_t port) {
  Json check = {{"port", port}};
  const std::string path = Text(handler, "path");
  if (Text(handler, "scheme") == "HTTPS") check["scheme"] = "HTTPS";
  check["path"] = path.empty() ? "/" : path[0] == '/' ? path : absl::StrCat("/", path);
  const Json* headers = Find(handler, "httpHeaders");
  if (headers == nullptr || !headers->is_array()) return check;
  for (const Json& header : *headers) {
    const std::string name = Text(header, "name");
    if (!name.empty())
      check["headers"].push_back({{"name", name}, {"value", Text(header, "value")}});
  }
  return check;
}

class Rewriter {
 public:
  Rewriter(RewrittenProbes& to, std::vector<std::string>& warnings, int64_t grace_seconds)
      : to_(to), warnings_(warnings), grace_seconds_(grace_seconds) {}

  void Rewrite(Json& container) {
    const std::string name = Text(container, "name");
    for (const Place& place : kProbes) {
      Json* probe = Find(container, place.field);
      if (probe == nullptr) continue;
      const Json* timeout = Find(*probe, "timeoutSeconds");
      const int64_t seconds =
          timeout != nullptr && timeout->is_number_integer() ? timeout->get<int64_t>() : 1;
      RewriteHandler(container, *probe, absl::StrCat(name, "/", place.field),
                     absl::StrCat("/app-health/", name, "/", place.name), seconds);
    }
    Json* lifecycle = Find(container, "lifecycle");
    if (lifecycle == nullptr) return;
    for (const Place& place : kHooks) {
      Json* hook = Find(*lifecycle, place.field);
      if (hook == nullptr || Find(*hook, "httpGet") == nullptr) continue;
      RewriteHandler(container, *hook, absl::StrCat(name, "/lifecycle/", place.field),
                     absl::StrCat("/app-lifecycle/", name, "/", place.name), grace_seconds_);
    }
  }

 private:
  void RewriteHandler(const Json& container, Json& holder, const std::string& where,
                      const std::string& path, int64_t timeout_seconds) {
    for (const char* kind : kHandlers) {
      const Json* handler = Find(holder, kind);
      if (handler == nullptr || IsElsewhere(*handler)) continue;
      const int64_t port = PortOf(*handler, container);
      if (port == 0) {
        warnings_.push_back(absl::StrCat(where,
                                         ": its port is none of the container's; it is left "
                                         "as it is and will fail under STRICT"));
        continue;
      }
      if (port == kMonitoringPort) continue;
      Json check = {{"path", path},
                    {"timeout", absl::StrCat(std::max<int64_t>(timeout_seconds, 1), "s")}};
      if (absl::string_view(kind) == "grpc") {
        check["grpc"] = {{"port", port}, {"service", Text(*handler, "service")}};
      } else if (absl::string_view(kind) == "tcpSocket") {
        check["tcpSocket"] = {{"port", port}};
      } else {
        check["httpGet"] = HttpCheck(*handler, port);
      }
      to_.sidecar.push_back(std::move(check));
      to_.originals[where] = {{kind, *handler}};
      const Json now = {{"path", path}, {"port", kMonitoringPort}, {"scheme", "HTTP"}};
      if (absl::string_view(kind) == "httpGet") {
        holder[kind] = now;
      } else {
        holder.erase(kind);
        holder["httpGet"] = now;
      }
      return;
    }
  }

  RewrittenProbes& to_;
  std::vector<std::string>& warnings_;
  const int64_t grace_seconds_;
};

template <typename Action>
void ForEachProbedContainer(Json& pod, Action act) {
  Json& spec = pod["spec"];
  for (Json& container : spec["containers"]) act(container);
  Json* init = Find(spec, "initContainers");
  if (init == nullptr) return;
  for (Json& container : *init) {
    if (Text(container, "restartPolicy") == "Always") act(container);
  }
}

}  // namespace

RewrittenProbes RewriteProbes(Json& pod, std::vector<std::string>& warnings) {
  RewrittenProbes rewritten;
  const Json* grace = Find(pod["spec"], "terminationGracePeriodSeconds");
  Rewriter rewriter(rewritten, warnings,
                    grace != nullptr && grace->is_number_integer() ? grace->get<int64_t>()
                                                                   : kDefaultGraceSeconds);
  ForEachProbedContainer(pod, [&](Json& container) { rewriter.Rewrite(container); });
  return rewritten;
}

void RestoreProbes(Json& pod, const Json& originals) {
  ForEachProbedContainer(pod, [&](Json& container) {
    for (const auto& [where, original] : originals.items()) {
      const std::vector<std::string> parts = absl::StrSplit(where, '/');
      if (parts.size() < 2 || parts[0] != Text(container, "name")) continue;
      Json* holder = &container;
      for (size_t i = 1; i < parts.size() && holder != nullptr; ++i) {
        holder = Find(*holder, parts[i].c_str());
      }
      if (holder == nullptr || !holder->is_object() || !original.is_object()) continue;
      holder->erase("httpGet");
      for (const auto& [kind, handler] : original.items()) (*holder)[kind] = handler;
    }
  });
}

}  // namespace kith::inject
