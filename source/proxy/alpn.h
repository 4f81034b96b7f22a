// Application protocols named in TLS between sidecars: our own for links, and Istio's names, so
// that its sidecars and ours recognize each other's connections (docs/protocols.md). Threads: any.
// Owns: nothing. Errors: none.
#pragma once

#include <string>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "source/mesh/snapshot.h"

namespace kith::proxy {

// Two of our sidecars: HTTP/2, each stream a request of its own, or with CONNECT opaque bytes.
inline constexpr absl::string_view kLinkAlpn = "kith/1";

// Whether links are used; without them sidecars speak as Istio's do.
enum class Links : uint8_t { kOffered, kOff };

// What a sidecar offers when it opens a connection.
inline std::vector<std::string> ClientAlpn(mesh::Protocol protocol, Links links) {
  std::vector<std::string> offer;
  if (links == Links::kOffered) offer.emplace_back(kLinkAlpn);
  if (protocol == mesh::Protocol::kTcp) {
    offer.emplace_back("istio");
  } else if (protocol == mesh::Protocol::kHttp2) {
    offer.insert(offer.end(), {"istio-h2", "istio", "h2"});
  } else {
    offer.insert(offer.end(), {"istio-http/1.1", "istio", "http/1.1"});
  }
  return offer;
}

// What a sidecar offers to a server outside the mesh. Of the two versions of HTTP the server's
// choice holds.
inline std::vector<std::string> OriginationAlpn(mesh::Protocol protocol) {
  if (protocol == mesh::Protocol::kTcp) return {};
  if (protocol == mesh::Protocol::kHttp2) return {"h2", "http/1.1"};
  return {"http/1.1"};
}

// What an inbound port agrees to of what is `offered`. Apart from links, a TCP port agrees to
// nothing, so that any client's ALPN passes.
inline std::vector<std::string> ServerAlpn(mesh::Protocol protocol, Links links,
                                           const std::vector<std::string>& offered) {
  std::vector<std::string> agreed;
  const bool link = links == Links::kOffered && absl::c_linear_search(offered, kLinkAlpn);
  if (link) agreed.emplace_back(kLinkAlpn);
  if (protocol == mesh::Protocol::kTcp) return agreed;
  agreed.insert(agreed.end(), {"istio-h2", "istio-http/1.1", "istio-http/1.0", "h2", "http/1.1"});
  return agreed;
}

// Whether the negotiated protocol is HTTP/2.
inline bool IsHttp2(absl::string_view alpn) {
  return alpn == kLinkAlpn || alpn == "istio-h2" || alpn == "h2";
}

// What a connection carries whose port does not say it: HTTP only when the client names one of the
// mesh's protocols for it (spec: Istio's STRICT port of protocol "auto").
inline mesh::Protocol ProtocolOf(const std::vector<std::string>& offered, Links links) {
  for (const std::string& protocol : offered) {
    if ((links == Links::kOffered && protocol == kLinkAlpn) || protocol == "istio-h2" ||
        absl::StartsWith(protocol, "istio-http/")) {
      return mesh::Protocol::kHttp;
    }
  }
  return mesh::Protocol::kTcp;
}

// Whether a client's offer says that it is a sidecar: what PERMISSIVE ports terminate.
inline bool OffersMesh(const std::vector<std::string>& offered) {
  for (const std::string& protocol : offered) {
    if (protocol == kLinkAlpn || protocol == "istio" || absl::StartsWith(protocol, "istio-")) {
      return true;
    }
  }
  return false;
}

}  // namespace kith::proxy
