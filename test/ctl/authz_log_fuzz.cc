// Whatever the bytes: no crash; a line that is read is judged, and the suggestion made of it can be
// read and denies it not.
#include <string>

#include "source/base/check.h"
#include "source/config/document.h"
#include "source/ctl/authz_context.h"
#include "source/ctl/authz_log.h"
#include "source/ctl/authz_suggest.h"
#include "test/support/fuzz_driver.h"

namespace kith::ctl {
namespace {

void Try(absl::string_view text) {
  const auto record = ParseLogLine(text);
  if (!record.ok()) return;
  KITH_CHECK(
      record->decision.empty() || record->decision == "allowed" || record->decision == "denied",
      "a decision is one of two");
  Suggestion suggestion(2);
  suggestion.Add(*record);
  if (suggestion.requests() == 0) return;
  static const auto* const labels = new WorkloadLabels(*WorkloadLabels::Parse({"app=a"}));
  const auto yaml = suggestion.Yaml(*labels);
  KITH_CHECK(yaml.ok(), "labels are known");
  const auto documents = config::ParseDocuments(*yaml, "suggestion");
  if (!documents.ok()) return;  // A principal or an address that is none.
  AuthzContext context(AuthzContext::Others::kRefused);
  for (const config::Document& document : *documents) {
    if (!context.Add(document).ok()) return;
  }
  const auto spec = labels->Of(record->workload, WorkloadLabels::Labels::kNeeded);
  const auto decides = context.For(*spec);
  if (!decides.ok()) return;
  const LoggedVerdict verdict = JudgeLogged(*decides, *record);
  KITH_CHECK(verdict.allowed != policy::Truth::kUnknown || !verdict.missing.empty(),
             "what is unknown has a reason");
}

}  // namespace
}  // namespace kith::ctl

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  kith::ctl::Try(absl::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
