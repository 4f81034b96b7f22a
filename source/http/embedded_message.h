// What an embedded server's handler is given and gives back.
// Threads: the server's loop, for an EmbeddedResponder too: work done elsewhere comes back through
// Loop::Post().
// Owns: requests and responses own their bytes.
// Errors: none; see http/embedded_server.h.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "source/http/query.h"

namespace kith::http {

struct EmbeddedRequest {
  std::string method;
  std::string path;       // Normalized (http/path.h), without the query.
  QueryParameters query;  // Decoded, in order.
  std::string target;     // As it was sent: for what a path may carry beside a path.
  std::vector<std::pair<std::string, std::string>> headers;  // In order.
  std::string body;

  // The first of that name; empty when there is none. Header names compare without regard to case.
  absl::string_view Query(absl::string_view name) const;
  absl::string_view FindHeader(absl::string_view name) const;
};

struct EmbeddedResponse {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;  // Further ones, such as Allow.
};

// {"error": message} with that status.
EmbeddedResponse ErrorResponse(int status, absl::string_view message);

enum class AfterResponse { kKeepAlive, kClose };
// Status line and headers, up to and with the empty line. A header that is not sound is left out.
std::string RenderHead(const EmbeddedResponse& response, absl::Time date, AfterResponse after);

class EmbeddedConnection;

// The right to answer one request, once, now or later. It may outlive the connection and the
// server, and then answers nobody; destroyed unused it answers 500, so that no client waits for
// ever.
class EmbeddedResponder {
 public:
  EmbeddedResponder(EmbeddedResponder&&) noexcept = default;
  EmbeddedResponder& operator=(EmbeddedResponder&&) = delete;
  ~EmbeddedResponder();

  void Send(EmbeddedResponse response);
  // The client is still there; work for nobody can be spared.
  bool wanted() const;

 private:
  friend class EmbeddedConnection;
  // Shared by both sides: `connection` is null once answered or gone.
  struct Link {
    EmbeddedConnection* connection;
  };
  explicit EmbeddedResponder(std::shared_ptr<Link> link) : link_(std::move(link)) {}
  std::shared_ptr<Link> link_;
};

}  // namespace kith::http
