#include "source/jwt/authentication.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "kith/security/v1/request_authentication.pb.h"
#include "source/base/status.h"
#include "source/http/characters.h"
#include "source/policy/select.h"

namespace kith::jwt {
namespace {

using nlohmann::json;
using security::v1::RequestAuthentication;

// More for one workload is a mistake; every rule is asked for every token.
constexpr size_t kMaxRules = 128;
constexpr size_t kMaxRealm = 256;
constexpr size_t kMaxClaimValue = 4096;

std::string NameOfPolicy(const RequestAuthentication& policy) {
  return absl::StrCat(policy::NamespaceOf(policy.metadata()), "/", policy.metadata().name());
}

absl::Status Invalid(absl::string_view field, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", what));
}

bool IsForGateways(const RequestAuthentication& policy) {
  return policy.spec().has_target_ref() || policy.spec().target_refs_size() > 0;
}

absl::StatusOr<std::vector<Rule>> RulesOf(const RequestAuthentication& policy) {
  KITH_RETURN_IF_ERROR(policy::ValidateScope(policy.metadata(), policy.spec().selector()));
  if (IsForGateways(policy) && policy.spec().has_selector()) {
    return Invalid("spec.selector", "does not go with targetRefs");
  }
  std::vector<Rule> rules;
  for (int i = 0; i < policy.spec().jwt_rules_size(); ++i) {
    const security::v1::JWTRule& from = policy.spec().jwt_rules(i);
    auto rule = Rule::Compile(from);
    if (!rule.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("spec.jwtRules[", i, "].", rule.status().message()));
    }
    const std::string& uri = from.jwks_uri();
    if (!uri.empty() && !absl::StartsWith(uri, "https://") && !absl::StartsWith(uri, "http://") &&
        !absl::StartsWith(uri, "file:///")) {
      return Invalid(absl::StrCat("spec.jwtRules[", i, "].jwksUri"),
                     "must begin with https://, http:// or file:///");
    }
    rules.push_back(*std::move(rule));
  }
  return rules;
}

// OPTIONS that asks whether a browser may send the real request: it never carries credentials.
bool IsPreflight(const RequestView& request) {
  return request.method == "OPTIONS" && http::Find(request.headers, "origin") != nullptr &&
         http::Find(request.headers, "access-control-request-method") != nullptr;
}

std::string Challenge(const RequestView& request) {
  std::string realm =
      absl::StrCat("http://", request.host, request.target.substr(0, request.target.find('?')));
  realm.resize(std::min(realm.size(), kMaxRealm));
  // A quote would end the string early.
  realm.erase(
      std::remove_if(realm.begin(), realm.end(), [](char c) { return c == '"' || c == '\\'; }),
      realm.end());
  return absl::StrCat("Bearer realm=\"", realm, "\", error=\"invalid_token\"");
}

std::string TextClaim(const json& claims, const char* name) {
  const auto found = claims.find(name);
  const auto* text = found == claims.end() ? nullptr : found->get_ptr<const std::string*>();
  return text == nullptr ? "" : *text;
}

// A string, integer or truth value at `path`, as a header can carry it. Empty: there is none.
std::string HeaderValue(const json& claims, const std::vector<std::string>& path) {
  const json* value = &claims;
  for (const std::string& step : path) {
    if (!value->is_object()) return "";
    const auto found = value->find(step);
    if (found == value->end()) return "";
    value = &*found;
  }
  std::string text;
  if (const auto* string = value->get_ptr<const std::string*>()) {
    text = *string;
  } else if (value->is_boolean() || value->is_number_integer()) {
    text = value->dump();
  }
  const bool fits =
      text.size() <= kMaxClaimValue &&
      std::all_of(text.begin(), text.end(), [](char c) { return http::Is(http::kValueChar, c); });
  return fits ? text : "";
}

// As policies read it. The depth is bounded by the parser (token.h).
policy::Claim ToClaim(const json& value) {
  policy::Claim claim;
  switch (value.type()) {
    case json::value_t::object:
      claim.kind = policy::Claim::Kind::kMap;
      for (const auto& [name, member] : value.items()) {
        claim.members.emplace_back(name, ToClaim(member));
      }
      break;
    case json::value_t::array:
      claim.kind = policy::Claim::Kind::kList;
      for (const json& item : value) claim.items.push_back(ToClaim(item));
      break;
    case json::value_t::string:
      claim.kind = policy::Claim::Kind::kString;
      claim.text = value.get_ref<const std::string&>();
      break;
    case json::value_t::boolean:
      claim.kind = policy::Claim::Kind::kBool;
      claim.text = value.dump();
      break;
    case json::value_t::number_integer:
    case json::value_t::number_unsigned:
    case json::value_t::number_float:
      claim.kind = policy::Claim::Kind::kNumber;
      claim.text = value.dump();
      break;
    default:
      break;
  }
  return claim;
}

}  // namespace

absl::Status Validate(const RequestAuthentication& policy) {
  return base::Annotate(RulesOf(policy).status(), NameOfPolicy(policy));
}

Authentication::Authentication(std::vector<Rule> rules) : rules_(std::move(rules)) {
  std::stable_sort(rules_.begin(), rules_.end(),
                   [](const Rule& a, const Rule& b) { return a.issuer < b.issuer; });
  for (const Rule& rule : rules_) {
    if (!rule.payload_header.empty()) outputs_.push_back(rule.payload_header);
    for (const Rule::ClaimHeader& header : rule.claim_headers) outputs_.push_back(header.header);
  }
}

absl::StatusOr<std::shared_ptr<const Authentication>> Authentication::Compile(
    absl::Span<const RequestAuthentication> policies) {
  std::vector<Rule> all;
  for (const RequestAuthentication& policy : policies) {
    auto rules = RulesOf(policy);
    if (!rules.ok()) return base::Annotate(rules.status(), NameOfPolicy(policy));
    if (IsForGateways(policy)) continue;
    std::move(rules->begin(), rules->end(), std::back_inserter(all));
  }
  if (all.size() > kMaxRules) {
    return absl::InvalidArgumentError(absl::StrCat(
        "RequestAuthentication: ", all.size(), " jwtRules for one workload; at most ", kMaxRules));
  }
  return std::shared_ptr<const Authentication>(new Authentication(std::move(all)));
}

Authentication::Outcome Authentication::Authenticate(const RequestView& request,
                                                     absl::Time now) const {
  Outcome outcome;
  // What a client writes there would pass for what a token says.
  outcome.dropped.assign(outputs_.begin(), outputs_.end());
  if (rules_.empty() || IsPreflight(request)) return outcome;

  std::string text;
  std::vector<const Rule*> asked;
  for (const Rule& rule : rules_) {
    const std::vector<std::string> found = FindTokens(rule, request);
    if (!found.empty()) asked.push_back(&rule);
    for (const std::string& token : found) {
      if (text.empty()) text = token;
      if (token != text) outcome.failure = Failure::kSeveralTokens;
    }
  }
  if (asked.empty()) return outcome;

  if (outcome.failure == Failure::kNone) {
    absl::StatusOr<Token> token = ParseToken(text);
    outcome.failure = token.ok() ? Failure::kUnknownIssuer : Failure::kBadFormat;
    for (const Rule* rule : asked) {
      if (!token.ok()) break;
      const Failure failure = rule->Verify(*token, now);
      if (failure == Failure::kNone) {
        Accept(*rule, *std::move(token), request, outcome);
        return outcome;
      }
      // The rule that knows the issuer has the most to say.
      if (outcome.failure == Failure::kUnknownIssuer) outcome.failure = failure;
    }
  }
  outcome.challenge = Challenge(request);
  return outcome;
}

void Authentication::Accept(const Rule& rule, Token token, const RequestView& request,
                            Outcome& outcome) const {
  outcome.failure = Failure::kNone;
  if (!rule.payload_header.empty()) {
    outcome.added.emplace_back(rule.payload_header, std::string(token.payload));
  }
  for (const Rule::ClaimHeader& header : rule.claim_headers) {
    std::string value = HeaderValue(token.claims, header.path);
    if (!value.empty()) outcome.added.emplace_back(header.header, std::move(value));
  }
  if (!rule.forward_token) {
    for (const Rule::HeaderLocation& location : rule.headers) {
      const bool holds = std::any_of(request.headers.begin(), request.headers.end(),
                                     [&](const http::Header& header) {
                                       return absl::EqualsIgnoreCase(header.name, location.name) &&
                                              absl::StartsWith(header.value, location.prefix);
                                     });
      if (holds) outcome.dropped.push_back(location.name);
    }
    (void)WithoutParameters(rule, request.target, outcome.target);
    std::string cookies;
    if (WithoutCookies(rule, request.headers, cookies)) {
      outcome.dropped.push_back("cookie");
      if (!cookies.empty()) outcome.added.emplace_back("cookie", std::move(cookies));
    }
  }
  auto identity = std::make_shared<Identity>();
  identity->issuer = TextClaim(token.claims, "iss");
  identity->subject = TextClaim(token.claims, "sub");
  identity->claims.payload = ToClaim(token.claims);
  identity->claims.space_delimited = rule.space_delimited;
  outcome.identity = std::move(identity);
}

}  // namespace kith::jwt
