#include "source/policy/partial.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <utility>
#include <vector>

#include "source/base/spiffe_id.h"
#include "source/policy/policy_set.h"
#include "test/policy/generator.h"
#include "test/policy/policy_text.h"

namespace kith::policy {
namespace {

Truth TruthOf(bool yes) { return yes ? Truth::kYes : Truth::kNo; }

TEST(PartialTest, AgreesWithTheEngineWhereEverythingIsKnown) {
  Generator generator(7);
  int denied = 0;
  for (int set = 0; set < 300; ++set) {
    const auto policies = generator.Policies();
    const auto compiled = PolicySet::Compile(policies, generator.Options());
    ASSERT_TRUE(compiled.ok()) << compiled.status();
    for (int i = 0; i < 40; ++i) {
      const EngineRequest request(generator.Request());
      const bool allowed = (*compiled)->Decide(request.get()).allowed;
      const bool asks = (*compiled)->MatchCustom(request.get()).has_value();
      const PartialDecision partial = (*compiled)->DecidePartly(request.get(), Unknown());
      EXPECT_EQ(partial.allowed, allowed && asks ? Truth::kUnknown : TruthOf(allowed));
      denied += partial.allowed == Truth::kNo;
    }
  }
  EXPECT_GT(denied, 1000);
}

// What is not known is another request's.
Request With(const Request& known, const Request& other, const std::vector<Attribute>& unknown) {
  Request mixed = known;
  for (Attribute attribute : unknown) {
    switch (attribute) {
      case Attribute::kSourceIp:
        mixed.source = other.source;
        break;
      case Attribute::kMethod:
        mixed.method = other.method;
        break;
      case Attribute::kPath:
        mixed.path = other.path;
        mixed.has_path = other.has_path;
        break;
      case Attribute::kHost:
        mixed.host = other.host;
        break;
      case Attribute::kHeader:
        mixed.headers = other.headers;
        break;
      case Attribute::kDestinationPort:
        mixed.destination_port = other.destination_port;
        break;
      case Attribute::kSni:
        mixed.sni = other.sni;
        break;
      default:
        break;
    }
  }
  return mixed;
}

TEST(PartialTest, IsCertainOnlyWhereWhatIsUnknownMakesNoDifference) {
  Generator generator(8);
  std::mt19937 random(9);
  const Attribute kAll[] = {Attribute::kSourceIp, Attribute::kMethod, Attribute::kPath,
                            Attribute::kHost,     Attribute::kHeader, Attribute::kDestinationPort,
                            Attribute::kSni};
  int certain = 0, uncertain = 0;
  for (int set = 0; set < 300; ++set) {
    const auto policies = generator.Policies();
    const auto compiled = PolicySet::Compile(policies, generator.Options());
    ASSERT_TRUE(compiled.ok());
    for (int i = 0; i < 30; ++i) {
      std::vector<Attribute> attributes;
      Unknown unknown;
      for (Attribute attribute : kAll) {
        if (random() % 3 != 0) continue;
        attributes.push_back(attribute);
        unknown.Add(attribute);
        // A pseudo-header tells the same, and the remote address is the source's where none is
        // told.
        if (attribute != Attribute::kHeader) unknown.Add(Attribute::kHeader);
        if (attribute == Attribute::kSourceIp) unknown.Add(Attribute::kRemoteIp);
      }
      const EngineRequest known(generator.Request());
      const PartialDecision partial = (*compiled)->DecidePartly(known.get(), unknown);
      EXPECT_EQ(partial.missing.empty(), partial.allowed != Truth::kUnknown);
      if (partial.allowed == Truth::kUnknown) {
        ++uncertain;
        continue;
      }
      ++certain;
      for (int other = 0; other < 5; ++other) {
        const EngineRequest another(generator.Request());
        const Request mixed = With(known.get(), another.get(), attributes);
        ASSERT_EQ(TruthOf((*compiled)->Decide(mixed).allowed), partial.allowed);
      }
    }
  }
  EXPECT_GT(certain, 1000);
  EXPECT_GT(uncertain, 300);
}

TEST(PartialTest, NamesTheHeaderItWouldHaveToKnow) {
  const auto compiled = PolicySet::Compile(
      {PolicyOf("{rules: [{when: [{key: \"request.headers[x-team]\", values: [a]}]}]}")}, {});
  ASSERT_TRUE(compiled.ok());
  Request request;
  request.kind = Request::Kind::kHttp;
  request.method = "GET";
  request.path = "/";
  Unknown unknown;
  unknown.Add(Attribute::kHeader);
  EXPECT_THAT((*compiled)->DecidePartly(request, unknown).missing,
              testing::ElementsAre("header x-team (demo/p rules[0])"));
  unknown.KnowHeader("x-team");
  EXPECT_EQ((*compiled)->DecidePartly(request, unknown).allowed, Truth::kNo);
}

}  // namespace
}  // namespace kith::policy
