// Decisions about requests of which not everything is known, such as those that a log tells of:
// the answer where what is unknown makes no difference, and what one would have to know where it
// does.
// Threads: any, pure. Owns: what it returns. Errors: none.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "source/policy/attributes.h"
#include "source/policy/request.h"

namespace kith::policy {

struct Tables;

enum class Truth : uint8_t { kNo, kYes, kUnknown };

// What of a request is not known; everything else is as the request says, also where it says that
// there is nothing.
class Unknown {
 public:
  Unknown() = default;
  void Add(Attribute attribute) { attributes_ |= Bit(attribute); }
  // With kHeader among the unknown: this header is known all the same.
  void KnowHeader(std::string lower_case_name) { headers_.push_back(std::move(lower_case_name)); }

  bool Has(Attribute attribute) const { return (attributes_ & Bit(attribute)) != 0; }
  absl::Span<const std::string> known_headers() const { return headers_; }

 private:
  static uint32_t Bit(Attribute attribute) { return uint32_t{1} << static_cast<int>(attribute); }

  uint32_t attributes_ = 0;
  std::vector<std::string> headers_;
};

struct PartialDecision {
  Truth allowed = Truth::kUnknown;
  // For kUnknown: what would have to be known, without repetition: "header x-team (demo/a
  // rules[0])".
  std::vector<std::string> missing;
};

PartialDecision DecidePartly(const Tables& tables, const Request& request, const Unknown& unknown);

}  // namespace kith::policy
