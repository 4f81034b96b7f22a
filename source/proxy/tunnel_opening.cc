#include "source/proxy/tunnel_opening.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace kith::proxy {

using telemetry::Reason;

namespace {

// A link that was just leaving is replaced; a far end that keeps refusing is not hammered.
constexpr int kMaxRepeats = 2;

}  // namespace

TunnelOpening::TunnelOpening(WorkerState& worker, std::shared_ptr<Endpoint> endpoint, Done done)
    : worker_(worker),
      endpoint_(std::move(endpoint)),
      done_(std::move(done)),
      deadline_(worker.loop, [this] {
        Fail(absl::DeadlineExceededError("the far sidecar has not reached its application in time"),
             Reason::kUpstreamTimeout);
      }) {}

void TunnelOpening::Start() {
  while (Http2Upstream* link = endpoint_->UsableLink()) {
    if (Ask(*link)) return;
  }
  waiting_ = endpoint_->AwaitConnection(
      [this](Endpoint::Connection connection) { OnConnection(std::move(connection)); });
}

void TunnelOpening::OnConnection(Endpoint::Connection connection) {
  worker_.loop.DeleteLater(std::move(waiting_));
  if (!connection.status.ok()) {
    Fail(std::move(connection.status), connection.reason);
  } else if (connection.link != nullptr) {
    if (!Ask(*connection.link)) Repeat(Reason::kUpstreamReset, "the link can take no streams");
  } else {
    facts_ = std::make_shared<const ConnectionFacts>(std::move(connection.own.facts));
    Opened opened;
    opened.stream = std::move(connection.own.stream);
    opened.facts = std::move(facts_);
    Tell(std::move(opened));
  }
}

bool TunnelOpening::Ask(Http2Upstream& link) {
  facts_ = link.shared_facts();
  stream_ = link.AskTunnel(endpoint_->address_text(), *this);
  if (stream_ == nullptr) return false;
  // The far end dials its application meanwhile, for which it has a limit of its own.
  deadline_.Set(2 * worker_.options.timeouts.connect);
  return true;
}

void TunnelOpening::OnAnswered(int status) {
  deadline_.Clear();
  if (status == 200) {
    Opened opened;
    opened.stream = std::move(stream_);
    opened.facts = std::move(facts_);
    Tell(std::move(opened));
    return;
  }
  const std::string text = absl::StrCat("the far sidecar refuses the connection with ", status);
  if (status < 500) {
    Fail(absl::FailedPreconditionError(text), Reason::kUpstreamReset);
  } else {
    Fail(absl::UnavailableError(text), Reason::kUpstreamUnreachable);
  }
}

void TunnelOpening::OnUnanswered(Reason reason, const std::string& detail) {
  deadline_.Clear();
  Repeat(reason, detail);
}

// The application has sent nothing yet, so nothing can be done twice.
void TunnelOpening::Repeat(Reason reason, absl::string_view detail) {
  if (stream_ != nullptr) worker_.loop.DeleteLater(std::move(stream_));
  if (repeats_++ < kMaxRepeats) {
    worker_.observer.CountRetry(reason);
    Start();
  } else {
    Fail(absl::UnavailableError(detail), reason);
  }
}

void TunnelOpening::Fail(absl::Status status, Reason reason) {
  Opened opened;
  opened.status = std::move(status);
  opened.reason = reason;
  Tell(std::move(opened));
}

void TunnelOpening::Tell(Opened opened) {
  deadline_.Clear();
  if (stream_ != nullptr) worker_.loop.DeleteLater(std::move(stream_));
  std::exchange(done_, nullptr)(std::move(opened));
}

}  // namespace kith::proxy
