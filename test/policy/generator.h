// Random policies and requests of few words, so that they meet often and miss nearly.
// Threads: one. Owns: its random numbers: the same seed gives the same sequence. Errors: none.
#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "source/policy/policy_set.h"
#include "test/policy/oracle.h"

namespace kith::policy {

class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed) {}

  std::vector<security::v1::AuthorizationPolicy> Policies();
  PolicySet::Options Options();
  OracleRequest Request();

 private:
  using List = google::protobuf::RepeatedPtrField<std::string>;

  size_t Below(size_t bound) {
    return std::uniform_int_distribution<size_t>(0, bound - 1)(random_);
  }
  std::string Pick(const std::vector<std::string>& from) { return from[Below(from.size())]; }
  std::string Word() { return Pick({"a", "b", "ab", "aba", "ba", "a.b"}); }
  std::string TrustDomain() { return Pick({"cluster.local", "old.td", "x.local", "td"}); }
  std::string Port() { return Pick({"0", "80", "8080", "65535"}); }
  std::string Ip();
  std::string IpBlock();
  std::string WithStars(std::string text);
  std::string Principal();
  std::string Namespace();
  std::string Account();
  std::string Path();
  std::string Segments();
  std::string Host();
  std::string Issuer() { return Pick({"i", "https://i", "https://j/x"}); }
  std::string TokenPattern();
  std::string ValueFor(const std::string& key);
  std::string Key();
  nlohmann::json Claims();

  // Lists of one or two values made like `key`'s.
  void MayFill(List& list, size_t one_of, const std::string& key);
  void FillSource(security::v1::Source& source, bool custom);
  void FillOperation(security::v1::Operation& operation);
  void FillRule(security::v1::Rule& rule, bool custom);

  std::mt19937_64 random_;
};

// The request as PolicySet takes it, with all that it borrows.
class EngineRequest {
 public:
  explicit EngineRequest(const OracleRequest& from);
  ~EngineRequest();
  const Request& get() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Asks both whatever differs between them; empty when they agree.
std::string Disagreement(const PolicySet& compiled,
                         const std::vector<security::v1::AuthorizationPolicy>& policies,
                         const PolicySet::Options& options, const OracleRequest& request,
                         OracleAnswer& answer);

}  // namespace kith::policy
