#include "source/config/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <exception>
#include <sstream>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "source/config/text.h"

namespace kith::config {
namespace {

// Leaves yaml-cpp's parser from inside a callback; caught in ParseYaml().
struct Refused {
  int line;
  std::string message;
};

int LineOf(const YAML::Mark& mark) { return mark.line + 1; }

// Builds the tree from the parser's events, so that limits hold before memory is spent.
class Builder final : public YAML::EventHandler {
 public:
  Builder(absl::string_view text, const Limits& limits, Tree& tree)
      : rest_(text), limits_(limits), tree_(tree) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    // yaml-cpp starts a new document wherever one ends; YAML wants a line of its own for that.
    if (++documents_ > 1 && !absl::StartsWith(Line(LineOf(mark)), "---")) {
      throw Refused{LineOf(mark), "text after the end of the document; separate documents by ---"};
    }
    if (documents_ > limits_.documents) {
      throw Refused{LineOf(mark), absl::StrCat("more than ", limits_.documents, " documents")};
    }
    anchors_.clear();
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    // A null at the top is an empty document.
    if (stack_.empty()) return;
    if (AwaitsKey()) throw Refused{LineOf(mark), "a key is missing"};
    Node* node = New(Node::Kind::kNull, mark, anchor);
    // The parser notices that a value is missing only on a later line.
    if (stack_.back().node->kind == Node::Kind::kMap) {
      node->line = stack_.back().node->members.back().line;
    }
    Add(node, mark);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) throw Refused{LineOf(mark), "unknown alias"};
    if (found->second->open) throw Refused{LineOf(mark), "an alias inside what it stands for"};
    if (AwaitsKey()) throw Refused{LineOf(mark), "an alias cannot be a key"};
    Add(found->second, mark);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    CheckTag(mark, tag);
    // yaml-cpp writes some escapes, \_ and \N among them, as single bytes that are not UTF-8.
    if (!IsValue(value)) throw Refused{LineOf(mark), "an escape that is not supported in a string"};
    if (AwaitsKey()) {
      SetKey(mark, value);
      return;
    }
    Node* node = New(Node::Kind::kScalar, mark, anchor);
    node->plain = tag == "?";
    node->text = value;
    Add(node, mark);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(Node::Kind::kSequence, mark, tag, anchor);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(Node::Kind::kMap, mark, tag, anchor);
  }
  void OnMapEnd() override { Close(); }

 private:
  struct Frame {
    Node* node;
    bool awaits_key;
    absl::flat_hash_set<std::string> keys;
  };

  // From the start of line `number` on; never goes back.
  absl::string_view Line(int number) {
    for (; rest_line_ < number; ++rest_line_) {
      rest_.remove_prefix(std::min(rest_.find('\n'), rest_.size() - 1) + 1);
    }
    return rest_;
  }

  bool AwaitsKey() const { return !stack_.empty() && stack_.back().awaits_key; }

  static void CheckTag(const YAML::Mark& mark, const std::string& tag) {
    if (tag.empty() || tag == "?" || tag == "!" || tag == "tag:yaml.org,2002:str") return;
    throw Refused{LineOf(mark), "tags other than !!str are not supported"};
  }

  Node* New(Node::Kind kind, const YAML::Mark& mark, YAML::anchor_t anchor) {
    Node& node = tree_.nodes.emplace_back();
    node.kind = kind;
    node.line = LineOf(mark);
    if (anchor != 0) anchors_[anchor] = &node;
    return &node;
  }

  void SetKey(const YAML::Mark& mark, const std::string& key) {
    Frame& top = stack_.back();
    if (key == "<<") throw Refused{LineOf(mark), "merge keys (<<) are not supported"};
    if (!top.keys.insert(key).second) {
      throw Refused{LineOf(mark), absl::StrCat("key ", Quote(key), " appears twice")};
    }
    top.node->members.push_back({key, LineOf(mark), nullptr});
    top.awaits_key = false;
  }

  void Open(Node::Kind kind, const YAML::Mark& mark, const std::string& tag,
            YAML::anchor_t anchor) {
    CheckTag(mark, tag == "!" ? "?" : tag);
    if (AwaitsKey()) throw Refused{LineOf(mark), "a key must be a string or a number"};
    if (stack_.size() >= static_cast<size_t>(limits_.depth)) RefuseDepth(mark);
    Node* node = New(kind, mark, anchor);
    node->open = true;
    stack_.push_back({node, kind == Node::Kind::kMap, {}});
  }

  void Close() {
    Node* node = stack_.back().node;
    node->open = false;
    stack_.pop_back();
    YAML::Mark mark;
    mark.line = node->line - 1;
    Add(node, mark);
  }

  // Places a complete node into its parent.
  void Add(const Node* node, const YAML::Mark& mark) {
    if (stack_.empty()) {
      total_ += node->size;
      if (total_ > limits_.nodes) RefuseSize(mark);
      tree_.documents.push_back(node);
      return;
    }
    Frame& top = stack_.back();
    if (top.node->kind == Node::Kind::kMap) {
      top.node->members.back().value = node;
      top.awaits_key = true;
    } else {
      top.node->items.push_back(node);
    }
    top.node->size += node->size;
    top.node->height = std::max(top.node->height, node->height + 1);
    if (total_ + top.node->size > limits_.nodes) RefuseSize(mark);
    if (top.node->height > limits_.depth) RefuseDepth(mark);
  }

  [[noreturn]] void RefuseSize(const YAML::Mark& mark) {
    throw Refused{LineOf(mark), absl::StrCat("more than ", limits_.nodes,
                                             " values in the file, aliases followed; split it")};
  }
  [[noreturn]] void RefuseDepth(const YAML::Mark& mark) {
    throw Refused{LineOf(mark), absl::StrCat("nested more than ", limits_.depth, " levels deep")};
  }

  absl::string_view rest_;  // From line `rest_line_` on.
  int rest_line_ = 1;
  const Limits limits_;
  Tree& tree_;
  size_t documents_ = 0;
  uint64_t total_ = 0;
  std::vector<Frame> stack_;
  absl::flat_hash_map<YAML::anchor_t, const Node*> anchors_;
};

absl::Status Error(absl::string_view file, int line, absl::string_view message) {
  return absl::InvalidArgumentError(absl::StrCat(file, ":", line, ": ", message));
}

}  // namespace

const Node* Node::Find(absl::string_view key) const {
  for (const Member& member : members) {
    if (member.key == key) return member.value;
  }
  return nullptr;
}

absl::StatusOr<std::shared_ptr<const Tree>> ParseYaml(absl::string_view text,
                                                      absl::string_view file,
                                                      const Limits& limits) {
  if (text.size() > limits.bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, ": longer than ", limits.bytes, " bytes; split it"));
  }
  if (absl::Status status = CheckText(text, file); !status.ok()) return status;
  auto tree = std::make_shared<Tree>();
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    Builder builder(text, limits, *tree);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const Refused& refused) {
    return Error(file, refused.line, refused.message);
  } catch (const YAML::Exception& error) {
    return Error(file, std::max(LineOf(error.mark), 1), absl::StrCat("not YAML: ", error.msg));
  } catch (const std::exception& error) {
    return absl::InvalidArgumentError(absl::StrCat(file, ": not YAML: ", error.what()));
  }
  return tree;
}

absl::string_view Describe(const Node& node) {
  switch (node.kind) {
    case Node::Kind::kNull:
      return "nothing";
    case Node::Kind::kScalar:
      return "a single value";
    case Node::Kind::kSequence:
      return "a list";
    case Node::Kind::kMap:
      return "a map";
  }
  return "";
}

}  // namespace kith::config
