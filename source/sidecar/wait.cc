#include "source/sidecar/wait.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "source/base/socket_address.h"
#include "source/base/status.h"
#include "source/http/blocking_client.h"

namespace kith::sidecar {
namespace {

constexpr absl::Duration kBetween = absl::Milliseconds(100);
constexpr absl::Duration kOneAnswer = absl::Seconds(2);

}  // namespace

absl::Status WaitUntilReady(const std::string& address, absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  http::BlockingRequestOptions request;
  KITH_ASSIGN_OR_RETURN(request.address, base::SocketAddress::Parse(address));
  request.path = "/healthz/ready";
  request.timeout = kOneAnswer;
  while (true) {
    const absl::StatusOr<http::BlockingResponse> answer = http::BlockingRequest(request);
    if (answer.ok() && answer->status == 200) return absl::OkStatus();
    if (absl::Now() + kBetween >= deadline) {
      const std::string last = answer.ok() ? absl::StrReplaceAll(answer->body, {{"\n", " "}})
                                           : std::string(answer.status().message());
      return absl::DeadlineExceededError(absl::StrCat("the sidecar at ", address,
                                                      " is not ready after ",
                                                      absl::FormatDuration(timeout), ": ", last));
    }
    absl::SleepFor(kBetween);
  }
}

}  // namespace kith::sidecar
