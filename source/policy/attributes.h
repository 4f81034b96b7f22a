// What rules look at in one request, made as rules ask for it.
// Threads: one; lives for one decision, on the stack, and never allocates.
// Owns: small buffers; borrows the request. Errors: none; what does not fit is unreadable, and a
// predicate on it takes the answer that lets less through.
#pragma once

#include <array>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "source/policy/ip_block.h"
#include "source/policy/request.h"

namespace kith::policy {

enum class Attribute : uint8_t {
  // A text, or a few that count alike; indexes are made of these.
  kPrincipal,
  kNamespace,
  kServiceAccount,  // "<namespace>/sa/<account>", as it stands in the SPIFFE ID.
  kTrustDomain,
  kSourceIp,  // Addresses are bits: ip_block.h.
  kRemoteIp,
  kDestinationIp,
  kDestinationPort,
  kSni,
  kMethod,
  kPath,
  kHost,
  // The peer's certificate.
  kCertificateCn,
  kCertificateO,
  kCertificateOu,
  kCertificateSerial,
  kCertificateIssuer,
  kCertificateFingerprint,
  kCertificateDns,
  // These have a name, and are read by predicate.h.
  kCertificateExtension,
  kHeader,
  kRequestPrincipal,
  kClaim,
};
inline constexpr int kIndexedAttributes = static_cast<int>(Attribute::kHost) + 1;

// Whether TCP streams lack it.
bool IsHttpOnly(Attribute attribute);
// Whether the peer's certificate says it.
bool IsOfCertificate(Attribute attribute);

// How far a text is taken. Where a missed match would let a request through (the positive lists of
// a DENY, the negative ones of an ALLOW), spellings count too that servers read as the same: a path
// without its parameters, a host without its port or last dot.
enum class Reading : uint8_t { kAsSent, kWidened };

struct Values {
  absl::Span<const absl::string_view> texts;  // None: the attribute is missing.
  bool readable = true;                       // False: too long to be taken apart.
};

class Attributes {
 public:
  explicit Attributes(const Request& request) : request_(request) {}
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;

  // Not for those with a name. The list holds until the next call, the texts as long as this.
  Values Get(Attribute attribute, Reading reading);
  const Request& request() const { return request_; }
  // Whether the peer's ID has another form than <trust domain>/ns/<namespace>/sa/<account>, so that
  // kServiceAccount says nothing of it.
  bool has_unusual_id() const;

 private:
  static constexpr size_t kMaxNamespaces = 4;
  static constexpr size_t kMaxWidenedPath = 4096;
  static constexpr size_t kMaxHost = 512;

  Values One(absl::string_view text);
  Values Address(const base::SocketAddress* address, AddressBuffer& buffer);
  Values Namespaces();
  Values Paths(Reading reading);
  Values Hosts(Reading reading);

  const Request& request_;
  std::array<absl::string_view, 4> texts_;
  AddressBuffer source_, remote_, destination_;
  std::array<char, 5> port_;
  std::array<char, kMaxHost> host_;
  absl::string_view paths_[3];  // As sent, without parameters, and without hollow segments.
  uint8_t path_count_ = 0;      // 0: not made yet.
  std::array<char, kMaxWidenedPath> path_buffer_[2];
};

}  // namespace kith::policy
