// Where the cluster's nodes are: the locality that each Node's topology labels say.
// Threads: any. Owns: a name and a locality a node. Errors: none.
#pragma once

#include <string>

#include "source/controlplane/kubernetes/object_book.h"

namespace kith::controlplane {

class NodeBook final : public ObjectBook<std::string> {
 public:
  NodeBook();

  // "region/zone", or less; empty for a node that is not known or says nothing.
  std::string LocalityOf(const std::string& node) const;
};

}  // namespace kith::controlplane
