// Revocation lists out of anything: no crash, and what is accepted can be asked.
#include <cstddef>
#include <cstdint>
#include <string>

#include "source/base/check.h"
#include "source/tls/revocation.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using kith::tls::Crls;
  const absl::string_view input(reinterpret_cast<const char*>(data), size);
  const auto lists = kith::tls::ParseCrls(input);
  if (!lists.ok()) return 0;
  KITH_CHECK(!lists->empty(), "a file that is accepted holds a list");
  const kith::tls::RevocationLists all(*lists);
  for (const auto& list : *lists) {
    const kith::tls::ChainKeys chain = {{list->issuer(), "\x47\x11", std::string(input), false}};
    const auto finding = all.Check(chain, list->this_update());
    KITH_CHECK(finding.standing == kith::tls::RevocationLists::Standing::kUnknown,
               "its own bytes are nobody's key");
  }
  return 0;
}
