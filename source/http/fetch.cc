#include "source/http/fetch.h"

#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "source/base/socket_address.h"
#include "source/base/status.h"
#include "source/event/timer.h"
#include "source/http/http1_parser.h"
#include "source/http/serialize.h"
#include "source/http/url.h"
#include "source/net/resolver.h"
#include "source/net/socket_stream.h"

namespace kith::http {
namespace {

constexpr absl::string_view kHint = "is that host up, and the way to it open?";

std::string Bracketed(const std::string& host) {
  return absl::StrContains(host, ':') ? absl::StrCat("[", host, "]") : host;
}

std::string HostOf(const Url& url) {
  constexpr uint16_t kDefaultPort = 80;
  return url.port == kDefaultPort ? Bracketed(url.host)
                                  : absl::StrCat(Bracketed(url.host), ":", url.port);
}

// Empty when a part of it is not sound.
std::string RequestFor(const FetchOptions& options, const Url& url) {
  std::string text;
  bool sound = WriteRequestLine(options.method, url.target, text) &&
               WriteHeader("Host", HostOf(url), text) && WriteHeader("Accept", "*/*", text) &&
               WriteHeader("Connection", "close", text);
  if (!options.body.empty()) {
    sound = sound && WriteHeader("Content-Type", options.content_type, text) &&
            WriteHeader("Content-Length", absl::StrCat(options.body.size()), text);
  }
  if (!sound) return "";
  EndHead(text);
  return absl::StrCat(text, options.body);
}

}  // namespace

class Fetch::Exchange final : public net::StreamHandler, public Http1Handler {
 public:
  Exchange(event::Loop& loop, FetchOptions options, Done done)
      : loop_(loop),
        options_(std::move(options)),
        done_(std::move(done)),
        resolver_(loop),
        parser_(Http1Parser::Kind::kResponse, *this),
        timer_(loop, [this] { End(absl::DeadlineExceededError("no answer in time")); }) {
    Begin();
  }
  ~Exchange() override {
    if (stream_ == nullptr) return;
    stream_->Close();
    loop_.DeleteLater(std::move(stream_));
  }

  void OnData(absl::Span<const uint8_t> bytes) override {
    while (!over_ && !bytes.empty()) {
      const absl::StatusOr<size_t> taken = parser_.Feed(bytes);
      if (!taken.ok()) return End(taken.status());
      // What follows the answer is nobody's.
      if (complete_) return Finish();
      bytes.remove_prefix(*taken);
    }
  }
  void OnEnd() override {
    if (over_) return;
    const absl::Status whole = parser_.FinishOnEof();
    if (complete_) return Finish();
    End(whole.ok() ? absl::UnavailableError("the connection ended without an answer") : whole);
  }
  void OnClosed(absl::Status status) override {
    End(status.ok() ? absl::UnavailableError("the connection ended without an answer") : status);
  }
  void OnDrained() override {}

  void OnResponseHead(const ResponseHead& head) override {
    if (head.is_informational()) return;
    answer_.status = head.status;
    if (const Header* type = Find(head.headers, "content-type"); type != nullptr) {
      answer_.content_type = std::string(type->value);
    }
  }
  void OnBody(absl::Span<const uint8_t> bytes) override {
    if (answer_.body.size() + bytes.size() > options_.max_body_bytes) {
      return End(absl::ResourceExhaustedError(
          absl::StrCat("the answer has more than ", options_.max_body_bytes, " bytes")));
    }
    answer_.body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  void OnMessageComplete() override { complete_ = true; }

 private:
  void Begin() {
    timer_.Start(options_.timeout);
    absl::StatusOr<Url> url = ParseUrl(options_.url);
    if (!url.ok() || url->scheme != "http") {
      return End(url.ok() ? absl::InvalidArgumentError("only http is spoken here") : url.status());
    }
    url_ = *std::move(url);
    request_ = RequestFor(options_, url_);
    if (request_.empty()) return End(absl::InvalidArgumentError("it cannot be put into a request"));
    if (const auto address = AddressOf(url_.host); address.ok()) return ConnectTo(*address);
    resolver_.Resolve(url_.host, [this](absl::StatusOr<std::vector<std::string>> addresses) {
      if (!addresses.ok()) return End(addresses.status());
      const auto address = AddressOf(addresses->front());
      if (!address.ok()) return End(address.status());
      ConnectTo(*address);
    });
  }

  absl::StatusOr<base::SocketAddress> AddressOf(const std::string& ip) const {
    return base::SocketAddress::Parse(absl::StrCat(Bracketed(ip), ":", url_.port));
  }

  void ConnectTo(const base::SocketAddress& address) {
    if (options_.may_connect != nullptr) {
      if (const absl::Status may = options_.may_connect(address); !may.ok()) return End(may);
    }
    connector_ = net::Connect(loop_, address, options_.timeout, kHint,
                              [this](absl::StatusOr<std::unique_ptr<net::Stream>> stream) {
                                if (!stream.ok()) return End(stream.status());
                                stream_ = *std::move(stream);
                                stream_->SetHandler(this);
                                parser_.ExpectResponse({});
                                stream_->Write(request_);
                                stream_->ResumeReading();
                              });
  }

  void Finish() {
    if (std::exchange(over_, true)) return;
    Give(std::move(answer_));
  }
  void End(const absl::Status& status) {
    if (std::exchange(over_, true)) return;
    Give(base::Annotate(status, absl::StrCat("fetch ", options_.url)));
  }

  // In a turn of its own: the parser or the stream may be calling, and `done` may destroy us.
  void Give(absl::StatusOr<FetchedAnswer> answer) {
    over_ = true;
    timer_.Stop();
    loop_.Post([alive = std::weak_ptr<bool>(alive_), this, answer = std::move(answer)]() mutable {
      if (alive.expired()) return;
      Done done = std::move(done_);
      done(std::move(answer));
    });
  }

  event::Loop& loop_;
  const FetchOptions options_;
  Done done_;
  Url url_;
  std::string request_;
  net::Resolver resolver_;
  Http1Parser parser_;
  event::Timer timer_;
  std::unique_ptr<net::Connector> connector_;
  std::unique_ptr<net::Stream> stream_;
  FetchedAnswer answer_;
  bool complete_ = false;
  bool over_ = false;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

Fetch::Fetch(event::Loop& loop, FetchOptions options, Done done)
    : exchange_(std::make_unique<Exchange>(loop, std::move(options), std::move(done))) {}

Fetch::~Fetch() = default;

}  // namespace kith::http
