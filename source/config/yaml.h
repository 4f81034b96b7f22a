// YAML text as a tree of nodes with their lines; yaml-cpp does the scanning and stays in yaml.cc.
// Threads: any. Owns: a Tree owns its nodes; an alias is one more pointer to the same node.
// Errors: INVALID_ARGUMENT "file:line: what is wrong"; no exception of yaml-cpp leaves.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "source/config/limits.h"

namespace kith::config {

struct Node {
  enum class Kind : uint8_t { kNull, kScalar, kSequence, kMap };
  struct Member {
    std::string key;
    int line = 0;
    const Node* value = nullptr;
  };

  Kind kind = Kind::kNull;
  bool plain = false;  // A scalar without quotes: its text may mean a number or a boolean.
  bool open = false;   // Its end is not read yet.
  int line = 0;        // From 1.
  int height = 1;      // Of the tree below, aliases followed.
  uint64_t size = 1;   // Nodes in the tree below, each use of an alias counted.
  std::string text;
  std::vector<const Node*> items;
  std::vector<Member> members;  // Keys are unique.

  const Node* Find(absl::string_view key) const;
};

struct Tree {
  std::deque<Node> nodes;
  std::vector<const Node*> documents;  // Empty ones are left out.
};

absl::StatusOr<std::shared_ptr<const Tree>> ParseYaml(absl::string_view text,
                                                      absl::string_view file, const Limits& limits);

// "a null", "a string", "a list", ...: how errors name what was found.
absl::string_view Describe(const Node& node);

}  // namespace kith::config
