// Has certificates signed over gRPC by istio.v1.auth.IstioCertificateService: Kith's control plane,
// istiod, istio-csr.
// Threads: the loop's; gRPC's threads hand results over by message.
// Owns: its calls, which are cancelled and waited for when it is destroyed. Channel and loop are
// borrowed and outlive it.
// Errors: as identity/signing_client.h; they name the address, or the token's file, and what to
// check.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "istio/v1/auth/ca.pb.h"
#include "source/control/channel.h"
#include "source/event/loop.h"
#include "source/identity/signing_client.h"

namespace kith::control {

class CertificateClient : public identity::SigningClient {
 public:
  // Tokens that come with a certificate.
  enum class GivenTokens {
    kIgnored,
    kKept,  // In place of the token file's.
  };
  struct Options {
    std::string token_file;       // Read for every request.
    std::string cluster_id = {};  // Sent as "clusterid", which istiod asks for; empty: not sent.
    absl::Duration deadline = absl::Seconds(10);  // Of one request.
    GivenTokens given_tokens = GivenTokens::kIgnored;
  };
  CertificateClient(event::Loop& loop, Channel& channel, Options options);
  ~CertificateClient() override;

  void Sign(identity::SigningRequest request, Done done) override;

 private:
  struct Call;
  struct Calls;  // Those on their way, shared with them.

  absl::StatusOr<std::string> Token() const;
  void KeepGivenToken(const grpc::ClientContext& context) const;
  void Finish(const std::shared_ptr<Calls>& calls, Call* call, const grpc::Status& status);

  event::Loop& loop_;
  Channel& channel_;
  const Options options_;
  const std::shared_ptr<Calls> calls_;
};

// DATA_LOSS unless there are a leaf and roots, each element PEM of a plausible size.
absl::StatusOr<identity::SigningReply> ReadReply(
    const istio::v1::auth::IstioCertificateResponse& response);

}  // namespace kith::control
