#include <arpa/inet.h>
#include <grp.h>
#include <net/if.h>
#include <pwd.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "source/base/status.h"
#include "source/capture/rules.h"

namespace kith::capture {
namespace {

absl::Status Bad(absl::string_view what, absl::string_view text, absl::string_view remedy) {
  return absl::InvalidArgumentError(absl::StrCat("\"", text, "\" is no ", what, "; ", remedy));
}

// Comma-separated, blanks around the parts and empty parts left out.
std::vector<std::string> Parts(absl::string_view text) {
  std::vector<std::string> parts;
  for (absl::string_view part : absl::StrSplit(text, ',')) {
    part = absl::StripAsciiWhitespace(part);
    if (!part.empty()) parts.emplace_back(part);
  }
  return parts;
}

absl::StatusOr<Network> ParseNetwork(absl::string_view text) {
  constexpr absl::string_view kRemedy = "write an address or a range such as 10.0.0.0/8";
  const std::vector<std::string> halves = absl::StrSplit(text, '/');
  unsigned char bytes[16] = {};
  const bool v6 = absl::StrContains(halves[0], ':');
  const int width = v6 ? 128 : 32;
  int length = width;
  if (halves.size() > 2 || inet_pton(v6 ? AF_INET6 : AF_INET, halves[0].c_str(), bytes) != 1 ||
      (halves.size() == 2 &&
       (!absl::SimpleAtoi(halves[1], &length) || length < 0 || length > width))) {
    return Bad("network", text, kRemedy);
  }
  for (int bit = length; bit < width; ++bit) {
    bytes[bit / 8] &= static_cast<unsigned char>(~(0x80 >> (bit % 8)));
  }
  char printed[INET6_ADDRSTRLEN];
  inet_ntop(v6 ? AF_INET6 : AF_INET, bytes, printed, sizeof printed);
  return Network{absl::StrCat(printed, "/", length), v6};
}

template <typename T, typename One>
absl::StatusOr<std::vector<T>> ParseList(absl::string_view text, One one) {
  std::vector<T> values;
  for (const std::string& part : Parts(text)) {
    KITH_ASSIGN_OR_RETURN(T value, one(part));
    values.push_back(std::move(value));
  }
  return values;
}

template <typename T, typename List>
absl::StatusOr<Selection<T>> ParseSelection(absl::string_view text, List list) {
  Selection<T> selection;
  if (absl::StripAsciiWhitespace(text) == "*") {
    selection.all = true;
    return selection;
  }
  KITH_ASSIGN_OR_RETURN(selection.values, list(text));
  return selection;
}

}  // namespace

absl::StatusOr<std::vector<uint16_t>> ParsePorts(absl::string_view text) {
  auto ports = ParseList<uint16_t>(text, [](const std::string& part) -> absl::StatusOr<uint16_t> {
    int port = 0;
    if (!absl::SimpleAtoi(part, &port) || port < 1 || port > 65535) {
      return Bad("port", part, "ports are 1 to 65535, separated by commas");
    }
    return static_cast<uint16_t>(port);
  });
  if (!ports.ok()) return ports;
  // nftables refuses a set that names one value twice.
  std::sort(ports->begin(), ports->end());
  ports->erase(std::unique(ports->begin(), ports->end()), ports->end());
  return ports;
}

absl::StatusOr<Selection<uint16_t>> ParsePortSelection(absl::string_view text) {
  return ParseSelection<uint16_t>(text, ParsePorts);
}

absl::StatusOr<std::vector<Network>> ParseNetworks(absl::string_view text) {
  return ParseList<Network>(text, ParseNetwork);
}

absl::StatusOr<Selection<Network>> ParseNetworkSelection(absl::string_view text) {
  return ParseSelection<Network>(text, ParseNetworks);
}

absl::StatusOr<std::vector<uint32_t>> ParseUsers(absl::string_view text) {
  return ParseList<uint32_t>(text, [](const std::string& part) -> absl::StatusOr<uint32_t> {
    uint32_t uid = 0;
    if (absl::SimpleAtoi(part, &uid)) return uid;
    const passwd* user = getpwnam(part.c_str());
    if (user == nullptr) return Bad("user", part, "write a number or a user this machine knows");
    return user->pw_uid;
  });
}

absl::StatusOr<std::vector<uint32_t>> ParseGroups(absl::string_view text) {
  return ParseList<uint32_t>(text, [](const std::string& part) -> absl::StatusOr<uint32_t> {
    uint32_t gid = 0;
    if (absl::SimpleAtoi(part, &gid)) return gid;
    const group* entry = getgrnam(part.c_str());
    if (entry == nullptr) return Bad("group", part, "write a number or a group this machine knows");
    return entry->gr_gid;
  });
}

absl::StatusOr<std::vector<std::string>> ParseInterfaces(absl::string_view text) {
  return ParseList<std::string>(text, [](const std::string& part) -> absl::StatusOr<std::string> {
    // What the kernel takes as a name, less what the rules' languages would read as their own.
    const bool plain = std::all_of(part.begin(), part.end(), [](char c) {
      return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' ||
             c == '.' || c == '@';
    });
    if (!plain || part.size() >= IFNAMSIZ) {
      return Bad("interface", part, "names have at most 15 letters, digits, '-', '_' and '.'");
    }
    return part;
  });
}

absl::Status Validate(const Rules& rules) {
  if (rules.proxy_uids.empty() && rules.proxy_gids.empty()) {
    return absl::InvalidArgumentError(
        "no user and no group of the proxy: its own connections would be captured and loop; give "
        "--proxy-uid");
  }
  if (rules.inbound_port == rules.outbound_port) {
    return absl::InvalidArgumentError(absl::StrCat(
        "port ", rules.inbound_port, " for both directions; the sidecar listens on two"));
  }
  for (const uint32_t uid : rules.exclude_uids) {
    if (std::find(rules.proxy_uids.begin(), rules.proxy_uids.end(), uid) !=
        rules.proxy_uids.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("user ", uid,
                       " is the proxy's and excluded as an application's; an application must not "
                       "run as the proxy's user"));
    }
  }
  return absl::OkStatus();
}

}  // namespace kith::capture
