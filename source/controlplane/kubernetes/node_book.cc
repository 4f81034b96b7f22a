#include "source/controlplane/kubernetes/node_book.h"

#include "source/controlplane/registry/locality.h"

namespace kith::controlplane {
namespace {

std::string Read(const NodeBook::Json& node) {
  Labels labels;
  const NodeBook::Json* found = kubernetes::Find(kubernetes::Find(&node, "metadata"), "labels");
  if (found == nullptr || !found->is_object()) return "";
  for (const auto& [key, value] : found->items()) {
    if (value.is_string()) labels[key] = value.get<std::string>();
  }
  std::string locality = controlplane::LocalityOf(labels);
  return CheckLocality(locality).ok() ? locality : "";
}

}  // namespace

NodeBook::NodeBook() : ObjectBook(&Read) {}

std::string NodeBook::LocalityOf(const std::string& node) const {
  return With([&](const Map& nodes) {
    const auto found = nodes.find({"", node});
    return found == nodes.end() ? std::string() : found->second;
  });
}

}  // namespace kith::controlplane
