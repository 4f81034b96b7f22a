// Thousands of policies, each spoiled in one place: every one is refused with the field's name, and
// what was in force stays.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "source/controlplane/registry/file_set.h"

namespace kith::controlplane {
namespace {

using nlohmann::json;

constexpr int kCorruptions = 8000;

const char* const kGood[] = {
    R"({"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy",
        "metadata": {"name": "p", "namespace": "demo"},
        "spec": {"selector": {"matchLabels": {"app": "backend"}}, "action": "DENY", "rules": [
          {"from": [{"source": {"principals": ["cluster.local/ns/demo/sa/a"],
                                "notIpBlocks": ["10.0.0.0/8"], "trustDomains": ["td"]}},
                    {"source": {"serviceAccounts": ["demo/b"], "requestPrincipals": ["i/s"]}}],
           "to": [{"operation": {"ports": ["80"], "methods": ["GET"], "paths": ["/a/{**}"],
                                 "notHosts": ["h"]}}],
           "when": [{"key": "request.headers[x]", "values": ["a"], "notValues": ["b"]},
                    {"key": "source.certificate.extension[1.2.3]", "values": ["admin"]}]}]}})",
    R"({"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy",
        "metadata": {"name": "ask", "namespace": "demo"},
        "spec": {"action": "CUSTOM", "provider": {"name": "opa"},
                 "rules": [{"to": [{"operation": {"paths": ["/x"]}}]}]}})",
    R"({"apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication",
        "metadata": {"name": "m", "namespace": "demo"},
        "spec": {"selector": {"matchLabels": {"app": "backend"}}, "mtls": {"mode": "STRICT"}}})",
    R"({"apiVersion": "security.istio.io/v1", "kind": "RequestAuthentication",
        "metadata": {"name": "j", "namespace": "demo"},
        "spec": {"jwtRules": [{"issuer": "i", "audiences": ["a"], "jwksUri": "https://i.example/keys",
                               "fromHeaders": [{"name": "x", "prefix": "y"}]}]}})",
    R"({"apiVersion": "mesh.kith.dev/v1alpha1", "kind": "RateLimitPolicy",
        "metadata": {"name": "r", "namespace": "demo"},
        "spec": {"limit": {"requests": 5, "per": "1s", "key": "PRINCIPAL"},
                 "rules": [{"to": [{"operation": {"methods": ["GET"]}}]}]}})",
};

// What can never stand in a field of that name.
const std::pair<const char*, const char*> kBadValues[] = {
    {"principals", "spiffe://td/x"},
    {"notIpBlocks", "10.0.0.300"},
    {"trustDomains", "a/b"},
    {"serviceAccounts", "a/b/c"},
    {"ports", "65536"},
    {"paths", "/{a}"},
    {"key", "source.Ip"},
    {"action", "PERMIT"},
    {"mode", "STRIKT"},
};

struct Corrupt {
  std::string text;
  std::string field;  // That the refusal must name.
};

class Spoiler {
 public:
  // Spoils one place; empty text when the dice found none.
  Corrupt Spoil(const std::string& good) {
    json document = json::parse(good);
    std::vector<Place> places;
    Collect(document["spec"], "spec", places);
    const Place place = places[Below(places.size())];
    Corrupt corrupt;
    corrupt.field = place.field;
    json& node = *place.node;
    switch (Below(5)) {
      case 0:  // Misspelt.
        if (place.parent == nullptr) return {};
        corrupt.field = place.field + "x";
        (*place.parent)[corrupt.field] = node;
        place.parent->erase(place.field);
        break;
      case 1:
        if (!node.is_object() || place.field == "matchLabels") return {};
        corrupt.field = absl::StrCat("field", Below(100000));
        node[corrupt.field] = Below(2) ? json("x") : json::array({1});
        break;
      case 2:  // Of another kind.
        if (node.is_string() || node.is_number()) {
          node = json::object({{"other", "kind"}});
        } else if (node.is_array()) {
          node = json::object({{"other", json::array({"kind"})}});
        } else {
          node = "another kind";
        }
        break;
      case 3:
        if (!node.is_string() || place.parent != nullptr) return {};
        node = "";
        break;
      default:
        bool spoiled = false;
        for (const auto& [field, value] : kBadValues) {
          if (place.field != field || !node.is_string()) continue;
          node = value;
          spoiled = true;
        }
        if (!spoiled) return {};
    }
    corrupt.text = document.dump(Below(2) ? 2 : -1);
    return corrupt;
  }

 private:
  struct Place {
    json* node;
    json* parent;  // Null in a list.
    std::string field;
  };

  size_t Below(size_t bound) {
    return std::uniform_int_distribution<size_t>(0, bound - 1)(random_);
  }

  // Labels may be called anything.
  static void Collect(json& node, const std::string& field, std::vector<Place>& places) {
    if (field == "matchLabels") return;
    if (node.is_array()) {
      for (json& item : node) {
        places.push_back({&item, nullptr, field});
        Collect(item, field, places);
      }
    }
    if (!node.is_object()) return;
    for (auto& [key, value] : node.items()) {
      places.push_back({&value, &node, key});
      Collect(value, key, places);
    }
  }

  std::mt19937_64 random_{5};
};

TEST(CorruptPoliciesTest, RefusesEachByTheFieldAndKeepsTheLastGoodOnes) {
  FileSet set({});
  FileSet::Files good;
  for (size_t i = 0; i < std::size(kGood); ++i) good.emplace(absl::StrCat(i, ".yaml"), kGood[i]);
  ASSERT_TRUE(set.Apply(good));
  for (const FileReport& report : set.reports()) ASSERT_TRUE(report.status.ok()) << report.status;
  const std::map<std::string, std::string> in_force = set.InForce();

  Spoiler spoiler;
  int made = 0;
  for (size_t turn = 0; made < kCorruptions; ++turn) {
    const size_t which = turn % std::size(kGood);
    const Corrupt corrupt = spoiler.Spoil(kGood[which]);
    if (corrupt.text.empty()) continue;
    ++made;
    const std::string file = absl::StrCat(which, ".yaml");
    FileSet::Files files = good;
    files.at(file) = corrupt.text;
    EXPECT_FALSE(set.Apply(files));
    for (const FileReport& report : set.reports()) {
      if (report.file != file) continue;
      ASSERT_FALSE(report.status.ok()) << corrupt.text;
      ASSERT_TRUE(absl::StrContains(report.status.message(), corrupt.field))
          << report.status << "\nnames nothing of \"" << corrupt.field << "\" in " << corrupt.text;
      ASSERT_TRUE(report.has_last_good);
    }
    if (made % 100 == 0) {
      ASSERT_EQ(set.InForce(), in_force);
    }
  }
}

}  // namespace
}  // namespace kith::controlplane
