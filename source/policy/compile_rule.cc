#include "source/policy/compile_rule.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "kith/security/v1/authorization_policy.pb.h"
#include "source/policy/condition_key.h"
#include "source/policy/trust_domain.h"
#include "source/policy/validate_rule.h"

namespace kith::policy {
namespace {

using security::v1::Condition;
using security::v1::Operation;
using security::v1::Rule;
using security::v1::Source;
using Values = google::protobuf::RepeatedPtrField<std::string>;
using Sense = Predicate::Sense;

// Serials and fingerprints are written in many ways: "0A:1B", "a1b".
std::string HexText(absl::string_view written) {
  return absl::StrReplaceAll(absl::AsciiStrToLower(written), {{":", ""}});
}

// Nor do leading zeros count in a serial, which is a number.
std::string SerialText(absl::string_view written) {
  const std::string text = HexText(written);
  absl::string_view digits = text;
  while (digits.size() > 1 && digits[0] == '0' && digits[1] != '*') digits.remove_prefix(1);
  return std::string(digits);
}

void AddPatterns(const std::string& value, const RuleContext& context, const Predicate& predicate,
                 std::vector<Pattern>& out) {
  switch (predicate.attribute) {
    case Attribute::kPrincipal:
      for (const std::string& text : ExpandPrincipal(value, context.trust_domains)) {
        out.push_back(Pattern::Text(text, value));
      }
      return;
    case Attribute::kTrustDomain:
      for (const std::string& text : ExpandTrustDomain(value, context.trust_domains)) {
        out.push_back(Pattern::Text(text, value));
      }
      return;
    case Attribute::kNamespace:
      out.push_back(Pattern::Glob(value));
      return;
    case Attribute::kServiceAccount: {
      const absl::string_view text = value;
      const size_t slash = text.find('/');
      const bool own = slash == absl::string_view::npos;
      out.push_back(Pattern::Exact(absl::StrCat(own ? context.name_space : text.substr(0, slash),
                                                "/sa/", own ? text : text.substr(slash + 1)),
                                   value));
      return;
    }
    case Attribute::kSourceIp:
    case Attribute::kRemoteIp:
    case Attribute::kDestinationIp:
      out.push_back(Pattern::Prefix(*ParseIpBlock(value), value));
      return;
    case Attribute::kDestinationPort:
      out.push_back(Pattern::Exact(absl::StrCat(ParsePort(value)), value));
      return;
    case Attribute::kHost:
      out.push_back(Pattern::Text(absl::AsciiStrToLower(value), value));
      return;
    case Attribute::kPath:
      if (Pattern::IsTemplate(value)) {
        const bool widened = ReadingFor(predicate.sense, context.effect) == Reading::kWidened;
        out.push_back(*Pattern::Template(
            value, widened ? Pattern::TemplateBytes::kAny : Pattern::TemplateBytes::kListed));
        return;
      }
      break;
    case Attribute::kCertificateSerial:
      out.push_back(Pattern::Text(SerialText(value), value));
      return;
    case Attribute::kCertificateFingerprint:
      out.push_back(Pattern::Text(HexText(value), value));
      return;
    default:
      break;
  }
  out.push_back(Pattern::Text(value));
}

void AddPredicate(Predicate predicate, const Values& values, const RuleContext& context,
                  Conjunction& out) {
  if (values.empty()) return;
  std::vector<Pattern> patterns;
  for (const std::string& value : values) {
    if (predicate.attribute == Attribute::kRequestPrincipal) {
      predicate.tokens.push_back(ParseTokenPattern(value));
    } else {
      AddPatterns(value, context, predicate, patterns);
    }
  }
  predicate.values = PatternSet(std::move(patterns));
  out.push_back(std::move(predicate));
}

struct Field {
  Attribute attribute;
  absl::string_view name, not_name;
  const Values& values;
  const Values& not_values;
};

Conjunction Compile(absl::Span<const Field> fields, absl::string_view at,
                    const RuleContext& context) {
  Conjunction conjunction;
  for (const Field& field : fields) {
    Predicate predicate;
    predicate.attribute = field.attribute;
    predicate.field = absl::StrCat(at, ".", field.name);
    AddPredicate(predicate, field.values, context, conjunction);
    predicate.sense = Sense::kNegative;
    predicate.field = absl::StrCat(at, ".", field.not_name);
    AddPredicate(std::move(predicate), field.not_values, context, conjunction);
  }
  return conjunction;
}

Conjunction CompileSource(const Source& from, absl::string_view at, const RuleContext& context) {
  const Field fields[] = {
      {Attribute::kPrincipal, "principals", "notPrincipals", from.principals(),
       from.not_principals()},
      {Attribute::kRequestPrincipal, "requestPrincipals", "notRequestPrincipals",
       from.request_principals(), from.not_request_principals()},
      {Attribute::kNamespace, "namespaces", "notNamespaces", from.namespaces(),
       from.not_namespaces()},
      {Attribute::kServiceAccount, "serviceAccounts", "notServiceAccounts", from.service_accounts(),
       from.not_service_accounts()},
      {Attribute::kTrustDomain, "trustDomains", "notTrustDomains", from.trust_domains(),
       from.not_trust_domains()},
      {Attribute::kSourceIp, "ipBlocks", "notIpBlocks", from.ip_blocks(), from.not_ip_blocks()},
      {Attribute::kRemoteIp, "remoteIpBlocks", "notRemoteIpBlocks", from.remote_ip_blocks(),
       from.not_remote_ip_blocks()},
  };
  return Compile(fields, at, context);
}

Conjunction CompileOperation(const Operation& to, absl::string_view at,
                             const RuleContext& context) {
  const Field fields[] = {
      {Attribute::kDestinationPort, "ports", "notPorts", to.ports(), to.not_ports()},
      {Attribute::kMethod, "methods", "notMethods", to.methods(), to.not_methods()},
      {Attribute::kPath, "paths", "notPaths", to.paths(), to.not_paths()},
      {Attribute::kHost, "hosts", "notHosts", to.hosts(), to.not_hosts()},
  };
  return Compile(fields, at, context);
}

}  // namespace

void CompileRule(const Rule& rule, const RuleContext& context, RuleTable& out) {
  for (int i = 0; i < rule.from_size(); ++i) {
    out.from.push_back(
        CompileSource(rule.from(i).source(), absl::StrCat("from[", i, "].source"), context));
  }
  for (int i = 0; i < rule.to_size(); ++i) {
    out.to.push_back(
        CompileOperation(rule.to(i).operation(), absl::StrCat("to[", i, "].operation"), context));
  }
  for (int i = 0; i < rule.when_size(); ++i) {
    const Condition& condition = rule.when(i);
    ConditionKey key = *ParseConditionKey(condition.key());
    Predicate predicate;
    predicate.attribute = key.attribute;
    predicate.name = std::move(key.name);
    predicate.claim = std::move(key.claim);
    predicate.field = absl::StrCat("when[", i, "].values (", condition.key(), ")");
    AddPredicate(predicate, condition.values(), context, out.when);
    predicate.sense = Sense::kNegative;
    predicate.field = absl::StrCat("when[", i, "].notValues (", condition.key(), ")");
    AddPredicate(std::move(predicate), condition.not_values(), context, out.when);
  }
}

}  // namespace kith::policy
