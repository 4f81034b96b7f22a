#include "source/proxy/observer.h"

#include <array>
#include <deque>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "source/proxy/exchange.h"
#include "source/telemetry/access_log.h"
#include "source/telemetry/families.h"
#include "source/telemetry/reason_status.h"

namespace kith::proxy {

namespace {

using absl::string_view;

// Leaves whose handshakes stay told apart by serial; older ones are dropped from the metrics.
constexpr size_t kSerialsKept = 8;

string_view NameOf(Observer::Direction direction) {
  return direction == Observer::Direction::kInbound ? "inbound" : "outbound";
}

string_view OrUnknown(string_view text) { return text.empty() ? "unknown" : text; }

// Istio's short words for what went wrong; "-" for nothing.
string_view ResponseFlags(telemetry::Reason reason) {
  using telemetry::Reason;
  switch (reason) {
    case Reason::kNone:
    case Reason::kPolicyDenied:
    case Reason::kTokenRefused:
    case Reason::kBadRequest:
      return "-";
    case Reason::kRateLimited:
      return "RL";
    case Reason::kExternalDenied:
    case Reason::kExternalFailed:
      return "UAEX";
    case Reason::kNoEndpoint:
      return "UH";
    case Reason::kUnknownService:
      return "NC";
    case Reason::kUpstreamTimeout:
    case Reason::kDeadlineExceeded:
      return "UT";
    case Reason::kUpstreamReset:
      return "UC";
    case Reason::kUpstreamProtocolError:
      return "UPE";
    case Reason::kConnectionReset:
      return "DC";
    case Reason::kOverload:
    case Reason::kMemoryPressure:
    case Reason::kCircuitOpen:
      return "UO";
    default:
      return "UF";
  }
}

// "backend" of "backend.demo.svc.cluster.local".
string_view FirstLabel(string_view host) { return host.substr(0, host.find('.')); }

// What both request and TCP metrics carry, in the order of their labels.
struct Parties {
  Parties(const Worker::Options& options, const ConnectionRecord& record,
          const ConnectionFacts* upstream, string_view destination_workload) {
    if (record.direction == Observer::Direction::kInbound) {
      destination = {options.workload, options.name_space};
      if (record.downstream != nullptr) {
        source_principal = record.downstream->peer_principal();
        destination_principal = record.downstream->own_principal();
      }
      mutual = !source_principal.empty();
    } else {
      source = {options.workload, options.name_space};
      if (upstream != nullptr) {
        source_principal = upstream->own_principal();
        destination_principal = upstream->peer_principal();
      }
      const size_t slash = destination_workload.find('/');
      if (slash != string_view::npos) {
        destination = {destination_workload.substr(slash + 1),
                       destination_workload.substr(0, slash)};
      }
    }
  }

  struct Workload {
    string_view name;
    string_view name_space;
  };
  Workload source;
  Workload destination;
  string_view source_principal;
  string_view destination_principal;
  bool mutual = false;
};

// As Istio has it: the source cannot vouch for what the destination sees.
string_view SecurityPolicy(const ConnectionRecord& record, const Parties& parties) {
  if (record.direction == Observer::Direction::kOutbound) return "unknown";
  return parties.mutual ? "mutual_tls" : "none";
}

void FillRule(const DecidingRule& by, telemetry::AccessEntry& entry) {
  entry.policy = by.policy;
  entry.rule = by.rule;
  entry.from = by.from;
  entry.to = by.to;
}

telemetry::AccessEntry EntryOf(const ConnectionRecord& record) {
  telemetry::AccessEntry entry;
  entry.time = record.started;
  entry.direction = NameOf(record.direction);
  entry.service = record.service;
  entry.reason = record.reason;
  entry.detail = record.detail;
  if (record.decided) entry.decision = record.allowed ? "allowed" : "denied";
  if (record.by != nullptr) FillRule(*record.by, entry);
  entry.port = record.port;
  return entry;
}

// Where an inbound connection was accepted: what policies know as its destination.
std::string BindOf(const ConnectionRecord& record) {
  const bool inbound = record.direction == Observer::Direction::kInbound;
  return inbound && record.local != nullptr ? record.local->ToString() : std::string();
}

void FillMarks(const PolicyMarks& marks, telemetry::AccessEntry& entry) {
  entry.audit_policy = marks.audit_policy;
  if (!marks.tried) return;
  entry.dry_run_decision = marks.dry_run_allows ? "allowed" : "denied";
  entry.dry_run_policy = marks.dry_run_policy;
  entry.dry_run_rule = marks.dry_run_rule;
}

// The mutual TLS of a connection, seen from who opened it to who answers.
void FillParties(const ConnectionFacts* facts, Observer::Direction direction,
                 telemetry::AccessEntry& entry) {
  if (facts == nullptr) return;
  telemetry::AccessParty& peer =
      direction == Observer::Direction::kInbound ? entry.source : entry.destination;
  telemetry::AccessParty& own =
      direction == Observer::Direction::kInbound ? entry.destination : entry.source;
  peer.principal = facts->peer_principal();
  peer.serial = facts->peer_serial();
  own.principal = facts->own_principal();
  own.serial = facts->own_serial();
  entry.tls_version = facts->tls_version;
  entry.alpn = facts->alpn;
  entry.sni = facts->sni;
}

}  // namespace

struct Observer::Series {
  explicit Series(telemetry::Shard& shard_in) : shard(shard_in) {}
  telemetry::Shard& shard;
  std::deque<std::string> serials;  // Those that have series, oldest first.
  // Of the last request: the next is most often alike.
  std::string last_key;
  telemetry::Counter* last_requests = nullptr;
  telemetry::Histogram* last_duration = nullptr;
  telemetry::Histogram* last_request_bytes = nullptr;
  telemetry::Histogram* last_response_bytes = nullptr;
  std::string key;
};

Observer::Observer(const Worker::Options& options)
    : options_(options),
      series_(std::make_unique<Series>(*options.metrics)),
      workload_(absl::StrCat(options.name_space, "/", options.workload)),
      recent_(options.recent_decisions) {}
Observer::~Observer() = default;

void Observer::AddConnections(Direction direction, int64_t change) {
  series_->shard.GetGauge(telemetry::kConnectionsActive, {NameOf(direction)})
      .Add(static_cast<double>(change));
}

void Observer::AddUpstreams(int64_t change) {
  upstreams_ = static_cast<uint64_t>(static_cast<int64_t>(upstreams_) + change);
  series_->shard.GetGauge(telemetry::kUpstreamConnectionsActive, {})
      .Set(static_cast<double>(upstreams_));
}

void Observer::CountRefused(Direction direction, telemetry::Reason reason) {
  series_->shard
      .GetCounter(telemetry::kConnectionsRefused, {NameOf(direction), telemetry::Name(reason)})
      .Add();
}

void Observer::CountEnded(telemetry::Reason reason) {
  series_->shard.GetCounter(telemetry::kConnectionsEnded, {telemetry::Name(reason)}).Add();
}

void Observer::CountUpstreamConnect(bool connected) {
  series_->shard.GetCounter(telemetry::kUpstreamConnects, {connected ? "ok" : "failed"}).Add();
}

void Observer::CountEjection() {
  series_->shard.GetCounter(telemetry::kUpstreamEjections, {}).Add();
}

void Observer::CountUnverifiedServer() {
  series_->shard.GetCounter(telemetry::kUpstreamUnverified, {}).Add();
}

void Observer::CountRetry(telemetry::Reason reason) {
  series_->shard.GetCounter(telemetry::kHttpRetries, {telemetry::Name(reason)}).Add();
}

void Observer::CountRetryOverBudget() {
  series_->shard.GetCounter(telemetry::kRetriesOverBudget, {}).Add();
}

void Observer::CountTimeout(string_view timeout) {
  series_->shard.GetCounter(telemetry::kHttpTimeouts, {timeout}).Add();
}

void Observer::CountShedRequest() { series_->shard.GetCounter(telemetry::kRequestsShed, {}).Add(); }

void Observer::CountBadRequest(string_view reason) {
  series_->shard.GetCounter(telemetry::kHttpBadRequests, {reason}).Add();
}

void Observer::CountDecision(policy::Request::Kind kind, const policy::Decision& decision) {
  const string_view policy = decision.policy.empty() ? "none" : decision.policy;
  series_->shard
      .GetCounter(telemetry::kPolicyDecisions,
                  {decision.allowed ? "allow" : "deny", policy,
                   kind == policy::Request::Kind::kHttp ? "http" : "tcp"})
      .Add();
}

PolicyMarks Observer::Mark(const policy::PolicySet& policies, const policy::Request& request,
                           const policy::Decision& decision) {
  PolicyMarks marks;
  const string_view stream = request.kind == policy::Request::Kind::kHttp ? "http" : "tcp";
  if (decision.audit) {
    marks.audit_policy = std::string(decision.audit_policy);
    series_->shard.GetCounter(telemetry::kPolicyAudits, {decision.audit_policy, stream}).Add();
  }
  if (!policies.has_dry_run()) return marks;
  const policy::Decision tried = policies.DecideDryRun(request);
  marks.tried = true;
  marks.dry_run_allows = tried.allowed;
  marks.dry_run_policy = std::string(tried.policy);
  marks.dry_run_rule = tried.rule;
  series_->shard
      .GetCounter(telemetry::kPolicyDryRuns, {tried.allowed ? "allow" : "deny",
                                              tried.policy.empty() ? "none" : tried.policy, stream})
      .Add();
  return marks;
}

void Observer::SawPlaintext(const base::SocketAddress& from, uint16_t port, absl::Time now) {
  plaintext_.Add(from, port, now);
}

void Observer::CountToken(string_view result) {
  series_->shard.GetCounter(telemetry::kTokens, {result}).Add();
}

void Observer::CountExternalAuthorization(string_view provider, string_view result) {
  series_->shard.GetCounter(telemetry::kExternalAuthorizations, {provider, result}).Add();
}

void Observer::CountRateLimited(policy::Request::Kind kind, string_view policy) {
  series_->shard
      .GetCounter(telemetry::kRateLimitRefusals,
                  {policy, kind == policy::Request::Kind::kHttp ? "http" : "tcp"})
      .Add();
}

void Observer::CountHandshake(Side side, const tls::HandshakeResult& result,
                              const tls::Context* context) {
  const string_view own =
      context != nullptr ? string_view(context->identity().id().text()) : string_view();
  // A handshake that failed has proven nothing: the certificate may be a copy.
  const string_view peer =
      result.status.ok() && result.peer ? string_view(result.peer->id.text()) : string_view();
  const bool client = side == Side::kClient;
  const string_view side_name = client ? "client" : "server";
  telemetry::Shard& shard = series_->shard;
  shard
      .GetCounter(telemetry::kTlsHandshakes,
                  {side_name, result.status.ok() ? "ok" : "failed", telemetry::Name(result.reason),
                   OrUnknown(client ? own : peer), OrUnknown(client ? peer : own)})
      .Add();
  if (!result.status.ok() || context == nullptr) return;
  shard.GetHistogram(telemetry::kTlsHandshakeDuration, {side_name})
      .Observe(absl::ToDoubleSeconds(result.duration));

  const std::string& serial = context->identity().leaf().serial;
  std::deque<std::string>& serials = series_->serials;
  if (serials.empty() || serials.back() != serial) {
    serials.push_back(serial);
    if (serials.size() > kSerialsKept) {
      for (string_view each : {"client", "server"}) {
        shard.Remove(telemetry::kTlsHandshakesByCertificate, {each, serials.front()});
      }
      serials.pop_front();
    }
  }
  shard.GetCounter(telemetry::kTlsHandshakesByCertificate, {side_name, serial}).Add();
}

void Observer::ConnectionRefused(const ConnectionRecord& record) {
  CountRefused(record.direction, record.reason);
  LogConnection(record, 0, 0);
}

void Observer::TunnelOpened(const ConnectionRecord& record) {
  TcpCounter(telemetry::kTcpOpened, record).Add();
}

void Observer::TunnelClosed(const ConnectionRecord& record, uint64_t to_server,
                            uint64_t to_client) {
  TcpCounter(telemetry::kTcpClosed, record).Add();
  if (record.status != nullptr) {
    using telemetry::Reason;
    const Reason reason = telemetry::ReasonOf(*record.status, record.reason);
    // Those of a revoked peer are counted where they are found, whatever they carry.
    if (reason == Reason::kConnectionExpired || reason == Reason::kPolicyDenied) CountEnded(reason);
  }
  TcpCounter(telemetry::kTcpReceivedBytes, record).Add(to_server);
  TcpCounter(telemetry::kTcpSentBytes, record).Add(to_client);
  LogConnection(record, to_server, to_client);
}

telemetry::Counter& Observer::TcpCounter(const telemetry::Family& family,
                                         const ConnectionRecord& record) {
  const Parties parties(options_, record, record.upstream, record.destination_workload);
  return series_->shard.GetCounter(
      family, {record.direction == Direction::kInbound ? "destination" : "source",
               OrUnknown(parties.source.name), OrUnknown(parties.source.name_space),
               OrUnknown(parties.source_principal), OrUnknown(parties.destination.name),
               OrUnknown(parties.destination.name_space), OrUnknown(parties.destination_principal),
               OrUnknown(record.service), OrUnknown(FirstLabel(record.service)),
               OrUnknown(record.service_namespace), "tcp", "-", SecurityPolicy(record, parties)});
}

// To the log, and among the recent decisions if it is one.
void Observer::Write(const ConnectionRecord& record, const telemetry::AccessEntry& entry) {
  if (options_.access_log != nullptr) options_.access_log->Write(entry);
  if (record.direction == Direction::kInbound && !entry.decision.empty()) recent_.Add(entry);
}

void Observer::LogConnection(const ConnectionRecord& record, uint64_t received, uint64_t sent) {
  if (options_.access_log == nullptr && !recent_.enabled()) return;
  telemetry::AccessEntry entry = EntryOf(record);
  entry.kind = "tcp";
  FillParties(record.direction == Direction::kInbound ? record.downstream : record.upstream,
              record.direction, entry);
  const std::string source = record.remote->ToString();
  const std::string destination =
      record.destination != nullptr ? record.destination->ToString() : std::string();
  entry.source.address = source;
  entry.destination.address = destination;
  const std::string bind = BindOf(record);
  entry.bind = bind;
  entry.destination.workload =
      record.direction == Direction::kInbound ? workload_ : record.destination_workload;
  if (record.direction == Direction::kOutbound) entry.source.workload = workload_;
  if (record.marks != nullptr) FillMarks(*record.marks, entry);
  entry.bytes_received = received;
  entry.bytes_sent = sent;
  entry.duration = options_.clock->Now() - record.started;
  std::string detail;
  if (record.status != nullptr && !record.status->ok() && entry.detail.empty()) {
    detail = std::string(record.status->message());
    entry.detail = detail;
    if (entry.reason == telemetry::Reason::kNone) {
      entry.reason = telemetry::ReasonOf(*record.status, absl::IsDeadlineExceeded(*record.status)
                                                             ? telemetry::Reason::kIdleTimeout
                                                             : telemetry::Reason::kConnectionReset);
    }
  }
  Write(record, entry);
}

void Observer::RecordRequest(const ConnectionRecord& connection, const RequestRecord& request) {
  CountRequest(connection, request);
  if (options_.access_log == nullptr && !recent_.enabled()) return;
  telemetry::AccessEntry entry = EntryOf(connection);
  entry.kind = "http";
  entry.time = request.started;
  FillParties(
      connection.direction == Direction::kInbound ? connection.downstream : request.upstream,
      connection.direction, entry);
  const std::string source = connection.remote->ToString();
  entry.source.address = source;
  const std::string bind = BindOf(connection);
  entry.bind = bind;
  if (connection.direction == Direction::kInbound) {
    entry.destination.workload = workload_;
  } else {
    entry.source.workload = workload_;
  }
  if (request.endpoint != nullptr) {
    entry.destination.address = request.endpoint->address_text();
    if (connection.direction == Direction::kOutbound) {
      entry.destination.workload = request.endpoint->config().workload;
    }
  }
  entry.request_id = request.request_id;
  entry.request_principal = request.request_principal;
  entry.host = request.host;
  entry.status = request.status;
  entry.bytes_received = request.request_bytes;
  entry.bytes_sent = request.response_bytes;
  entry.duration = request.duration;
  entry.decision = string_view();
  if (request.decided) entry.decision = request.allowed ? "allowed" : "denied";
  FillRule(request.by, entry);
  FillMarks(request.marks, entry);
  entry.reason = request.reason;
  entry.detail = request.detail;
  if (request.request != nullptr) {
    entry.method = request.request->method();
    const string_view path = request.request->path();
    entry.path = path.substr(0, path.find('?'));
    headers_.clear();
    if (!options_.access_log_headers.empty()) {
      for (const http::Header& header : request.request->headers()) {
        headers_.emplace_back(header.name, header.value);
      }
    }
    entry.header_names = options_.access_log_headers;
    entry.headers = headers_;
  }
  Write(connection, entry);
}

void Observer::CountRequest(const ConnectionRecord& connection, const RequestRecord& request) {
  const Parties parties(options_, connection, request.upstream,
                        request.endpoint != nullptr
                            ? string_view(request.endpoint->config().workload)
                            : string_view());
  const string_view flags = ResponseFlags(request.reason);
  // Everything that tells one series from another on this worker.
  Series& series = *series_;
  series.key.clear();
  absl::StrAppend(&series.key, NameOf(connection.direction), "\n", parties.source_principal, "\n",
                  parties.destination_principal, "\n", parties.destination.name, "\n");
  absl::StrAppend(&series.key, parties.destination.name_space, "\n", connection.service, "\n",
                  request.status, flags);
  if (series.key != series.last_key) {
    const string_view reporter =
        connection.direction == Direction::kInbound ? "destination" : "source";
    const string_view source_principal = OrUnknown(parties.source_principal);
    const string_view destination_principal = OrUnknown(parties.destination_principal);
    const string_view service = OrUnknown(connection.service);
    series.last_requests = &series.shard.GetCounter(
        telemetry::kRequests,
        {reporter, OrUnknown(parties.source.name), OrUnknown(parties.source.name_space),
         source_principal, OrUnknown(parties.destination.name),
         OrUnknown(parties.destination.name_space), destination_principal, service,
         OrUnknown(FirstLabel(connection.service)), OrUnknown(connection.service_namespace), "http",
         absl::StrCat(request.status), flags, SecurityPolicy(connection, parties)});
    const std::initializer_list<string_view> few = {reporter, source_principal,
                                                    destination_principal, service, "http"};
    series.last_duration = &series.shard.GetHistogram(telemetry::kRequestDuration, few);
    series.last_request_bytes = &series.shard.GetHistogram(telemetry::kRequestBytes, few);
    series.last_response_bytes = &series.shard.GetHistogram(telemetry::kResponseBytes, few);
    series.last_key = series.key;
  }
  series.last_requests->Add();
  series.last_duration->Observe(absl::ToDoubleMilliseconds(request.duration));
  series.last_request_bytes->Observe(static_cast<double>(request.request_bytes));
  series.last_response_bytes->Observe(static_cast<double>(request.response_bytes));
}

std::string Observer::RequestId(const http::RequestHead& head, http::Header* added,
                                size_t& added_count) {
  // An id of the client's is kept if it is one: what is logged is bounded.
  constexpr size_t kLongest = 128;
  const http::Header* sent = head.Find("x-request-id");
  if (sent != nullptr) return std::string(sent->value.substr(0, kLongest));
  request_id_ = absl::StrCat(absl::Hex(absl::Uniform<uint64_t>(random_), absl::kZeroPad16),
                             absl::Hex(absl::Uniform<uint64_t>(random_), absl::kZeroPad16));
  added[added_count++] = {"x-request-id", request_id_};
  return request_id_;
}

}  // namespace kith::proxy
