#include "source/capture/rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace kith::capture {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(ParseTest, ReadsPortsOnceAndInOrder) {
  EXPECT_THAT(*ParsePorts("443, 80,443"), ElementsAre(80, 443));
  EXPECT_TRUE(ParsePorts("")->empty());
}

TEST(ParseTest, QuotesWhatIsNoPort) {
  for (const char* text : {"0", "65536", "http", "80-90", "*", "-1"}) {
    const auto ports = ParsePorts(text);
    ASSERT_FALSE(ports.ok()) << text;
    EXPECT_THAT(std::string(ports.status().message()), HasSubstr(text));
  }
}

TEST(ParseTest, ReadsTheStarOnlyAlone) {
  EXPECT_TRUE(ParsePortSelection("*")->all);
  EXPECT_FALSE(ParsePortSelection("80,*").ok());
}

TEST(ParseTest, WritesNetworksInTheirCanonicalForm) {
  const auto networks = ParseNetworks("10.1.2.3/8,192.0.2.7, 2001:db8::5/33");
  ASSERT_TRUE(networks.ok());
  EXPECT_EQ((*networks)[0].text, "10.0.0.0/8");
  EXPECT_EQ((*networks)[1].text, "192.0.2.7/32");
  EXPECT_EQ((*networks)[2].text, "2001:db8::/33");
  EXPECT_TRUE((*networks)[2].v6);
}

TEST(ParseTest, QuotesWhatIsNoNetwork) {
  for (const char* text :
       {"10.0.0.0/33", "10.0.0/8", "::/129", "1.2.3.4/", "1.2.3.4/8/8", "host"}) {
    const auto networks = ParseNetworks(text);
    ASSERT_FALSE(networks.ok()) << text;
    EXPECT_THAT(std::string(networks.status().message()), HasSubstr(text));
  }
}

TEST(ParseTest, TakesNoTextOfTheRulesLanguageAsAnInterface) {
  EXPECT_THAT(*ParseInterfaces("eth0,veth-1.2"), ElementsAre("eth0", "veth-1.2"));
  for (const char* text : {"a b", "\"", "eth0;", "{", "a-name-that-is-too-long", "x\ny"}) {
    EXPECT_FALSE(ParseInterfaces(text).ok()) << text;
  }
}

TEST(ValidateTest, RefusesRulesThatWouldLoop) {
  Rules rules;
  rules.proxy_uids.clear();
  EXPECT_FALSE(Validate(rules).ok());
  rules.proxy_gids = {1337};
  EXPECT_TRUE(Validate(rules).ok());
  rules.inbound_port = rules.outbound_port;
  EXPECT_FALSE(Validate(rules).ok());
}

TEST(ValidateTest, RefusesAnApplicationAsTheProxysUser) {
  Rules rules;
  rules.exclude_uids = {1337};
  EXPECT_THAT(std::string(Validate(rules).message()), HasSubstr("1337"));
}

// The line number of the first line with `text`; -1 without one.
int LineOf(const std::string& script, absl::string_view text) {
  const size_t at = script.find(std::string(text));
  if (at == std::string::npos) return -1;
  return static_cast<int>(std::count(script.begin(), script.begin() + static_cast<long>(at), '\n'));
}

TEST(NftablesTest, ReplacesItsTableInOneTransaction) {
  const std::string script = NftablesScript(Rules());
  EXPECT_EQ(LineOf(script, "add table inet kith"), 0);
  EXPECT_EQ(LineOf(script, "delete table inet kith"), 1);
  EXPECT_EQ(LineOf(script, "table inet kith {"), 2);
}

TEST(NftablesTest, LetsTheProxyPassBeforeAnythingIsRedirectedOutbound) {
  const std::string script = NftablesScript(Rules());
  EXPECT_LT(LineOf(script, "ip saddr 127.0.0.6 return"), LineOf(script, "redirect to :15001"));
  EXPECT_LT(LineOf(script, "meta skuid { 1337 } return"), LineOf(script, "redirect to :15001"));
  // The application's own source address goes before the rule for calls to the own pod.
  EXPECT_LT(LineOf(script, "ip saddr 127.0.0.6 return"),
            LineOf(script, "ip daddr != 127.0.0.0/8 meta skuid { 1337 }"));
}

TEST(NftablesTest, NamesExceptionsBeforeWhatTheyAreTakenFrom) {
  Rules rules;
  rules.exclude_inbound_ports = {22, 15020};
  rules.exclude_outbound_ports = {5432};
  rules.exclude_outbound_networks = *ParseNetworks("10.96.0.1,fd00::/8");
  rules.include_outbound_ports = {8080};
  const std::string script = NftablesScript(rules);
  EXPECT_LT(LineOf(script, "tcp dport { 22, 15020 } return"), LineOf(script, "redirect to :15006"));
  EXPECT_LT(LineOf(script, "tcp dport { 5432 } return"), LineOf(script, "redirect to :15001"));
  EXPECT_LT(LineOf(script, "ip daddr 10.96.0.1/32 return"), LineOf(script, "redirect to :15001"));
  EXPECT_LT(LineOf(script, "ip6 daddr fd00::/8 return"), LineOf(script, "redirect to :15001"));
  EXPECT_GT(LineOf(script, "tcp dport { 8080 } meta l4proto tcp redirect to :15001"), 0);
}

TEST(NftablesTest, CapturesOnlyTheNetworksAskedFor) {
  Rules rules;
  rules.include_outbound_networks = *ParseNetworkSelection("10.0.0.0/8");
  const std::string script = NftablesScript(rules);
  EXPECT_THAT(script, HasSubstr("ip daddr 10.0.0.0/8 meta l4proto tcp redirect to :15001\n"));
  EXPECT_THAT(script, Not(HasSubstr("    meta l4proto tcp redirect to :15001\n")));
}

TEST(NftablesTest, LeavesIpv6AloneWhenAsked) {
  Rules rules;
  rules.ipv6 = false;
  EXPECT_THAT(NftablesScript(rules), HasSubstr("meta nfproto ipv6 return"));
}

TEST(IptablesTest, SplitsNetworksByFamily) {
  Rules rules;
  rules.exclude_outbound_networks = *ParseNetworks("10.96.0.1,fd00::/8");
  EXPECT_THAT(IptablesScript(rules, false), HasSubstr("-d 10.96.0.1/32 -j RETURN"));
  EXPECT_THAT(IptablesScript(rules, false), Not(HasSubstr("fd00")));
  EXPECT_THAT(IptablesScript(rules, true), HasSubstr("-d fd00::/8 -j RETURN"));
  EXPECT_THAT(IptablesScript(rules, true), Not(HasSubstr("10.96")));
}

TEST(IptablesTest, LeavesInboundToTproxyWhereThatIsTheMode) {
  Rules rules;
  rules.inbound = Rules::Inbound::kTproxy;
  const std::string script = IptablesScript(rules, false);
  EXPECT_THAT(script, HasSubstr("TPROXY --on-port 15006"));
  EXPECT_THAT(script, Not(HasSubstr("-A KITH_INBOUND")));
  EXPECT_EQ(IptablesJumps(rules).size(), 3U);
}

TEST(IptablesTest, CommitsEveryTableItBegins) {
  Rules rules;
  rules.inbound = Rules::Inbound::kTproxy;
  const std::string script = IptablesScript(rules, true);
  EXPECT_LT(LineOf(script, "*nat"), LineOf(script, "COMMIT"));
  EXPECT_EQ(script.substr(script.size() - 7), "COMMIT\n");
}

}  // namespace
}  // namespace kith::capture
