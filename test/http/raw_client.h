// A socket that says exactly what a test wants said.
// Threads: one at a time; it blocks, up to 10 s. Owns: its descriptor.
// Errors: fails the test.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "source/base/socket_address.h"

namespace kith::http {

class RawClient {
 public:
  explicit RawClient(const base::SocketAddress& address);
  ~RawClient();
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  void Send(absl::string_view bytes);
  void EndSending();
  // Until `end` has arrived; everything received up to and with it, and perhaps more.
  std::string ReceiveUntil(absl::string_view end);
  // Until the server closes.
  std::string ReceiveAll();

 private:
  bool ReceiveSome(std::string& into);
  int fd_;
};

}  // namespace kith::http
