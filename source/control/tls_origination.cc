#include "source/control/tls_origination.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "kith/networking/v1/destination_rule.pb.h"
#include "source/base/status.h"

namespace kith::control {
namespace {

constexpr size_t kMaxPath = 1024;
constexpr size_t kMaxNames = 64;
constexpr size_t kMaxName = 2048;
constexpr size_t kMaxSni = 253;

absl::Status Bad(absl::string_view field, absl::string_view problem) {
  return absl::InvalidArgumentError(absl::StrCat("tls.", field, ": ", problem));
}

absl::Status CheckPath(absl::string_view field, absl::string_view path) {
  if (path.empty()) return absl::OkStatus();
  if (path.front() != '/') return Bad(field, "must be a whole path, from /");
  if (path.size() > kMaxPath) return Bad(field, "is longer than 1024 bytes");
  if (std::any_of(path.begin(), path.end(), absl::ascii_iscntrl)) {
    return Bad(field, "has a control character");
  }
  return absl::OkStatus();
}

bool IsPrintable(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), absl::ascii_isgraph);
}

absl::Status CheckSni(absl::string_view sni) {
  const auto is_part = [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '-' || c == '.' || c == '_';
  };
  if (sni.empty() || sni.size() > kMaxSni || !std::all_of(sni.begin(), sni.end(), is_part)) {
    return Bad("sni", absl::StrCat("\"", sni.substr(0, kMaxSni), "\" is no DNS name"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<mesh::TlsOrigination> TranslateTlsOrigination(
    const networking::v1::ClientTLSSettings& tls, absl::string_view host,
    const std::vector<std::string>& names) {
  using networking::v1::ClientTLSSettings;
  const bool mutual = tls.mode() == ClientTLSSettings::MUTUAL;
  if (!mutual && tls.mode() != ClientTLSSettings::SIMPLE) {
    return Bad("mode", "is not SIMPLE or MUTUAL");
  }
  if (!tls.credential_name().empty()) {
    return absl::UnimplementedError(
        "tls.credentialName: secrets are not distributed; name files beside the sidecar in "
        "clientCertificate, privateKey and caCertificates");
  }
  KITH_RETURN_IF_ERROR(CheckPath("clientCertificate", tls.client_certificate()));
  KITH_RETURN_IF_ERROR(CheckPath("privateKey", tls.private_key()));
  KITH_RETURN_IF_ERROR(CheckPath("caCertificates", tls.ca_certificates()));
  KITH_RETURN_IF_ERROR(CheckPath("caCrl", tls.ca_crl()));
  if (mutual && tls.client_certificate().empty()) {
    return Bad("clientCertificate", "is required with MUTUAL");
  }
  if (mutual && tls.private_key().empty()) return Bad("privateKey", "is required with MUTUAL");
  if (!mutual && (!tls.client_certificate().empty() || !tls.private_key().empty())) {
    return Bad("clientCertificate", "is not shown with SIMPLE; write mode: MUTUAL, or remove it");
  }
  mesh::TlsOrigination result;
  result.client_certificate = tls.client_certificate();
  result.private_key = tls.private_key();
  result.ca_certificates = tls.ca_certificates();
  result.ca_crl = tls.ca_crl();
  result.insecure_skip_verify = tls.insecure_skip_verify();
  if (result.insecure_skip_verify && (tls.subject_alt_names_size() > 0 ||
                                      !tls.ca_certificates().empty() || !tls.ca_crl().empty())) {
    return Bad("insecureSkipVerify",
               "cannot stand beside caCertificates, caCrl and subjectAltNames, which it would make "
               "meaningless");
  }
  result.sni = tls.sni().empty() ? std::string(host) : tls.sni();
  KITH_RETURN_IF_ERROR(CheckSni(result.sni));
  result.names.assign(tls.subject_alt_names().begin(), tls.subject_alt_names().end());
  if (result.names.size() > kMaxNames) return Bad("subjectAltNames", "are more than 64");
  for (const std::string& name : result.names) {
    if (!IsPrintable(name) || name.size() > kMaxName) {
      return Bad("subjectAltNames", "one is empty, too long, or has an unprintable character");
    }
    if (absl::StrContains(name, '*')) {
      return Bad("subjectAltNames",
                 absl::StrCat("\"", name,
                              "\": wildcards are the certificate's to have; write the "
                              "name itself"));
    }
  }
  if (result.names.empty()) result.names = names;
  if (result.names.empty()) result.names.push_back(result.sni);
  return result;
}

}  // namespace kith::control
