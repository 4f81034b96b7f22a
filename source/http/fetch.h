// One HTTP/1.1 request without TLS on a connection of its own, on the loop: for what is signed
// anyway (OCSP). blocking_client.h is for programs that may wait.
// Threads: the loop's. Owns: the name's look-up, the connection and a deadline; destroying it
// abandons them, and the callback never fires after. The loop is borrowed.
// Errors: INVALID_ARGUMENT for the URL, UNAVAILABLE, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED for an
// answer that is too long, and what `may_connect` says: "fetch http://ocsp.example/: …". An answer
// of any status is no error.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "source/base/socket_address.h"
#include "source/event/loop.h"

namespace kith::http {

struct FetchOptions {
  std::string url;  // http://…
  std::string method = "GET";
  std::string content_type = {};  // Sent when there is a body.
  std::string body = {};
  absl::Duration timeout = absl::Seconds(10);   // For everything together.
  size_t max_body_bytes = size_t{1024} * 1024;  // Of the answer.
  // Asked before a connection is opened, about the address that the name stands for. None: to any.
  std::function<absl::Status(const base::SocketAddress&)> may_connect = nullptr;
};

struct FetchedAnswer {
  int status = 0;
  std::string content_type;
  std::string body;
};

class Fetch {
 public:
  using Done = absl::AnyInvocable<void(absl::StatusOr<FetchedAnswer>)>;

  // `done` is called once, never before this returns; it may destroy the Fetch.
  Fetch(event::Loop& loop, FetchOptions options, Done done);
  ~Fetch();
  Fetch(const Fetch&) = delete;
  Fetch& operator=(const Fetch&) = delete;

 private:
  class Exchange;
  std::unique_ptr<Exchange> exchange_;
};

}  // namespace kith::http
