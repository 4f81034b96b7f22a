#include "source/tls/client_hello.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/ssl.h>

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace kith::tls {
namespace {

using Kind = ClientHello::Kind;
using testing::ElementsAre;
using testing::IsEmpty;

ClientHello Peek(absl::string_view bytes) {
  return PeekClientHello(
      absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()));
}

std::string U16(size_t value) {
  return {static_cast<char>(value >> 8), static_cast<char>(value & 0xff)};
}
std::string Vector8(const std::string& bytes) {
  return std::string(1, static_cast<char>(bytes.size())) + bytes;
}
std::string Vector16(const std::string& bytes) { return U16(bytes.size()) + bytes; }
std::string Extension(int type, const std::string& body) {
  return U16(static_cast<size_t>(type)) + Vector16(body);
}
std::string ServerName(const std::string& name) {
  return Extension(0, Vector16(std::string(1, '\0') + Vector16(name)));
}
std::string Alpn(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) list += Vector8(name);
  return Extension(16, Vector16(list));
}

// The message with its header; `tail` stands where the extensions' length begins.
std::string Message(const std::string& tail) {
  std::string body = "\x03\x03" + std::string(32, 'r') + Vector8("session") +
                     Vector16("\x13\x01\x13\x02") + Vector8(std::string(1, '\0')) + tail;
  return std::string("\x01\x00", 2) + U16(body.size()) + body;
}
std::string WithExtensions(const std::string& extensions) { return Message(Vector16(extensions)); }
std::string Record(const std::string& content) { return "\x16\x03\x01" + Vector16(content); }

std::string Records(const std::string& message, size_t piece) {
  std::string records;
  for (size_t at = 0; at < message.size(); at += piece)
    records += Record(message.substr(at, piece));
  return records;
}

// What BoringSSL itself sends, GREASE and all.
std::string RealHello() {
  bssl::UniquePtr<SSL_CTX> context(SSL_CTX_new(TLS_method()));
  SSL_CTX_set_grease_enabled(context.get(), 1);
  bssl::UniquePtr<SSL> ssl(SSL_new(context.get()));
  SSL_set_tlsext_host_name(ssl.get(), "backend.shop.svc");
  const uint8_t alpn[] = "\x06kith/1\x02h2";
  SSL_set_alpn_protos(ssl.get(), alpn, sizeof alpn - 1);
  BIO* out = BIO_new(BIO_s_mem());
  SSL_set_bio(ssl.get(), BIO_new(BIO_s_mem()), out);
  SSL_connect(ssl.get());
  const uint8_t* bytes = nullptr;
  size_t size = 0;
  BIO_mem_contents(out, &bytes, &size);
  return std::string(reinterpret_cast<const char*>(bytes), size);
}

TEST(ClientHelloTest, ReadsWhatARealClientSends) {
  const ClientHello hello = Peek(RealHello());
  ASSERT_EQ(hello.kind, Kind::kHello);
  EXPECT_EQ(hello.sni, "backend.shop.svc");
  EXPECT_THAT(hello.alpn, ElementsAre("kith/1", "h2"));
}

TEST(ClientHelloTest, WaitsForEveryByte) {
  const std::string hello = RealHello();
  for (size_t size = 0; size < hello.size(); ++size) {
    ASSERT_EQ(Peek(hello.substr(0, size)).kind, Kind::kNeedMore) << size;
  }
}

TEST(ClientHelloTest, PutsTogetherWhatIsSplitOverRecords) {
  const std::string message = WithExtensions(ServerName("a.b") + Alpn({"kith/1", "h2"}));
  for (size_t piece = 1; piece <= message.size(); ++piece) {
    const std::string records = Records(message, piece);
    const ClientHello hello = Peek(records);
    ASSERT_EQ(hello.kind, Kind::kHello) << piece;
    EXPECT_EQ(hello.sni, "a.b");
    EXPECT_THAT(hello.alpn, ElementsAre("kith/1", "h2"));
    for (size_t size = 0; size < records.size(); ++size) {
      ASSERT_EQ(Peek(records.substr(0, size)).kind, Kind::kNeedMore) << piece << " " << size;
    }
  }
}

TEST(ClientHelloTest, AcceptsAHelloWithoutExtensions) {
  for (const std::string& message : {Message(""), WithExtensions("")}) {
    const ClientHello hello = Peek(Record(message));
    EXPECT_EQ(hello.kind, Kind::kHello);
    EXPECT_EQ(hello.sni, "");
    EXPECT_THAT(hello.alpn, IsEmpty());
  }
}

TEST(ClientHelloTest, PassesOverGreaseAndUnknownExtensions) {
  const std::string message =
      WithExtensions(Extension(0x0a0a, "") + ServerName("a") +
                     Extension(0xfafa, std::string(1, '\0')) + Extension(0x1234, "anything"));
  const ClientHello hello = Peek(Record(message));
  EXPECT_EQ(hello.kind, Kind::kHello);
  EXPECT_EQ(hello.sni, "a");
}

TEST(ClientHelloTest, IgnoresRecordsBehindTheHello) {
  const std::string change_cipher_spec("\x14\x03\x03\x00\x01\x01", 6);
  EXPECT_EQ(Peek(RealHello() + change_cipher_spec).kind, Kind::kHello);
}

TEST(ClientHelloTest, TellsWhatIsNoTls) {
  EXPECT_EQ(Peek("G").kind, Kind::kNotTls);
  EXPECT_EQ(Peek("GET / HTTP/1.1\r\n\r\n").kind, Kind::kNotTls);
  EXPECT_EQ(Peek("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").kind, Kind::kNotTls);
  EXPECT_EQ(Peek(std::string(1, '\0')).kind, Kind::kNotTls);
  EXPECT_EQ(Peek("\x16\x04").kind, Kind::kNotTls);
  EXPECT_EQ(Peek("\x15\x03\x01").kind, Kind::kNotTls);          // An alert opens no connection.
  EXPECT_EQ(Peek("\x80\x2e\x01\x03\x01").kind, Kind::kNotTls);  // An SSL 2 hello.
}

TEST(ClientHelloTest, RefusesWhatOnlyBeginsLikeAHello) {
  const struct {
    absl::string_view what;
    std::string bytes;
  } kCases[] = {
      {"an empty record", Record("")},
      {"a record longer than TLS allows", std::string("\x16\x03\x01\x40\x01", 5)},
      {"another handshake message", Record(std::string("\x02\x00\x00\x02\x03\x03", 6))},
      {"a message beyond the limit", Record(std::string("\x01\x00\x40\x01", 4))},
      {"a record of another kind in between",
       Record(Message("").substr(0, 20)) + "\x17\x03\x03" + Vector16(Message("").substr(20))},
      {"another version in between",
       Record(Message("").substr(0, 20)) + "\x16\x02\x03" + Vector16(Message("").substr(20))},
      {"more in the same record", Record(Message("") + "x")},
      {"a body that ends early", Record(std::string("\x01\x00\x00\x02\x03\x03", 6))},
      {"an old version", Record([] {
         std::string message = Message("");
         message[4] = 2;
         return message;
       }())},
      {"a session id of 33 bytes", Record([] {
         std::string body = "\x03\x03" + std::string(32, 'r') + Vector8(std::string(33, 's')) +
                            Vector16("\x13\x01") + Vector8(std::string(1, '\0'));
         return std::string("\x01\x00", 2) + Vector16(body);
       }())},
      {"half a cipher suite", Record([] {
         std::string body = "\x03\x03" + std::string(32, 'r') + Vector8("") +
                            Vector16("\x13\x01\x13") + Vector8(std::string(1, '\0'));
         return std::string("\x01\x00", 2) + Vector16(body);
       }())},
      {"no cipher suite", Record([] {
         std::string body = "\x03\x03" + std::string(32, 'r') + Vector8("") + Vector16("") +
                            Vector8(std::string(1, '\0'));
         return std::string("\x01\x00", 2) + Vector16(body);
       }())},
      {"no compression method", Record([] {
         std::string body =
             "\x03\x03" + std::string(32, 'r') + Vector8("") + Vector16("\x13\x01") + Vector8("");
         return std::string("\x01\x00", 2) + Vector16(body);
       }())},
      {"bytes behind the extensions", Record(Message(Vector16("") + "x"))},
      {"half an extension", Record(WithExtensions(std::string("\x00\x10\x00", 3)))},
      {"an extension twice", Record(WithExtensions(Extension(5, "") + Extension(5, "")))},
      {"two server name extensions", Record(WithExtensions(ServerName("a") + ServerName("b")))},
      {"two server names",
       Record(WithExtensions(Extension(0, Vector16(std::string(1, '\0') + Vector16("a") +
                                                   std::string(1, '\0') + Vector16("b")))))},
      {"an empty server name", Record(WithExtensions(ServerName("")))},
      {"a NUL in the server name", Record(WithExtensions(ServerName(std::string("a\0b", 3))))},
      {"a server name of 256 bytes", Record(WithExtensions(ServerName(std::string(256, 'a'))))},
      {"a server name of another kind",
       Record(WithExtensions(Extension(0, Vector16("\x01" + Vector16("a")))))},
      {"an empty server name list", Record(WithExtensions(Extension(0, Vector16(""))))},
      {"bytes behind the server name list",
       Record(WithExtensions(Extension(0, Vector16(std::string(1, '\0') + Vector16("a")) + "x")))},
      {"an empty ALPN list", Record(WithExtensions(Alpn({})))},
      {"an empty ALPN name", Record(WithExtensions(Alpn({"h2", ""})))},
      {"an ALPN name that ends early", Record(WithExtensions(Extension(16, Vector16("\x05h2"))))},
      {"bytes behind the ALPN list",
       Record(WithExtensions(Extension(16, Vector16(Vector8("h2")) + "x")))},
  };
  for (const auto& c : kCases) {
    const ClientHello hello = Peek(c.bytes);
    EXPECT_EQ(hello.kind, Kind::kMalformed) << c.what;
    EXPECT_EQ(hello.sni, "") << c.what;
    EXPECT_THAT(hello.alpn, IsEmpty()) << c.what;
  }
}

TEST(ClientHelloTest, AcceptsTheLongestServerName) {
  const std::string name(255, 'a');
  EXPECT_EQ(Peek(Record(WithExtensions(ServerName(name)))).sni, name);
}

TEST(ClientHelloTest, BoundsTheNumberOfExtensions) {
  std::string many;
  for (int i = 0; i < 128; ++i) many += Extension(0x4000 + i, "");
  EXPECT_EQ(Peek(Record(WithExtensions(many))).kind, Kind::kHello);
  many += Extension(0x5000, "");
  EXPECT_EQ(Peek(Record(WithExtensions(many))).kind, Kind::kMalformed);
}

TEST(ClientHelloTest, GivesUpOnTinyRecordsWithoutEnd) {
  // One byte a record makes six of one: more than kMaxClientHello without an end is refused, even
  // where the message itself would stay below it.
  const std::string message = WithExtensions(Extension(0x1234, std::string(12 * 1024, 'x')));
  const std::string records = Records(message, 1);
  EXPECT_EQ(Peek(records.substr(0, kMaxClientHello - 1)).kind, Kind::kNeedMore);
  EXPECT_EQ(Peek(records.substr(0, kMaxClientHello)).kind, Kind::kMalformed);
}

}  // namespace
}  // namespace kith::tls
