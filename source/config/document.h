// Reads YAML or JSON text strictly into protobuf messages: a field, enum value or type that the
// message does not know is an error, never dropped. Fields go by their protobuf JSON name only.
// JSON takes the same way, as YAML includes it; refused are two parts of it that hardly occur,
// surrogate pairs in \u escapes and a line break between a key and its colon.
// Threads: any; a Document is immutable.
// Owns: a Document shares its file's parsed text with the file's other documents.
// Errors: INVALID_ARGUMENT, one line: "policies.yaml:12: spec.rules[0].form: unknown field; did you
// mean "from"?" (file:line, path, what is wrong, what to do). ReadFile() names the file.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "source/config/limits.h"

namespace google::protobuf {
class Message;
}

namespace kith::config {

struct Tree;
struct Node;

// One Kubernetes-style object of a file, not decoded yet.
struct Document {
  std::string file;
  int line = 0;  // Where it begins, from 1.
  std::string api_version;
  std::string kind;

  std::shared_ptr<const Tree> tree;  // Keeps `root` alive.
  const Node* root = nullptr;
};

// NOT_FOUND, PERMISSION_DENIED and so on; INVALID_ARGUMENT when it is longer than `limits` allow.
absl::StatusOr<std::string> ReadFile(const std::string& path, const Limits& limits = {});

// Every object of `text`: documents between "---" lines, empty ones skipped, the items of a
// "kind: List" one by one. `file` is what errors call the text.
absl::StatusOr<std::vector<Document>> ParseDocuments(absl::string_view text, absl::string_view file,
                                                     const Limits& limits = {});

// Reads everything but apiVersion and kind into `message`, which is cleared first. Whether a field
// is required is the caller's question.
absl::Status Decode(const Document& document, google::protobuf::Message& message);

// A whole file that is one message: a program's own configuration. An empty file is an error.
absl::Status DecodeSingle(absl::string_view text, absl::string_view file,
                          google::protobuf::Message& message, const Limits& limits = {});

template <typename Message>
absl::StatusOr<Message> ParseSingle(absl::string_view text, absl::string_view file,
                                    const Limits& limits = {}) {
  Message message;
  if (absl::Status status = DecodeSingle(text, file, message, limits); !status.ok()) return status;
  return message;
}

}  // namespace kith::config
