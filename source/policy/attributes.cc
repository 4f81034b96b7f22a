#include "source/policy/attributes.h"

#include <algorithm>
#include <cstddef>
#include <cstdio>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/strip.h"

namespace kith::policy {
namespace {

// What becomes of a segment that is empty or "." once its parameters are gone.
enum class Hollow : uint8_t { kKept, kRemoved };

// Where a segment's parameters begin: at a ";", or at its escaped form, for servers that unescape
// before they look.
size_t FindParameters(absl::string_view path) {
  if (!absl::StrContains(path, '%')) return path.find(';');
  size_t at = path.find_first_of(";%");
  while (at != absl::string_view::npos && path[at] == '%' &&
         !absl::StartsWithIgnoreCase(path.substr(at), "%3b")) {
    at = path.find_first_of(";%", at + 1);
  }
  return at;
}

// The path without parameters (";name=value"), as servers see it that drop them: each segment cut
// at its first ";" or "%3b", and with kRemoved also without the segments that the cut left empty or
// ".". `out` is as long as `path`.
absl::string_view WithoutParameters(absl::string_view path, Hollow hollow, char* out) {
  size_t size = 0;
  while (!path.empty()) {
    const size_t begin = path[0] == '/' ? 1 : 0;
    const absl::string_view segment = path.substr(0, path.find('/', begin));
    path.remove_prefix(segment.size());
    absl::string_view piece = segment.substr(0, FindParameters(segment));
    const absl::string_view name = piece.substr(begin);
    const bool cut = piece.size() < segment.size();
    if (hollow == Hollow::kRemoved && cut && (name.empty() || name == ".")) {
      // The last one leaves its slash: "/a/;x" is a folder.
      piece = path.empty() ? piece.substr(0, begin) : absl::string_view();
    }
    std::copy(piece.begin(), piece.end(), out + size);
    size += piece.size();
  }
  return {out, size};
}

absl::string_view WithoutPort(absl::string_view host) {
  const size_t colon = host.rfind(':');
  if (colon == absl::string_view::npos || host.find(']', colon) != absl::string_view::npos) {
    return host;
  }
  const absl::string_view port = host.substr(colon + 1);
  return std::all_of(port.begin(), port.end(), absl::ascii_isdigit) ? host.substr(0, colon) : host;
}

}  // namespace

bool IsHttpOnly(Attribute attribute) {
  switch (attribute) {
    case Attribute::kMethod:
    case Attribute::kPath:
    case Attribute::kHost:
    case Attribute::kHeader:
    case Attribute::kRequestPrincipal:
    case Attribute::kClaim:
      return true;
    default:
      return false;
  }
}

bool IsOfCertificate(Attribute attribute) {
  return attribute >= Attribute::kCertificateCn && attribute <= Attribute::kCertificateExtension;
}

Values Attributes::One(absl::string_view text) {
  if (text.empty()) return {};
  texts_[0] = text;
  return {{texts_.data(), 1}, true};
}

Values Attributes::Get(Attribute attribute, Reading reading) {
  const CertificateView* const certificate = request_.certificate;
  switch (attribute) {
    case Attribute::kPrincipal:
      return One(request_.peer != nullptr ? request_.peer->principal() : absl::string_view());
    case Attribute::kNamespace:
      return Namespaces();
    case Attribute::kServiceAccount:
      if (request_.peer == nullptr || has_unusual_id()) return {};
      return One(absl::StripPrefix(request_.peer->path(), "/ns/"));
    case Attribute::kTrustDomain:
      return One(request_.peer != nullptr ? request_.peer->trust_domain() : absl::string_view());
    case Attribute::kSourceIp:
      return Address(request_.source, source_);
    case Attribute::kRemoteIp:
      return Address(request_.remote != nullptr ? request_.remote : request_.source, remote_);
    case Attribute::kDestinationIp:
      return Address(request_.destination, destination_);
    case Attribute::kDestinationPort: {
      char* const end = port_.data() + port_.size();
      char* begin = end;
      unsigned port = request_.destination_port;
      do {
        *--begin = static_cast<char>('0' + port % 10);
        port /= 10;
      } while (port > 0);
      return One({begin, static_cast<size_t>(end - begin)});
    }
    case Attribute::kSni:
      return One(request_.sni);
    case Attribute::kMethod:
      return One(request_.method);
    case Attribute::kPath:
      return Paths(reading);
    case Attribute::kHost:
      return Hosts(reading);
    default:
      break;
  }
  // A peer whose certificate is not at hand: what it says may be anything.
  if (certificate == nullptr) return {{}, request_.peer == nullptr};
  switch (attribute) {
    case Attribute::kCertificateCn:
      return {certificate->subject_cn, true};
    case Attribute::kCertificateO:
      return {certificate->subject_o, true};
    case Attribute::kCertificateOu:
      return {certificate->subject_ou, true};
    case Attribute::kCertificateSerial:
      return One(certificate->serial);
    case Attribute::kCertificateIssuer:
      return One(certificate->issuer);
    case Attribute::kCertificateFingerprint:
      return One(certificate->fingerprint);
    case Attribute::kCertificateDns:
      return {certificate->dns, true};
    default:
      return {};
  }
}

Values Attributes::Address(const base::SocketAddress* address, AddressBuffer& buffer) {
  return address == nullptr ? Values{} : One(AddressBits(*address, buffer));
}

bool Attributes::has_unusual_id() const {
  return request_.peer != nullptr && request_.peer->service_account().empty();
}

// Istio looks for "/ns/<namespace>/" anywhere in the ID.
Values Attributes::Namespaces() {
  if (request_.peer == nullptr) return {};
  absl::string_view path = request_.peer->path();
  size_t count = 0;
  while (true) {
    const size_t at = path.find("/ns/");
    if (at == absl::string_view::npos) break;
    path.remove_prefix(at + 3);
    const size_t end = path.find('/', 1);
    if (end == absl::string_view::npos) break;
    if (count == kMaxNamespaces) return {{texts_.data(), count}, false};
    texts_[count++] = path.substr(1, end - 1);
  }
  return {{texts_.data(), count}, true};
}

Values Attributes::Paths(Reading reading) {
  if (!request_.has_path || request_.path.empty()) return {};
  const absl::string_view path = request_.path;
  paths_[0] = path;
  if (reading == Reading::kAsSent || FindParameters(path) == absl::string_view::npos) {
    return {{paths_, 1}, true};
  }
  if (path.size() > kMaxWidenedPath) return {{paths_, 1}, false};
  if (path_count_ == 0) {
    paths_[1] = WithoutParameters(path, Hollow::kKept, path_buffer_[0].data());
    paths_[2] = WithoutParameters(path, Hollow::kRemoved, path_buffer_[1].data());
    path_count_ = paths_[1] == paths_[2] ? 2 : 3;
  }
  return {{paths_, path_count_}, true};
}

Values Attributes::Hosts(Reading reading) {
  const absl::string_view sent = request_.host;
  if (sent.empty()) return {};
  if (sent.size() > kMaxHost) return {{}, false};
  std::transform(sent.begin(), sent.end(), host_.begin(), absl::ascii_tolower);
  const absl::string_view host(host_.data(), sent.size());
  texts_[0] = host;
  if (reading == Reading::kAsSent) return {{texts_.data(), 1}, true};
  size_t count = 1;
  const absl::string_view without_port = WithoutPort(host);
  for (const absl::string_view each :
       {without_port, absl::StripSuffix(host, "."), absl::StripSuffix(without_port, ".")}) {
    if (each != host) texts_[count++] = each;
  }
  return {{texts_.data(), count}, true};
}

}  // namespace kith::policy
