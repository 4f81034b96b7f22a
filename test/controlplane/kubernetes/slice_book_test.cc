#include "source/controlplane/kubernetes/slice_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace kith::controlplane {
namespace {

using Json = SliceBook::Json;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr char kHost[] = "web.demo.svc.cluster.local";

Json Endpoint(const std::string& ip, const std::string& pod, const Json& conditions) {
  return {{"addresses", Json::array({ip})},
          {"conditions", conditions},
          {"targetRef", {{"kind", "Pod"}, {"name", pod}}}};
}

Json Slice(const std::string& name, const Json& endpoints, const std::string& family = "IPv4") {
  return {{"metadata",
           {{"namespace", "demo"},
            {"name", name},
            {"labels", {{"kubernetes.io/service-name", "web"}}}}},
          {"addressType", family},
          {"ports", Json::array({{{"name", "http"}, {"port", 8080}, {"protocol", "TCP"}},
                                 {{"name", "dns"}, {"port", 53}, {"protocol", "UDP"}}})},
          {"endpoints", endpoints}};
}

std::vector<std::string> Serving(const SliceBook& book) {
  std::vector<std::string> ips;
  const auto snapshot = book.Snapshot();
  const auto found = snapshot->find(kHost);
  if (found == snapshot->end()) return {"no such host"};
  for (const PlacedEndpoint& endpoint : found->second) {
    if (endpoint.serves) ips.push_back(endpoint.ip);
  }
  return ips;
}

const Json kReady = {{"ready", true}, {"serving", true}, {"terminating", false}};
const Json kNotReady = {{"ready", false}, {"serving", false}, {"terminating", false}};
const Json kEnding = {{"ready", false}, {"serving", true}, {"terminating", true}};

TEST(SliceBookTest, GathersTheSlicesOfAService) {
  SliceBook book;
  book.Put(Slice("web-b", Json::array({Endpoint("10.0.0.2", "web-2", kReady)})));
  book.Put(Slice("web-a", Json::array({Endpoint("10.0.0.1", "web-1", kReady)})));
  EXPECT_THAT(Serving(book), ElementsAre("10.0.0.1", "10.0.0.2"));
  const PlacedEndpoint first = book.Snapshot()->at(kHost)[0];
  EXPECT_EQ(first.pod, "web-1");
  EXPECT_THAT(first.ports, ElementsAre(std::pair("http", 8080)));
  book.Remove(Slice("web-b", Json::array()));
  EXPECT_THAT(Serving(book), ElementsAre("10.0.0.1"));
  book.Replace({});
  EXPECT_THAT(Serving(book), ElementsAre("no such host"));
}

TEST(SliceBookTest, TakesEndpointsThatEndOnlyWhileNoneIsReady) {
  SliceBook book;
  book.Put(Slice("a", Json::array({Endpoint("10.0.0.1", "web-1", kEnding),
                                   Endpoint("10.0.0.2", "web-2", kNotReady)})));
  EXPECT_THAT(Serving(book), ElementsAre("10.0.0.1"));
  book.Put(Slice("b", Json::array({Endpoint("10.0.0.3", "web-3", kReady)})));
  EXPECT_THAT(Serving(book), ElementsAre("10.0.0.3"));
  // Unknown is ready.
  book.Put(Slice("c", Json::array({Endpoint("10.0.0.4", "web-4", Json::object())})));
  EXPECT_THAT(Serving(book), ElementsAre("10.0.0.3", "10.0.0.4"));
}

TEST(SliceBookTest, KnowsAServiceThatNobodyServes) {
  SliceBook book;
  Json empty = Slice("a", nullptr);
  book.Put(empty);
  EXPECT_THAT(Serving(book), IsEmpty());
}

TEST(SliceBookTest, PutsIPv4First) {
  SliceBook book;
  book.Put(Slice("a", Json::array({Endpoint("fd00::1", "web-1", kReady)}), "IPv6"));
  book.Put(Slice("b", Json::array({Endpoint("10.0.0.1", "web-1", kReady)})));
  EXPECT_THAT(Serving(book), ElementsAre("10.0.0.1", "fd00::1"));
}

TEST(SliceBookTest, PassesOverWhatHasNotTheShape) {
  SliceBook book;
  for (const char* text : {"{}", "[]", "7", R"({"metadata": {"labels": []}, "endpoints": {}})"}) {
    book.Put(Json::parse(text));
  }
  book.Put(Slice("names", Json::array({Endpoint("x.example", "", kReady)}), "FQDN"));
  Json odd = Slice("odd", Json::parse(R"([1, {}, {"addresses": []}, {"addresses": [7]},
      {"addresses": ["10.0.0.9"], "conditions": 5, "targetRef": "x"}])"));
  odd["ports"] =
      Json::parse(R"([{"port": 70000}, {"port": "x"}, 3, {"name": "http", "port": 80}])");
  book.Put(odd);
  EXPECT_THAT(Serving(book), ElementsAre("10.0.0.9"));
  EXPECT_THAT(book.Snapshot()->at(kHost)[0].ports, ElementsAre(std::pair("http", 80)));
}

}  // namespace
}  // namespace kith::controlplane
