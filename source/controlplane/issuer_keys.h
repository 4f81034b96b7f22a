// The keys of the issuers whose tokens are taken beside the own ones (tokens.issuers): fetched from
// a URL or read from a file, again and again, and at once, though not often, when a token names a
// key that is not among them.
// Threads: the loop's; the functions in issuers() may be called on any.
// Owns: the keeper of the keys, whose thread fetches. The functions outlive it and then answer with
// what was known last.
// Errors: From() names the field. A fetch that fails is the keeper's to tell (keys/key_keeper.h):
// what was fetched before serves on for its max_age; without keys an issuer's tokens are refused.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kith/config/v1/controlplane.pb.h"
#include "source/controlplane/ca/token_verifier.h"
#include "source/controlplane/keys/key_keeper.h"
#include "source/event/loop.h"

namespace kith::controlplane {

// What the configuration says of an issuer.
struct IssuerSettings {
  std::string issuer;
  std::vector<std::string> audiences;
  std::vector<std::string> namespaces;
  std::string uri;  // Of its keys, or a file with them:
  std::string file;

  // Those under `tokens.issuers`.
  static absl::StatusOr<std::vector<IssuerSettings>> From(
      const config::v1::ControlPlaneConfig& config);
};

class IssuerKeys {
 public:
  // `keeping.fetch` is for URLs.
  IssuerKeys(event::Loop& loop, KeyKeeper::Options keeping, std::vector<IssuerSettings> issuers);

  std::vector<TrustedIssuer> issuers();

 private:
  struct Slot;
  void Publish();

  event::Loop& loop_;
  const std::vector<IssuerSettings> settings_;
  std::vector<std::shared_ptr<Slot>> slots_;  // By the settings' order.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  KeyKeeper keeper_;
};

}  // namespace kith::controlplane
