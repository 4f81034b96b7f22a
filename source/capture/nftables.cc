#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "source/capture/rules.h"

namespace kith::capture {
namespace {

constexpr char kTable[] = "inet kith";

template <typename T>
std::string Set(const std::vector<T>& values) {
  return absl::StrCat("{ ", absl::StrJoin(values, ", "), " }");
}

std::string Interfaces(const std::vector<std::string>& names) {
  return absl::StrCat("{ ",
                      absl::StrJoin(names, ", ",
                                    [](std::string* out, const std::string& name) {
                                      absl::StrAppend(out, "\"", name, "\"");
                                    }),
                      " }");
}

// Adds one rule a line; `v6` decides whether IPv6 is captured at all.
class Chain {
 public:
  explicit Chain(const Rules& rules) : rules_(rules) {}

  void Add(absl::string_view rule) { absl::StrAppend(&text_, "    ", rule, "\n"); }
  // The rule for every network of the list, by family.
  void AddNetworks(const std::vector<Network>& networks, absl::string_view verdict) {
    for (const bool v6 : {false, true}) {
      if (v6 && !rules_.ipv6) continue;
      for (const Network& network : networks) {
        if (network.v6 != v6) continue;
        Add(absl::StrCat(v6 ? "ip6" : "ip", " daddr ", network.text, " ", verdict));
      }
    }
  }
  const std::string& text() const { return text_; }

 private:
  const Rules& rules_;
  std::string text_;
};

// The language wants the protocol named in the same rule.
std::string To(uint16_t port) { return absl::StrCat("meta l4proto tcp redirect to :", port); }

void AddWhatIsLeftAlone(const Rules& rules, Chain& chain) {
  chain.Add("meta l4proto != tcp return");
  if (!rules.ipv6) chain.Add("meta nfproto ipv6 return");
}

void AddInboundChoice(const Rules& rules, absl::string_view verdict, Chain& chain) {
  if (!rules.exclude_interfaces.empty()) {
    chain.Add(absl::StrCat("iifname ", Interfaces(rules.exclude_interfaces), " return"));
  }
  if (!rules.exclude_inbound_ports.empty()) {
    chain.Add(absl::StrCat("tcp dport ", Set(rules.exclude_inbound_ports), " return"));
  }
  if (rules.include_inbound_ports.all) {
    chain.Add(verdict);
  } else if (!rules.include_inbound_ports.empty()) {
    chain.Add(absl::StrCat("tcp dport ", Set(rules.include_inbound_ports.values), " ", verdict));
  }
}

std::string Prerouting(const Rules& rules) {
  Chain chain(rules);
  if (rules.inbound == Rules::Inbound::kRedirect) {
    AddWhatIsLeftAlone(rules, chain);
    AddInboundChoice(rules, To(rules.inbound_port), chain);
  }
  return chain.text();
}

std::string TransparentPrerouting(const Rules& rules) {
  Chain chain(rules);
  AddWhatIsLeftAlone(rules, chain);
  chain.Add("iifname \"lo\" return");
  chain.Add(absl::StrCat("socket transparent 1 meta mark set ", kTproxyMark, " accept"));
  // Answers to what was opened from here belong to their own sockets.
  chain.Add("ct direction reply return");
  AddInboundChoice(rules,
                   absl::StrCat("meta l4proto tcp meta mark set ", kTproxyMark,
                                " tproxy to :", rules.inbound_port, " accept"),
                   chain);
  return chain.text();
}

std::string Output(const Rules& rules) {
  Chain chain(rules);
  AddWhatIsLeftAlone(rules, chain);
  if (!rules.exclude_interfaces.empty()) {
    chain.Add(absl::StrCat("oifname ", Interfaces(rules.exclude_interfaces), " return"));
  }
  if (!rules.exclude_outbound_ports.empty()) {
    chain.Add(absl::StrCat("tcp dport ", Set(rules.exclude_outbound_ports), " return"));
  }
  chain.Add(absl::StrCat("oifname \"lo\" ip saddr ", kApplicationSource4, " return"));
  chain.Add(absl::StrCat("oifname \"lo\" ip6 saddr ", kApplicationSource6, " return"));

  std::vector<std::string> owners;
  if (!rules.proxy_uids.empty()) owners.push_back(absl::StrCat("skuid ", Set(rules.proxy_uids)));
  if (!rules.proxy_gids.empty()) owners.push_back(absl::StrCat("skgid ", Set(rules.proxy_gids)));
  for (const std::string& owner : owners) {
    chain.Add(absl::StrCat("oifname \"lo\" ip daddr != 127.0.0.0/8 meta ", owner, " ",
                           To(rules.inbound_port)));
    chain.Add(
        absl::StrCat("oifname \"lo\" ip6 daddr != ::1 meta ", owner, " ", To(rules.inbound_port)));
    chain.Add(absl::StrCat("meta ", owner, " return"));
  }
  chain.Add("oifname \"lo\" return");
  if (!rules.exclude_uids.empty()) {
    chain.Add(absl::StrCat("meta skuid ", Set(rules.exclude_uids), " return"));
  }
  chain.Add("ip daddr 127.0.0.0/8 return");
  chain.Add("ip6 daddr ::1 return");
  chain.AddNetworks(rules.exclude_outbound_networks, "return");
  if (!rules.include_outbound_ports.empty()) {
    chain.Add(absl::StrCat("tcp dport ", Set(rules.include_outbound_ports), " ",
                           To(rules.outbound_port)));
  }
  if (rules.include_outbound_networks.all) {
    chain.Add(To(rules.outbound_port));
  } else {
    chain.AddNetworks(rules.include_outbound_networks.values, To(rules.outbound_port));
  }
  return chain.text();
}

std::string NamedChain(absl::string_view name, absl::string_view hook, absl::string_view rules) {
  return absl::StrCat("  chain ", name, " {\n    type ", hook, "; policy accept;\n", rules,
                      "  }\n");
}

}  // namespace

std::string NftablesScript(const Rules& rules) {
  std::string script = absl::StrCat(NftablesRemoval(), "table ", kTable, " {\n");
  if (rules.inbound == Rules::Inbound::kTproxy) {
    absl::StrAppend(&script, NamedChain("transparent", "filter hook prerouting priority mangle",
                                        TransparentPrerouting(rules)));
  } else {
    absl::StrAppend(&script, NamedChain("prerouting", "nat hook prerouting priority dstnat",
                                        Prerouting(rules)));
  }
  absl::StrAppend(&script, NamedChain("output", "nat hook output priority -100", Output(rules)),
                  "}\n");
  return script;
}

// Adding it first makes the deletion good whether or not it was there.
std::string NftablesRemoval() {
  return absl::StrCat("add table ", kTable, "\ndelete table ", kTable, "\n");
}

}  // namespace kith::capture
