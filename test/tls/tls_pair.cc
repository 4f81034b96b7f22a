#include "test/tls/tls_pair.h"

#include <gtest/gtest.h>

#include <utility>

namespace kith::tls {

void TlsPair::Accept(TlsStream::ServerOptions options) {
  server = TlsStream::Accept(std::move(sockets.server), std::move(options),
                             [this](const HandshakeResult& result) {
                               EXPECT_FALSE(server_done.has_value());
                               server_done = result;
                               on_server_done();
                               if (server != nullptr) server->SetHandler(&sockets.at_server);
                             });
  EXPECT_FALSE(server_done.has_value());
}

void TlsPair::Connect(TlsStream::ClientOptions options) {
  client = TlsStream::Connect(std::move(sockets.client), std::move(options),
                              [this](const HandshakeResult& result) {
                                EXPECT_FALSE(client_done.has_value());
                                client_done = result;
                                on_client_done();
                                if (client != nullptr) client->SetHandler(&sockets.at_client);
                              });
  EXPECT_FALSE(client_done.has_value());
}

void TlsPair::Start(std::shared_ptr<const Context> as_client,
                    std::shared_ptr<const Context> as_server) {
  TlsStream::ServerOptions server_options;
  server_options.context = std::move(as_server);
  Accept(std::move(server_options));
  TlsStream::ClientOptions client_options;
  client_options.context = std::move(as_client);
  client_options.expected = {Id(kBackend)};
  Connect(std::move(client_options));
}

void TlsPair::Establish(std::shared_ptr<const Context> as_client,
                        std::shared_ptr<const Context> as_server) {
  Start(std::move(as_client), std::move(as_server));
  ASSERT_TRUE(Shake());
  ASSERT_TRUE(client_done->status.ok()) << client_done->status;
  ASSERT_TRUE(server_done->status.ok()) << server_done->status;
}

bool TlsPair::Shake() {
  return Until([this] { return client_done.has_value() && server_done.has_value(); });
}

}  // namespace kith::tls
