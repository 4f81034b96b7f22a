// The payload of a verified token, as policies read it.
// Threads: immutable once filled. Owns: its tree. Errors: none.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace kith::policy {

// One JSON value. Rules match strings and the strings in a list; whatever else a token says is kept
// so that a path of keys leads through it.
struct Claim {
  enum class Kind : uint8_t { kNull, kBool, kNumber, kString, kList, kMap };

  Kind kind = Kind::kNull;
  std::string text;          // kString: its value; kNumber and kBool: as they were written.
  std::vector<Claim> items;  // kList.
  std::vector<std::pair<std::string, Claim>> members;  // kMap, each key once.

  // The member of that name; null when there is none or this is no map.
  const Claim* Find(absl::string_view key) const {
    for (const auto& [name, value] : members) {
      if (name == key) return &value;
    }
    return nullptr;
  }
};

struct Claims {
  Claim payload;  // kMap.
  // Top-level claims whose text is a list of words, beside "scope" and "permission", which always
  // are: RequestAuthentication's spaceDelimitedClaims.
  std::vector<std::string> space_delimited;
};

}  // namespace kith::policy
