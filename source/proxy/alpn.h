// Application protocols named in TLS between sidecars: Istio's names, so that its sidecars and ours
// recognize each other's connections (docs/protocols.md).
// Threads: any. Owns: nothing. Errors: none.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "source/mesh/snapshot.h"

namespace kith::proxy {

// What a sidecar offers when it opens a connection.
inline std::vector<std::string> ClientAlpn(mesh::Protocol protocol) {
  if (protocol == mesh::Protocol::kHttp) return {"istio-http/1.1", "istio", "http/1.1"};
  return {"istio"};
}

// What an inbound port agrees to. A TCP port agrees to nothing, so that any client's ALPN passes.
inline std::vector<std::string> ServerAlpn(mesh::Protocol protocol) {
  if (protocol == mesh::Protocol::kHttp) return {"istio-http/1.1", "http/1.1"};
  return {};
}

// What a connection carries whose port does not say it: HTTP only when the client names one of the
// mesh's protocols for it (spec: Istio's STRICT port of protocol "auto").
inline mesh::Protocol ProtocolOf(const std::vector<std::string>& offered) {
  for (const std::string& protocol : offered) {
    if (protocol == "istio-http/1.1" || protocol == "istio-http/1.0") return mesh::Protocol::kHttp;
  }
  return mesh::Protocol::kTcp;
}

// Whether a client's offer says that it is a sidecar: what PERMISSIVE ports terminate.
inline bool OffersMesh(const std::vector<std::string>& offered) {
  for (const std::string& protocol : offered) {
    if (protocol == "istio" || absl::StartsWith(protocol, "istio-")) return true;
  }
  return false;
}

}  // namespace kith::proxy
