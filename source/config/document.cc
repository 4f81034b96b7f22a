#include "source/config/document.h"

#include <cerrno>
#include <cstdio>
#include <memory>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "source/config/decode.h"
#include "source/config/text.h"
#include "source/config/yaml.h"

namespace kith::config {
namespace {

absl::Status Error(absl::string_view file, int line, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(file, ":", line, ": ", what));
}

// The text of a member that says what an object is.
absl::StatusOr<std::string> Header(const Node& node, absl::string_view file,
                                   absl::string_view name) {
  const Node* value = node.Find(name);
  if (value == nullptr) {
    return Error(file, node.line,
                 absl::StrCat(name, ": missing; every document needs apiVersion and kind"));
  }
  if (value->kind != Node::Kind::kScalar || value->text.empty()) {
    return Error(file, value->line, absl::StrCat(name, ": needs a string"));
  }
  return value->text;
}

absl::Status Append(const std::shared_ptr<const Tree>& tree, const Node& node,
                    absl::string_view file, const Limits& limits,
                    std::vector<Document>& documents) {
  if (node.kind != Node::Kind::kMap) {
    return Error(file, node.line,
                 absl::StrCat("needs an object with apiVersion, kind, metadata "
                              "and spec, found ",
                              Describe(node)));
  }
  absl::StatusOr<std::string> kind = Header(node, file, "kind");
  if (!kind.ok()) return kind.status();
  absl::StatusOr<std::string> version = Header(node, file, "apiVersion");
  if (!version.ok()) return version.status();
  if (*kind == "List") {
    for (const Node::Member& member : node.members) {
      if (member.key != "apiVersion" && member.key != "kind" && member.key != "metadata" &&
          member.key != "items") {
        return Error(file, member.line,
                     absl::StrCat(ShowName(member.key), ": unknown field of a List"));
      }
    }
    const Node* items = node.Find("items");
    if (items == nullptr || items->kind != Node::Kind::kSequence) {
      return Error(file, node.line, "items: needs the list of a List's objects");
    }
    for (const Node* item : items->items) {
      absl::Status status = Append(tree, *item, file, limits, documents);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }
  if (documents.size() >= limits.documents) {
    return Error(file, node.line, absl::StrCat("more than ", limits.documents, " documents"));
  }
  documents.push_back(
      {std::string(file), node.line, *std::move(version), *std::move(kind), tree, &node});
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> ReadFile(const std::string& path, const Limits& limits) {
  const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "rbe"), std::fclose);
  if (file == nullptr) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", path));
  }
  std::string text(limits.bytes + 1, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file.get()));
  if (std::ferror(file.get()) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot read ", path));
  }
  if (text.size() > limits.bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": longer than ", limits.bytes, " bytes; split it"));
  }
  return text;
}

absl::StatusOr<std::vector<Document>> ParseDocuments(absl::string_view text, absl::string_view file,
                                                     const Limits& limits) {
  absl::StatusOr<std::shared_ptr<const Tree>> tree = ParseYaml(text, file, limits);
  if (!tree.ok()) return tree.status();
  std::vector<Document> documents;
  for (const Node* root : (*tree)->documents) {
    absl::Status status = Append(*tree, *root, file, limits, documents);
    if (!status.ok()) return status;
  }
  return documents;
}

absl::Status Decode(const Document& document, google::protobuf::Message& message) {
  return DecodeMessage(*document.root, document.file, {"apiVersion", "kind"}, message);
}

absl::Status DecodeSingle(absl::string_view text, absl::string_view file,
                          google::protobuf::Message& message, const Limits& limits) {
  absl::StatusOr<std::shared_ptr<const Tree>> tree = ParseYaml(text, file, limits);
  if (!tree.ok()) return tree.status();
  if ((*tree)->documents.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(file, ": is empty; is this the right file?"));
  }
  if ((*tree)->documents.size() > 1) {
    return Error(file, (*tree)->documents[1]->line, "a second document; this file holds one");
  }
  return DecodeMessage(*(*tree)->documents[0], file, {}, message);
}

}  // namespace kith::config
