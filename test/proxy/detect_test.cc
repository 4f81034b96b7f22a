#include "source/proxy/detect.h"

#include <gtest/gtest.h>

namespace kith::proxy {
namespace {

FirstBytes Look(absl::string_view text) {
  return LookAt({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

TEST(DetectTest, KnowsARequestByItsMethodAndTarget) {
  for (const char* text : {"GET / HTTP/1.1\r\n", "POST /x", "OPTIONS *", "M-SEARCH * HTTP/1.1",
                           "GET http://example.com/", "CONNECT db.example:5432 HTTP/1.1"}) {
    EXPECT_EQ(Look(text), FirstBytes::kHttp) << text;
  }
}

TEST(DetectTest, WaitsWhileItMayStillBeARequest) {
  for (const char* text : {"", "G", "GET", "GET ", "PROPPATCH"}) {
    EXPECT_EQ(Look(text), FirstBytes::kNeedMore) << text;
  }
}

TEST(DetectTest, TakesOtherProtocolsForOpaque) {
  for (const char* text :
       {"SET key value\r\n", "PING\r\n", "get key\r\n", "EHLO there\r\n", " GET /",
        "get / HTTP/1.1", "\x16\x03\x01", "SSH-2.0-x", "THISISNOMETHODOFHTTPATALL /"}) {
    EXPECT_EQ(Look(text), FirstBytes::kOther) << text;
  }
}

TEST(DetectTest, KnowsThePortsWhoseServersSpeakFirst) {
  EXPECT_TRUE(IsServerFirst(3306));
  EXPECT_FALSE(IsServerFirst(80));
}

}  // namespace
}  // namespace kith::proxy
