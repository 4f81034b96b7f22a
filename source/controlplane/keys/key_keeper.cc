#include "source/controlplane/keys/key_keeper.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <tuple>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "source/base/log.h"
#include "source/base/status.h"
#include "source/jwt/key_set.h"
#include "source/jwt/token.h"

namespace kith::controlplane {
namespace {

// Each is asked again and again; more than this is a mistake.
constexpr size_t kMaxSources = 256;
constexpr char kDiscovery[] = "/.well-known/openid-configuration";

template <typename Visit>
void ForEachRemoteRule(MeshState& state, Visit visit) {
  for (security::v1::RequestAuthentication& policy : state.rulebook.request_authentications) {
    for (security::v1::JWTRule& rule : *policy.mutable_spec()->mutable_jwt_rules()) {
      if (rule.jwks().empty()) visit(rule);
    }
  }
}

}  // namespace

bool KeyKeeper::Source::operator<(const Source& other) const {
  return std::tie(uri, issuer) < std::tie(other.uri, other.issuer);
}

KeyKeeper::KeyKeeper(event::Loop& loop, Options options, std::function<void()> changed)
    : loop_(loop),
      options_(std::move(options)),
      changed_(std::move(changed)),
      state_(std::make_shared<MeshState>()),
      timer_(loop, [this] { Check(); }),
      fetches_(loop) {
  timer_.StartRepeating(options_.check);
}

KeyKeeper::Source KeyKeeper::SourceOf(const security::v1::JWTRule& rule) {
  Source source;
  source.uri = rule.jwks_uri();
  if (source.uri.empty()) source.issuer = rule.issuer();
  const absl::Duration timeout =
      absl::Seconds(rule.timeout().seconds()) + absl::Nanoseconds(rule.timeout().nanos());
  if (timeout > absl::ZeroDuration()) source.timeout = std::min(timeout, absl::Minutes(1));
  return source;
}

void KeyKeeper::SetState(std::shared_ptr<const MeshState> state) {
  state_ = std::move(state);
  std::map<Source, Kept> kept;
  MeshState copy = *state_;
  ForEachRemoteRule(copy, [&](const security::v1::JWTRule& rule) {
    const Source source = SourceOf(rule);
    // An issuer that is no address publishes nothing.
    if (source.uri.empty() && !absl::StartsWith(source.issuer, "http")) return;
    if (kept.size() >= kMaxSources && !kept.contains(source)) {
      base::Log(base::LogLevel::kError, "keys", "too many key sets; this one is not fetched",
                {{"issuer", rule.issuer()}});
      return;
    }
    const auto earlier = kept_.find(source);
    kept[source] = earlier == kept_.end() ? Kept() : earlier->second;
  });
  kept_ = std::move(kept);
  Check();
}

std::shared_ptr<const MeshState> KeyKeeper::Resolve() const {
  auto resolved = std::make_shared<MeshState>(*state_);
  ForEachRemoteRule(*resolved, [&](security::v1::JWTRule& rule) {
    const auto found = kept_.find(SourceOf(rule));
    if (found != kept_.end()) rule.set_jwks(found->second.keys);
  });
  return resolved;
}

void KeyKeeper::Check() {
  const absl::Time now = options_.clock->Now();
  bool changed = false;
  for (auto& [source, kept] : kept_) {
    if (!kept.keys.empty() && now - kept.fetched > options_.max_age) {
      base::Log(base::LogLevel::kError, "keys", "too old to be used; tokens are refused",
                {{"source", source.uri.empty() ? source.issuer : source.uri}});
      kept.keys.clear();
      changed = true;
    }
    if (kept.asked || now < kept.due) continue;
    kept.asked = true;
    fetches_.Ask([this, source = source] { return Fetch(source); },
                 [this, source = source](absl::StatusOr<std::string> text) {
                   Take(source, std::move(text));
                 });
  }
  if (changed) changed_();
}

void KeyKeeper::AskAgain(const std::string& uri) {
  const absl::Time now = options_.clock->Now();
  for (auto& [source, kept] : kept_) {
    if (source.uri == uri && now >= kept.tried + options_.again) kept.due = now;
  }
  Check();
}

void KeyKeeper::Take(const Source& source, absl::StatusOr<std::string> text) {
  options_.count(text.ok());
  const auto found = kept_.find(source);
  if (found == kept_.end()) return;
  Kept& kept = found->second;
  const absl::Time now = options_.clock->Now();
  kept.asked = false;
  kept.tried = now;
  kept.due = now + (text.ok() ? options_.refresh : options_.retry);
  if (!text.ok()) {
    std::string problem(text.status().message());
    if (problem != kept.problem) {
      base::Log(base::LogLevel::kWarning, "keys",
                kept.keys.empty() ? "not fetched; tokens are refused"
                                  : "not fetched; those of before are used",
                {{"error", problem}});
    }
    kept.problem = std::move(problem);
    return;
  }
  kept.problem.clear();
  kept.fetched = now;
  if (kept.keys == *text) return;
  kept.keys = *std::move(text);
  changed_();
}

absl::StatusOr<std::string> KeyKeeper::Fetch(const Source& source) const {
  std::string uri = source.uri;
  if (uri.empty()) {
    const std::string issuer(absl::StripSuffix(source.issuer, "/"));
    const std::string discovery = absl::StrCat(issuer, kDiscovery);
    KITH_ASSIGN_OR_RETURN(const std::string text, options_.fetch(discovery, source.timeout));
    const nlohmann::json document = jwt::ParseBoundedObject(text);
    const auto named = document.is_object() ? document.find("jwks_uri") : document.end();
    if (!document.is_object() || named == document.end() || !named->is_string()) {
      return absl::InvalidArgumentError(absl::StrCat("fetch ", discovery, ": names no jwks_uri"));
    }
    uri = named->get<std::string>();
    // What an issuer says over the network is not to make files of this machine public.
    if (!absl::StartsWith(uri, "http")) {
      return absl::InvalidArgumentError(
          absl::StrCat("fetch ", discovery, ": names no web address"));
    }
  }
  KITH_ASSIGN_OR_RETURN(std::string keys, options_.fetch(uri, source.timeout));
  KITH_RETURN_IF_ERROR(
      base::Annotate(jwt::KeySet::Parse(keys).status(), absl::StrCat("fetch ", uri)));
  return keys;
}

}  // namespace kith::controlplane
