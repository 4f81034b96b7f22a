#include "source/sidecar/workers.h"

#include <utility>

#include "source/proxy/observer.h"

namespace kith::sidecar {
namespace {

// Gathers the answers of all workers on the main loop.
template <typename Done, typename Sum = Workers::Activity>
struct Gathering {
  size_t waiting = 0;
  Sum sum;
  Done done;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Workers>> Workers::Create(event::Loop& loop,
                                                         const Bootstrap& bootstrap,
                                                         telemetry::Metrics& metrics,
                                                         telemetry::AccessLog* access_log) {
  std::unique_ptr<Workers> all(new Workers(loop));
  proxy::Worker::Options options;
  options.inbound = bootstrap.inbound;
  options.outbound = bootstrap.outbound;
  options.capture = bootstrap.capture;
  options.want_service = [&loop, all = all.get()](const std::string& address) {
    loop.Post([all, address] { all->want_service(address); });
  };
  options.timeouts = bootstrap.timeouts;
  options.limits = bootstrap.limits;
  options.retries = bootstrap.retries;
  options.links = bootstrap.links;
  options.workload = bootstrap.name;
  options.name_space = bootstrap.name_space;
  options.access_log_headers = bootstrap.access_log_headers;
  options.recent_decisions = bootstrap.recent_decisions;
  options.share_ports = bootstrap.workers > 1;
  options.workers = bootstrap.workers;
  for (uint32_t i = 0; i < bootstrap.workers; ++i) {
    options.metrics = &metrics.AddShard();
    options.access_log = access_log == nullptr ? nullptr : &access_log->AddWriter();
    auto worker = proxy::Worker::Create(options);
    if (!worker.ok()) return worker.status();
    all->workers_.push_back(*std::move(worker));
    if (i > 0) continue;
    // Where the kernel chose a port, the others share the first worker's.
    all->inbound_ = all->workers_.front()->inbound_addresses();
    all->outbound_ = all->workers_.front()->outbound_addresses();
    for (size_t j = 0; j < options.inbound.size(); ++j) options.inbound[j].bind = all->inbound_[j];
    for (size_t j = 0; j < options.outbound.size(); ++j) {
      options.outbound[j].bind = all->outbound_[j];
    }
  }
  return all;
}

void Workers::Start() {
  for (const auto& worker : workers_) worker->Start();
}

void Workers::SetTls(const std::shared_ptr<const tls::Context>& context) {
  serial_ = context->identity().leaf().serial;
  for (const auto& worker : workers_) worker->SetTls(context);
}

void Workers::SetConfig(const proxy::Config& config) {
  for (const auto& worker : workers_) worker->SetConfig(config);
}

template <typename Ask>
void Workers::AskAll(Ask ask, absl::AnyInvocable<void()> done) {
  struct Nothing {};
  auto gathering = std::make_shared<Gathering<absl::AnyInvocable<void()>, Nothing>>();
  gathering->waiting = workers_.size();
  gathering->done = std::move(done);
  for (const auto& worker : workers_) {
    ask(*worker, [&loop = loop_, gathering] {
      loop.Post([gathering] {
        if (--gathering->waiting == 0) gathering->done();
      });
    });
  }
}

void Workers::Drain(absl::AnyInvocable<void()> done) {
  AskAll([](proxy::Worker& worker, auto answered) { worker.Drain(std::move(answered)); },
         std::move(done));
}

void Workers::CutOff(const absl::Status& status, absl::AnyInvocable<void()> done) {
  AskAll([&](proxy::Worker& worker, auto answered) { worker.CutOff(status, std::move(answered)); },
         std::move(done));
}

void Workers::ReleaseBuffers(absl::AnyInvocable<void()> done) {
  AskAll([](proxy::Worker& worker, auto answered) { worker.ReleaseBuffers(std::move(answered)); },
         std::move(done));
}

void Workers::SetMemoryPressure(proxy::MemoryPressure pressure) {
  for (const auto& worker : workers_) worker->SetMemoryPressure(pressure);
}

void Workers::SetDebugCallers(const std::vector<std::string>& callers) {
  for (const auto& worker : workers_) worker->SetDebugCallers(callers);
}

void Workers::CutOffInbound(const absl::Status& status) {
  for (const auto& worker : workers_) worker->CutOffInbound(status);
}

void Workers::Query(absl::AnyInvocable<void(const Activity&)> answer) {
  auto gathering = std::make_shared<Gathering<absl::AnyInvocable<void(const Activity&)>>>();
  gathering->waiting = workers_.size();
  gathering->done = std::move(answer);
  for (const auto& worker : workers_) {
    worker->Query([this, gathering](const proxy::Worker::Activity& activity) {
      loop_.Post([this, gathering, activity] {
        gathering->sum.serials.push_back(activity.serial);
        if (activity.serial != serial_) ++gathering->sum.workers_behind;
        gathering->sum.inbound_connections += activity.inbound_connections;
        gathering->sum.outbound_connections += activity.outbound_connections;
        gathering->sum.upstream_connections += activity.upstream_connections;
        if (--gathering->waiting == 0) gathering->done(gathering->sum);
      });
    });
  }
}

void Workers::FindDecisions(const std::string& request_id, size_t most,
                            absl::AnyInvocable<void(Lines)> answer) {
  auto gathering = std::make_shared<Gathering<absl::AnyInvocable<void(Lines)>, Lines>>();
  gathering->waiting = workers_.size();
  gathering->done = std::move(answer);
  for (const auto& worker : workers_) {
    worker->Look([&loop = loop_, gathering, request_id, most](const proxy::Observer& observer) {
      loop.Post([gathering, lines = observer.recent_decisions().Find(request_id, most)] {
        gathering->sum.insert(gathering->sum.end(), lines.begin(), lines.end());
        if (--gathering->waiting == 0) gathering->done(std::move(gathering->sum));
      });
    });
  }
}

void Workers::FindPlaintext(absl::AnyInvocable<void(Plaintext)> answer) {
  auto gathering = std::make_shared<Gathering<absl::AnyInvocable<void(Plaintext)>, Plaintext>>();
  gathering->waiting = workers_.size();
  gathering->done = std::move(answer);
  for (const auto& worker : workers_) {
    worker->Look([&loop = loop_, gathering](const proxy::Observer& observer) {
      const proxy::PlaintextSources& seen = observer.plaintext_sources();
      loop.Post([gathering, list = seen.List(), beyond = seen.beyond()] {
        auto& sources = gathering->sum.sources;
        sources.insert(sources.end(), list.begin(), list.end());
        gathering->sum.beyond += beyond;
        if (--gathering->waiting == 0) gathering->done(std::move(gathering->sum));
      });
    });
  }
}

}  // namespace kith::sidecar
