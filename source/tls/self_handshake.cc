#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "absl/strings/str_cat.h"
#include "source/base/status.h"
#include "source/tls/context.h"
#include "source/tls/handshake_state.h"
#include "source/tls/ssl_error.h"

namespace kith::tls {
namespace {

// A flight of a handshake with the longest chain fits, so that neither side ever waits to write.
constexpr size_t kPipe = size_t{256} * 1024;
// TLS 1.2 takes four flights; more means that it does not converge.
constexpr int kMaxRounds = 10;

enum class Step { kWaiting, kDone, kFailed };

Step Advance(SSL* ssl) {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl);
  if (result == 1) return Step::kDone;
  return SSL_get_error(ssl, result) == SSL_ERROR_WANT_READ ? Step::kWaiting : Step::kFailed;
}

absl::Status Failure(absl::string_view side, const HandshakeState& state) {
  const SslError error = TakeSslError();
  if (!state.verdict.status.ok()) return base::Annotate(state.verdict.status, side);
  return absl::UnauthenticatedError(absl::StrCat(side, ": ", error.Text()));
}

}  // namespace

absl::Status SelfHandshake(const Context& context) {
  HandshakeState server_state;
  server_state.context = &context;
  server_state.peer_role = PeerRole::kClient;
  HandshakeState client_state;
  client_state.context = &context;
  client_state.peer_role = PeerRole::kServer;
  client_state.expected = {context.identity().id()};
  PeerRules rules = context.rules().peer;
  rules.revocation = RevocationMode::kOff;
  rules.pins.clear();
  server_state.rules = client_state.rules = &rules;

  bssl::UniquePtr<SSL> server(SSL_new(context.server()));
  bssl::UniquePtr<SSL> client(SSL_new(context.client()));
  BIO* server_end = nullptr;
  BIO* client_end = nullptr;
  if (server == nullptr || client == nullptr ||
      BIO_new_bio_pair(&server_end, kPipe, &client_end, kPipe) != 1) {
    return absl::ResourceExhaustedError("handshake with ourselves: no memory");
  }
  SSL_set_bio(server.get(), server_end, server_end);
  SSL_set_bio(client.get(), client_end, client_end);
  SSL_set_app_data(server.get(), &server_state);
  SSL_set_app_data(client.get(), &client_state);
  SSL_set_accept_state(server.get());
  SSL_set_connect_state(client.get());

  const std::string what =
      absl::StrCat("handshake of ", context.identity().id().text(), " with itself, as ");
  for (int round = 0; round < kMaxRounds; ++round) {
    const Step as_client = Advance(client.get());
    if (as_client == Step::kFailed) return Failure(what + "client", client_state);
    const Step as_server = Advance(server.get());
    if (as_server == Step::kFailed) return Failure(what + "server", server_state);
    if (as_client == Step::kDone && as_server == Step::kDone) return absl::OkStatus();
  }
  return absl::InternalError(what + "either: it does not end");
}

}  // namespace kith::tls
