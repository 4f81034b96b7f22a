#include "source/proxy/endpoint.h"

#include <algorithm>
#include <utility>

#include "source/proxy/alpn.h"

namespace kith::proxy {

namespace {

// Large bodies are spread over as many; what needs more for its number of streams gets more.
constexpr size_t kMostSpreadLinks = 4;

}  // namespace

Endpoint::Endpoint(WorkerState& worker, mesh::Endpoint config, mesh::Protocol protocol,
                   Options options)
    : worker_(worker),
      config_(std::move(config)),
      address_text_(config_.address.ToString()),
      protocol_(protocol),
      options_([&] {
        if (options.group == nullptr) options.group = std::make_shared<UpstreamGroup>();
        return std::move(options);
      }()) {}

// Who waits for a connection: the shared one, or one of its own.
class Endpoint::Waiter final : public event::Deletable {
 public:
  Waiter(std::shared_ptr<Endpoint> endpoint, ConnectionCallback done)
      : endpoint_(std::move(endpoint)), done_(std::move(done)) {}
  ~Waiter() override { endpoint_->Forget(*this); }

  void Finish(Connection connection) { std::exchange(done_, nullptr)(std::move(connection)); }
  void DialAlone() {
    dial_ = endpoint_->StartDial([this](Dial::Result dialed) {
      endpoint_->worker_.loop.DeleteLater(std::move(dial_));
      Finish(endpoint_->Sort(std::move(dialed)));
    });
  }
  void DialHttp1() {
    dial_ = endpoint_->StartDial(mesh::Protocol::kHttp, Links::kOff, [this](Dial::Result dialed) {
      endpoint_->worker_.loop.DeleteLater(std::move(dial_));
      Connection connection;
      connection.status = dialed.status;
      connection.reason = dialed.reason;
      connection.own = std::move(dialed);
      Finish(std::move(connection));
    });
  }

 private:
  const std::shared_ptr<Endpoint> endpoint_;
  ConnectionCallback done_;
  std::unique_ptr<Dial> dial_;
};

Endpoint::~Endpoint() {
  worker_.observer.AddUpstreams(-static_cast<int64_t>(connections()));
  // The last exchange of a link may be ending inside the link's own callback.
  for (auto& link : links_) {
    link->Close();
    worker_.loop.DeleteLater(std::move(link));
  }
}

bool Endpoint::MayMultiplex() const {
  if (config_.tls == mesh::EndpointTls::kPlaintext) return protocol_ == mesh::Protocol::kHttp2;
  return !single_;
}

Http2Upstream* Endpoint::UsableLink() {
  Http2Upstream* usable = nullptr;
  std::vector<Http2Upstream*> stale;
  for (const auto& link : links_) {
    if (!link->IsFresh()) {
      stale.push_back(link.get());
    } else if (link->HasRoom() &&
               (usable == nullptr || link->heavy_streams() < usable->heavy_streams())) {
      usable = link.get();
    }
  }
  for (Http2Upstream* link : stale) link->Retire();
  if (usable != nullptr && usable->heavy_streams() > 0) SpillOver();
  return usable;
}

// Nobody waits for it: what comes once it is there takes it.
void Endpoint::SpillOver() {
  const bool may = links_.size() < kMostSpreadLinks && options_.group->MayAwaitConnection();
  if (may && shared_dial_ == nullptr) StartSharedDial();
}

void Endpoint::StartSharedDial() {
  shared_dial_ = StartDial([this](Dial::Result dialed) { OnSharedDialed(std::move(dialed)); });
}

void Endpoint::AddActive() {
  ++active_;
  options_.group->AddActive();
}

void Endpoint::RemoveActive() {
  --active_;
  options_.group->RemoveActive();
}

void Endpoint::Record(mesh::Outcome outcome) {
  UpstreamGroup& group = *options_.group;
  const mesh::OutlierDetection& policy = group.policy().outliers;
  if (!policy.enabled() || !health_.Record(outcome, policy)) return;
  const uint64_t now_ms = worker_.loop.NowMs();
  if (health_.ejected(now_ms) || !group.MayEject(now_ms)) return;
  group.Ejected(health_.Eject(now_ms, policy));
  worker_.observer.CountEjection();
}

absl::Duration Endpoint::IdleTimeout() const {
  const absl::Duration wanted = options_.group->policy().pool.http_idle_timeout;
  return wanted > absl::ZeroDuration() ? wanted : options_.idle_timeout;
}

Endpoint::Leg Endpoint::TakeLeg() {
  if (Http2Upstream* link = UsableLink(); link != nullptr) return LegOf(*link);
  Leg ready;
  while (!idle_.empty() && ready.leg == nullptr) {
    Http1Upstream* upstream = idle_.back();
    idle_.pop_back();
    if (upstream->IsFresh()) {
      ready.leg = upstream;
      ready.facts = &upstream->facts();
    } else {
      upstream->Retire();
    }
  }
  return ready;
}

std::unique_ptr<event::Deletable> Endpoint::AwaitLeg(LegCallback done) {
  return AwaitConnection([this, done = std::move(done)](Connection connection) mutable {
    done(LegOf(std::move(connection)));
  });
}

std::unique_ptr<event::Deletable> Endpoint::AwaitOwnLeg(LegCallback done) {
  auto waiter = std::make_unique<Waiter>(
      shared_from_this(), [this, done = std::move(done)](Connection connection) mutable {
        done(LegOf(std::move(connection)));
      });
  waiter->DialHttp1();
  return waiter;
}

bool Endpoint::MaySpeakHttp1() const {
  return config_.tls != mesh::EndpointTls::kPlaintext || protocol_ != mesh::Protocol::kHttp2;
}

std::unique_ptr<event::Deletable> Endpoint::AwaitConnection(ConnectionCallback done) {
  auto waiter = std::make_unique<Waiter>(shared_from_this(), std::move(done));
  if (!MayMultiplex()) {
    waiter->DialAlone();
    return waiter;
  }
  waiters_.push_back(waiter.get());
  if (shared_dial_ == nullptr) StartSharedDial();
  return waiter;
}

void Endpoint::OnSharedDialed(Dial::Result dialed) {
  worker_.loop.DeleteLater(std::move(shared_dial_));
  // Those that come from now on wait for the next dial.
  served_.insert(served_.end(), waiters_.begin(), waiters_.end());
  waiters_.clear();
  Connection first = Sort(std::move(dialed));
  const absl::Status status = first.status;
  const telemetry::Reason reason = first.reason;
  bool taken = !status.ok();
  while (!served_.empty()) {
    Waiter* waiter = served_.front();
    served_.pop_front();
    Connection connection;
    if (!std::exchange(taken, true)) {
      connection = std::move(first);  // NOLINT(bugprone-use-after-move): `taken` is set once.
    } else if (!status.ok()) {
      connection.status = status;
      connection.reason = reason;
    } else if (connection.link = UsableLink(); connection.link == nullptr) {
      waiter->DialAlone();
      continue;
    }
    waiter->Finish(std::move(connection));
  }
  // Everybody who waited for it may have gone. A link then waits for others.
  if (!taken && first.own.stream != nullptr) {
    first.own.stream->Close();
    worker_.loop.DeleteLater(std::move(first.own.stream));
  }
}

Endpoint::Connection Endpoint::Sort(Dial::Result dialed) {
  Connection connection;
  connection.status = dialed.status;
  connection.reason = dialed.reason;
  if (!connection.status.ok()) return connection;
  const bool multiplexed = config_.tls == mesh::EndpointTls::kPlaintext
                               ? protocol_ == mesh::Protocol::kHttp2
                               : IsHttp2(dialed.facts.alpn);
  if (config_.tls != mesh::EndpointTls::kPlaintext) single_ = !multiplexed;
  if (multiplexed) {
    links_.push_back(
        std::make_unique<Http2Upstream>(worker_, *this, std::move(dialed), options_.idle_timeout));
    worker_.observer.AddUpstreams(1);
    connection.link = links_.back().get();
  } else {
    connection.own = std::move(dialed);
  }
  return connection;
}

Endpoint::Leg Endpoint::LegOf(Http2Upstream& link) {
  Leg leg;
  leg.leg = &link.NewLeg();
  leg.facts = &link.facts();
  return leg;
}

Endpoint::Leg Endpoint::LegOf(Connection connection) {
  if (connection.link != nullptr) return LegOf(*connection.link);
  Leg leg;
  leg.status = std::move(connection.status);
  leg.reason = connection.reason;
  if (!leg.status.ok()) return leg;
  Http1Upstream& upstream = Adopt(std::move(connection.own));
  leg.leg = &upstream;
  leg.facts = &upstream.facts();
  return leg;
}

void Endpoint::Forget(Waiter& waiter) {
  waiters_.erase(std::remove(waiters_.begin(), waiters_.end(), &waiter), waiters_.end());
  served_.erase(std::remove(served_.begin(), served_.end(), &waiter), served_.end());
}

std::unique_ptr<Dial> Endpoint::StartDial(mesh::Protocol protocol, Links links,
                                          absl::AnyInvocable<void(Dial::Result)> done) {
  const absl::Duration wanted = options_.group->policy().pool.connect_timeout;
  Dial::Options options;
  options.alpn =
      config_.origination != nullptr ? OriginationAlpn(protocol) : ClientAlpn(protocol, links);
  options.sni = options_.sni;
  options.connect_timeout =
      wanted > absl::ZeroDuration() ? wanted : worker_.options.timeouts.connect;
  options.origination = options_.origination;
  return std::make_unique<Dial>(worker_, config_, std::move(options),
                                [ticket = UpstreamGroup::Dial(options_.group),
                                 done = std::move(done)](Dial::Result result) mutable {
                                  ticket.Return();
                                  done(std::move(result));
                                });
}

Http1Upstream& Endpoint::Adopt(Dial::Result dialed) {
  auto owned =
      std::make_unique<Http1Upstream>(worker_, *this, std::move(dialed), IdleTimeout(),
                                      options_.group->policy().pool.max_requests_per_connection);
  Http1Upstream& upstream = *owned;
  connections_.emplace(&upstream, std::move(owned));
  worker_.observer.AddUpstreams(1);
  return upstream;
}

void Endpoint::Retire() {
  retired_ = true;
  idle_.clear();
  // Retiring an idle connection takes it out of the table.
  std::vector<Http1Upstream*> all;
  all.reserve(connections_.size());
  for (const auto& [upstream, owned] : connections_) all.push_back(upstream);
  for (Http1Upstream* upstream : all) upstream->Retire();
  for (const auto& link : links_) link->Retire();
}

void Endpoint::OnIdle(Http1Upstream& upstream) { idle_.push_back(&upstream); }

void Endpoint::OnGone(Http2Upstream& upstream) {
  const auto entry = std::find_if(links_.begin(), links_.end(),
                                  [&](const auto& link) { return link.get() == &upstream; });
  if (entry == links_.end()) return;
  worker_.observer.AddUpstreams(-1);
  worker_.loop.DeleteLater(std::move(*entry));
  links_.erase(entry);
}

void Endpoint::OnGone(Http1Upstream& upstream) {
  idle_.erase(std::remove(idle_.begin(), idle_.end(), &upstream), idle_.end());
  auto entry = connections_.find(&upstream);
  if (entry == connections_.end()) return;
  worker_.observer.AddUpstreams(-1);
  worker_.loop.DeleteLater(std::move(entry->second));
  connections_.erase(entry);
}

}  // namespace kith::proxy
