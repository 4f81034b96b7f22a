#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "source/capture/rules.h"

namespace kith::capture {
namespace {

constexpr char kInbound[] = "KITH_INBOUND";
constexpr char kOutput[] = "KITH_OUTPUT";
constexpr char kToInbound[] = "KITH_TO_INBOUND";
constexpr char kToOutbound[] = "KITH_TO_OUTBOUND";
constexpr char kTransparent[] = "KITH_TPROXY";

// Appends rules to one chain.
class Chain {
 public:
  Chain(std::string& text, absl::string_view name, bool v6) : text_(text), name_(name), v6_(v6) {}

  void Add(absl::string_view rule) { absl::StrAppend(&text_, "-A ", name_, " ", rule, "\n"); }
  // A rule for each port: multiport takes only fifteen, and one a line is what people can read.
  void AddPorts(const std::vector<uint16_t>& ports, absl::string_view verdict) {
    for (const uint16_t port : ports) Add(absl::StrCat("-p tcp --dport ", port, " -j ", verdict));
  }
  void AddNetworks(const std::vector<Network>& networks, absl::string_view verdict) {
    for (const Network& network : networks) {
      if (network.v6 == v6_) Add(absl::StrCat("-p tcp -d ", network.text, " -j ", verdict));
    }
  }

 private:
  std::string& text_;
  const std::string name_;
  const bool v6_;
};

void AddInboundChoice(const Rules& rules, absl::string_view verdict, Chain& chain) {
  for (const std::string& name : rules.exclude_interfaces) {
    chain.Add(absl::StrCat("-i ", name, " -j RETURN"));
  }
  chain.AddPorts(rules.exclude_inbound_ports, "RETURN");
  if (rules.include_inbound_ports.all) {
    chain.Add(absl::StrCat("-p tcp -j ", verdict));
  } else {
    chain.AddPorts(rules.include_inbound_ports.values, verdict);
  }
}

void AddOutput(const Rules& rules, bool v6, Chain& chain) {
  const absl::string_view local = v6 ? "::1/128" : "127.0.0.0/8";
  for (const std::string& name : rules.exclude_interfaces) {
    chain.Add(absl::StrCat("-o ", name, " -j RETURN"));
  }
  chain.AddPorts(rules.exclude_outbound_ports, "RETURN");
  chain.Add(absl::StrCat(
      "-o lo -s ",
      v6 ? absl::StrCat(kApplicationSource6, "/128") : absl::StrCat(kApplicationSource4, "/32"),
      " -j RETURN"));
  std::vector<std::string> owners;
  for (const uint32_t uid : rules.proxy_uids) owners.push_back(absl::StrCat("--uid-owner ", uid));
  for (const uint32_t gid : rules.proxy_gids) owners.push_back(absl::StrCat("--gid-owner ", gid));
  for (const std::string& owner : owners) {
    chain.Add(absl::StrCat("-o lo ! -d ", local, " -p tcp -m owner ", owner, " -j ", kToInbound));
    chain.Add(absl::StrCat("-m owner ", owner, " -j RETURN"));
  }
  chain.Add("-o lo -j RETURN");
  for (const uint32_t uid : rules.exclude_uids) {
    chain.Add(absl::StrCat("-m owner --uid-owner ", uid, " -j RETURN"));
  }
  chain.Add(absl::StrCat("-d ", local, " -j RETURN"));
  chain.AddNetworks(rules.exclude_outbound_networks, "RETURN");
  chain.AddPorts(rules.include_outbound_ports, kToOutbound);
  if (rules.include_outbound_networks.all) {
    chain.Add(absl::StrCat("-p tcp -j ", kToOutbound));
  } else {
    chain.AddNetworks(rules.include_outbound_networks.values, kToOutbound);
  }
}

void Declare(std::string& text, absl::string_view chain) {
  absl::StrAppend(&text, ":", chain, " - [0:0]\n");
}

}  // namespace

std::string IptablesScript(const Rules& rules, bool v6) {
  const bool transparent = rules.inbound == Rules::Inbound::kTproxy;
  std::string text = "*nat\n";
  for (const char* chain : {kInbound, kOutput, kToInbound, kToOutbound}) Declare(text, chain);
  Chain(text, kToInbound, v6)
      .Add(absl::StrCat("-p tcp -j REDIRECT --to-ports ", rules.inbound_port));
  Chain(text, kToOutbound, v6)
      .Add(absl::StrCat("-p tcp -j REDIRECT --to-ports ", rules.outbound_port));
  Chain inbound(text, kInbound, v6);
  if (!transparent) AddInboundChoice(rules, kToInbound, inbound);
  Chain output(text, kOutput, v6);
  AddOutput(rules, v6, output);
  absl::StrAppend(&text, "COMMIT\n");
  if (transparent) {
    absl::StrAppend(&text, "*mangle\n");
    Declare(text, kTransparent);
    Chain chain(text, kTransparent, v6);
    chain.Add("-i lo -j RETURN");
    chain.Add(absl::StrCat("-p tcp -m socket --transparent -j MARK --set-mark ", kTproxyMark));
    chain.Add(absl::StrCat("-p tcp -m mark --mark ", kTproxyMark, " -j ACCEPT"));
    chain.Add("-m conntrack --ctdir REPLY -j RETURN");
    AddInboundChoice(
        rules,
        absl::StrCat("TPROXY --on-port ", rules.inbound_port, " --tproxy-mark ", kTproxyMark),
        chain);
    absl::StrAppend(&text, "COMMIT\n");
  }
  return text;
}

std::vector<IptablesJump> IptablesJumps(const Rules& rules) {
  std::vector<IptablesJump> jumps = {{"nat", "PREROUTING", kInbound}, {"nat", "OUTPUT", kOutput}};
  if (rules.inbound == Rules::Inbound::kTproxy) {
    jumps.push_back({"mangle", "PREROUTING", kTransparent});
  }
  return jumps;
}

std::vector<IptablesJump> AllIptablesJumps() {
  return {{"nat", "PREROUTING", kInbound},
          {"nat", "OUTPUT", kOutput},
          {"nat", "", kToInbound},
          {"nat", "", kToOutbound},
          {"mangle", "PREROUTING", kTransparent}};
}

}  // namespace kith::capture
