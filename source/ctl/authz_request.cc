#include "source/ctl/authz_request.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace kith::ctl {
namespace {

bool IsBroken(absl::string_view text) {
  return text.find_first_of(absl::string_view("\r\n\0", 3)) != absl::string_view::npos;
}

// As the engine takes it, with all that a policy::Request borrows.
class Prepared {
 public:
  Prepared(const CaseContext& context, const AuthzRequest& from) : context_(context), from_(from) {
    if (!from.principal.empty()) {
      const absl::string_view name = absl::StripPrefix(from.principal, "spiffe://");
      auto peer = base::SpiffeId::Parse(absl::StrCat("spiffe://", name));
      bad_peer_ = !peer.ok();
      if (peer.ok()) peer_ = *std::move(peer);
    }
    request_.kind = from.http ? policy::Request::Kind::kHttp : policy::Request::Kind::kTcp;
    if (peer_) request_.peer = &*peer_;
    if (!from.serial.empty()) {
      certificate_.serial = from.serial;
      request_.certificate = &certificate_;
    }
    if (from.source) request_.source = &*from.source;
    if (from.remote) request_.remote = &*from.remote;
    if (from.destination) request_.destination = &*from.destination;
    request_.destination_port = from.port;
    request_.sni = from.sni;
    request_.scheme = peer_ ? "https" : "http";
    request_.method = from.method;
    if (from.http && from.method.empty()) request_.method = from.path ? "GET" : "CONNECT";
    request_.has_path = from.path.has_value();
    FindHost();
    request_.headers = views_;
    if (from.claims) {
      claims_.payload = *from.claims;
      claims_.space_delimited = context.space_delimited;
      request_.claims = &claims_;
    }
  }
  Prepared(const Prepared&) = delete;
  Prepared& operator=(const Prepared&) = delete;

  // Why the sidecar refuses it before any policy is asked; empty when it does not. Comes before
  // request().
  std::string Refusal();
  const policy::Request& request() const { return request_; }

 private:
  // A host is said once, or twice the same.
  void FindHost() {
    host_ = from_.host;
    size_t hosts = 0;
    for (const auto& [name, value] : from_.headers) {
      views_.push_back({name, value});
      if (!absl::EqualsIgnoreCase(name, "host") && name != ":authority") continue;
      bad_host_ |= ++hosts > 1 || (!host_.empty() && !absl::EqualsIgnoreCase(host_, value));
      if (host_.empty()) host_ = value;
    }
    request_.host = host_;
  }
  std::string PeerRefusal();
  std::string PathRefusal();

  const CaseContext& context_;
  const AuthzRequest& from_;
  policy::Request request_;
  absl::optional<base::SpiffeId> peer_;
  std::string host_, normalized_;
  policy::CertificateView certificate_;
  std::vector<policy::HeaderView> views_;
  policy::Claims claims_;
  bool bad_peer_ = false, bad_host_ = false;
};

std::string Prepared::PeerRefusal() {
  using Mtls = security::v1::PeerAuthenticationSpec::MutualTLS;
  const auto port = context_.mtls.port_modes.find(request_.destination_port);
  const Mtls::Mode mode =
      port != context_.mtls.port_modes.end() ? port->second : context_.mtls.mode;
  if (mode == Mtls::STRICT && from_.principal.empty()) {
    return "refused: the port is STRICT and the peer speaks plaintext";
  }
  if (mode == Mtls::DISABLE) {
    // Nothing is terminated here, so the peer proves nothing.
    request_.peer = nullptr;
    request_.certificate = nullptr;
  } else if (bad_peer_) {
    return absl::StrCat("refused: \"", from_.principal, "\" is no SPIFFE ID");
  }
  return "";
}

std::string Prepared::PathRefusal() {
  const std::string& sent = *from_.path;
  normalized_ = sent;
  if (from_.path_is == AuthzRequest::Path::kAsSent) {
    const http::PathOutcome outcome = http::NormalizePath(context_.path_mode, sent, normalized_);
    if (http::IsRefused(outcome)) {
      return absl::StrCat("refused with 400: the path is ", http::ToString(outcome));
    }
    if (outcome == http::PathOutcome::kUnchanged) normalized_ = sent;
  }
  request_.target = normalized_;
  request_.path = absl::string_view(normalized_).substr(0, normalized_.find('?'));
  if (!context_.policies->reads_paths() || context_.path_mode == http::PathMode::kNone) return "";
  const http::PathAmbiguity ambiguity = http::FindAmbiguity(normalized_);
  if (ambiguity == http::PathAmbiguity::kNone) return "";
  return absl::StrCat("refused with 400: the path is ambiguous, ", http::ToString(ambiguity));
}

std::string Prepared::Refusal() {
  if (std::string refusal = PeerRefusal(); !refusal.empty()) return refusal;
  if (!from_.http) return "";
  if (bad_host_) return "refused with 400: two hosts";
  for (const policy::HeaderView& header : views_) {
    if (IsBroken(header.name) || IsBroken(header.value)) {
      return "refused with 400: NUL, CR or LF in a header";
    }
  }
  if (IsBroken(request_.method) || IsBroken(host_) || (from_.path && IsBroken(*from_.path))) {
    return "refused with 400: NUL, CR or LF in the request";
  }
  return from_.path ? PathRefusal() : "";
}

}  // namespace

Verdict DecideRequest(const CaseContext& context, const AuthzRequest& from) {
  Prepared prepared(context, from);
  Verdict verdict;
  verdict.explanation = prepared.Refusal();
  if (!verdict.explanation.empty()) return verdict;
  verdict.reasons = context.policies->Explain(prepared.request());
  verdict.explanation = verdict.reasons->ToString();
  verdict.allowed = verdict.reasons->decision.allowed;
  if (context.policies->has_dry_run()) {
    verdict.dry_run = context.policies->DecideDryRun(prepared.request());
  }
  // Offline there is no provider, and a provider that is missing denies.
  if (verdict.reasons->custom) {
    verdict.allowed = false;
    verdict.explanation = absl::StrCat("denied: ", verdict.explanation);
  }
  return verdict;
}

PartialVerdict DecidePartly(const CaseContext& context, const AuthzRequest& from,
                            const policy::Unknown& unknown) {
  Prepared prepared(context, from);
  PartialVerdict verdict;
  verdict.refusal = prepared.Refusal();
  if (verdict.refusal.empty()) {
    verdict.decision = context.policies->DecidePartly(prepared.request(), unknown);
  } else {
    verdict.decision.allowed = policy::Truth::kNo;
  }
  return verdict;
}

}  // namespace kith::ctl
