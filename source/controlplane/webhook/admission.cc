#include "source/controlplane/webhook/admission.h"

#include <memory>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "source/base/status.h"
#include "source/config/document.h"
#include "source/controlplane/registry/file_contents.h"
#include "source/inject/inject.h"
#include "source/inject/json.h"
#include "source/inject/json_patch.h"

namespace kith::controlplane {
namespace {

using inject::Find;
using inject::Json;
using inject::Text;
using inject::Verdict;

constexpr char kVersion[] = "admission.k8s.io/v1";
constexpr size_t kMaxWarningBytes = 256;  // Kubernetes cuts longer ones.
constexpr size_t kMaxWarnings = 16;       // And leaves out all above 4096 bytes together.

https::HttpsAnswer BadRequest(absl::string_view why) {
  return {.status = 400, .body = inject::Dump({{"error", std::string(why)}})};
}

// The review's request, or why it is none.
absl::StatusOr<Json> RequestOf(absl::string_view body) {
  KITH_ASSIGN_OR_RETURN(Json review, inject::Parse(body));
  if (Text(review, "apiVersion") != kVersion || Text(review, "kind") != "AdmissionReview") {
    return absl::InvalidArgumentError(absl::StrCat("not an AdmissionReview of ", kVersion));
  }
  Json* request = Find(review, "request");
  if (request == nullptr || Text(*request, "uid").empty()) {
    return absl::InvalidArgumentError("request.uid is missing");
  }
  return std::move(*request);
}

https::HttpsAnswer Reply(const Json& request, Json response) {
  response["uid"] = Text(request, "uid");
  return {.body = inject::Dump(
              {{"apiVersion", kVersion}, {"kind", "AdmissionReview"}, {"response", response}})};
}

Json Refusal(absl::string_view message) {
  return {{"allowed", false},
          {"status",
           {{"code", 422}, {"reason", "Invalid"}, {"message", absl::StrCat("kith: ", message)}}}};
}

std::string KindOf(const Json& request) {
  const Json* kind = Find(request, "kind");
  return kind == nullptr ? std::string() : Text(*kind, "kind");
}

Json Warnings(const std::vector<std::string>& warnings) {
  Json list = Json::array();
  for (const std::string& warning : warnings) {
    if (list.size() == kMaxWarnings) break;
    list.push_back(warning.substr(0, kMaxWarningBytes));
  }
  return list;
}

struct Decision {
  Json response;
  absl::string_view result;  // As Admission::Options::count has it.
};

Decision DecideInjection(const Json& request, const inject::Options& options) {
  const Json* pod = Find(request, "object");
  if (KindOf(request) != "Pod" || Text(request, "operation") != "CREATE" || pod == nullptr) {
    return {{{"allowed", true}}, "skipped"};
  }
  const Verdict verdict = inject::Inject(
      *pod, {.name_space = Text(request, "namespace"), .namespace_labels = {}}, options);
  switch (verdict.kind) {
    case Verdict::Kind::kRefused:
      return {Refusal(verdict.reason), "refused"};
    case Verdict::Kind::kSkipped:
      return {{{"allowed", true}, {"auditAnnotations", {{"skipped", verdict.reason}}}}, "skipped"};
    case Verdict::Kind::kInjected:
      break;
  }
  Json response = {{"allowed", true}};
  if (!verdict.warnings.empty()) response["warnings"] = Warnings(verdict.warnings);
  const Json patch = inject::MakePatch(*pod, verdict.pod);
  if (!patch.empty()) {
    response["patchType"] = "JSONPatch";
    response["patch"] = absl::Base64Escape(inject::Dump(patch));
  }
  return {std::move(response), "injected"};
}

// What the linter says of an AuthorizationPolicy that can be read; nothing of other kinds.
absl::StatusOr<PolicyReview> Review(const std::string& text, const std::string& name,
                                    const Admission::Options& options) {
  KITH_ASSIGN_OR_RETURN(const auto documents, config::ParseDocuments(text, name));
  if (documents.size() != 1 || documents[0].kind != "AuthorizationPolicy" ||
      !absl::StartsWith(documents[0].api_version, "security.istio.io/")) {
    return PolicyReview();
  }
  security::v1::AuthorizationPolicy policy;
  KITH_RETURN_IF_ERROR(config::Decode(documents[0], policy));
  const auto mesh =
      options.mesh == nullptr ? std::make_shared<const MeshState>() : options.mesh->Get();
  return ReviewPolicy(policy, *mesh, options.policy, options.federated_trust_domains);
}

Decision DecideValidity(const Json& request, const Admission::Options& options) {
  const Json* object = Find(request, "object");
  if (object == nullptr) return {{{"allowed", true}}, "accepted"};  // A removal.
  Json document = *object;
  // The registry leaves it out as well: it is not the author's.
  document.erase("status");
  const std::string text = inject::Dump(document);
  const std::string name =
      absl::StrCat(KindOf(request), " ", Text(request, "namespace"), "/", Text(request, "name"));
  const auto decoded = DecodeFile(text, name, options.policy);
  if (!decoded.ok()) return {Refusal(decoded.status().message()), "refused"};
  const absl::StatusOr<PolicyReview> review = Review(text, name, options);
  if (!review.ok()) return {Refusal(review.status().message()), "refused"};
  Json response = {{"allowed", true}};
  if (!review->errors.empty()) {
    response = Refusal(absl::StrCat(name, ": ", absl::StrJoin(review->errors, "; ")));
  }
  if (!review->warnings.empty()) response["warnings"] = Warnings(review->warnings);
  return {std::move(response), review->errors.empty() ? "accepted" : "refused"};
}

}  // namespace

https::HttpsAnswer Admission::Answer(const https::HttpsQuestion& question) const {
  const bool injects = question.path == "/inject";
  if (!injects && question.path != "/validate") {
    return {.status = 404, .body = R"({"error":"there is /inject and /validate"})"};
  }
  if (question.method != "POST") return {.status = 405, .body = R"({"error":"only POST"})"};
  const char* webhook = injects ? "inject" : "validate";
  const absl::StatusOr<Json> request = RequestOf(question.body);
  if (!request.ok()) {
    if (options_.count) options_.count(webhook, "bad");
    return BadRequest(request.status().message());
  }
  Decision decision =
      injects ? DecideInjection(*request, options_.injection) : DecideValidity(*request, options_);
  if (options_.count) options_.count(webhook, decision.result);
  return Reply(*request, std::move(decision.response));
}

}  // namespace kith::controlplane
