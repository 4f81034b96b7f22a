#include "source/sidecar/application_probes.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "source/base/ip.h"
#include "source/base/socket_address.h"
#include "source/base/status.h"
#include "source/event/timer.h"
#include "source/http/http1_parser.h"
#include "source/http/serialize.h"
#include "source/net/socket_stream.h"
#include "source/tls/tls_stream.h"

namespace kith::sidecar {
namespace {

constexpr int kFailed = 500;

base::SocketAddress Address(const std::string& ip, uint16_t port) {
  // The bootstrap has checked addresses; the wildcard is never connected to.
  return base::SocketAddress::Parse(base::JoinHostPort(ip, port)).value_or(base::SocketAddress());
}

http::EmbeddedResponse Failure(const ApplicationProbe& probe, absl::string_view why) {
  return {.status = kFailed,
          .body = absl::StrCat("port ", probe.port, " of the application: ", why, "\n"),
          .headers = {}};
}

// Null where nothing is asked over TLS.
absl::StatusOr<std::shared_ptr<const tls::UpstreamContext>> TlsFor(
    const std::vector<ApplicationProbe>& probes) {
  const bool any = std::any_of(probes.begin(), probes.end(), [](const ApplicationProbe& each) {
    return each.check == ApplicationProbe::Check::kHttps;
  });
  if (!any) return nullptr;
  tls::UpstreamContext::Options options;
  options.check = tls::ServerCheck::kSkip;
  return tls::UpstreamContext::Create(options);
}

std::string RequestFor(const ApplicationProbe& probe, const base::SocketAddress& application) {
  std::string head;
  bool sound = http::WriteRequestLine("GET", probe.target, head);
  bool has_host = false;
  for (const auto& [name, value] : probe.headers) {
    has_host |= absl::EqualsIgnoreCase(name, "host");
    sound &= http::WriteHeader(name, value, head);
  }
  if (!has_host) sound &= http::WriteHeader("Host", application.ToString(), head);
  sound &= http::WriteHeader("User-Agent", "kube-probe/kith", head);
  sound &= http::WriteHeader("Accept", "*/*", head);
  sound &= http::WriteHeader("Connection", "close", head);
  if (!sound) return "";
  http::EndHead(head);
  return head;
}

}  // namespace

// One connection to the application.
class ApplicationProbes::Attempt final : public net::StreamHandler, public http::Http1Handler {
 public:
  Attempt(ApplicationProbes& probes, const ApplicationProbe& probe,
          http::EmbeddedResponder responder)
      : probes_(probes),
        probe_(probe),
        responder_(std::move(responder)),
        parser_(http::Http1Parser::Kind::kResponse, *this),
        timer_(probes.loop_, [this] { End(Failure(probe_, "no answer in time")); }) {
    const base::SocketAddress source =
        probes.target_.source.empty() ? base::SocketAddress() : Address(probes.target_.source, 0);
    address_ = Address(probes.target_.ip, probe.port);
    timer_.Start(probe.timeout);
    connector_ = net::Connect(
        probes.loop_, address_, probe.timeout, "is the application listening there?",
        [this](absl::StatusOr<std::unique_ptr<net::Stream>> stream) {
          OnConnected(std::move(stream));
        },
        source);
  }
  ~Attempt() override {
    if (stream_ != nullptr) {
      stream_->Close();
      probes_.loop_.DeleteLater(std::move(stream_));
    }
  }

  void OnData(absl::Span<const uint8_t> bytes) override {
    if (over_) return;
    const absl::StatusOr<size_t> taken = parser_.Feed(bytes);
    if (!taken.ok()) End(Failure(probe_, taken.status().message()));
  }
  void OnEnd() override { End(Failure(probe_, "it closed the connection without an answer")); }
  void OnClosed(absl::Status status) override { End(Failure(probe_, status.message())); }
  void OnDrained() override {}

  void OnResponseHead(const http::ResponseHead& head) override {
    if (head.is_informational()) return;
    End({.status = head.status,
         .body = absl::StrCat("the application answers ", head.status, "\n"),
         .headers = {}});
  }
  void OnBody(absl::Span<const uint8_t>) override {}
  void OnMessageComplete() override {}

 private:
  void OnConnected(absl::StatusOr<std::unique_ptr<net::Stream>> stream) {
    if (!stream.ok()) return End(Failure(probe_, stream.status().message()));
    if (probe_.check == ApplicationProbe::Check::kHttps) return StartTls(*std::move(stream));
    stream_ = *std::move(stream);
    if (probe_.check == ApplicationProbe::Check::kTcp) {
      return End({.body = "the application accepts connections\n", .headers = {}});
    }
    Ask();
  }

  void StartTls(std::unique_ptr<net::Stream> transport) {
    if (!probes_.tls_.ok()) return End(Failure(probe_, probes_.tls_.status().message()));
    tls::TlsStream::ClientOptions options;
    options.upstream = *probes_.tls_;
    options.alpn = {"http/1.1"};
    options.handshake_timeout = probe_.timeout;
    stream_ = tls::TlsStream::Connect(std::move(transport), std::move(options),
                                      [this](const tls::HandshakeResult& result) {
                                        if (result.status.ok()) return Ask();
                                        End(Failure(probe_, result.status.message()));
                                      });
  }

  void Ask() {
    if (over_) return;
    stream_->SetHandler(this);
    parser_.ExpectResponse({});
    stream_->Write(RequestFor(probe_, address_));
    stream_->ResumeReading();
  }

  // Destroys itself at the end of the turn: the parser or the stream may be calling.
  void End(http::EmbeddedResponse response) {
    if (std::exchange(over_, true)) return;
    timer_.Stop();
    responder_.Send(std::move(response));
    probes_.loop_.Post([&list = probes_.attempts_, alive = std::weak_ptr<bool>(alive_), this] {
      if (alive.expired()) return;
      list.remove_if([this](const std::unique_ptr<Attempt>& each) { return each.get() == this; });
    });
  }

  ApplicationProbes& probes_;
  const ApplicationProbe& probe_;
  http::EmbeddedResponder responder_;
  http::Http1Parser parser_;
  event::Timer timer_;
  base::SocketAddress address_;
  std::unique_ptr<net::Connector> connector_;
  std::unique_ptr<net::Stream> stream_;
  bool over_ = false;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

ApplicationProbes::ApplicationProbes(event::Loop& loop, std::vector<ApplicationProbe> probes,
                                     Target target)
    : loop_(loop),
      probes_(std::move(probes)),
      target_(std::move(target)),
      tls_(TlsFor(probes_)),
      grpc_(loop) {}

ApplicationProbes::~ApplicationProbes() = default;

bool ApplicationProbes::Answer(const http::EmbeddedRequest& request,
                               http::EmbeddedResponder& responder) {
  const auto probe =
      std::find_if(probes_.begin(), probes_.end(),
                   [&request](const ApplicationProbe& each) { return each.path == request.path; });
  if (probe == probes_.end()) return false;
  if (probe->check != ApplicationProbe::Check::kGrpc) {
    attempts_.push_back(std::make_unique<Attempt>(*this, *probe, std::move(responder)));
    return true;
  }
  grpc_.Check(probe->port, probe->service, probe->timeout,
              [&asked = *probe, to = std::move(responder)](const absl::Status& status) mutable {
                to.Send(status.ok() ? http::EmbeddedResponse{.body = "the application is serving\n",
                                                             .headers = {}}
                                    : Failure(asked, status.message()));
              });
  return true;
}

}  // namespace kith::sidecar
