// Everything the registry's documents say, checked and in the form that distribution/ builds
// resources from.
// Threads: plain data; a published MeshState is immutable. Owns: itself. Errors: none: what is
// wrong is refused before it gets here (registry/file_contents.h).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "kith/meshconfig/v1/mesh_config.pb.h"
#include "kith/networking/v1/destination_rule.pb.h"
#include "kith/networking/v1/traffic_policy.pb.h"
#include "kith/ratelimit/v1/rate_limit_policy.pb.h"
#include "kith/security/v1/authorization_policy.pb.h"
#include "kith/security/v1/peer_authentication.pb.h"
#include "kith/security/v1/request_authentication.pb.h"
#include "kith/trust/v1/trust_policy.pb.h"

namespace kith::controlplane {

using Labels = std::map<std::string, std::string>;

// Hosts of Kubernetes Services are NAME.NAMESPACE.svc.<this>.
inline constexpr char kClusterDomain[] = "cluster.local";

enum class PortProtocol : uint8_t { kHttp, kHttp2, kTcp };

// How TLS, where it is originated, is asked for within the port's protocol.
enum class InBandTls : uint8_t { kNone, kPostgresql, kMysql };

struct PortDefinition {
  uint32_t number = 0;
  std::string name;
  PortProtocol protocol = PortProtocol::kTcp;
  InBandTls in_band_tls = InBandTls::kNone;
  uint32_t target_port = 0;  // The workload's; zero: only its EndpointSlices know.
};

// A workload that a document describes: a WorkloadEntry, or an endpoint listed in a ServiceEntry.
struct StaticWorkload {
  std::string name_space;
  std::string name;
  std::string ip;
  std::string dns_name;  // Instead of the address, until name_resolution.h has one.
  std::map<std::string, uint32_t> ports;  // By the service port's name.
  Labels labels;
  std::string service_account;  // Empty: proves no identity.
  bool has_sidecar = false;     // security.istio.io/tlsMode=istio.
  uint32_t weight = 0;
  std::string locality;  // "region/zone/subzone", or less of it; empty: not known.
};

// One host: of a Service, or one of a ServiceEntry's.
struct ServiceDefinition {
  std::string host;
  std::string name_space;
  std::vector<PortDefinition> ports;
  Labels selector;  // Of workloads in name_space; empty: only `endpoints`.
  std::vector<StaticWorkload> endpoints;
  std::vector<std::string> subject_alt_names;
  std::vector<std::string> addresses;  // Virtual IP addresses that applications connect to.
  // One client address goes to one endpoint, where no rule says how to choose.
  bool client_ip_affinity = false;
};

enum class ClientTls : uint8_t { kAsAccepted, kDisable, kMutual, kOriginate };

// How clients treat a service of the rule's own namespace.
struct TrafficRule {
  struct Settings {
    networking::v1::TrafficPolicy policy;
    ClientTls tls = ClientTls::kAsAccepted;
    networking::v1::ClientTLSSettings origination;  // With kOriginate.
  };
  std::string name_space;
  std::string host;
  Settings settings;
  std::map<uint32_t, Settings> ports;  // In their place, by service port.

  const Settings& For(uint32_t port) const {
    const auto own = ports.find(port);
    return own == ports.end() ? settings : own->second;
  }
};

// What a file says beside destinations, document by document.
struct Rulebook {
  std::vector<security::v1::RequestAuthentication> request_authentications;
  std::vector<ratelimit::v1::RateLimitPolicy> rate_limit_policies;
  std::vector<meshconfig::v1::ExtensionProvider> extension_providers;

  void Append(const Rulebook& other);
};

struct MeshState {
  Rulebook rulebook;
  std::vector<security::v1::AuthorizationPolicy> authorization_policies;
  std::vector<security::v1::PeerAuthentication> peer_authentications;
  std::vector<trust::v1::TrustPolicy> trust_policies;
  std::map<std::string, ServiceDefinition> services;                    // By host.
  std::map<std::string, TrafficRule> traffic_rules;                     // By host.
  std::map<std::string, std::vector<StaticWorkload>> workload_entries;  // By namespace.
};

// Whether all of `selector` are among `labels`.
inline bool Matches(const Labels& selector, const Labels& labels) {
  for (const auto& [key, value] : selector) {
    const auto found = labels.find(key);
    if (found == labels.end() || found->second != value) return false;
  }
  return true;
}

}  // namespace kith::controlplane
