#include "source/proxy/endpoint.h"

#include <algorithm>
#include <utility>

namespace kith::proxy {

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

Endpoint::~Endpoint() { worker_.observer.AddUpstreams(-static_cast<int64_t>(connections_.size())); }

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
  return StartDial([this, done = std::move(done)](Dial::Result dialed) mutable {
    Leg leg;
    leg.status = std::move(dialed.status);
    leg.reason = dialed.reason;
    if (leg.status.ok()) {
      Http1Upstream& upstream = Adopt(std::move(dialed));
      leg.leg = &upstream;
      leg.facts = &upstream.facts();
    }
    done(std::move(leg));
  });
}

std::unique_ptr<Dial> Endpoint::StartDial(absl::AnyInvocable<void(Dial::Result)> done) {
  const absl::Duration wanted = options_.group->policy().pool.connect_timeout;
  return std::make_unique<Dial>(
      worker_, config_, protocol_, options_.sni,
      wanted > absl::ZeroDuration() ? wanted : worker_.options.timeouts.connect,
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
}

void Endpoint::OnIdle(Http1Upstream& upstream) { idle_.push_back(&upstream); }

void Endpoint::OnGone(Http1Upstream& upstream) {
  idle_.erase(std::remove(idle_.begin(), idle_.end(), &upstream), idle_.end());
  auto entry = connections_.find(&upstream);
  if (entry == connections_.end()) return;
  worker_.observer.AddUpstreams(-1);
  worker_.loop.DeleteLater(std::move(entry->second));
  connections_.erase(entry);
}

}  // namespace kith::proxy
