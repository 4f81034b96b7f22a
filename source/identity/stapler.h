// Keeps an OCSP response about this workload's own leaf at hand, for its servers to staple: asks
// the responder that the leaf names (RFC 5019: by POST, without a nonce), believes what the leaf's
// issuer has signed, and asks again at half of what is left of the response.
// Threads: the loop's. Owns: its timer and the question on its way; the loop is borrowed.
// Errors: none: a question that failed is logged once for each fault, counted, and asked again
// after waits that double; what was good is stapled until it ends, and nothing after. Nobody
// refuses a server for lack of a staple unless told to.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "source/base/clock.h"
#include "source/event/loop.h"
#include "source/event/timer.h"
#include "source/http/fetch.h"
#include "source/telemetry/metrics.h"
#include "source/tls/credentials.h"

namespace kith::identity {

class Stapler {
 public:
  struct Options {
    // What to staple for the leaf of this serial number; an empty response: nothing any more.
    std::function<void(absl::string_view serial, std::string response)> use;
    // The responder says that the leaf is revoked: another one is to be had.
    std::function<void()> revoked;
    absl::Duration first_wait = absl::Seconds(5);  // After a failure; doubles.
    absl::Duration longest_wait = absl::Hours(1);  // Also between two that went well.
    absl::Duration timeout = absl::Seconds(10);
    std::function<double()> random;  // Uniform in [0, 1). Default: the machine's.
    const base::Clock* clock = &base::Clock::System();
    telemetry::Shard* metrics = nullptr;  // None counts nothing.
  };
  Stapler(event::Loop& loop, Options options);

  // The identity in use and the roots above it. Another leaf begins anew; the same one, nothing.
  void SetIdentity(std::shared_ptr<const tls::Identity> identity, const tls::TrustBundle& bundle);

  // Compares the clock with what is due. The timer calls this; so may a test that moves the clock.
  void Check();

 private:
  void Forget();
  void Ask();
  void Take(const absl::StatusOr<http::FetchedAnswer>& answer);
  absl::Status Judge(const absl::StatusOr<http::FetchedAnswer>& answer);
  void Count(absl::string_view result) const;
  absl::Time now() const { return options_.clock->Now(); }

  event::Loop& loop_;
  const Options options_;
  event::Timer timer_;
  std::shared_ptr<const tls::Identity> identity_;  // Null while its leaf names no responder.
  std::shared_ptr<X509> issuer_;
  std::string url_;
  std::string request_;
  std::unique_ptr<http::Fetch> fetch_;
  absl::Time due_ = absl::InfiniteFuture();
  absl::Time ends_ = absl::InfiniteFuture();  // Of what is stapled; infinite: nothing is.
  int failures_ = 0;                          // In a row.
  std::string complained_;                    // The last failure that was logged.
};

}  // namespace kith::identity
