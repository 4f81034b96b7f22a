// OCSP responses from anybody: reading them ends, and what is believed was signed for the issuer of
// the seeds, whose key is forgotten. `openssl ocsp` made them: signed by the issuer and by a
// responder of its, good, revoked and unknown, and an error.
#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/strings/string_view.h"
#include "source/base/check.h"
#include "source/x509/crypto.h"
#include "source/x509/ocsp_response.h"

namespace kith {
namespace {

// That the seeds are about.
constexpr char kLeaf[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBjjCCATSgAwIBAgIIEjRWeJCrze8wCgYIKoZIzj0EAwIwEjEQMA4GA1UEAwwH\n"
    "c2VlZCBDQTAgFw0yNjExMjExOTAxNDdaGA8yMTI2MTAyODE5MDE0N1owDzENMAsG\n"
    "A1UEAwwEbGVhZjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABJWW3ECT3e3dxEi5\n"
    "ognNYDsy1vuanwUVvkNrhqP/Ahz2VYuITEZKtXjMkiEuXa/vjk7rQFE4GQz5Sr4J\n"
    "6KnIyOijdTBzMDEGCCsGAQUFBwEBBCUwIzAhBggrBgEFBQcwAYYVaHR0cDovL29j\n"
    "c3AuZXhhbXBsZS9hMB0GA1UdDgQWBBRGG5g/H7/aH1nNOtbYcQYG7AP0LDAfBgNV\n"
    "HSMEGDAWgBTzSXFq7KF0H+0XDLK+SCM8R1Zw2DAKBggqhkjOPQQDAgNIADBFAiAX\n"
    "Y0VaKF8KndwAxdkez6a0cA3CkhtNdSE/INIgpnCtwQIhAPDpwbby1XcJnJFhbCDt\n"
    "4Tedi7DoTGrPyk1l+LR3DAEC\n"
    "-----END CERTIFICATE-----\n";
constexpr char kIssuer[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBjDCCATGgAwIBAgIUNS7UnJJoJugoZSJDDOKl1A+2XeswCgYIKoZIzj0EAwIw\n"
    "EjEQMA4GA1UEAwwHc2VlZCBDQTAgFw0yNjExMjExOTAxNDZaGA8yMTI2MTAyODE5\n"
    "MDE0NlowEjEQMA4GA1UEAwwHc2VlZCBDQTBZMBMGByqGSM49AgEGCCqGSM49AwEH\n"
    "A0IABN1EU8+VBiFPuHJtFVmgJijGAsa68pq/WrtS0qQByugnqaXX4xyVJiHB2hO8\n"
    "WqZln8SBngATvmUwXZNYtASLjHmjYzBhMB0GA1UdDgQWBBTzSXFq7KF0H+0XDLK+\n"
    "SCM8R1Zw2DAfBgNVHSMEGDAWgBTzSXFq7KF0H+0XDLK+SCM8R1Zw2DAPBgNVHRMB\n"
    "Af8EBTADAQH/MA4GA1UdDwEB/wQEAwIBBjAKBggqhkjOPQQDAgNJADBGAiEAicOs\n"
    "n96tDdY5enFQP1stpEU6DMckZgD6DxxaHKcVAAoCIQD0Nks+2bK8X+Xp4fjbjASx\n"
    "33GFlSaZHg7C9H5gx3ufQQ==\n"
    "-----END CERTIFICATE-----\n";
const absl::Time kNow = absl::FromUnixSeconds(1'795'288'000);

}  // namespace
}  // namespace kith

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kith;  // NOLINT: a fuzz target has one function.
  static const auto leaf = std::move(x509::ParseCertificatesPem(kLeaf)->front());
  static const auto issuer = std::move(x509::ParseCertificatesPem(kIssuer)->front());
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto statement = x509::ReadOcspResponse(bytes, *leaf, *issuer, kNow);
  if (!statement.ok()) return 0;
  // A changed byte of what is signed is a forgery; only what stands around it may change.
  KITH_CHECK(statement->this_update <= kNow + absl::Hours(1), "the seeds were signed by then");
  KITH_CHECK(statement->IsInForce(kNow), "the seeds are in force for decades");
  return 0;
}
