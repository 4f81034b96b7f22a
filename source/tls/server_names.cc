#include "source/tls/server_names.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace kith::tls {
namespace {

constexpr size_t kMaxShown = 4;

absl::string_view Text(const ASN1_STRING& string) {
  return absl::string_view(reinterpret_cast<const char*>(ASN1_STRING_get0_data(&string)),
                           static_cast<size_t>(ASN1_STRING_length(&string)));
}

std::string IpText(absl::string_view bytes) {
  char text[INET6_ADDRSTRLEN] = {};
  const int family = bytes.size() == 4 ? AF_INET : AF_INET6;
  const bool known = bytes.size() == 4 || bytes.size() == 16;
  if (!known || inet_ntop(family, bytes.data(), text, sizeof(text)) == nullptr) return "?";
  return text;
}

bool HasUri(const GENERAL_NAMES* names, absl::string_view uri) {
  for (size_t i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type == GEN_URI && Text(*name->d.uniformResourceIdentifier) == uri) return true;
  }
  return false;
}

// What the certificate is for, as people read it.
std::string NamesText(const GENERAL_NAMES* names) {
  std::vector<std::string> shown;
  const size_t count = names == nullptr ? 0 : sk_GENERAL_NAME_num(names);
  for (size_t i = 0; i < count && shown.size() < kMaxShown; ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type == GEN_DNS) shown.push_back(absl::CHexEscape(Text(*name->d.dNSName)));
    if (name->type == GEN_IPADD) shown.push_back(IpText(Text(*name->d.iPAddress)));
    if (name->type == GEN_URI) {
      shown.push_back(absl::CHexEscape(Text(*name->d.uniformResourceIdentifier)));
    }
  }
  if (shown.empty()) return "no subject alternative name";
  return absl::StrCat(absl::StrJoin(shown, ", "), count > shown.size() ? " and others" : "");
}

bool IsIpAddress(const std::string& text) {
  unsigned char bytes[16];
  return inet_pton(AF_INET, text.c_str(), bytes) == 1 ||
         inet_pton(AF_INET6, text.c_str(), bytes) == 1;
}

}  // namespace

absl::Status CheckServerNames(const X509& leaf, absl::Span<const std::string> names) {
  // BoringSSL's functions take it without const and leave it as it is.
  X509* certificate = const_cast<X509*>(&leaf);
  const bssl::UniquePtr<GENERAL_NAMES> borne(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  bool found = false;
  for (const std::string& name : names) {
    if (absl::StrContains(name, "://")) {
      found = HasUri(borne.get(), name);
    } else if (IsIpAddress(name)) {
      found = X509_check_ip_asc(certificate, name.c_str(), 0) == 1;
    } else {
      constexpr unsigned kFlags =
          X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;
      found = X509_check_host(certificate, name.data(), name.size(), kFlags, nullptr) == 1;
    }
    if (found) break;
  }
  ERR_clear_error();
  if (found) return absl::OkStatus();
  const size_t more = names.size() > kMaxShown ? names.size() - kMaxShown : 0;
  return absl::UnauthenticatedError(absl::StrCat(
      "expected ", absl::StrJoin(names.subspan(0, kMaxShown), " or "), more > 0 ? " or others" : "",
      ", its certificate is for ", NamesText(borne.get()),
      "; is sni or subjectAltNames of the DestinationRule right?"));
}

}  // namespace kith::tls
