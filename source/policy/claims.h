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
struct ClaimMember;
struct Claim {
  enum class Kind : uint8_t { kNull, kBool, kNumber, kString, kList, kMap };

  Kind kind = Kind::kNull;
  std::string text;                  // kString: its value; kNumber and kBool: as they were written.
  std::vector<Claim> items;          // kList.
  std::vector<ClaimMember> members;  // kMap, each key once.

  // The member of that name; null when there is none or this is no map.
  const Claim* Find(absl::string_view key) const;
};

struct ClaimMember {
  ClaimMember(std::string name_in, Claim value_in)
      : name(std::move(name_in)), value(std::move(value_in)) {}

  std::string name;
  Claim value;
};

inline const Claim* Claim::Find(absl::string_view key) const {
  for (const ClaimMember& member : members) {
    if (member.name == key) return &member.value;
  }
  return nullptr;
}

struct Claims {
  Claim payload;  // kMap.
  // Top-level claims whose text is a list of words, beside "scope" and "permission", which always
  // are: RequestAuthentication's spaceDelimitedClaims.
  std::vector<std::string> space_delimited;
};

}  // namespace kith::policy
