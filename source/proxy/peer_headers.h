// What an application behind a sidecar is told of its client's certificate, in the headers that
// applications already read: X-Forwarded-Client-Cert as Envoy writes it, and nginx users'
// X-SSL-Client-*. Whatever a client has written under one of these names, in any spelling that an
// application might take for it, never arrives, except as the modes say.
// Threads: the worker's loop. Owns: the text of what it adds, until the next call.
// One stands for one connection: its peer never changes.
// Errors: none; a client's own element that is not sound is dropped.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "source/base/spiffe_id.h"
#include "source/http/message.h"
#include "source/tls/peer.h"

namespace kith::proxy {

// The modes of Envoy and Istio. A client without a certificate never has anything forwarded.
enum class ForwardClientCert : uint8_t {
  kAppendForward,  // What a peer of the mesh has sent, then this sidecar's own element.
  kSanitizeSet,    // This sidecar's own element only.
  kForwardOnly,    // What a peer of the mesh has sent.
  kSanitize,       // Nothing.
};

enum class SslClientHeaders : uint8_t { kNone, kAdded };

struct PeerHeaderOptions {
  ForwardClientCert forward = ForwardClientCert::kAppendForward;
  SslClientHeaders ssl_client = SslClientHeaders::kNone;
};

class PeerHeaders {
 public:
  // The names that are dropped from every request, for StoredRequest::Assign().
  static absl::Span<const absl::string_view> Dropped();
  // Those that an application's own sidecar drops on the way out.
  static absl::Span<const absl::string_view> DroppedOutbound();

  // `peer`: null when the client has proven nothing; it and what it points to outlive the views,
  // which otherwise hold until the next call.
  void Add(const PeerHeaderOptions& options, absl::Span<const http::Header> received,
           const tls::Peer* peer, const base::SpiffeId* own, std::vector<http::Header>& added);

 private:
  std::string element_;
  std::string forwarded_;
  std::string serial_;
};

// This sidecar's element: By, Hash, Subject, URI, DNS.
std::string ClientCertElement(const tls::Peer& peer, const base::SpiffeId& own);

// Whether a forwarded value can be followed by another element: quotes closed, visible ASCII,
// bounded.
bool IsSoundClientCert(absl::string_view value);

}  // namespace kith::proxy
