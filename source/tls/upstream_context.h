// One generation of the client's side towards servers outside the mesh that one DestinationRule
// speaks of: the CAs that may vouch for them, the names they must bear, and the certificate that
// they are shown.
// Threads: immutable; shared by every worker. Owns: its SSL_CTX, roots, lists and chain; it must
// outlive every SSL made from it.
// Errors: Create() says which of the inputs is wrong and how. Verify() as peer.h.
#pragma once

#include <openssl/base.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "source/base/clock.h"
#include "source/tls/certificate_info.h"
#include "source/tls/credentials.h"
#include "source/tls/peer.h"
#include "source/tls/responders.h"

namespace kith::tls {

enum class ServerCheck : uint8_t {
  kVerify,
  kSkip,  // Whoever answers is accepted: for tests and for the desperate.
};

class UpstreamContext {
 public:
  struct Options {
    std::string roots_pem;        // Not read with kSkip.
    std::string crls;             // Revocation lists, PEM or DER; empty: none.
    std::string certificate_pem;  // The leaf first; empty: no certificate is shown.
    std::string key_pem;
    std::vector<std::string> names;  // One of them must be the server's; see server_names.h.
    ServerCheck check = ServerCheck::kVerify;
    RevocationMode revocation = RevocationMode::kSoft;
    // Asked about servers whom no list in force and no staple speaks of; borrowed. Null: nobody is.
    Responders* responders = nullptr;
    const base::Clock* clock = &base::Clock::System();
  };
  static absl::StatusOr<std::shared_ptr<const UpstreamContext>> Create(const Options& options);
  ~UpstreamContext();
  UpstreamContext(const UpstreamContext&) = delete;
  UpstreamContext& operator=(const UpstreamContext&) = delete;

  // Of revocation it looks at lists only, as VerifyServer().
  PeerVerdict Verify(absl::Span<CRYPTO_BUFFER* const> chain) const;
  // Verify() and what OCSP says, in a handshake (SSL_set_custom_verify).
  static ssl_verify_result_t CheckServerOf(SSL* ssl, uint8_t* alert) noexcept;
  ServerCheck check() const { return check_; }
  // The leaf that the server is shown; none where none is.
  const absl::optional<CertificateInfo>& certificate() const { return certificate_; }
  Responders* responders() const { return responders_; }
  SSL_CTX* client() const { return client_; }

 private:
  explicit UpstreamContext(const Options& options);
  absl::Status Prepare(const Options& options);
  absl::Status ShowCertificate(const Options& options);

  const std::vector<std::string> names_;
  const ServerCheck check_;
  const base::Clock* const clock_;
  Responders* const responders_;
  PeerRules rules_;
  std::shared_ptr<const TrustBundle> bundle_;  // Null with kSkip.
  absl::optional<CertificateInfo> certificate_;
  CRYPTO_BUFFER_POOL* certificates_ = nullptr;  // Freed last.
  SSL_CTX* client_ = nullptr;
};

}  // namespace kith::tls
