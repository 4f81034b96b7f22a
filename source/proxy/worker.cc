#include "source/proxy/worker.h"

#include <thread>
#include <utility>

#include "source/base/check.h"
#include "source/net/listener.h"
#include "source/proxy/authorizer.h"
#include "source/proxy/capture.h"
#include "source/proxy/inbound.h"
#include "source/proxy/outbound.h"
#include "source/proxy/session.h"
#include "source/proxy/worker_state.h"

namespace kith::proxy {

namespace {

// Access-log lines wait at most this long in the worker's buffer.
constexpr absl::Duration kLogFlush = absl::Milliseconds(200);

// An application that ends may open one more connection after its last: it is gone when it has
// had none for so long.
constexpr uint64_t kQuietMs = 300;

// Before the control plane has spoken: mutual TLS only, and nothing is allowed.
Config SafeConfig() {
  Config config;
  config.snapshot = std::make_shared<mesh::Snapshot>();
  config.policies = policy::PolicySet::DenyAll();
  return config;
}

}  // namespace

class Worker::Impl {
 public:
  Impl(Options options_in, std::unique_ptr<event::Loop> loop_in)
      : options(std::move(options_in)),
        loop(std::move(loop_in)),
        state(*loop, options),
        authorizers(state),
        inbound_sessions(*loop),
        outbound_sessions(*loop),
        captured_inbound(state, inbound_sessions),
        captured_outbound(state, outbound_sessions) {
    state.config = SafeConfig();
    state.authorizers = &authorizers;
    if (options.access_log != nullptr) {
      log_flush = std::make_unique<event::Timer>(*loop, [this] { options.access_log->Flush(); });
      log_flush->StartRepeating(kLogFlush);
    }
  }

  absl::Status Listen();
  void ApplyConfig(Config config);
  void ApplyTls(std::shared_ptr<const tls::Context> context);
  void StartDraining(absl::AnyInvocable<void()> done);
  void FinishDrainWhenEmpty();
  // What comes within the limit of connections goes to `accept`; what is above it is reset.
  using Accept = absl::AnyInvocable<void(std::unique_ptr<net::Stream>)>;
  absl::StatusOr<std::unique_ptr<net::Listener>> ListenFor(SessionSet& sessions,
                                                           const net::Listener::Options& listen,
                                                           Accept accept);
  absl::Status ListenForCaptured();
  bool HasRoom(const SessionSet& sessions, std::unique_ptr<net::Stream>& stream);
  template <typename SessionType, typename Port>
  Accept StartsSessions(SessionSet& sessions, const std::shared_ptr<Port>& port);

  const Options options;
  // Dies last: what follows runs on it.
  std::unique_ptr<event::Loop> loop;
  WorkerState state;
  Authorizers authorizers;
  std::vector<std::shared_ptr<InboundPort>> inbound;
  std::vector<std::shared_ptr<OutboundPort>> outbound;
  SessionSet inbound_sessions;
  SessionSet outbound_sessions;
  CapturedInbound captured_inbound;
  CapturedOutbound captured_outbound;
  std::vector<std::unique_ptr<net::Listener>> inbound_listeners;
  std::vector<std::unique_ptr<net::Listener>> outbound_listeners;
  std::unique_ptr<net::Listener> captured_inbound_listener;
  std::unique_ptr<net::Listener> captured_outbound_listener;
  absl::AnyInvocable<void()> drained;
  std::unique_ptr<event::Timer> drain_poll;
  uint64_t quiet_since_ms = 0;
  std::unique_ptr<event::Timer> log_flush;
  std::thread thread;
};

bool Worker::Impl::HasRoom(const SessionSet& sessions, std::unique_ptr<net::Stream>& stream) {
  const bool inbound_side = &sessions == &inbound_sessions;
  const bool short_of_memory = inbound_side && state.memory == MemoryPressure::kRefuseConnections;
  if (sessions.size() < options.limits.connections && !short_of_memory) return true;
  state.observer.CountRefused(
      inbound_side ? Observer::Direction::kInbound : Observer::Direction::kOutbound,
      short_of_memory ? telemetry::Reason::kMemoryPressure : telemetry::Reason::kOverload);
  stream->Reset();
  loop->DeleteLater(std::move(stream));
  return false;
}

absl::StatusOr<std::unique_ptr<net::Listener>> Worker::Impl::ListenFor(
    SessionSet& sessions, const net::Listener::Options& listen, Accept accept) {
  return net::Listener::Create(
      *loop, listen,
      [this, &sessions, accept = std::move(accept)](std::unique_ptr<net::Stream> stream) mutable {
        if (HasRoom(sessions, stream)) accept(std::move(stream));
      });
}

template <typename SessionType, typename Port>
Worker::Impl::Accept Worker::Impl::StartsSessions(SessionSet& sessions,
                                                  const std::shared_ptr<Port>& port) {
  // Not shared by the listener, which the loop frees when what belongs to the port must be gone.
  return [this, &sessions, weak = std::weak_ptr<Port>(port)](std::unique_ptr<net::Stream> stream) {
    sessions.Start(std::make_unique<SessionType>(state, sessions, weak.lock(), std::move(stream)));
  };
}

absl::Status Worker::Impl::Listen() {
  net::Listener::Options listen;
  listen.reuse_port = options.share_ports;
  for (const InboundOptions& port_options : options.inbound) {
    inbound.push_back(InboundPort::Create(state, port_options));
    listen.address = port_options.bind;
    auto listener = ListenFor(inbound_sessions, listen,
                              StartsSessions<InboundSession>(inbound_sessions, inbound.back()));
    if (!listener.ok()) return listener.status();
    inbound_listeners.push_back(*std::move(listener));
  }
  for (const OutboundOptions& port_options : options.outbound) {
    outbound.push_back(std::make_shared<OutboundPort>(state, port_options));
    listen.address = port_options.bind;
    auto listener = ListenFor(outbound_sessions, listen,
                              StartsSessions<OutboundSession>(outbound_sessions, outbound.back()));
    if (!listener.ok()) return listener.status();
    outbound_listeners.push_back(*std::move(listener));
  }
  return ListenForCaptured();
}

absl::Status Worker::Impl::ListenForCaptured() {
  net::Listener::Options listen;
  listen.reuse_port = options.share_ports;
  listen.captured = true;
  if (options.capture.outbound.family() != AF_UNSPEC) {
    listen.address = options.capture.outbound;
    auto listener =
        ListenFor(outbound_sessions, listen, [this](std::unique_ptr<net::Stream> stream) {
          captured_outbound.Accept(std::move(stream));
        });
    if (!listener.ok()) return listener.status();
    captured_outbound_listener = *std::move(listener);
  }
  if (options.capture.inbound.family() != AF_UNSPEC) {
    listen.address = options.capture.inbound;
    listen.transparent = options.capture.transparent;
    auto listener =
        ListenFor(inbound_sessions, listen, [this](std::unique_ptr<net::Stream> stream) {
          captured_inbound.Accept(std::move(stream));
        });
    if (!listener.ok()) return listener.status();
    captured_inbound_listener = *std::move(listener);
  }
  return absl::OkStatus();
}

void Worker::Impl::ApplyConfig(Config config) {
  KITH_CHECK(config.snapshot != nullptr && config.policies != nullptr, "a config is whole");
  state.config = std::move(config);
  const policy::PolicySet& policies = *state.config.policies;
  const ratelimit::RateLimits* const limits = state.config.rate_limits.get();
  state.reads_headers = policies.reads_headers() || (limits != nullptr && limits->reads_headers());
  // A question takes its time, and newer policies may decide behind it.
  state.reads_certificates = policies.asks() || policies.reads_certificates() ||
                             (limits != nullptr && limits->reads_certificates());
  state.limiter.SetLimits(state.config.rate_limits);
  const auto& providers = state.config.providers;
  authorizers.Update(providers == nullptr ? std::vector<extauthz::Provider>() : *providers,
                     *state.config.snapshot);
  for (const auto& port : outbound) port->Update(*state.config.snapshot);
  captured_outbound.OnConfigChanged();
  inbound_sessions.OnConfigChanged();
}

void Worker::Impl::ApplyTls(std::shared_ptr<const tls::Context> context) {
  state.tls = std::move(context);
  state.live->Recheck(*state.tls,
                      [this](telemetry::Reason reason) { state.observer.CountEnded(reason); });
  inbound_sessions.OnConfigChanged();
}

void Worker::Impl::StartDraining(absl::AnyInvocable<void()> done) {
  drained = std::move(done);
  state.draining = true;
  inbound_listeners.clear();
  captured_inbound_listener.reset();
  inbound_sessions.StartDraining();
  quiet_since_ms = loop->NowMs();
  drain_poll = std::make_unique<event::Timer>(*loop, [this] { FinishDrainWhenEmpty(); });
  drain_poll->StartRepeating(absl::Milliseconds(20));
}

void Worker::Impl::FinishDrainWhenEmpty() {
  if (inbound_sessions.size() + outbound_sessions.size() > 0) quiet_since_ms = loop->NowMs();
  if (loop->NowMs() - quiet_since_ms < kQuietMs || !drained) return;
  outbound_listeners.clear();
  captured_outbound_listener.reset();
  drain_poll->Stop();
  std::exchange(drained, nullptr)();
}

absl::StatusOr<std::unique_ptr<Worker>> Worker::Create(Options options) {
  auto loop = event::Loop::Create();
  if (!loop.ok()) return loop.status();
  auto impl = std::make_unique<Impl>(std::move(options), *std::move(loop));
  if (absl::Status listening = impl->Listen(); !listening.ok()) return listening;
  return std::unique_ptr<Worker>(new Worker(std::move(impl)));
}

Worker::Worker(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Worker::~Worker() { Stop(); }

std::vector<base::SocketAddress> Worker::inbound_addresses() const {
  std::vector<base::SocketAddress> addresses;
  for (const auto& listener : impl_->inbound_listeners) addresses.push_back(listener->local());
  return addresses;
}

std::vector<base::SocketAddress> Worker::outbound_addresses() const {
  std::vector<base::SocketAddress> addresses;
  for (const auto& listener : impl_->outbound_listeners) addresses.push_back(listener->local());
  return addresses;
}

base::SocketAddress Worker::captured_inbound() const {
  const auto& listener = impl_->captured_inbound_listener;
  return listener == nullptr ? base::SocketAddress() : listener->local();
}

base::SocketAddress Worker::captured_outbound() const {
  const auto& listener = impl_->captured_outbound_listener;
  return listener == nullptr ? base::SocketAddress() : listener->local();
}

void Worker::Start() {
  impl_->thread = std::thread([impl = impl_.get()] { impl->loop->Run(); });
}

void Worker::SetTls(std::shared_ptr<const tls::Context> context) {
  impl_->loop->Post([impl = impl_.get(), context = std::move(context)]() mutable {
    impl->ApplyTls(std::move(context));
  });
}

void Worker::SetConfig(Config config) {
  impl_->loop->Post([impl = impl_.get(), config = std::move(config)]() mutable {
    impl->ApplyConfig(std::move(config));
  });
}

void Worker::Drain(absl::AnyInvocable<void()> done) {
  impl_->loop->Post([impl = impl_.get(), done = std::move(done)]() mutable {
    impl->StartDraining(std::move(done));
  });
}

void Worker::CutOff(absl::Status status, absl::AnyInvocable<void()> done) {
  impl_->loop->Post([impl = impl_.get(), status, done = std::move(done)]() mutable {
    impl->inbound_sessions.CutOff(status);
    impl->outbound_sessions.CutOff(status);
    if (impl->options.access_log != nullptr) impl->options.access_log->Flush();
    done();
  });
}

void Worker::ReleaseBuffers(absl::AnyInvocable<void()> done) {
  impl_->loop->Post([impl = impl_.get(), done = std::move(done)]() mutable {
    impl->loop->blocks().ReleaseFree();
    done();
  });
}

void Worker::SetMemoryPressure(MemoryPressure pressure) {
  impl_->loop->Post([impl = impl_.get(), pressure] {
    impl->state.memory = pressure;
    if (pressure != MemoryPressure::kNone) impl->loop->blocks().ReleaseFree();
    if (pressure == MemoryPressure::kRefuseConnections) impl->inbound_sessions.StartDraining();
  });
}

void Worker::SetDebugCallers(std::vector<std::string> callers) {
  impl_->loop->Post([impl = impl_.get(), callers = std::move(callers)]() mutable {
    impl->state.debug_callers = std::move(callers);
  });
}

void Worker::CutOffInbound(absl::Status status) {
  impl_->loop->Post([impl = impl_.get(), status = std::move(status)] {
    impl->inbound_sessions.CutOff(status);
    impl->loop->blocks().ReleaseFree();
  });
}

void Worker::Query(absl::AnyInvocable<void(const Activity&)> answer) {
  impl_->loop->Post([impl = impl_.get(), answer = std::move(answer)]() mutable {
    Activity activity;
    activity.inbound_connections = impl->inbound_sessions.size();
    activity.outbound_connections = impl->outbound_sessions.size();
    activity.upstream_connections = impl->state.observer.upstreams();
    if (impl->state.tls != nullptr) activity.serial = impl->state.tls->identity().leaf().serial;
    answer(activity);
  });
}

void Worker::Look(absl::AnyInvocable<void(const Observer&)> look) {
  impl_->loop->Post(
      [impl = impl_.get(), look = std::move(look)]() mutable { look(impl->state.observer); });
}

void Worker::Stop() {
  if (!impl_->thread.joinable()) return;
  impl_->loop->Stop();
  impl_->thread.join();
}

}  // namespace kith::proxy
