#include "source/controlplane/ca/authority_options.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "source/base/spiffe_id.h"
#include "source/base/status.h"

namespace kith::controlplane {
namespace {

absl::Status Wrong(absl::string_view field, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("ca.", field, ": ", what));
}

absl::Status Take(const google::protobuf::Duration& value, bool given, absl::string_view field,
                  absl::Duration least, absl::Duration most, absl::Duration& into) {
  if (!given) return absl::OkStatus();
  absl::Duration duration = absl::Seconds(value.seconds()) + absl::Nanoseconds(value.nanos());
  if (duration < least || duration > most) {
    return Wrong(field,
                 absl::StrCat(absl::FormatDuration(duration), " is not between ",
                              absl::FormatDuration(least), " and ", absl::FormatDuration(most)));
  }
  into = duration;
  return absl::OkStatus();
}

// Each adds to every certificate, and to every handshake.
constexpr int kMaxUrls = 4;
constexpr size_t kMaxUrl = 256;

absl::Status TakeUrls(const google::protobuf::RepeatedPtrField<std::string>& from,
                      absl::string_view field, std::vector<std::string>& into) {
  if (from.size() > kMaxUrls) return Wrong(field, absl::StrCat("at most ", kMaxUrls));
  for (const std::string& url : from) {
    const bool sound = absl::StartsWith(url, "http://") && url.size() <= kMaxUrl &&
                       std::all_of(url.begin(), url.end(), [](char c) {
                         return absl::ascii_isgraph(static_cast<unsigned char>(c));
                       });
    // RFC 5280 §8: with https, asking would need the answer.
    if (!sound) return Wrong(field, absl::StrCat("\"", url, "\" is no URL with http://"));
    into.push_back(url);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<AuthorityOptions> AuthorityOptions::From(
    const kith::config::v1::ControlPlaneConfig& config) {
  constexpr absl::Duration kDay = absl::Hours(24);
  const auto& ca = config.ca();
  AuthorityOptions options;
  if (!config.trust_domain().empty()) options.trust_domain = config.trust_domain();
  if (!base::IsTrustDomain(options.trust_domain)) {
    return absl::InvalidArgumentError(
        absl::StrCat("trust_domain: \"", options.trust_domain,
                     "\" is not a trust domain; use lower-case letters, digits, '.', '-', '_'"));
  }
  if (!config.root_namespace().empty()) options.root_namespace = config.root_namespace();
  if (!base::IsSpiffeSegment(options.root_namespace)) {
    return absl::InvalidArgumentError(
        absl::StrCat("root_namespace: \"", options.root_namespace, "\" is not a namespace"));
  }
  options.certificate_file = ca.certificate_file();
  options.key_file = ca.key_file();
  options.root_file = ca.root_file();
  int given =
      !options.certificate_file.empty() + !options.key_file.empty() + !options.root_file.empty();
  if (given != 0 && given != 3) {
    return Wrong(options.certificate_file.empty() ? "certificate_file"
                 : options.key_file.empty()       ? "key_file"
                                                  : "root_file",
                 "missing; give certificate_file, key_file and root_file together, or none for a "
                 "root made here");
  }
  if (!ca.key_type().empty()) {
    const auto type = x509::ParseKeyType(ca.key_type());
    if (!type.ok()) return Wrong("key_type", type.status().message());
    // Many verifiers take no certificate that such a key signed.
    if (*type == x509::KeyType::kEd25519) {
      return Wrong("key_type", "Ed25519 is for leaves; use P-256, P-384 or RSA");
    }
    options.key_type = *type;
  }
  KITH_RETURN_IF_ERROR(TakeUrls(ca.ocsp_urls(), "ocsp_urls", options.ocsp_urls));
  KITH_RETURN_IF_ERROR(TakeUrls(ca.crl_urls(), "crl_urls", options.crl_urls));
  KITH_RETURN_IF_ERROR(Take(ca.root_lifetime(), ca.has_root_lifetime(), "root_lifetime", kDay,
                            kDay * 365 * 50, options.root_lifetime));
  KITH_RETURN_IF_ERROR(Take(ca.min_leaf_lifetime(), ca.has_min_leaf_lifetime(), "min_leaf_lifetime",
                            absl::Seconds(1), kDay * 90, options.min_leaf_lifetime));
  KITH_RETURN_IF_ERROR(Take(ca.max_leaf_lifetime(), ca.has_max_leaf_lifetime(), "max_leaf_lifetime",
                            options.min_leaf_lifetime, kDay * 90, options.max_leaf_lifetime));
  if (options.max_leaf_lifetime < options.min_leaf_lifetime) {
    return Wrong("min_leaf_lifetime", absl::StrCat("is more than max_leaf_lifetime (",
                                                   absl::FormatDuration(options.max_leaf_lifetime),
                                                   "); raise that too"));
  }
  // A maximum below the usual default moves the default down with it.
  options.default_leaf_lifetime =
      std::max(options.min_leaf_lifetime,
               std::min(options.default_leaf_lifetime, options.max_leaf_lifetime));
  KITH_RETURN_IF_ERROR(Take(ca.default_leaf_lifetime(), ca.has_default_leaf_lifetime(),
                            "default_leaf_lifetime", options.min_leaf_lifetime,
                            options.max_leaf_lifetime, options.default_leaf_lifetime));
  KITH_RETURN_IF_ERROR(Take(ca.backdate(), ca.has_backdate(), "backdate", absl::ZeroDuration(),
                            absl::Hours(1), options.backdate));
  const auto& rotation = config.rotation();
  if (rotation.has_before_end()) {
    options.rotate_before_end = absl::Seconds(rotation.before_end().seconds());
    if (options.rotate_before_end < absl::ZeroDuration() ||
        options.rotate_before_end >= options.root_lifetime) {
      return absl::InvalidArgumentError(
          absl::StrCat("rotation.before_end: ", absl::FormatDuration(options.rotate_before_end),
                       " is not between 0s and the root's lifetime, ",
                       absl::FormatDuration(options.root_lifetime)));
    }
  }
  if (rotation.has_intermediate_lifetime()) {
    options.intermediate_lifetime = absl::Seconds(rotation.intermediate_lifetime().seconds());
    // A leaf ends with its issuer, which is replaced at half of its life.
    if (options.intermediate_lifetime < 2 * options.max_leaf_lifetime) {
      return absl::InvalidArgumentError(absl::StrCat(
          "rotation.intermediate_lifetime: ", absl::FormatDuration(options.intermediate_lifetime),
          " is less than twice ca.max_leaf_lifetime (",
          absl::FormatDuration(options.max_leaf_lifetime), "), so leaves would be cut short"));
    }
  }
  return options;
}

}  // namespace kith::controlplane
