// Whom a bearer token proved to be calling.
// Threads: a plain value. Owns: itself. Errors: none.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "source/base/spiffe_id.h"

namespace kith::controlplane {

// Of tokens that a join gave: true.
constexpr char kJoinedClaim[] = "kith.dev/joined";

struct Caller {
  std::string name_space;
  std::string service_account;
  std::string token_id;  // The token's jti; may be empty.
  absl::Time expires;    // When the token does.
  std::string pod = {};  // As Kubernetes' tokens name it; may be empty.
  // From then on the caller is given another token with its certificate.
  absl::Time replace_token_from = absl::InfiniteFuture();

  absl::StatusOr<base::SpiffeId> Id(absl::string_view trust_domain) const {
    return base::SpiffeId::ForServiceAccount(trust_domain, name_space, service_account);
  }
  // "namespace/service account", for logs.
  std::string ToString() const { return absl::StrCat(name_space, "/", service_account); }
};

}  // namespace kith::controlplane
