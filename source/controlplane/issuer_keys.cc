#include "source/controlplane/issuer_keys.h"

#include <atomic>
#include <mutex>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "source/base/status.h"
#include "source/config/document.h"
#include "source/controlplane/keys/key_fetch.h"
#include "source/http/url.h"
#include "source/jwt/key_set.h"

namespace kith::controlplane {
namespace {

constexpr int kMaxIssuers = 32;
constexpr char kFileScheme[] = "file://";

absl::Status Invalid(absl::string_view field, absl::string_view problem) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", problem));
}

std::string UriOf(const IssuerSettings& settings) {
  return settings.file.empty() ? settings.uri : absl::StrCat(kFileScheme, settings.file);
}

// The keeper keeps what policies name: here, one policy with a rule for each issuer.
std::shared_ptr<const MeshState> StateOf(const std::vector<IssuerSettings>& issuers) {
  auto state = std::make_shared<MeshState>();
  security::v1::RequestAuthentication policy;
  for (const IssuerSettings& settings : issuers) {
    security::v1::JWTRule& rule = *policy.mutable_spec()->add_jwt_rules();
    rule.set_issuer(settings.issuer);
    rule.set_jwks_uri(UriOf(settings));
  }
  state->rulebook.request_authentications.push_back(std::move(policy));
  return state;
}

// Files that the control plane's own configuration names need no permission.
KeyKeeper::Options WithFiles(KeyKeeper::Options options) {
  options.fetch = [fetch = std::move(options.fetch)](
                      const std::string& uri,
                      absl::Duration timeout) -> absl::StatusOr<std::string> {
    if (!absl::StartsWith(uri, kFileScheme)) return fetch(uri, timeout);
    config::Limits limits;
    limits.bytes = jwt::kMaxKeySetBytes;
    return config::ReadFile(uri.substr(sizeof(kFileScheme) - 1), limits);
  };
  return options;
}

}  // namespace

// Shared with the verifier's functions, which run on threads of gRPC.
struct IssuerKeys::Slot {
  std::mutex mutex;
  std::shared_ptr<const jwt::KeySet> keys;  // With the mutex.
  std::atomic<bool> asked = false;          // Keys are asked for, and the loop has not heard yet.
};

absl::StatusOr<std::vector<IssuerSettings>> IssuerSettings::From(
    const config::v1::ControlPlaneConfig& config) {
  const config::v1::Tokens& tokens = config.tokens();
  const std::string own = tokens.issuer().empty() ? "kith" : tokens.issuer();
  std::vector<IssuerSettings> all;
  std::set<std::string> seen = {own};
  if (tokens.issuers_size() > kMaxIssuers) {
    return Invalid("tokens.issuers", absl::StrCat("at most ", kMaxIssuers));
  }
  for (int i = 0; i < tokens.issuers_size(); ++i) {
    const config::v1::TrustedIssuer& from = tokens.issuers(i);
    const std::string field = absl::StrCat("tokens.issuers[", i, "].");
    if (from.issuer().empty() || !seen.insert(from.issuer()).second) {
      return Invalid(field + "issuer",
                     absl::StrCat("\"", from.issuer(), "\" is empty, is the own one (", own,
                                  "), or is there twice"));
    }
    if (from.jwks_uri().empty() == from.jwks_file().empty()) {
      return Invalid(field + "jwksUri", "give this or jwksFile: where its keys are");
    }
    if (!from.jwks_uri().empty()) {
      const absl::Status sound = http::ParseUrl(from.jwks_uri()).status();
      if (!sound.ok()) return Invalid(field + "jwksUri", sound.message());
    }
    IssuerSettings settings;
    settings.issuer = from.issuer();
    settings.audiences = {from.audiences().begin(), from.audiences().end()};
    if (settings.audiences.empty()) {
      settings.audiences = {tokens.audience().empty() ? "kith-ca" : tokens.audience()};
    }
    settings.namespaces = {from.namespaces().begin(), from.namespaces().end()};
    settings.uri = from.jwks_uri();
    settings.file = from.jwks_file();
    all.push_back(std::move(settings));
  }
  return all;
}

IssuerKeys::IssuerKeys(event::Loop& loop, KeyKeeper::Options keeping,
                       std::vector<IssuerSettings> issuers)
    : loop_(loop),
      settings_(std::move(issuers)),
      keeper_(loop, WithFiles(std::move(keeping)), [this] { Publish(); }) {
  for (size_t i = 0; i < settings_.size(); ++i) slots_.push_back(std::make_shared<Slot>());
  if (!settings_.empty()) keeper_.SetState(StateOf(settings_));
}

void IssuerKeys::Publish() {
  const std::shared_ptr<const MeshState> resolved = keeper_.Resolve();
  const auto& rules = resolved->rulebook.request_authentications.front().spec().jwt_rules();
  for (size_t i = 0; i < slots_.size(); ++i) {
    const std::string& text = rules[static_cast<int>(i)].jwks();
    std::shared_ptr<const jwt::KeySet> keys;
    // The keeper hands over only what it could read.
    if (auto parsed = jwt::KeySet::Parse(text); parsed.ok()) keys = *std::move(parsed);
    const std::lock_guard<std::mutex> lock(slots_[i]->mutex);
    slots_[i]->keys = std::move(keys);
  }
}

std::vector<TrustedIssuer> IssuerKeys::issuers() {
  std::vector<TrustedIssuer> issuers;
  for (size_t i = 0; i < settings_.size(); ++i) {
    const IssuerSettings& settings = settings_[i];
    const std::shared_ptr<Slot>& slot = slots_[i];
    TrustedIssuer& issuer = issuers.emplace_back();
    issuer.issuer = settings.issuer;
    issuer.audiences = settings.audiences;
    issuer.namespaces = settings.namespaces;
    issuer.keys = [slot] {
      const std::lock_guard<std::mutex> lock(slot->mutex);
      return slot->keys;
    };
    issuer.key_missing = [this, slot, alive = alive_, &loop = loop_, uri = UriOf(settings)] {
      if (slot->asked.exchange(true)) return;
      loop.Post([this, slot, alive, uri] {
        slot->asked = false;
        if (*alive) keeper_.AskAgain(uri);
      });
    };
    issuer.key_hint = absl::StrCat("its issuer's keys are asked for again (", UriOf(settings),
                                   "): try again, or see why that fails");
  }
  return issuers;
}

}  // namespace kith::controlplane
