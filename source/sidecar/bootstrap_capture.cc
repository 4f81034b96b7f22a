#include "source/sidecar/bootstrap_capture.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include "absl/strings/str_cat.h"
#include "kith/config/v1/sidecar.pb.h"
#include "source/base/ip.h"
#include "source/base/status.h"
#include "source/sidecar/bootstrap_values.h"

namespace kith::sidecar {
namespace {

bool IsLinkLocal(const sockaddr& address) {
  return address.sa_family == AF_INET6 &&
         IN6_IS_ADDR_LINKLOCAL(&reinterpret_cast<const sockaddr_in6&>(address).sin6_addr);
}

std::vector<std::string> InterfaceAddresses() {
  std::vector<std::string> addresses;
  ifaddrs* first = nullptr;
  if (getifaddrs(&first) != 0) return addresses;
  for (const ifaddrs* each = first; each != nullptr; each = each->ifa_next) {
    if (each->ifa_addr == nullptr || (each->ifa_flags & IFF_LOOPBACK) != 0 ||
        IsLinkLocal(*each->ifa_addr)) {
      continue;
    }
    const std::string ip = base::SocketAddress::From(each->ifa_addr).IpString();
    if (!ip.empty()) addresses.push_back(ip);
  }
  freeifaddrs(first);
  return addresses;
}

}  // namespace

absl::Status ReadCapture(const config::v1::Capture& from, Bootstrap& to) {
  if (!from.inbound().empty()) {
    KITH_ASSIGN_OR_RETURN(to.capture.inbound, IpAddress("capture.inbound", from.inbound()));
  }
  if (!from.outbound().empty()) {
    KITH_ASSIGN_OR_RETURN(to.capture.outbound, IpAddress("capture.outbound", from.outbound()));
  }
  to.capture.transparent = from.transparent();
  if (from.unknown_destinations() == config::v1::Capture::REFUSE) {
    to.capture.unknown = proxy::CaptureOptions::Unknown::kRefuse;
  }
  for (const std::string& text : from.addresses()) {
    const auto address = base::ParseIp(text);
    if (!address.ok()) {
      return Invalid("capture.addresses", absl::StrCat("\"", text, "\" is no IP address"));
    }
    to.captured_addresses.push_back(address->IpString());
  }
  if (from.inbound().empty()) {
    if (!to.captured_addresses.empty()) {
      return Invalid("capture.addresses", "mean nothing without capture.inbound");
    }
    return absl::OkStatus();
  }
  if (to.captured_addresses.empty()) to.captured_addresses = InterfaceAddresses();
  return absl::OkStatus();
}

}  // namespace kith::sidecar
