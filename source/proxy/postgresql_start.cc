#include "source/proxy/postgresql_start.h"

#include <algorithm>

namespace kith::proxy {
namespace {

constexpr absl::string_view kGssRequest("\x00\x00\x00\x08\x04\xd2\x16\x30", 8);

}  // namespace

PostgresqlStart RecognizePostgresqlStart(absl::Span<const uint8_t> bytes) {
  const absl::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (const absl::string_view request : {kPostgresqlTlsRequest, kGssRequest}) {
    const size_t common = std::min(text.size(), request.size());
    if (text.substr(0, common) != request.substr(0, common)) continue;
    return common == request.size() ? PostgresqlStart::kEncryption : PostgresqlStart::kMore;
  }
  return PostgresqlStart::kOther;
}

}  // namespace kith::proxy
