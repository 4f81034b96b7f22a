// What PeekClientHello() says of a prefix must hold for what follows, and of a hello BoringSSL
// takes it must say that it is one.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "source/base/check.h"
#include "source/tls/client_hello.h"

using kith::tls::ClientHello;
using kith::tls::PeekClientHello;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = absl::MakeConstSpan(data, size);
  const ClientHello hello = PeekClientHello(bytes);
  if (hello.kind != ClientHello::Kind::kHello) {
    KITH_CHECK(hello.sni.empty() && hello.alpn.empty(), "what is no hello has no content");
  }
  KITH_CHECK(hello.sni.size() <= 255, "a server name is bounded");
  for (const std::string& name : hello.alpn) {
    KITH_CHECK(!name.empty() && name.size() <= 255, "a protocol's name is bounded");
  }
  // Once decided, more bytes change nothing; before, there is no hello.
  const size_t step = std::max<size_t>(1, size / 64);
  ClientHello::Kind decided = ClientHello::Kind::kNeedMore;
  for (size_t end = 0; end <= size; end += step) {
    const ClientHello prefix = PeekClientHello(bytes.subspan(0, end));
    KITH_CHECK(decided == ClientHello::Kind::kNeedMore || prefix.kind == decided,
               "a decision stands");
    decided = prefix.kind;
  }
  KITH_CHECK(decided == ClientHello::Kind::kNeedMore || decided == hello.kind,
             "a decision about a prefix stands");
  return 0;
}
