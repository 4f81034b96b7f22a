#include "source/proxy/postgresql_start.h"

#include <gtest/gtest.h>

#include <string>

namespace kith::proxy {
namespace {

PostgresqlStart Recognize(const std::string& text) {
  return RecognizePostgresqlStart(
      absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
}

TEST(PostgresqlStartTest, RecognizesQuestionsForEncryption) {
  const std::string tls(kPostgresqlTlsRequest);
  std::string gss = tls;
  gss.back() = 0x30;
  for (const std::string& question : {tls, gss}) {
    for (size_t size = 0; size < question.size(); ++size) {
      EXPECT_EQ(Recognize(question.substr(0, size)), PostgresqlStart::kMore) << size;
    }
    EXPECT_EQ(Recognize(question), PostgresqlStart::kEncryption);
    EXPECT_EQ(Recognize(question + "more"), PostgresqlStart::kEncryption);
  }
}

TEST(PostgresqlStartTest, LeavesEverythingElseToTheServer) {
  EXPECT_EQ(Recognize(std::string("\0\0\0\x08\0\3\0\0", 8)), PostgresqlStart::kOther);
  EXPECT_EQ(Recognize(std::string("\0\0\0\x10\x04\xd2\x16\x2e", 8)), PostgresqlStart::kOther);
  EXPECT_EQ(Recognize("GET / HTTP/1.1"), PostgresqlStart::kOther);
}

}  // namespace
}  // namespace kith::proxy
