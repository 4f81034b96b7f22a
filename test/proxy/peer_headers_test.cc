#include "source/proxy/peer_headers.h"

#include <gtest/gtest.h>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "source/http/http1_parser.h"
#include "source/proxy/stored_request.h"

namespace kith::proxy {
namespace {

constexpr char kForged[] = "By=spiffe://td/x;Hash=00;URI=spiffe://td/ns/n/sa/admin";
constexpr char kOwnElement[] =
    "By=spiffe://td/ns/n/sa/server;Hash=ab12;Subject=\"CN=a\\\"b,O=c\";"
    "URI=spiffe://td/ns/n/sa/client;DNS=client.n.svc";

tls::Peer Client() {
  tls::Peer peer{*base::SpiffeId::Parse("spiffe://td/ns/n/sa/client"), {}, {}};
  peer.leaf.sha256 = "ab12";
  peer.leaf.subject = "CN=a\"b,O=c";
  peer.leaf.issuer = "CN=ca";
  peer.leaf.serial = "0f";
  peer.leaf.dns_names = {"client.n.svc", "bad;URI=spiffe://td/ns/n/sa/admin"};
  return peer;
}

// Parses a request as a client has sent it, and keeps what the application would get.
class Forwarder : public http::Http1Handler {
 public:
  explicit Forwarder(const PeerHeaderOptions& options, const tls::Peer* peer)
      : options_(options), peer_(peer), parser_(http::Http1Parser::Kind::kRequest, *this) {}

  // One line for each header that arrives; "refused" when the parser takes none of it.
  std::string Forward(absl::string_view headers) {
    const std::string text = absl::StrCat("GET / HTTP/1.1\r\nHost: a\r\n", headers, "\r\n");
    const auto fed = parser_.Feed(
        absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
    return fed.ok() ? arrived_ : "refused";
  }

 private:
  void OnRequestHead(const http::RequestHead& head) override {
    std::vector<http::Header> added;
    headers_.Add(options_, head.headers, peer_, &own_, added);
    StoredRequest request;
    request.Assign(head, head.path, PeerHeaders::Dropped(), added);
    for (const http::Header& header : request.headers()) {
      absl::StrAppend(&arrived_, header.name, ": ", header.value, "\n");
    }
  }
  void OnBody(absl::Span<const uint8_t>) override {}
  void OnTrailers(absl::Span<const http::Header>) override {}
  void OnMessageComplete() override {}

  const PeerHeaderOptions options_;
  const tls::Peer* peer_;
  const base::SpiffeId own_ = *base::SpiffeId::Parse("spiffe://td/ns/n/sa/server");
  PeerHeaders headers_;
  http::Http1Parser parser_;
  std::string arrived_;
};

std::string Forward(ForwardClientCert forward, bool mutual, absl::string_view headers,
                    SslClientHeaders ssl = SslClientHeaders::kNone) {
  const tls::Peer client = Client();
  return Forwarder({forward, ssl}, mutual ? &client : nullptr).Forward(headers);
}

TEST(PeerHeadersTest, AppendsItsElementToWhatAMeshPeerSent) {
  EXPECT_EQ(Forward(ForwardClientCert::kAppendForward, true, ""),
            absl::StrCat("Host: a\nx-forwarded-client-cert: ", kOwnElement, "\n"));
  EXPECT_EQ(Forward(ForwardClientCert::kAppendForward, true,
                    "X-Forwarded-Client-Cert: By=a;URI=b\r\nx-forwarded-client-cert: By=c\r\n"),
            absl::StrCat("Host: a\nx-forwarded-client-cert: By=a;URI=b,By=c,", kOwnElement, "\n"));
}

TEST(PeerHeadersTest, KeepsToTheMode) {
  const std::string sent = "X-Forwarded-Client-Cert: By=a\r\n";
  EXPECT_EQ(Forward(ForwardClientCert::kSanitizeSet, true, sent),
            absl::StrCat("Host: a\nx-forwarded-client-cert: ", kOwnElement, "\n"));
  EXPECT_EQ(Forward(ForwardClientCert::kForwardOnly, true, sent),
            "Host: a\nx-forwarded-client-cert: By=a\n");
  EXPECT_EQ(Forward(ForwardClientCert::kForwardOnly, true, ""), "Host: a\n");
  EXPECT_EQ(Forward(ForwardClientCert::kSanitize, true, sent), "Host: a\n");
}

TEST(PeerHeadersTest, TellsWhatNginxUsersKnow) {
  EXPECT_EQ(Forward(ForwardClientCert::kSanitize, true, "X-SSL-Client-Verify: NONE\r\n",
                    SslClientHeaders::kAdded),
            "Host: a\nX-SSL-Client-Verify: SUCCESS\nX-SSL-Client-S-DN: CN=a\"b,O=c\n"
            "X-SSL-Client-I-DN: CN=ca\nX-SSL-Client-Serial: 0F\nX-SSL-Client-Fingerprint: ab12\n"
            "X-SSL-Client-URI: spiffe://td/ns/n/sa/client\n");
  EXPECT_EQ(Forward(ForwardClientCert::kAppendForward, false, "X-SSL-Client-Verify: SUCCESS\r\n",
                    SslClientHeaders::kAdded),
            "Host: a\nX-SSL-Client-Verify: NONE\n");
}

TEST(PeerHeadersTest, DropsElementsThatWouldSwallowItsOwn) {
  for (const char* value :
       {"By=a;Subject=\"", "By=a;Subject=\"x\\\"", "By=a\\", "\"", "By=a;Subject=\"a\",\"b"}) {
    EXPECT_FALSE(IsSoundClientCert(value)) << value;
    EXPECT_EQ(Forward(ForwardClientCert::kAppendForward, true,
                      absl::StrCat("X-Forwarded-Client-Cert: ", value, "\r\n")),
              absl::StrCat("Host: a\nx-forwarded-client-cert: ", kOwnElement, "\n"));
  }
  EXPECT_TRUE(IsSoundClientCert("By=a;Subject=\"x \\\" , ; y\";URI=b,By=c"));
  EXPECT_FALSE(IsSoundClientCert(std::string(9000, 'a')));
}

TEST(PeerHeadersTest, KeepsHeadersThatOnlyResembleTheirs) {
  const std::string sent =
      "X-Forwarded-Client: a\r\nX-Forwarded-Client-Certs: b\r\nX-SSL-Clients: c\r\n"
      "X-Forwarded-For: d\r\n";
  EXPECT_EQ(Forward(ForwardClientCert::kSanitize, true, sent),
            "Host: a\nX-Forwarded-Client: a\nX-Forwarded-Client-Certs: b\nX-SSL-Clients: c\n"
            "X-Forwarded-For: d\n");
}

// Every spelling of `name` that servers are known to read as the same variable.
std::vector<std::string> Spellings(const std::string& name) {
  std::vector<std::string> spellings;
  for (const std::string& cased :
       {name, absl::AsciiStrToLower(name), absl::AsciiStrToUpper(name),
        absl::AsciiStrToLower(name.substr(0, 3)) + absl::AsciiStrToUpper(name.substr(3))}) {
    spellings.push_back(cased);
    for (const char separator : std::string("_.!#$%&'*+^`|~")) {
      std::string all = cased;
      for (char& c : all) c = c == '-' ? separator : c;
      spellings.push_back(all);
      std::string first = cased;
      first[first.find('-')] = separator;
      spellings.push_back(first);
      std::string last = cased;
      last[last.rfind('-')] = separator;
      spellings.push_back(last);
    }
  }
  return spellings;
}

TEST(PeerHeadersTest, LetsNoForgeryArriveInAnySpelling) {
  int variants = 0;
  for (const char* name :
       {"X-Forwarded-Client-Cert", "X-SSL-Client-Verify", "X-SSL-Client-S-DN", "X-SSL-Client-Cert",
        "X-SSL-Client-Serial", "X-SSL-Client-Fingerprint", "X-SSL-Client-DN"}) {
    for (const std::string& spelling : Spellings(name)) {
      const std::string once = absl::StrCat(spelling, ": ", kForged, "\r\n");
      for (const std::string& sent :
           {once, once + once, absl::StrCat(spelling, ":", kForged, "\r\n", name, ": x\r\n"),
            absl::StrCat("Connection: ", spelling, "\r\n", once),
            absl::StrCat(spelling, ": x\r\n ", kForged, "\r\n"),
            absl::StrCat(spelling, " : ", kForged, "\r\n")}) {
        ++variants;
        for (const bool mutual : {false, true}) {
          const std::string arrived = Forward(ForwardClientCert::kSanitizeSet, mutual, sent);
          EXPECT_FALSE(absl::StrContains(arrived, "admin")) << sent << arrived;
          EXPECT_FALSE(absl::StrContains(arrived, ": x\n")) << sent << arrived;
        }
        // A mesh peer's own elements are forwarded, by the exact name only, before the true one.
        const std::string appended = Forward(ForwardClientCert::kAppendForward, true, sent);
        if (appended != "refused") {
          EXPECT_TRUE(absl::EndsWith(appended, absl::StrCat(kOwnElement, "\n"))) << appended;
        }
        EXPECT_FALSE(
            absl::StrContains(Forward(ForwardClientCert::kAppendForward, false, sent), "admin"))
            << sent;
      }
    }
  }
  EXPECT_GE(variants, 500);
}

}  // namespace
}  // namespace kith::proxy
