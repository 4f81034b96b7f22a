#include "source/ctl/authz_explain.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "nlohmann/json.hpp"
#include "source/ctl/table.h"

namespace kith::ctl {
namespace {

using nlohmann::json;

std::string Where(const policy::Decision& decision) {
  if (decision.rule < 0) return "";
  std::string where = absl::StrCat(decision.policy, " rules[", decision.rule, "]");
  if (decision.from >= 0) absl::StrAppend(&where, ".from[", decision.from, "]");
  if (decision.to >= 0) {
    absl::StrAppend(&where, decision.from >= 0 ? ", to[" : ".to[", decision.to, "]");
  }
  return where;
}

json DecisionJson(const policy::Decision& decision) {
  json out = {{"decision", decision.allowed ? "allowed" : "denied"}};
  if (decision.rule < 0) return out;
  out["policy"] = std::string(decision.policy);
  out["rule"] = decision.rule;
  if (decision.from >= 0) out["from"] = decision.from;
  if (decision.to >= 0) out["to"] = decision.to;
  return out;
}

std::string Recorded(const LogRecord& record) {
  std::string text = record.decision;
  if (record.rule >= 0) absl::StrAppend(&text, " by ", record.policy, " rules[", record.rule, "]");
  if (!record.time.empty()) absl::StrAppend(&text, ", ", record.time);
  return text;
}

void AppendNearest(const policy::Explanation& reasons, std::string& text) {
  if (reasons.decision.allowed || reasons.nearest_rule < 0) return;
  absl::StrAppend(&text, "nearest:   ", reasons.nearest_policy, " rules[", reasons.nearest_rule,
                  "]\n");
  Table table({"FIELD", "EXPECTED", "GOT"});
  for (const policy::Mismatch& mismatch : reasons.mismatches) {
    const bool negative = absl::StrContains(mismatch.field, ".not");
    table.AddRow({mismatch.field,
                  absl::StrCat(negative ? "not " : "", absl::StrJoin(mismatch.expected, " or ")),
                  mismatch.got});
  }
  absl::StrAppend(&text, table.ToString());
}

}  // namespace

std::string ExplainText(const Verdict& verdict, const LogRecord* record) {
  std::string text = absl::StrCat(verdict.allowed ? "ALLOWED" : "DENIED", "\n");
  if (!verdict.reasons) {
    absl::StrAppend(&text, "because:   ", verdict.explanation, "\n");
  } else {
    const policy::Explanation& reasons = *verdict.reasons;
    if (reasons.custom) {
      absl::StrAppend(&text, "custom:    ", reasons.custom->policy, " rules[", reasons.custom->rule,
                      "] asks ",
                      reasons.custom->provider.empty() ? "several providers, which denies"
                                                       : reasons.custom->provider,
                      " first; what follows holds if it allows\n");
    }
    if (reasons.decision.rule >= 0) {
      absl::StrAppend(&text, "by:        ", Where(reasons.decision), "\n");
    } else if (reasons.decision.allowed) {
      absl::StrAppend(&text, "because:   no ALLOW policy applies and no DENY matched\n");
    } else {
      absl::StrAppend(&text, "because:   ", reasons.unmatched, "\n");
      AppendNearest(reasons, text);
    }
    if (reasons.decision.audit) {
      absl::StrAppend(&text, "audit:     marked by ", reasons.decision.audit_policy, "\n");
    }
  }
  if (verdict.dry_run) {
    const std::string where = Where(*verdict.dry_run);
    absl::StrAppend(&text, "dry run:   would be ", verdict.dry_run->allowed ? "allowed" : "denied",
                    where.empty() ? "" : " by ", where, "\n");
  }
  if (record != nullptr) absl::StrAppend(&text, "recorded:  ", Recorded(*record), "\n");
  return text;
}

std::string ExplainJson(const Verdict& verdict, const LogRecord* record) {
  json out = {{"decision", verdict.allowed ? "allowed" : "denied"},
              {"explanation", verdict.explanation}};
  if (verdict.reasons) {
    const policy::Explanation& reasons = *verdict.reasons;
    json decided = DecisionJson(reasons.decision);
    decided["decision"] = out["decision"];
    out.update(decided);
    if (reasons.custom) {
      out["custom"] = {{"policy", std::string(reasons.custom->policy)},
                       {"rule", reasons.custom->rule},
                       {"provider", std::string(reasons.custom->provider)}};
    }
    if (!reasons.decision.allowed && reasons.nearest_rule >= 0) {
      json mismatches = json::array();
      for (const policy::Mismatch& mismatch : reasons.mismatches) {
        mismatches.push_back(
            {{"field", mismatch.field}, {"expected", mismatch.expected}, {"got", mismatch.got}});
      }
      out["nearest"] = {{"policy", reasons.nearest_policy},
                        {"rule", reasons.nearest_rule},
                        {"mismatches", std::move(mismatches)}};
    }
    if (reasons.decision.audit) out["audit"] = std::string(reasons.decision.audit_policy);
  }
  if (verdict.dry_run) out["dryRun"] = DecisionJson(*verdict.dry_run);
  if (record != nullptr) {
    json recorded = {{"decision", record->decision}, {"time", record->time}};
    if (record->rule >= 0) {
      recorded["policy"] = record->policy;
      recorded["rule"] = record->rule;
    }
    out["recorded"] = std::move(recorded);
  }
  return out.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

absl::optional<Verdict> ExplainLogged(const CaseContext& context, const LogRecord& record,
                                      std::vector<std::string>& missing) {
  LoggedVerdict judged = JudgeLogged(context, record);
  if (judged.allowed == policy::Truth::kUnknown) {
    missing = std::move(judged.missing);
    return absl::nullopt;
  }
  // Of several readings one with the answer explains it.
  policy::Unknown unknown;
  for (const AuthzRequest& request : RequestsOf(record, unknown)) {
    Verdict verdict = DecideRequest(context, request);
    if (verdict.allowed == (judged.allowed == policy::Truth::kYes)) return verdict;
  }
  // A rule that reads what the line lacks does not change the answer, and hides its reason.
  Verdict verdict;
  verdict.allowed = judged.allowed == policy::Truth::kYes;
  verdict.explanation = "whatever the line does not tell, the answer is the same";
  return verdict;
}

}  // namespace kith::ctl
