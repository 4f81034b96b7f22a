#include "source/https/tls_socket.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pool.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "source/base/status.h"

namespace kith::https {
namespace {

constexpr char kSystemRoots[] = "/etc/ssl/certs/ca-certificates.crt";

bssl::UniquePtr<BIO> MemoryBio(absl::string_view text) {
  return bssl::UniquePtr<BIO>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

bssl::UniquePtr<X509> NextCertificate(BIO* from) {
  return bssl::UniquePtr<X509>(PEM_read_bio_X509(from, nullptr, nullptr, nullptr));
}

// The leaf first, then its issuers.
bool UseCertificate(SSL_CTX* context, absl::string_view chain_pem, absl::string_view key_pem) {
  const bssl::UniquePtr<BIO> chain = MemoryBio(chain_pem);
  const bssl::UniquePtr<BIO> key_text = MemoryBio(key_pem);
  const bssl::UniquePtr<X509> leaf = NextCertificate(chain.get());
  const bssl::UniquePtr<EVP_PKEY> key(
      PEM_read_bio_PrivateKey(key_text.get(), nullptr, nullptr, nullptr));
  bool good = leaf && key && SSL_CTX_use_certificate(context, leaf.get()) &&
              SSL_CTX_use_PrivateKey(context, key.get());
  while (good) {
    const bssl::UniquePtr<X509> issuer = NextCertificate(chain.get());
    if (!issuer) break;
    good = SSL_CTX_add1_chain_cert(context, issuer.get()) == 1;
  }
  ERR_clear_error();
  return good;
}

// Whether there was any.
bool TrustRoots(SSL_CTX* context, absl::string_view pem) {
  const bssl::UniquePtr<BIO> text = MemoryBio(pem);
  bool any = false;
  while (const bssl::UniquePtr<X509> root = NextCertificate(text.get())) {
    any |= X509_STORE_add_cert(SSL_CTX_get_cert_store(context), root.get()) == 1;
  }
  ERR_clear_error();
  return any;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const ServerTls>> ServerTls::Create(absl::string_view chain_pem,
                                                                   absl::string_view key_pem) {
  bssl::UniquePtr<SSL_CTX> context(SSL_CTX_new(TLS_method()));
  if (!context || !SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION) ||
      !UseCertificate(context.get(), chain_pem, key_pem)) {
    return absl::InvalidArgumentError(
        "serve HTTPS: certificate and key cannot be used, or are not of one pair");
  }
  return std::shared_ptr<const ServerTls>(new ServerTls(context.release()));
}

absl::Status AwaitSocket(int fd, short events, absl::Time deadline) {
  const int64_t left = absl::ToInt64Milliseconds(deadline - absl::Now());
  pollfd waiting = {fd, events, 0};
  if (left <= 0 || poll(&waiting, 1, static_cast<int>(left) + 1) <= 0) {
    return absl::DeadlineExceededError("no answer in time");
  }
  return absl::OkStatus();
}

ServerTls::~ServerTls() { SSL_CTX_free(context_); }

TlsSocket::~TlsSocket() {
  SSL_free(ssl_);
  SSL_CTX_free(context_);
  if (fd_ >= 0) close(fd_);
}

// SSL's callback, in place of roots and host name.
struct TlsSocket::Verification {
  static ssl_verify_result_t Run(SSL* ssl, uint8_t* alert) noexcept {
    auto& self = *static_cast<TlsSocket*>(SSL_get_app_data(ssl));
    std::vector<CRYPTO_BUFFER*> chain;
    const STACK_OF(CRYPTO_BUFFER)* sent = SSL_get0_peer_certificates(ssl);
    for (size_t i = 0; i < sk_CRYPTO_BUFFER_num(sent); ++i) {
      chain.push_back(sk_CRYPTO_BUFFER_value(sent, i));
    }
    self.refused_ = self.options_.verify(chain);
    *alert = SSL_AD_BAD_CERTIFICATE;
    return self.refused_.ok() ? ssl_verify_ok : ssl_verify_invalid;
  }
};

absl::Status TlsSocket::Prepare() {
  context_ = SSL_CTX_new(TLS_method());
  if (context_ == nullptr || !SSL_CTX_set_min_proto_version(context_, TLS1_2_VERSION)) {
    return absl::InternalError("TLS cannot be set up");
  }
  if (!options_.chain_pem.empty() &&
      !UseCertificate(context_, options_.chain_pem, options_.key_pem)) {
    return absl::InvalidArgumentError(
        "the client's certificate and key cannot be used, or are not of one pair");
  }
  if (options_.verify) {
    SSL_CTX_set_custom_verify(context_, SSL_VERIFY_PEER, &Verification::Run);
    return absl::OkStatus();
  }
  SSL_CTX_set_verify(context_, SSL_VERIFY_PEER, nullptr);
  if (!options_.ca_pem.empty()) {
    return TrustRoots(context_, options_.ca_pem)
               ? absl::OkStatus()
               : absl::InvalidArgumentError("the roots to trust hold no certificate");
  }
  const char* roots = options_.ca_file.empty() ? kSystemRoots : options_.ca_file.c_str();
  if (SSL_CTX_load_verify_locations(context_, roots, nullptr) == 1) return absl::OkStatus();
  ERR_clear_error();
  return absl::UnavailableError(absl::StrCat("no roots can be read from ", roots));
}

absl::Status TlsSocket::Connect(const ClientOptions& options) {
  options_ = options;
  KITH_RETURN_IF_ERROR(Prepare());
  ssl_ = SSL_new(context_);
  if (ssl_ == nullptr || !SSL_set_app_data(ssl_, this) || !SSL_set_fd(ssl_, fd_)) {
    return absl::InternalError("TLS cannot be set up");
  }
  // An address is looked for among the certificate's addresses; as a name it is never sent.
  const bool is_address =
      X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_), options.host.c_str()) == 1;
  if (!is_address && ((!options_.verify && !SSL_set1_host(ssl_, options.host.c_str())) ||
                      !SSL_set_tlsext_host_name(ssl_, options.host.c_str()))) {
    return absl::InternalError("TLS cannot be set up");
  }
  while (true) {
    const int result = SSL_connect(ssl_);
    if (result == 1) return absl::OkStatus();
    KITH_RETURN_IF_ERROR(Retry(result, "TLS handshake"));
  }
}

absl::Status TlsSocket::Accept(std::shared_ptr<const ServerTls> tls) {
  server_ = std::move(tls);
  ssl_ = SSL_new(server_->context());
  if (ssl_ == nullptr || !SSL_set_fd(ssl_, fd_)) return absl::InternalError("TLS cannot be set up");
  while (true) {
    const int result = SSL_accept(ssl_);
    if (result == 1) return absl::OkStatus();
    KITH_RETURN_IF_ERROR(Retry(result, "TLS handshake"));
  }
}

absl::Status TlsSocket::Send(absl::string_view bytes) {
  while (!bytes.empty()) {
    const int sent = ssl_ != nullptr
                         ? SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size()))
                         : static_cast<int>(send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL));
    if (sent > 0) {
      bytes.remove_prefix(static_cast<size_t>(sent));
    } else {
      KITH_RETURN_IF_ERROR(Retry(sent, "send"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<size_t> TlsSocket::Receive(absl::Span<uint8_t> buffer) {
  while (true) {
    const int size = ssl_ != nullptr
                         ? SSL_read(ssl_, buffer.data(), static_cast<int>(buffer.size()))
                         : static_cast<int>(recv(fd_, buffer.data(), buffer.size(), 0));
    if (size > 0) return static_cast<size_t>(size);
    if (size == 0 && ssl_ == nullptr) return size_t{0};
    if (ssl_ != nullptr && SSL_get_error(ssl_, size) == SSL_ERROR_ZERO_RETURN) return size_t{0};
    KITH_RETURN_IF_ERROR(Retry(size, "receive"));
  }
}

void TlsSocket::End() {
  if (ssl_ != nullptr) SSL_shutdown(ssl_);
  shutdown(fd_, SHUT_WR);
}

absl::Status TlsSocket::Retry(int result, absl::string_view what) {
  if (ssl_ == nullptr) {
    if (errno == EINTR) return absl::OkStatus();
    if (errno != EAGAIN && errno != EWOULDBLOCK) {
      return absl::UnavailableError(absl::StrCat(what, ": ", std::strerror(errno)));
    }
    return AwaitSocket(fd_, what == "send" ? POLLOUT : POLLIN, deadline_);
  }
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_WANT_READ:
      return AwaitSocket(fd_, POLLIN, deadline_);
    case SSL_ERROR_WANT_WRITE:
      return AwaitSocket(fd_, POLLOUT, deadline_);
    default:
      break;
  }
  const char* reason = ERR_reason_error_string(ERR_peek_error());
  absl::Status status = absl::UnavailableError(
      absl::StrCat(what, ": ", reason == nullptr ? "the connection broke" : reason,
                   options_.hint.empty() ? "" : "; ", options_.hint));
  ERR_clear_error();
  return refused_.ok() ? status : base::Annotate(refused_, what);
}

}  // namespace kith::https
