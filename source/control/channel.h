// The gRPC channel to the control plane: TLS with the server's certificate checked for its name,
// against the bootstrap's roots, as their file is now, and those of the present trust bundle. No
// proxy of the environment is ever used.
// Threads: the loop's; the channel it gives may be used on any.
// Owns: the present channel, shared with calls on their way.
// Errors: none here; calls on the channel report theirs, put into words by Explain().
#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace kith::control {

class Channel {
 public:
  enum class Security { kTls, kPlaintext };  // kPlaintext is for tests.

  struct Options {
    std::string address;      // "host:port".
    std::string server_name;  // What its certificate must be for.
    std::string roots_pem;    // Of the bootstrap: always trusted.
    // Read again before each use: what is in it replaces `roots_pem` once it is whole. Empty: none.
    std::string roots_file = {};
    // Roots that are trusted as well, asked before each use: the present bundle's, PEM.
    std::function<std::string()> more_roots;
    Security security = Security::kTls;
  };
  explicit Channel(Options options)
      : options_(std::move(options)), bootstrap_(options_.roots_pem) {}

  // A new one whenever the roots have changed.
  std::shared_ptr<grpc::Channel> Get();
  const std::string& address() const { return options_.address; }

  // "<attempted> at <address>: <what gRPC says>; <what to check>".
  absl::Status Explain(absl::string_view attempted, const grpc::Status& status) const;

 private:
  void ReadRoots();

  const Options options_;
  std::string bootstrap_;  // The bootstrap's roots as they were read last.
  std::string unusable_;   // What the file held when it was last of no use.
  std::string roots_;      // What `channel_` was made with.
  std::shared_ptr<grpc::Channel> channel_;
};

}  // namespace kith::control
