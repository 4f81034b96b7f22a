// What is redirected into a sidecar and what is not, and its text as nftables and iptables take it.
// The order of the rules is Istio's (spec: istio.io "Traffic capture"), so that people who know its
// chains know these:
//   inbound   what arrives from outside goes to the inbound port, excluded ports do not
//   outbound  what the application opens goes to the outbound port; the proxy's own does not; what
//             the proxy opens to its own pod through a service address goes to the inbound port
// Only TCP is captured: UDP, DNS among it, is left alone.
// Threads: any, pure. Owns: plain values. Errors: Parse…() quote what cannot be read.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace kith::capture {

// An IP network in its canonical form, "10.0.0.0/8".
struct Network {
  std::string text;
  bool v6 = false;
};

// A list that may be "*".
template <typename T>
struct Selection {
  bool all = false;
  std::vector<T> values;

  bool empty() const { return !all && values.empty(); }
};

struct Rules {
  enum class Inbound : uint8_t {
    kRedirect,  // Network address translation; the original destination is asked of conntrack.
    kTproxy,    // The destination stays; the sidecar needs CAP_NET_ADMIN for its listener.
  };

  Inbound inbound = Inbound::kRedirect;
  uint16_t inbound_port = 15006;
  uint16_t outbound_port = 15001;
  Selection<uint16_t> include_inbound_ports{.all = true, .values = {}};
  std::vector<uint16_t> exclude_inbound_ports;
  Selection<Network> include_outbound_networks{.all = true, .values = {}};
  std::vector<Network> exclude_outbound_networks;
  std::vector<uint16_t> include_outbound_ports;  // Whatever their address.
  std::vector<uint16_t> exclude_outbound_ports;
  std::vector<std::string> exclude_interfaces;
  std::vector<uint32_t> proxy_uids{1337};
  std::vector<uint32_t> proxy_gids;
  std::vector<uint32_t> exclude_uids;
  bool ipv6 = true;
};

// The source address of connections that the sidecar opens to its own application, by which they
// are told from those it opens to its own pod through a service. As Istio's.
inline constexpr absl::string_view kApplicationSource4 = "127.0.0.6";
inline constexpr absl::string_view kApplicationSource6 = "::6";

// Marks and the routing table of TPROXY.
inline constexpr uint32_t kTproxyMark = 1337;
inline constexpr uint32_t kTproxyTable = 133;

// "80,443", "*" where `selection` allows it; empty is an empty list.
absl::StatusOr<std::vector<uint16_t>> ParsePorts(absl::string_view text);
absl::StatusOr<Selection<uint16_t>> ParsePortSelection(absl::string_view text);
absl::StatusOr<std::vector<Network>> ParseNetworks(absl::string_view text);
absl::StatusOr<Selection<Network>> ParseNetworkSelection(absl::string_view text);
// Numbers, or names that the machine's user (group) database knows.
absl::StatusOr<std::vector<uint32_t>> ParseUsers(absl::string_view text);
absl::StatusOr<std::vector<uint32_t>> ParseGroups(absl::string_view text);
absl::StatusOr<std::vector<std::string>> ParseInterfaces(absl::string_view text);

// Whether the rules mean something: no proxy user means that the proxy would capture itself.
absl::Status Validate(const Rules& rules);

// One transaction for `nft -f -`, which replaces whatever an earlier one made.
std::string NftablesScript(const Rules& rules);
std::string NftablesRemoval();

// One `iptables-restore --noflush` (`ip6tables-restore` for v6). The chains are made anew; the
// jumps to them, listed by IptablesJumps(), are for the caller to add where they are missing.
std::string IptablesScript(const Rules& rules, bool v6);
struct IptablesJump {
  std::string table, from, to;
};
std::vector<IptablesJump> IptablesJumps(const Rules& rules);
// Every chain that any rules may have made.
std::vector<IptablesJump> AllIptablesJumps();

}  // namespace kith::capture
