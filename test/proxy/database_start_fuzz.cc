// Whatever a database or its client says first: nothing is read past its end, a greeting or an
// answer that is taken keeps its length and differs in one bit, and what is written is read back.
#include <string>
#include <vector>

#include "source/base/check.h"
#include "source/proxy/mysql_packet.h"
#include "source/proxy/postgresql_start.h"
#include "test/support/fuzz_driver.h"

namespace kith::proxy {
namespace {

void CheckOneBit(absl::Span<const uint8_t> before, const std::vector<uint8_t>& after) {
  KITH_CHECK(before.size() == after.size(), "its length stays");
  int changed = 0;
  for (size_t i = 0; i < after.size(); ++i) changed += before[i] != after[i];
  KITH_CHECK(changed == 1, "one byte has changed");
}

void CheckPayload(absl::Span<const uint8_t> payload) {
  if (const auto without = WithoutMysqlTls(payload); without.ok()) {
    CheckOneBit(payload, *without);
    KITH_CHECK(!WithoutMysqlTls(*without).ok(), "the offer is gone");
  }
  if (const auto with = WithMysqlTls(payload); with.ok()) {
    CheckOneBit(payload, *with);
    KITH_CHECK(!WithMysqlTls(*with).ok(), "it is asked for");
    KITH_CHECK(MysqlTlsRequest(*with).size() <= with->size(), "the request is its beginning");
  }
  (void)EndsMysqlAuthentication(payload);
}

}  // namespace
}  // namespace kith::proxy

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kith::proxy;
  const absl::Span<const uint8_t> bytes(data, size);
  (void)RecognizePostgresqlStart(bytes);
  CheckPayload(bytes);
  const auto packet = ReadMysqlPacket(bytes);
  if (!packet.ok() || !packet->has_value()) return 0;
  CheckPayload((*packet)->payload);
  const std::string again = WriteMysqlPacket((*packet)->sequence, (*packet)->payload);
  KITH_CHECK(again == std::string(bytes.begin(), bytes.begin() + (*packet)->size),
             "written as it was read");
  return 0;
}
