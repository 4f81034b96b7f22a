// What a bundle endpoint sends is refused or understood, never crashes; what is understood can be
// written and is then read as the same.
#include <cstddef>
#include <cstdint>

#include "source/base/check.h"
#include "source/tls/encoding.h"
#include "source/tls/spiffe_bundle.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  // The Workload API's form of the same roots.
  (void)kith::tls::CertificatesFromDer(text);
  const auto bundle = kith::tls::ParseSpiffeBundle(text);
  if (!bundle.ok()) return 0;
  const auto written = kith::tls::FormatSpiffeBundle(*bundle);
  if (!written.ok()) return 0;  // A key of another kind.
  const auto read = kith::tls::ParseSpiffeBundle(*written);
  KITH_CHECK(read.ok() && read->roots_pem == bundle->roots_pem, "a bundle survives a round trip");
  return 0;
}
