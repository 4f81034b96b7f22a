#include "source/net/resolver.h"

#include <netdb.h>
#include <sys/socket.h>
#include <uv.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "source/base/socket_address.h"

namespace kith::net {
namespace {

// libuv 1.44 cuts longer names off and asks for what is left.
constexpr size_t kMaxName = 253;
// Of one name: more are not endpoints but a mistake.
constexpr size_t kMaxAddresses = 64;

absl::StatusOr<std::vector<std::string>> Addresses(const std::string& name, int error,
                                                   const addrinfo* found) {
  if (error != 0) {
    const bool none = error == UV_EAI_NONAME || error == UV_EAI_NODATA;
    return absl::Status(
        none ? absl::StatusCode::kNotFound : absl::StatusCode::kUnavailable,
        absl::StrCat("resolve ", name, ": ", uv_strerror(error),
                     none ? "; is the name right?" : "; is this machine's resolver reachable?"));
  }
  std::vector<std::string> addresses;
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    const auto address = base::SocketAddress::From(each->ai_addr);
    if (address.family() == AF_INET || address.family() == AF_INET6) {
      addresses.push_back(address.IpString());
    }
  }
  std::sort(addresses.begin(), addresses.end());
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  if (addresses.size() > kMaxAddresses) addresses.resize(kMaxAddresses);
  if (addresses.empty()) return absl::NotFoundError(absl::StrCat("resolve ", name, ": no address"));
  return addresses;
}

}  // namespace

struct Resolver::Lookup {
  uv_getaddrinfo_t request;
  Resolver* owner = nullptr;  // Null once nobody waits.
  std::string name;
  Answer answer;

  static void OnDone(uv_getaddrinfo_t* request, int error, addrinfo* found) noexcept {
    const std::unique_ptr<Lookup> lookup(static_cast<Lookup*>(request->data));
    if (lookup->owner != nullptr) {
      lookup->owner->lookups_.erase(lookup.get());
      lookup->answer(Addresses(lookup->name, error, found));
    }
    uv_freeaddrinfo(found);
  }
};

Resolver::~Resolver() {
  for (Lookup* lookup : lookups_) {
    lookup->owner = nullptr;
    uv_cancel(reinterpret_cast<uv_req_t*>(&lookup->request));
  }
}

void Resolver::Resolve(const std::string& name, Answer answer) {
  auto lookup = std::make_unique<Lookup>();
  lookup->request.data = lookup.get();
  lookup->owner = this;
  lookup->name = name;
  lookup->answer = std::move(answer);
  addrinfo hints = {};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  const int error = name.empty() || name.size() > kMaxName
                        ? UV_EINVAL
                        : uv_getaddrinfo(loop_.uv(), &lookup->request, &Lookup::OnDone,
                                         name.c_str(), nullptr, &hints);
  lookups_.insert(lookup.get());
  if (error == 0) {
    (void)lookup.release();  // OnDone() frees it.
    return;
  }
  loop_.Post(
      [lookup = lookup.release(), error] { Lookup::OnDone(&lookup->request, error, nullptr); });
}

}  // namespace kith::net
