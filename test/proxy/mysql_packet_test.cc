#include "source/proxy/mysql_packet.h"

#include <gtest/gtest.h>

namespace kith::proxy {
namespace {

std::vector<uint8_t> Bytes(const std::string& text) { return {text.begin(), text.end()}; }

// Protocol 10, a version, the id and first nonce, then the lower capabilities.
std::vector<uint8_t> Greeting(uint16_t capabilities) {
  std::string text =
      "\x0a"
      "11.4.2-MariaDB";
  text += std::string(1 + 4 + 8 + 1, '\0');
  text += static_cast<char>(capabilities & 0xff);
  text += static_cast<char>(capabilities >> 8);
  return Bytes(text + "rest");
}

std::vector<uint8_t> Answer(uint16_t capabilities) {
  std::string text(32, '\0');
  text[0] = static_cast<char>(capabilities & 0xff);
  text[1] = static_cast<char>(capabilities >> 8);
  return Bytes(text + "user");
}

TEST(MysqlPacketTest, ReadsOnePacketAtATime) {
  const std::vector<uint8_t> bytes =
      Bytes(WriteMysqlPacket(3, Bytes("first")) + WriteMysqlPacket(4, Bytes("x")));
  for (size_t size = 0; size < 9; ++size) {
    const auto early = ReadMysqlPacket(absl::MakeConstSpan(bytes).subspan(0, size));
    ASSERT_TRUE(early.ok());
    EXPECT_FALSE(early->has_value()) << size;
  }
  const auto packet = ReadMysqlPacket(bytes);
  ASSERT_TRUE(packet.ok() && packet->has_value());
  EXPECT_EQ((*packet)->sequence, 3);
  EXPECT_EQ((*packet)->size, 9u);
  EXPECT_EQ(std::string((*packet)->payload.begin(), (*packet)->payload.end()), "first");
}

TEST(MysqlPacketTest, RefusesEmptyAndEnormousPackets) {
  EXPECT_FALSE(ReadMysqlPacket(Bytes(std::string("\0\0\0\0", 4))).ok());
  EXPECT_FALSE(ReadMysqlPacket(Bytes(std::string("\x01\0\x01\0", 4))).ok());
}

TEST(MysqlPacketTest, TakesTheOfferOfTlsOutOfAGreeting) {
  const auto without = WithoutMysqlTls(Greeting(0xffff));
  ASSERT_TRUE(without.ok()) << without.status();
  EXPECT_EQ(*without, Greeting(0xf7ff));
  EXPECT_TRUE(absl::IsFailedPrecondition(WithoutMysqlTls(Greeting(0xf7ff)).status()));
}

TEST(MysqlPacketTest, RefusesWhatIsNoGreeting) {
  const std::vector<uint8_t> greeting = Greeting(0xffff);
  for (size_t size = 0; size + 4 < greeting.size(); ++size) {
    EXPECT_TRUE(absl::IsInvalidArgument(
        WithoutMysqlTls(absl::MakeConstSpan(greeting).subspan(0, size)).status()))
        << size;
  }
  EXPECT_FALSE(WithoutMysqlTls(Bytes("SSH-2.0")).ok());
}

TEST(MysqlPacketTest, AsksForTlsInTheClientsName) {
  const auto with = WithMysqlTls(Answer(0x8200));
  ASSERT_TRUE(with.ok()) << with.status();
  EXPECT_EQ(*with, Answer(0x8a00));
  EXPECT_EQ(MysqlTlsRequest(*with).size(), 32u);
  EXPECT_TRUE(absl::IsFailedPrecondition(WithMysqlTls(Answer(0x8a00)).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(WithMysqlTls(Answer(0x8000)).status()));
  EXPECT_FALSE(WithMysqlTls(Bytes("short")).ok());
}

TEST(MysqlPacketTest, KnowsTheEndOfAuthentication) {
  EXPECT_TRUE(EndsMysqlAuthentication(Bytes(std::string("\0ok", 3))));
  EXPECT_TRUE(EndsMysqlAuthentication(Bytes("\xff no")));
  EXPECT_FALSE(EndsMysqlAuthentication(Bytes("\xfe switch")));
  EXPECT_FALSE(EndsMysqlAuthentication(Bytes("\x01 more")));
  EXPECT_TRUE(IsMysqlError(Bytes("\xff no")));
  EXPECT_FALSE(IsMysqlError(Bytes("")));
}

}  // namespace
}  // namespace kith::proxy
