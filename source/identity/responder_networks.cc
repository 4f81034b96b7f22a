#include "source/identity/responder_networks.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "source/base/status.h"
#include "source/policy/ip_block.h"

namespace kith::identity {
namespace {

// Of the IANA special-purpose registries, what is no host of the public internet, and what leads to
// an IPv4 address that could be any (NAT64, 6to4, Teredo, the compatible form).
constexpr const char* kNotPublic[] = {
    "0.0.0.0/8",     "10.0.0.0/8",      "100.64.0.0/10",  "127.0.0.0/8",    "169.254.0.0/16",
    "172.16.0.0/12", "192.0.0.0/24",    "192.0.2.0/24",   "192.88.99.0/24", "192.168.0.0/16",
    "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4",    "240.0.0.0/4",
    "::/96",         "64:ff9b::/96",    "64:ff9b:1::/48", "100::/64",       "2001::/32",
    "2001:db8::/32", "2002::/16",       "fc00::/7",       "fe80::/10",      "fec0::/10",
    "ff00::/8"};

const std::vector<std::string>& NotPublic() {
  static const auto* const blocks = [] {
    auto* made = new std::vector<std::string>();
    for (const char* text : kNotPublic) made->push_back(policy::ParseIpBlock(text).value());
    return made;
  }();
  return *blocks;
}

bool IsIn(const std::vector<std::string>& blocks, absl::string_view bits) {
  return std::any_of(blocks.begin(), blocks.end(),
                     [bits](const std::string& block) { return absl::StartsWith(bits, block); });
}

}  // namespace

absl::StatusOr<ResponderNetworks> ResponderNetworks::Create(
    const std::vector<std::string>& allowed) {
  ResponderNetworks networks;
  for (const std::string& text : allowed) {
    KITH_ASSIGN_OR_RETURN(std::string block, policy::ParseIpBlock(text));
    networks.allowed_.push_back(std::move(block));
  }
  return networks;
}

absl::Status ResponderNetworks::Check(const base::SocketAddress& address) const {
  policy::AddressBuffer buffer;
  const absl::string_view bits = policy::AddressBits(address, buffer);
  if (!bits.empty() && (IsIn(allowed_, bits) || !IsIn(NotPublic(), bits))) return absl::OkStatus();
  return absl::PermissionDeniedError(
      absl::StrCat(address.ToString(),
                   " is no public address; if a responder is meant to be there, "
                   "name its network in revocation.responders.networks"));
}

}  // namespace kith::identity
