#include "source/policy/flat_predicates.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace kith::policy {
namespace {

using Sense = Predicate::Sense;

Predicate On(Attribute attribute, std::vector<std::string> values, Sense sense = Sense::kPositive) {
  std::vector<Pattern> patterns;
  for (const std::string& value : values) patterns.push_back(Pattern::Text(value));
  Predicate predicate;
  predicate.attribute = attribute;
  predicate.sense = sense;
  predicate.values = PatternSet(std::move(patterns));
  return predicate;
}

std::vector<Predicate> Samples() {
  std::vector<std::string> many;
  for (int i = 0; i < 20; ++i) many.push_back("/many/" + std::to_string(i));
  std::vector<Predicate> samples;
  for (const Sense sense : {Sense::kPositive, Sense::kNegative}) {
    samples.push_back(On(Attribute::kPrincipal, {"*/sa/web", "mesh/ns/a/*"}, sense));
    samples.push_back(On(Attribute::kNamespace, {"a", "b"}, sense));
    samples.push_back(On(Attribute::kServiceAccount, {"a/sa/web"}, sense));
    samples.push_back(On(Attribute::kPath, {"/x", "/y/*"}, sense));
    samples.push_back(On(Attribute::kPath, {"*"}, sense));
    samples.push_back(On(Attribute::kPath, many, sense));
    samples.push_back(On(Attribute::kMethod, {"GET", "HEAD"}, sense));
    samples.push_back(On(Attribute::kSni, {""}, sense));
    samples.push_back(On(Attribute::kCertificateCn, {"web"}, sense));
  }
  return samples;
}

TEST(FlatPredicatesTest, AgreesWithThePredicatesThemselves) {
  const std::vector<Predicate> samples = Samples();
  FlatPredicates flat;
  struct Placed {
    std::vector<const Predicate*> predicates;
    uint32_t place;
  };
  std::vector<Placed> conjunctions = {{{}, flat.Add({})}};
  for (const Predicate& first : samples) {
    for (const Predicate& second : samples) {
      const std::vector<const Predicate*> both = {&first, &second};
      conjunctions.push_back({both, flat.Add(both)});
    }
  }
  const auto web = *base::SpiffeId::Parse("spiffe://mesh/ns/a/sa/web");
  const auto unusual = *base::SpiffeId::Parse("spiffe://mesh/x/ns/b/y/sa/web");
  const std::string unreadable = "/" + std::string(5000, ';');
  int held = 0, asked = 0;
  for (const base::SpiffeId* peer : {static_cast<const base::SpiffeId*>(nullptr), &web, &unusual}) {
    for (const std::string& path : {std::string(), std::string("/x"), std::string("/y/z;p"),
                                    std::string("/many/7"), unreadable}) {
      for (const char* method : {"GET", "PUT"}) {
        Request request;
        request.kind = Request::Kind::kHttp;
        request.peer = peer;
        request.method = method;
        request.path = path;
        for (const Effect effect : {Effect::kAdmits, Effect::kRefuses}) {
          for (const Placed& each : conjunctions) {
            Attributes attributes(request);
            const bool expected = std::all_of(
                each.predicates.begin(), each.predicates.end(),
                [&](const Predicate* predicate) { return predicate->Holds(attributes, effect); });
            ASSERT_EQ(flat.AllHold(each.place, attributes, effect), expected)
                << path.substr(0, 20) << " " << method;
            held += expected;
            ++asked;
          }
        }
      }
    }
  }
  // Neither answer is a rare one.
  EXPECT_GT(held, asked / 20);
  EXPECT_LT(held, asked / 2);
}

}  // namespace
}  // namespace kith::policy
