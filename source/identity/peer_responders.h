// Asks the OCSP responders of peers outside the mesh, and remembers what they said: an answer until
// its nextUpdate, a failure for a short time. Many who ask the same wait for one question.
// Threads: Find() and Ask() any; the rest on the loop given to the constructor, which also sends
// the questions. Owns: what is on its way and what is remembered, both bounded. It outlives every
// loop that asks; its own loop is borrowed.
// Errors: none: whoever asked learns why there is no response, and decides by revocation mode.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "source/base/clock.h"
#include "source/event/loop.h"
#include "source/http/fetch.h"
#include "source/identity/responder_networks.h"
#include "source/telemetry/metrics.h"
#include "source/tls/responders.h"

namespace kith::identity {

class PeerResponders final : public tls::Responders {
 public:
  struct Options {
    ResponderNetworks networks = {};
    absl::Duration timeout = absl::Seconds(2);         // Of a question; handshakes wait for it.
    absl::Duration failure_lasts = absl::Seconds(30);  // Until a responder is asked again.
    absl::Duration longest = absl::Hours(24);          // An answer is remembered, at most.
    size_t max_on_way = 64;                            // Beyond it nobody is asked.
    size_t max_remembered = 1024;
    size_t max_response_bytes = size_t{16} * 1024;
    const base::Clock* clock = &base::Clock::System();
    telemetry::Shard* metrics = nullptr;  // None counts nothing.
  };
  PeerResponders(event::Loop& loop, Options options);
  ~PeerResponders() override;

  std::shared_ptr<const Answer> Find(const Question& question) override;
  std::unique_ptr<Waiting> Ask(const Question& question, event::Loop& loop, Done done) override;

 private:
  // Somebody who waits. Once its Ticket is gone its loop may be, too.
  struct Waiter {
    event::Loop* loop = nullptr;
    Done done;
    bool gone = false;  // Set on the loop's thread, under mutex_.
  };
  class Ticket;
  struct Remembered {
    std::shared_ptr<const Answer> answer;
    absl::Time until;
  };

  void Begin(const std::string& key, const Question& question);
  void Take(const std::string& key, const Question& question,
            const absl::StatusOr<http::FetchedAnswer>& fetched);
  // What the answer is worth, and until when.
  Remembered Judge(const Question& question, const absl::StatusOr<http::FetchedAnswer>& fetched);
  void Remember(const std::string& key, Remembered entry);
  static void Tell(const std::shared_ptr<Waiter>& waiter, std::shared_ptr<const Answer> answer);
  void Count(absl::string_view result) const;

  event::Loop& loop_;
  const Options options_;
  absl::flat_hash_map<std::string, std::unique_ptr<http::Fetch>> fetches_;
  std::mutex mutex_;
  // Under mutex_, by URL and request.
  absl::flat_hash_map<std::string, Remembered> remembered_;
  absl::flat_hash_map<std::string, std::vector<std::shared_ptr<Waiter>>> on_way_;
};

}  // namespace kith::identity
