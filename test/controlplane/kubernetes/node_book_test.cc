#include "source/controlplane/kubernetes/node_book.h"

#include <gtest/gtest.h>

#include <string>

namespace kith::controlplane {
namespace {

using Json = NodeBook::Json;

Json Node(const std::string& name, const Json& labels) {
  return {{"metadata", {{"name", name}, {"labels", labels}}}};
}

TEST(NodeBookTest, KnowsWhereANodeIs) {
  NodeBook book;
  const Json labels = {{"topology.kubernetes.io/region", "eu"},
                       {"topology.kubernetes.io/zone", "eu-1"},
                       {"kubernetes.io/hostname", "n1"}};
  book.Replace({Node("n1", labels), Node("n2", {{"topology.kubernetes.io/region", "us"}})});
  EXPECT_EQ(book.LocalityOf("n1"), "eu/eu-1");
  EXPECT_EQ(book.LocalityOf("n2"), "us");
  EXPECT_EQ(book.LocalityOf("n3"), "");
  book.Put(Node("n2", Json::object()));
  EXPECT_EQ(book.LocalityOf("n2"), "");
  book.Remove(Node("n1", labels));
  EXPECT_EQ(book.LocalityOf("n1"), "");
}

TEST(NodeBookTest, TakesNonsenseForNothing) {
  NodeBook book;
  book.Put(Node("n1", {{"topology.kubernetes.io/region", 7}}));
  book.Put(Node("n2", "labels"));
  book.Put(Json::array());
  EXPECT_EQ(book.LocalityOf("n1"), "");
  EXPECT_EQ(book.LocalityOf("n2"), "");
}

}  // namespace
}  // namespace kith::controlplane
