#include "source/ctl/authz_case.h"

#include <algorithm>
#include <initializer_list>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/types/optional.h"
#include "source/base/status.h"
#include "source/config/scalar.h"
#include "source/policy/claims.h"

namespace kith::ctl {
namespace {

using config::Node;
using policy::Claim;

// Numbers and booleans are taken as they are written.
absl::StatusOr<std::string> TextOf(const CaseContext& context, const Node* node,
                                   absl::string_view field) {
  if (node == nullptr || node->kind == Node::Kind::kNull) return std::string();
  if (node->kind == Node::Kind::kScalar) return node->text;
  return FieldError(context, *node, field, absl::StrCat("needs text, found ", Describe(*node)));
}

Claim ToClaim(const Node& node) {
  Claim claim;
  switch (node.kind) {
    case Node::Kind::kNull:
      break;
    case Node::Kind::kSequence:
      claim.kind = Claim::Kind::kList;
      for (const Node* item : node.items) claim.items.push_back(ToClaim(*item));
      break;
    case Node::Kind::kMap:
      claim.kind = Claim::Kind::kMap;
      for (const Node::Member& member : node.members) {
        claim.members.emplace_back(member.key, ToClaim(*member.value));
      }
      break;
    case Node::Kind::kScalar: {
      const config::Meaning meaning =
          node.plain ? config::MeaningOf(node.text) : config::Meaning::kText;
      claim.kind = meaning == config::Meaning::kText     ? Claim::Kind::kString
                   : meaning == config::Meaning::kNumber ? Claim::Kind::kNumber
                                                         : Claim::Kind::kBool;
      claim.text = node.text;
    }
  }
  return claim;
}

// A case's request, with all that a policy::Request borrows.
class CaseRequest {
 public:
  CaseRequest(const CaseContext& context, const Node& node) : context_(context), node_(node) {}

  absl::Status Read();
  // Why the sidecar refuses it before any policy is asked; empty when it does not.
  std::string Refusal();
  const policy::Request& request() const { return request_; }

 private:
  absl::Status ReadSource(const Node& source);
  absl::Status ReadDestination(const Node& destination);
  absl::Status ReadHttp(const Node& http);
  absl::Status ReadHeaders(const Node& headers);
  absl::Status ReadAddress(const Node& node, absl::string_view key, absl::string_view field,
                           absl::optional<base::SocketAddress>& out);

  const CaseContext& context_;
  const Node& node_;
  policy::Request request_;
  std::string principal_, sni_, method_, host_, sent_path_, normalized_;
  absl::optional<base::SpiffeId> peer_;
  absl::optional<base::SocketAddress> source_, remote_, destination_;
  std::vector<std::pair<std::string, std::string>> headers_;
  std::vector<policy::HeaderView> views_;
  policy::Claims claims_;
  bool bad_peer_ = false, bad_host_ = false;
};

absl::Status CaseRequest::ReadAddress(const Node& node, absl::string_view key,
                                      absl::string_view field,
                                      absl::optional<base::SocketAddress>& out) {
  KITH_ASSIGN_OR_RETURN(const std::string text, TextOf(context_, node.Find(key), field));
  if (text.empty()) return absl::OkStatus();
  auto address = base::SocketAddress::Parse(
      absl::StrContains(text, ':') ? absl::StrCat("[", text, "]:0") : absl::StrCat(text, ":0"));
  if (!address.ok()) {
    return FieldError(context_, *node.Find(key), field,
                      absl::StrCat("\"", text, "\" is no IP address"));
  }
  out = *std::move(address);
  return absl::OkStatus();
}

absl::Status CaseRequest::ReadSource(const Node& source) {
  KITH_RETURN_IF_ERROR(
      CheckMembers(context_, source, "request.source", {"principal", "ip", "remoteIp"}));
  KITH_ASSIGN_OR_RETURN(principal_,
                        TextOf(context_, source.Find("principal"), "request.source.principal"));
  KITH_RETURN_IF_ERROR(ReadAddress(source, "ip", "request.source.ip", source_));
  KITH_RETURN_IF_ERROR(ReadAddress(source, "remoteIp", "request.source.remoteIp", remote_));
  if (principal_.empty()) return absl::OkStatus();
  const absl::string_view name = absl::StripPrefix(principal_, "spiffe://");
  auto peer = base::SpiffeId::Parse(absl::StrCat("spiffe://", name));
  bad_peer_ = !peer.ok();
  if (peer.ok()) peer_ = *std::move(peer);
  return absl::OkStatus();
}

absl::Status CaseRequest::ReadDestination(const Node& destination) {
  KITH_RETURN_IF_ERROR(CheckMembers(context_, destination, "request.destination", {"ip", "port"}));
  KITH_RETURN_IF_ERROR(ReadAddress(destination, "ip", "request.destination.ip", destination_));
  KITH_ASSIGN_OR_RETURN(const std::string port,
                        TextOf(context_, destination.Find("port"), "request.destination.port"));
  if (port.empty()) return absl::OkStatus();
  int number;
  if (!absl::SimpleAtoi(port, &number) || number < 0 || number > 65535) {
    return FieldError(context_, *destination.Find("port"), "request.destination.port",
                      "a port is 0 to 65535");
  }
  request_.destination_port = static_cast<uint16_t>(number);
  return absl::OkStatus();
}

absl::Status CaseRequest::ReadHeaders(const Node& headers) {
  for (const Node* line : headers.items) {
    if (line->kind != Node::Kind::kSequence || line->items.size() != 2) {
      return FieldError(context_, *line, "request.http.headers", "a header is [name, value]");
    }
    KITH_ASSIGN_OR_RETURN(std::string name,
                          TextOf(context_, line->items[0], "request.http.headers"));
    KITH_ASSIGN_OR_RETURN(std::string value,
                          TextOf(context_, line->items[1], "request.http.headers"));
    headers_.emplace_back(std::move(name), std::move(value));
  }
  for (const Node::Member& member : headers.members) {
    KITH_ASSIGN_OR_RETURN(std::string value,
                          TextOf(context_, member.value, "request.http.headers"));
    headers_.emplace_back(member.key, std::move(value));
  }
  return absl::OkStatus();
}

absl::Status CaseRequest::ReadHttp(const Node& http) {
  KITH_RETURN_IF_ERROR(
      CheckMembers(context_, http, "request.http", {"method", "path", "host", "headers"}));
  request_.kind = policy::Request::Kind::kHttp;
  KITH_ASSIGN_OR_RETURN(method_, TextOf(context_, http.Find("method"), "request.http.method"));
  KITH_ASSIGN_OR_RETURN(host_, TextOf(context_, http.Find("host"), "request.http.host"));
  KITH_ASSIGN_OR_RETURN(sent_path_, TextOf(context_, http.Find("path"), "request.http.path"));
  const Node* const path = http.Find("path");
  request_.has_path = path != nullptr && path->kind != Node::Kind::kNull;
  if (method_.empty()) method_ = request_.has_path ? "GET" : "CONNECT";
  if (const Node* headers = http.Find("headers")) KITH_RETURN_IF_ERROR(ReadHeaders(*headers));
  size_t hosts = 0;
  for (const auto& [name, value] : headers_) {
    views_.push_back({name, value});
    if (!absl::EqualsIgnoreCase(name, "host") && name != ":authority") continue;
    // A host is said once, or twice the same.
    bad_host_ |= ++hosts > 1 || (!host_.empty() && !absl::EqualsIgnoreCase(host_, value));
    if (host_.empty()) host_ = value;
  }
  return absl::OkStatus();
}

absl::Status CaseRequest::Read() {
  KITH_RETURN_IF_ERROR(
      CheckMembers(context_, node_, "request", {"source", "destination", "sni", "http", "claims"}));
  if (const Node* source = node_.Find("source")) KITH_RETURN_IF_ERROR(ReadSource(*source));
  if (const Node* destination = node_.Find("destination")) {
    KITH_RETURN_IF_ERROR(ReadDestination(*destination));
  }
  KITH_ASSIGN_OR_RETURN(sni_, TextOf(context_, node_.Find("sni"), "request.sni"));
  if (const Node* http = node_.Find("http")) KITH_RETURN_IF_ERROR(ReadHttp(*http));
  if (const Node* claims = node_.Find("claims")) {
    if (claims->kind == Node::Kind::kMap) {
      claims_.payload = ToClaim(*claims);
      claims_.space_delimited = context_.space_delimited;
      request_.claims = &claims_;
    }
  }
  if (peer_) request_.peer = &*peer_;
  if (source_) request_.source = &*source_;
  if (remote_) request_.remote = &*remote_;
  if (destination_) request_.destination = &*destination_;
  request_.sni = sni_;
  request_.method = method_;
  request_.host = host_;
  request_.scheme = peer_ ? "https" : "http";
  request_.headers = views_;
  return absl::OkStatus();
}

std::string CaseRequest::Refusal() {
  using Mtls = security::v1::PeerAuthenticationSpec::MutualTLS;
  const auto port = context_.mtls.port_modes.find(request_.destination_port);
  const Mtls::Mode mode =
      port != context_.mtls.port_modes.end() ? port->second : context_.mtls.mode;
  if (mode == Mtls::STRICT && principal_.empty()) {
    return "refused: the port is STRICT and the peer speaks plaintext";
  }
  if (mode == Mtls::DISABLE) {
    // Nothing is terminated here, so the peer proves nothing.
    request_.peer = nullptr;
  } else if (bad_peer_) {
    return absl::StrCat("refused: \"", principal_, "\" is no SPIFFE ID");
  }
  if (request_.kind == policy::Request::Kind::kTcp) return "";
  if (bad_host_) return "refused with 400: two hosts";
  const auto broken = [](absl::string_view text) {
    return text.find_first_of(absl::string_view("\r\n\0", 3)) != absl::string_view::npos;
  };
  for (const policy::HeaderView& header : views_) {
    if (broken(header.name) || broken(header.value)) {
      return "refused with 400: NUL, CR or LF in a header";
    }
  }
  if (broken(method_) || broken(host_) || broken(sent_path_)) {
    return "refused with 400: NUL, CR or LF in the request";
  }
  if (!request_.has_path) return "";
  const http::PathOutcome outcome =
      http::NormalizePath(context_.path_mode, sent_path_, normalized_);
  if (http::IsRefused(outcome)) {
    return absl::StrCat("refused with 400: the path is ", http::ToString(outcome));
  }
  if (outcome == http::PathOutcome::kUnchanged) normalized_ = sent_path_;
  request_.target = normalized_;
  request_.path = absl::string_view(normalized_).substr(0, normalized_.find('?'));
  if (!context_.policies->reads_paths() || context_.path_mode == http::PathMode::kNone) return "";
  const http::PathAmbiguity ambiguity = http::FindAmbiguity(normalized_);
  if (ambiguity == http::PathAmbiguity::kNone) return "";
  return absl::StrCat("refused with 400: the path is ambiguous, ", http::ToString(ambiguity));
}

}  // namespace

absl::Status FieldError(const CaseContext& context, const Node& node, absl::string_view field,
                        absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat(context.file, ":", node.line, ": ", field, ": ", what));
}

absl::Status CheckMembers(const CaseContext& context, const Node& node, absl::string_view field,
                          std::initializer_list<absl::string_view> known) {
  if (node.kind == Node::Kind::kNull) return absl::OkStatus();
  if (node.kind != Node::Kind::kMap) {
    return FieldError(context, node, field, absl::StrCat("needs a map, found ", Describe(node)));
  }
  for (const Node::Member& member : node.members) {
    if (std::find(known.begin(), known.end(), member.key) != known.end()) continue;
    return absl::InvalidArgumentError(absl::StrCat(context.file, ":", member.line, ": ", field, ".",
                                                   member.key, ": unknown field"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Verdict> DecideCase(const CaseContext& context, const Node& node) {
  CaseRequest request(context, node);
  KITH_RETURN_IF_ERROR(request.Read());
  if (std::string refusal = request.Refusal(); !refusal.empty()) {
    return Verdict{false, std::move(refusal)};
  }
  const policy::Explanation explanation = context.policies->Explain(request.request());
  // Offline there is no provider, and a provider that is missing denies.
  if (explanation.custom) {
    return Verdict{false, absl::StrCat("denied: ", explanation.ToString())};
  }
  return Verdict{explanation.decision.allowed, explanation.ToString()};
}

}  // namespace kith::ctl
