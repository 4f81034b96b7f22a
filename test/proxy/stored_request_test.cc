#include "source/proxy/stored_request.h"

#include <gtest/gtest.h>

namespace kith::proxy {
namespace {

TEST(StoredRequestTest, KeepsACopyWithoutWhatIsNotForwarded) {
  StoredRequest stored;
  {
    std::string text = "GET/pathhost";
    http::RequestHead head;
    head.method = absl::string_view(text).substr(0, 3);
    head.headers = {{"Host", absl::string_view(text).substr(8)},
                    {"Connection", "close", true},
                    {"X-Secret", "1"},
                    {"Accept", "*/*"}};
    constexpr absl::string_view kDropped[] = {"x-secret"};
    const http::Header added[] = {{"X-New", "2"}};
    stored.Assign(head, "/normal", kDropped, added);
    text.assign(text.size(), '#');
  }
  EXPECT_EQ(stored.method(), "GET");
  EXPECT_EQ(stored.path(), "/normal");
  ASSERT_EQ(stored.headers().size(), 3u);
  EXPECT_EQ(stored.headers()[0].value, "host");
  EXPECT_EQ(stored.headers()[1].name, "Accept");
  EXPECT_EQ(stored.headers()[2].name, "X-New");
}

TEST(StoredRequestTest, IsEditedInPlace) {
  StoredRequest stored;
  http::RequestHead head;
  head.method = "GET";
  head.headers = {{"Authorization", "Bearer x"}, {"Accept", "*/*"}};
  stored.Assign(head, "/a?token=x", {}, {});
  constexpr absl::string_view kDropped[] = {"authorization"};
  const http::Header added[] = {{"x-subject", "alice"}};
  stored.Edit(stored.path().substr(0, 2), kDropped, added);
  EXPECT_EQ(stored.method(), "GET");
  EXPECT_EQ(stored.path(), "/a");
  ASSERT_EQ(stored.headers().size(), 2u);
  EXPECT_EQ(stored.headers()[0].value, "*/*");
  EXPECT_EQ(stored.headers()[1].value, "alice");
}

TEST(StoredRequestTest, CanBeRepeatedOnlyWhenIdempotentAndWithoutABody) {
  const auto repeatable = [](absl::string_view method, http::BodyKind body) {
    http::RequestHead head;
    head.method = method;
    head.framing.kind = body;
    StoredRequest stored;
    stored.Assign(head, "/", {}, {});
    return stored.CanBeRepeated();
  };
  for (absl::string_view method : {"GET", "HEAD", "OPTIONS", "PUT", "DELETE"}) {
    EXPECT_TRUE(repeatable(method, http::BodyKind::kNone)) << method;
    EXPECT_FALSE(repeatable(method, http::BodyKind::kLength)) << method;
  }
  for (absl::string_view method : {"POST", "PATCH", "CONNECT", "get", "LOCK"}) {
    EXPECT_FALSE(repeatable(method, http::BodyKind::kNone)) << method;
  }
}

}  // namespace
}  // namespace kith::proxy
