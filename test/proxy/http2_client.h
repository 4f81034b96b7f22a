// An HTTP/2 connection over a blocking socket, one step at a time. Threads: the test's. Owns: the
// connection. Errors: fail the test.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "test/http/http2_peer.h"
#include "test/proxy/proxy_pair.h"

namespace kith::proxy {

struct Http2Client {
  explicit Http2Client(uint16_t port) : connection(port), peer(Options()) {}
  static http::Http2Session::Options Options() {
    http::Http2Session::Options options;
    options.role = http::Http2Session::Role::kClient;
    return options;
  }
  // Until the stream has ended.
  void Wait(int32_t id) {
    while (!peer.Notes(id).closed) {
      connection.Send(peer.Output());
      if (peer.Notes(id).closed) break;
      const std::string some = connection.ReadSome();
      ASSERT_FALSE(some.empty() || some[0] == '<') << some;
      ASSERT_TRUE(peer.Receive(some).ok());
    }
  }
  Client connection;
  http::Http2Peer peer;
};

}  // namespace kith::proxy
