#include "source/ctl/authz_case.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "source/base/ip.h"
#include "source/base/status.h"
#include "source/config/scalar.h"

namespace kith::ctl {
namespace {

using config::Node;
using policy::Claim;

absl::Status ReadAddress(absl::string_view file, const Node& node, absl::string_view key,
                         absl::string_view field, absl::optional<base::SocketAddress>& out) {
  KITH_ASSIGN_OR_RETURN(const std::string text, TextOf(file, node.Find(key), field));
  if (text.empty()) return absl::OkStatus();
  auto address = base::ParseIp(text);
  if (!address.ok()) return FieldError(file, *node.Find(key), field, address.status().message());
  out = *std::move(address);
  return absl::OkStatus();
}

absl::Status ReadSource(absl::string_view file, const Node& source, AuthzRequest& out) {
  KITH_RETURN_IF_ERROR(
      CheckMembers(file, source, "request.source", {"principal", "ip", "remoteIp"}));
  KITH_ASSIGN_OR_RETURN(out.principal,
                        TextOf(file, source.Find("principal"), "request.source.principal"));
  KITH_RETURN_IF_ERROR(ReadAddress(file, source, "ip", "request.source.ip", out.source));
  return ReadAddress(file, source, "remoteIp", "request.source.remoteIp", out.remote);
}

absl::Status ReadDestination(absl::string_view file, const Node& destination, AuthzRequest& out) {
  KITH_RETURN_IF_ERROR(CheckMembers(file, destination, "request.destination", {"ip", "port"}));
  KITH_RETURN_IF_ERROR(
      ReadAddress(file, destination, "ip", "request.destination.ip", out.destination));
  KITH_ASSIGN_OR_RETURN(const std::string port,
                        TextOf(file, destination.Find("port"), "request.destination.port"));
  if (port.empty()) return absl::OkStatus();
  int number;
  if (!absl::SimpleAtoi(port, &number) || number < 0 || number > 65535) {
    return FieldError(file, *destination.Find("port"), "request.destination.port",
                      "a port is 0 to 65535");
  }
  out.port = static_cast<uint16_t>(number);
  return absl::OkStatus();
}

absl::Status ReadHeaders(absl::string_view file, const Node& headers, AuthzRequest& out) {
  constexpr absl::string_view kField = "request.http.headers";
  for (const Node* line : headers.items) {
    if (line->kind != Node::Kind::kSequence || line->items.size() != 2) {
      return FieldError(file, *line, kField, "a header is [name, value]");
    }
    KITH_ASSIGN_OR_RETURN(std::string name, TextOf(file, line->items[0], kField));
    KITH_ASSIGN_OR_RETURN(std::string value, TextOf(file, line->items[1], kField));
    out.headers.emplace_back(std::move(name), std::move(value));
  }
  for (const Node::Member& member : headers.members) {
    KITH_ASSIGN_OR_RETURN(std::string value, TextOf(file, member.value, kField));
    out.headers.emplace_back(member.key, std::move(value));
  }
  return absl::OkStatus();
}

absl::Status ReadHttp(absl::string_view file, const Node& http, AuthzRequest& out) {
  KITH_RETURN_IF_ERROR(
      CheckMembers(file, http, "request.http", {"method", "path", "host", "headers"}));
  out.http = true;
  KITH_ASSIGN_OR_RETURN(out.method, TextOf(file, http.Find("method"), "request.http.method"));
  KITH_ASSIGN_OR_RETURN(out.host, TextOf(file, http.Find("host"), "request.http.host"));
  KITH_ASSIGN_OR_RETURN(std::string path, TextOf(file, http.Find("path"), "request.http.path"));
  const Node* const node = http.Find("path");
  if (node != nullptr && node->kind != Node::Kind::kNull) out.path = std::move(path);
  const Node* const headers = http.Find("headers");
  return headers == nullptr ? absl::OkStatus() : ReadHeaders(file, *headers, out);
}

}  // namespace

absl::Status FieldError(absl::string_view file, const Node& node, absl::string_view field,
                        absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(file, ":", node.line, ": ", field, ": ", what));
}

absl::Status CheckMembers(absl::string_view file, const Node& node, absl::string_view field,
                          std::initializer_list<absl::string_view> known) {
  if (node.kind == Node::Kind::kNull) return absl::OkStatus();
  if (node.kind != Node::Kind::kMap) {
    return FieldError(file, node, field, absl::StrCat("needs a map, found ", Describe(node)));
  }
  for (const Node::Member& member : node.members) {
    if (std::find(known.begin(), known.end(), member.key) != known.end()) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(file, ":", member.line, ": ", field, ".", member.key, ": unknown field"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> TextOf(absl::string_view file, const Node* node,
                                   absl::string_view field) {
  if (node == nullptr || node->kind == Node::Kind::kNull) return std::string();
  if (node->kind == Node::Kind::kScalar) return node->text;
  return FieldError(file, *node, field, absl::StrCat("needs text, found ", Describe(*node)));
}

Claim ClaimOf(const Node& node) {
  Claim claim;
  switch (node.kind) {
    case Node::Kind::kNull:
      break;
    case Node::Kind::kSequence:
      claim.kind = Claim::Kind::kList;
      for (const Node* item : node.items) claim.items.push_back(ClaimOf(*item));
      break;
    case Node::Kind::kMap:
      claim.kind = Claim::Kind::kMap;
      for (const Node::Member& member : node.members) {
        claim.members.emplace_back(member.key, ClaimOf(*member.value));
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

absl::StatusOr<AuthzRequest> ReadRequest(absl::string_view file, const Node& node) {
  AuthzRequest request;
  KITH_RETURN_IF_ERROR(
      CheckMembers(file, node, "request", {"source", "destination", "sni", "http", "claims"}));
  if (const Node* source = node.Find("source")) {
    KITH_RETURN_IF_ERROR(ReadSource(file, *source, request));
  }
  if (const Node* destination = node.Find("destination")) {
    KITH_RETURN_IF_ERROR(ReadDestination(file, *destination, request));
  }
  KITH_ASSIGN_OR_RETURN(request.sni, TextOf(file, node.Find("sni"), "request.sni"));
  if (const Node* http = node.Find("http")) KITH_RETURN_IF_ERROR(ReadHttp(file, *http, request));
  const Node* const claims = node.Find("claims");
  if (claims != nullptr && claims->kind == Node::Kind::kMap) request.claims = ClaimOf(*claims);
  return request;
}

}  // namespace kith::ctl
