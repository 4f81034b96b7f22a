// What a policy decides about, and what it answers.
// Threads: plain values. Owns: nothing; a Request borrows for the call, a Decision from the
// PolicySet that made it. Errors: none.
#pragma once

#include <cstdint>
#include <utility>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "source/base/socket_address.h"
#include "source/base/spiffe_id.h"

namespace kith::policy {

struct Claims;

struct HeaderView {
  absl::string_view name;
  absl::string_view value;
};

// What a peer's certificate says beside its SPIFFE ID.
struct CertificateView {
  absl::Span<const absl::string_view> subject_cn, subject_o, subject_ou;
  absl::string_view serial;       // Lower-case hex without leading zeros.
  absl::string_view issuer;       // RFC 2253's form.
  absl::string_view fingerprint;  // SHA-256 of the certificate, lower-case hex.
  absl::Span<const absl::string_view> dns;
  // Object identifier in dots, and the value as text.
  absl::Span<const std::pair<absl::string_view, absl::string_view>> extensions;
};

// What is unknown is null or empty: a rule that asks for it does not match, its "not" twin does.
struct Request {
  enum class Kind : uint8_t { kTcp, kHttp };
  Kind kind = Kind::kTcp;
  const base::SpiffeId* peer = nullptr;  // Null: the peer proved no identity.
  // Null beside a peer: not at hand, so a predicate on it takes the answer that lets less through.
  const CertificateView* certificate = nullptr;
  const base::SocketAddress* source = nullptr;  // The other end of the TCP connection.
  const base::SocketAddress* remote = nullptr;  // Told by trusted hops; null: as `source`.
  const base::SocketAddress* destination = nullptr;
  uint16_t destination_port = 0;  // The workload port, not the service's.
  absl::string_view sni;

  // kHttp only. `path` is normalized and ends before the query; `has_path` is false for CONNECT.
  absl::string_view method;
  absl::string_view path;
  bool has_path = true;
  absl::string_view target;  // Normalized path and query: what request.headers[:path] reads.
  absl::string_view scheme;  // "http" or "https".
  absl::string_view host;    // As sent, port and all.
  absl::Span<const HeaderView> headers;  // Every line, repeated ones too.
  const Claims* claims = nullptr;        // Of the verified token; null: there is none.
};

struct Decision {
  bool allowed = true;
  // The deciding policy as "namespace/name" and its rule's index. Empty and -1 when none decided:
  // allowed because no ALLOW policy applies, or denied because none matched.
  absl::string_view policy;
  int rule = -1;
  // The clauses of the rule that matched, as indexes; -1 where the rule has none.
  int from = -1;
  int to = -1;
  bool audit = false;              // An AUDIT policy marks the request:
  absl::string_view audit_policy;  // "namespace/name" of the first that does.
};

// A CUSTOM rule that matched: whom to ask before anything else is decided.
struct CustomMatch {
  // The name in the mesh's extensionProviders. Empty: several providers claim the workload, which
  // is denied.
  absl::string_view provider;
  absl::string_view policy;
  int rule = -1;
  int from = -1;  // As in Decision.
  int to = -1;
};

}  // namespace kith::policy
