#include "source/controlplane/distribution/hub.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "source/base/log.h"
#include "source/base/socket_address.h"
#include "source/controlplane/ca/state_directory.h"

namespace kith::controlplane {
namespace {

constexpr char kSelf[] = "self";
constexpr size_t kMaxRosterBytes = size_t{256} * 1024 * 1024;
constexpr absl::Duration kSaveDelay = absl::Milliseconds(100);
constexpr absl::Duration kFirstMessage = absl::Seconds(15);  // A stream says who it is within it.

absl::string_view ShortType(absl::string_view type_url) {
  return absl::StripPrefix(type_url, "type.googleapis.com/kith.mesh.v1.");
}

Workload ToWorkload(const Caller& identity, const mesh::v1::NodeMetadata& metadata,
                    const std::string& peer_ip) {
  Workload workload;
  workload.name_space = identity.name_space;
  workload.service_account = identity.service_account;
  workload.name = metadata.workload();
  workload.labels.insert(metadata.labels().begin(), metadata.labels().end());
  for (const mesh::v1::InboundPort& inbound : metadata.inbound()) {
    workload.inbound[inbound.port()] = inbound.address();
  }
  for (const std::string& ip : metadata.captured_addresses()) workload.captured[ip] = ip == peer_ip;
  return workload;
}

bool SameEndpoint(const Workload& a, const Workload& b) {
  return a.service_account == b.service_account && a.labels == b.labels && a.inbound == b.inbound &&
         a.captured == b.captured;
}

}  // namespace

struct Hub::Stream {
  StreamId id = Roster::kNoStream;
  Caller identity;
  std::string peer;
  std::shared_ptr<StreamWriter> writer;
  absl::Time opened;
  bool known = false;  // Its node metadata has come.
  Workload workload;
  std::vector<Subscription> subscriptions;  // One a type.
  ResourceCache::Config config;
  uint64_t config_epoch = 0;

  Roster::Key key() const { return {workload.name_space, workload.name}; }
};

class Hub::View : public ResourceView {
 public:
  View(ResourceCache& cache, Stream& stream, absl::string_view type)
      : cache_(cache), stream_(stream), type_(type) {}

  std::shared_ptr<const EncodedResource> Find(const std::string& name) override {
    if (type_ == kServiceType) return cache_.Service(name);
    if (type_ == kTrustBundleType) return cache_.TrustBundle(name);
    return name == kSelf ? Config() : nullptr;
  }

  std::vector<std::string> All() override {
    if (type_ == kTrustBundleType) return cache_.TrustDomains();
    if (type_ == kWorkloadConfigType) return {kSelf};
    return {};
  }

 private:
  std::shared_ptr<const EncodedResource> Config() {
    if (stream_.config_epoch != cache_.config_epoch()) {
      const absl::Status before = stream_.config.problem;
      stream_.config = cache_.WorkloadConfig(stream_.workload);
      stream_.config_epoch = cache_.config_epoch();
      if (!stream_.config.problem.ok() && stream_.config.problem != before) {
        base::Log(
            base::LogLevel::kError, "distribution",
            "conflicting PeerAuthentications; the workload gets STRICT",
            {{"workload", absl::StrCat(stream_.workload.name_space, "/", stream_.workload.name)},
             {"error", std::string(stream_.config.problem.message())}});
      }
    }
    return stream_.config.resource;
  }

  ResourceCache& cache_;
  Stream& stream_;
  const absl::string_view type_;
};

Hub::Hub(event::Loop& loop, Options options)
    : options_(std::move(options)),
      cache_(options_.mesh),
      roster_(options_.roster),
      nonce_prefix_(absl::StrCat(absl::Hex(absl::ToUnixMicros(options_.clock->Now())))),
      refresh_(loop, [this] { Refresh(); }),
      save_(loop, [this] { SaveRoster(); }),
      tick_(loop, [this] { Tick(); }) {
  if (!options_.roster_file.empty()) {
    const auto text = ReadFile(options_.roster_file, kMaxRosterBytes);
    if (text.ok()) roster_.Restore(*text, options_.clock->Now());
    for (const auto& [key, record] : roster_.records()) cache_.SetWorkload(record.workload);
  }
  tick_.StartRepeating(absl::Seconds(1));
}

Hub::~Hub() = default;

void Hub::SetState(std::shared_ptr<const MeshState> state) {
  cache_.SetState(std::move(state));
  MeshChanged();
}

void Hub::SetPlaced(std::shared_ptr<const PlacedEndpoints> placed) {
  cache_.SetPlaced(std::move(placed));
  MeshChanged();
}

void Hub::SetTrustBundle(mesh::v1::TrustBundle bundle) {
  bundle_generation_ = bundle.generation();
  cache_.SetTrustBundle(std::move(bundle));
  MeshChanged();
}

void Hub::SetCrls(std::vector<std::string> crls) {
  cache_.SetCrls(std::move(crls));
  MeshChanged();
}

void Hub::SetFederatedBundles(const std::vector<mesh::v1::TrustBundle>& bundles) {
  cache_.SetFederatedBundles(bundles);
  MeshChanged();
}

Hub::StreamId Hub::Open(Caller identity, std::string peer, std::shared_ptr<StreamWriter> writer) {
  auto stream = std::make_unique<Stream>();
  stream->id = ++last_id_;
  stream->opened = options_.clock->Now();
  stream->identity = std::move(identity);
  stream->peer = std::move(peer);
  stream->writer = std::move(writer);
  const std::string nonces = absl::StrCat(nonce_prefix_, "-", stream->id);
  using Wildcard = Subscription::Wildcard;
  stream->subscriptions.emplace_back(kTrustBundleType, Wildcard::kAllowed, nonces);
  stream->subscriptions.emplace_back(kWorkloadConfigType, Wildcard::kAllowed, nonces);
  stream->subscriptions.emplace_back(kServiceType, Wildcard::kIgnored, nonces);
  streams_.emplace(last_id_, std::move(stream));
  if (options_.observer != nullptr) options_.observer->SetStreams(streams_.size());
  return last_id_;
}

void Hub::OnRequest(StreamId id, const Subscription::Request& request) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  Stream& stream = *found->second;
  if (request.has_node() && !TakeNode(stream, request.node())) return;
  if (!stream.known) {
    End(id, absl::InvalidArgumentError("a stream's first message must carry node.metadata"));
    return;
  }
  if (request.type_url().empty()) return;  // News of the node alone.
  for (Subscription& subscription : stream.subscriptions) {
    if (subscription.type_url() != request.type_url()) continue;
    const auto answer = subscription.OnRequest(request, options_.clock->Now());
    if (!answer.ok()) {
      End(id, answer.status());
      return;
    }
    const absl::string_view type = ShortType(request.type_url());
    if (*answer == Subscription::Answer::kAck && options_.observer != nullptr) {
      options_.observer->CountAck(type);
    }
    if (*answer == Subscription::Answer::kNack) {
      if (options_.observer != nullptr) options_.observer->CountNack(type);
      base::Log(base::LogLevel::kWarning, "distribution", "a sidecar refused its configuration",
                {{"workload", absl::StrCat(stream.workload.name_space, "/", stream.workload.name)},
                 {"type", std::string(type)},
                 {"error", subscription.error()}});
    }
    Push(stream);
    return;
  }
  End(id, absl::InvalidArgumentError(absl::StrCat("type_url \"", request.type_url().substr(0, 200),
                                                  "\" is not distributed here")));
}

bool Hub::TakeNode(Stream& stream, const envoy::config::core::v3::Node& node) {
  const std::string peer_ip = PeerIp(stream.peer);
  const auto metadata = ParseMetadata(node.metadata(), peer_ip);
  if (!metadata.ok()) {
    End(stream.id, metadata.status());
    return false;
  }
  Workload workload = ToWorkload(stream.identity, *metadata, peer_ip);
  if (options_.check_claims != nullptr) {
    const absl::Status owned = options_.check_claims(stream.identity, workload, peer_ip);
    if (!owned.ok()) {
      base::Log(base::LogLevel::kWarning, "distribution", "a sidecar is refused",
                {{"caller", stream.identity.ToString()},
                 {"peer", stream.peer},
                 {"error", std::string(owned.message())}});
      End(stream.id, owned);
      return false;
    }
  }
  if (stream.known && workload.name != stream.workload.name) {
    End(stream.id, absl::InvalidArgumentError(
                       "node metadata: workload: another name than before on this stream"));
    return false;
  }
  const Roster::Record* const before = roster_.Find({workload.name_space, workload.name});
  const bool new_certificate =
      before != nullptr && before->certificate.serial() != metadata->certificate().serial();
  const bool same_endpoint =
      before != nullptr && before->present && SameEndpoint(before->workload, workload);
  const auto replaced =
      roster_.Attach(stream.id, workload, *metadata, stream.peer, options_.clock->Now());
  if (!replaced.ok()) {
    End(stream.id, replaced.status());
    return false;
  }
  if (!stream.known) {
    base::Log(base::LogLevel::kInfo, "distribution", "sidecar connected",
              {{"workload", absl::StrCat(workload.name_space, "/", workload.name)},
               {"serviceAccount", workload.service_account},
               {"peer", stream.peer}});
  }
  stream.known = true;
  stream.workload = std::move(workload);
  stream.config_epoch = 0;
  if (*replaced != Roster::kNoStream) {
    End(*replaced, absl::AbortedError("replaced: the same workload opened another stream"));
  }
  if (new_certificate) {
    // A bundle may have been refused because the certificate before did not pass under it.
    for (Subscription& subscription : stream.subscriptions) {
      if (subscription.type_url() == kTrustBundleType) subscription.OfferRefusedAgain();
    }
  }
  if (!same_endpoint) {
    cache_.SetWorkload(stream.workload);
    RosterChanged();
    MeshChanged();
  } else {
    Push(stream);  // Its own labels may select other policies: nobody else is concerned.
  }
  return true;
}

void Hub::Push(Stream& stream) {
  if (!stream.known) return;
  for (Subscription& subscription : stream.subscriptions) {
    View view(cache_, stream, subscription.type_url());
    auto response = subscription.Next(view, options_.clock->Now());
    if (!response.has_value()) continue;
    if (options_.observer != nullptr) {
      options_.observer->CountPush(ShortType(subscription.type_url()));
    }
    stream.writer->Write(*std::move(response));
  }
}

void Hub::Depart(const Stream& stream, Roster::Leave leave) {
  if (options_.observer != nullptr) options_.observer->SetStreams(streams_.size());
  if (!stream.known) return;
  base::Log(base::LogLevel::kInfo, "distribution",
            leave == Roster::Leave::kDrained ? "sidecar said good-bye" : "sidecar disconnected",
            {{"workload", absl::StrCat(stream.workload.name_space, "/", stream.workload.name)},
             {"peer", stream.peer}});
  roster_.Detach(stream.id, stream.key(), leave, options_.clock->Now());
  if (leave == Roster::Leave::kDrained) Tick();
}

void Hub::OnClosed(StreamId id, Roster::Leave leave) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  const std::unique_ptr<Stream> stream = std::move(found->second);
  streams_.erase(found);
  Depart(*stream, leave);
}

void Hub::End(StreamId id, const absl::Status& status) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  const std::unique_ptr<Stream> stream = std::move(found->second);
  streams_.erase(found);
  base::Log(base::LogLevel::kInfo, "distribution", "stream ended",
            {{"namespace", stream->identity.name_space},
             {"serviceAccount", stream->identity.service_account},
             {"peer", stream->peer},
             {"status", status.ToString()}});
  stream->writer->Finish(status);
  Depart(*stream, Roster::Leave::kLost);
}

void Hub::EndAll(const absl::Status& status) {
  SaveRoster();
  save_.Stop();
  refresh_.Stop();
  tick_.Stop();
  for (const auto& [id, stream] : std::exchange(streams_, {})) stream->writer->Finish(status);
}

void Hub::Tick() {
  const absl::Time now = options_.clock->Now();
  std::vector<std::pair<StreamId, absl::Status>> ends;
  for (const auto& [id, stream] : streams_) {
    if (stream->identity.expires <= now) {
      ends.emplace_back(id, absl::UnauthenticatedError(
                                "the token of this stream has expired; connect again with a "
                                "fresh one"));
    } else if (!stream->known && stream->opened + kFirstMessage <= now) {
      ends.emplace_back(id, absl::DeadlineExceededError("the stream's first message did not come"));
    }
  }
  for (const auto& [id, status] : ends) End(id, status);
  const std::vector<Roster::Key> gone = roster_.Expire(now);
  if (gone.empty()) return;
  for (const auto& [name_space, name] : gone) cache_.RemoveWorkload(name_space, name);
  RosterChanged();
  MeshChanged();
}

void Hub::Refresh() {
  refresh_.Stop();
  for (const auto& [id, stream] : streams_) Push(*stream);
}

void Hub::MeshChanged() {
  if (!refresh_.active()) refresh_.Start(options_.gather);
}

void Hub::RosterChanged() {
  roster_dirty_ = true;
  if (!save_.active()) save_.Start(kSaveDelay);
}

void Hub::SaveRoster() {
  if (!std::exchange(roster_dirty_, false) || options_.roster_file.empty()) return;
  const absl::Status status = WriteFileAtomically(options_.roster_file, roster_.Save(), 0600);
  if (!status.ok()) {
    base::Log(base::LogLevel::kWarning, "distribution",
              "connected workloads are not kept; a restart will find them as they reconnect",
              {{"error", std::string(status.message())}});
  }
}

bool Hub::HoldsBundle(const Stream& stream, const Roster::Record& record) const {
  const std::string& domain = options_.mesh.trust_domain;
  const auto bundle = cache_.TrustBundle(domain);
  for (const Subscription& subscription : stream.subscriptions) {
    if (subscription.type_url() != kTrustBundleType) continue;
    return bundle != nullptr && subscription.Holds(domain, bundle->version) &&
           record.trust_bundle_generation >= bundle_generation_;
  }
  return false;
}

std::vector<Hub::WorkloadReport> Hub::Workloads() const {
  std::vector<WorkloadReport> reports;
  for (const auto& [key, record] : roster_.records()) {
    WorkloadReport report{.record = record, .config = {}, .holds_bundle = false};
    const auto stream = streams_.find(record.stream);
    if (stream != streams_.end()) {
      report.holds_bundle = HoldsBundle(*stream->second, record);
      for (const Subscription& subscription : stream->second->subscriptions) {
        report.config.push_back({.type = std::string(ShortType(subscription.type_url())),
                                 .state = subscription.state(),
                                 .resources = subscription.resources(),
                                 .since = subscription.since(),
                                 .error = subscription.error()});
      }
    }
    reports.push_back(std::move(report));
  }
  return reports;
}

}  // namespace kith::controlplane
