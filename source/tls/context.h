// One generation of TLS settings: an identity, a trust bundle and the workload's rules. New
// handshakes use the newest; sessions are never resumed, so none outlives its generation.
// Threads: immutable; shared by every worker. Owns: its SSL_CTX pair and references to its parts;
// it must outlive every SSL made from them. Errors: Create() says what BoringSSL refused.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "source/base/clock.h"
#include "source/tls/credentials.h"
#include "source/tls/responders.h"
#include "source/tls/trust_rules.h"

typedef struct crypto_buffer_pool_st CRYPTO_BUFFER_POOL;
typedef struct ssl_ctx_st SSL_CTX;

namespace kith::tls {

class Context {
 public:
  struct Options {
    std::shared_ptr<const Identity> identity;
    std::shared_ptr<const TrustBundle> bundle;
    TrustRules rules;
    std::string ocsp_response = {};  // About the leaf, DER, for clients that ask; empty: none.
    // Asked about peers of other trust domains; borrowed. Null: nobody is.
    Responders* responders = nullptr;
    const base::Clock* clock = &base::Clock::System();  // Decides validity.
    uint64_t generation = 0;                            // For logs and metrics.
  };
  static absl::StatusOr<std::shared_ptr<const Context>> Create(Options options);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  const Identity& identity() const { return *options_.identity; }
  const TrustBundle& bundle() const { return *options_.bundle; }
  const TrustRules& rules() const { return options_.rules; }
  uint64_t generation() const { return options_.generation; }
  const Options& options() const { return options_; }

  SSL_CTX* server() const { return server_; }
  SSL_CTX* client() const { return client_; }

 private:
  explicit Context(Options options);
  absl::Status Prepare();

  Options options_;
  // Connections of one peer share what it sent; it must be freed last.
  CRYPTO_BUFFER_POOL* certificates_ = nullptr;
  SSL_CTX* server_ = nullptr;
  SSL_CTX* client_ = nullptr;
};

// A mutual handshake of the context with itself, in memory: what a new certificate must pass before
// it is served. Neither revocation nor pins are looked at: they are what others see in it.
absl::Status SelfHandshake(const Context& context);

// The suites of TLS 1.2 that may be allowed, as BoringSSL names them.
absl::Span<const absl::string_view> Tls12Ciphers();

}  // namespace kith::tls
