#include "source/proxy/capture.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace kith::proxy {

using telemetry::Reason;

namespace {

// Ports of the application in use at once; more (a scan, say) live only as long as their
// connection.
constexpr size_t kMaxPorts = 1024;
// For an application that may be waiting for its server to speak first.
constexpr absl::Duration kDetectionWait = absl::Milliseconds(500);

// By which the rules of capture know these connections (capture/rules.h).
base::SocketAddress ApplicationSource(int family) {
  return *base::SocketAddress::Parse(family == AF_INET6 ? "[::6]:0" : "127.0.0.6:0");
}

// Makes room among ports that nobody uses.
template <typename Ports>
void Sweep(Ports& ports) {
  for (auto port = ports.begin(); port != ports.end();) {
    if (port->second.use_count() == 1) {
      port->second->Retire();
      ports.erase(port++);
    } else {
      ++port;
    }
  }
}

bool IsOwn(const base::SocketAddress& listener, const base::SocketAddress& destination) {
  return listener.family() != AF_UNSPEC && listener.port() == destination.port();
}

// A connection that gets no session of its own.
void Refuse(WorkerState& worker, Observer::Direction direction, const net::Stream& stream,
            Reason reason, absl::string_view detail) {
  ConnectionRecord record;
  record.direction = direction;
  record.started = worker.options.clock->Now();
  record.remote = &stream.remote();
  record.local = &stream.local();
  record.destination = &stream.local();
  record.reason = reason;
  record.detail = detail;
  worker.observer.ConnectionRefused(record);
}

}  // namespace

// ---- Inbound ----

std::shared_ptr<InboundPort> CapturedInbound::PortFor(const base::SocketAddress& application) {
  const auto found = ports_.find(application);
  if (found != ports_.end()) return found->second;
  InboundOptions options;
  options.bind = application;  // Where the client believes it is.
  options.application = application;
  options.port = application.port();
  options.protocol = mesh::Protocol::kDetect;
  auto port = InboundPort::Create(worker_, options, ApplicationSource(application.family()));
  if (ports_.size() >= kMaxPorts) Sweep(ports_);
  if (ports_.size() < kMaxPorts) ports_.emplace(application, port);
  return port;
}

void CapturedInbound::Accept(std::unique_ptr<net::Stream> stream) {
  const base::SocketAddress destination = stream->local();
  if (IsOwn(worker_.options.capture.inbound, destination) ||
      IsOwn(worker_.options.capture.outbound, destination)) {
    Refuse(worker_, Observer::Direction::kInbound, *stream, Reason::kUnknownService,
           "it came to the capture port itself; only redirected connections are taken here");
    stream->Reset();
    worker_.loop.DeleteLater(std::move(stream));
    return;
  }
  sessions_.Start(std::make_unique<InboundSession>(worker_, sessions_, PortFor(destination),
                                                   std::move(stream)));
}

// ---- Outbound ----

// A captured connection until it is known where it leads: first the destination, then, for one
// whose ports nobody declares, what is spoken.
class CapturedOutbound::Waiting final : public Session {
 public:
  Waiting(CapturedOutbound& captured, std::unique_ptr<net::Stream> stream)
      : captured_(captured),
        worker_(captured.worker_),
        stream_(std::move(stream)),
        destination_(stream_->local()),
        deadline_(worker_.loop, [this] { TakeForUnknown(); }) {
    captured_.waiting_.insert(this);
  }

  void Start() {
    Resolve();
    if (stream_ == nullptr || detection_ != nullptr) return;
    worker_.options.want_service(destination_.IpString());
    deadline_.Set(worker_.options.capture.resolve);
  }

  void CutOff(const absl::Status&) override { Leave(); }

  // Goes on if the snapshot says where; waits for another one otherwise.
  void Resolve() {
    if (stream_ == nullptr || detection_ != nullptr) return;
    const std::string ip = destination_.IpString();
    const mesh::Snapshot& snapshot = *worker_.config.snapshot;
    const mesh::Service* service = snapshot.FindService(ip);
    if (service == nullptr) {
      if (snapshot.absent.contains(ip)) TakeForUnknown();
      return;
    }
    if (service->captured) return Detect();
    // A port that the service does not have is nobody's either.
    const mesh::ServicePort* port = service->FindPort(destination_.port());
    if (port == nullptr) return TakeForUnknown();
    Begin(captured_.PortFor(destination_, port->protocol), {});
  }

 private:
  void TakeForUnknown() {
    if (worker_.options.capture.unknown == CaptureOptions::Unknown::kPassThrough) {
      OutboundOptions options;
      options.bind = destination_;
      options.port = destination_.port();
      auto port = std::make_shared<OutboundPort>(worker_, std::move(options));
      port->PassThrough(destination_);
      Begin(std::move(port), {});
      return;
    }
    Refuse(worker_, Observer::Direction::kOutbound, *stream_, Reason::kUnknownService,
           absl::StrCat(destination_.ToString(), " is not of the mesh, and others are refused"));
    Leave();
  }

  void Detect() {
    deadline_.Clear();
    if (IsServerFirst(destination_.port())) {
      return Begin(captured_.PortFor(destination_, mesh::Protocol::kTcp), {});
    }
    detection_ = std::make_unique<Detection>(
        worker_, *stream_, kDetectionWait,
        [this](absl::StatusOr<mesh::Protocol> protocol, std::vector<uint8_t> first_bytes) {
          worker_.loop.DeleteLater(std::move(detection_));
          if (protocol.ok()) {
            return Begin(captured_.PortFor(destination_, *protocol), std::move(first_bytes));
          }
          Refuse(worker_, Observer::Direction::kOutbound, *stream_, Reason::kPeerClosed,
                 protocol.status().message());
          Leave();
        });
    detection_->Start({});
  }

  void Begin(std::shared_ptr<OutboundPort> port, std::vector<uint8_t> first_bytes) {
    auto session = std::make_unique<OutboundSession>(worker_, captured_.sessions_, std::move(port),
                                                     std::move(stream_), std::move(first_bytes));
    Leave();
    captured_.sessions_.Start(std::move(session));
  }

  void Leave() {
    if (left_) return;
    left_ = true;
    deadline_.Clear();
    captured_.waiting_.erase(this);
    if (detection_ != nullptr) worker_.loop.DeleteLater(std::move(detection_));
    if (stream_ != nullptr) stream_->Close();
    captured_.sessions_.Remove(*this);
  }

  CapturedOutbound& captured_;
  WorkerState& worker_;
  std::unique_ptr<net::Stream> stream_;
  const base::SocketAddress destination_;
  Deadline deadline_;
  std::unique_ptr<Detection> detection_;
  bool left_ = false;
};

void CapturedOutbound::Accept(std::unique_ptr<net::Stream> stream) {
  const base::SocketAddress& destination = stream->local();
  if (IsOwn(worker_.options.capture.outbound, destination)) {
    Refuse(worker_, Observer::Direction::kOutbound, *stream, Reason::kUnknownService,
           "it came to the capture port itself; only redirected connections are taken here");
    stream->Reset();
    worker_.loop.DeleteLater(std::move(stream));
    return;
  }
  sessions_.Start(std::make_unique<Waiting>(*this, std::move(stream)));
}

std::shared_ptr<OutboundPort> CapturedOutbound::PortFor(const base::SocketAddress& destination,
                                                        mesh::Protocol protocol) {
  const Key key(destination, protocol);
  const auto found = ports_.find(key);
  if (found != ports_.end()) return found->second;
  OutboundOptions options;
  options.bind = destination;
  options.service = destination.IpString();
  options.port = destination.port();
  options.detected = protocol;
  auto port = std::make_shared<OutboundPort>(worker_, std::move(options));
  port->Update(*worker_.config.snapshot);
  if (ports_.size() >= kMaxPorts) Sweep(ports_);
  if (ports_.size() < kMaxPorts) ports_.emplace(key, port);
  return port;
}

void CapturedOutbound::OnConfigChanged() {
  for (const auto& [key, port] : ports_) port->Update(*worker_.config.snapshot);
  // Whoever goes on leaves the set.
  const std::vector<Waiting*> waiting(waiting_.begin(), waiting_.end());
  for (Waiting* each : waiting) each->Resolve();
}

}  // namespace kith::proxy
