// One resource type on one delta xDS stream: what the client asked for, what it holds, and what it
// is owed. Pure: requests in, responses out.
//
// One response is outstanding at a time; changes meanwhile are gathered into the next. A client
// that refuses a response (NACK) gets that version again only on a new stream; later versions at
// once.
//
// Threads: one. Owns: its tables, bounded by kMaxNames.
// Errors: OnRequest() answers RESOURCE_EXHAUSTED or INVALID_ARGUMENT when the client asks for more
// than the bounds; the stream must end then.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "source/controlplane/distribution/resource.h"

namespace kith::controlplane {

// Where the resources of one type, as one caller sees them, come from.
class ResourceView {
 public:
  virtual ~ResourceView() = default;
  // Null when there is no such resource.
  virtual std::shared_ptr<const EncodedResource> Find(const std::string& name) = 0;
  // What "*" subscribes to.
  virtual std::vector<std::string> All() = 0;
};

class Subscription {
 public:
  using Request = envoy::service::discovery::v3::DeltaDiscoveryRequest;
  using Response = envoy::service::discovery::v3::DeltaDiscoveryResponse;

  static constexpr size_t kMaxNames = 20'000;
  static constexpr size_t kMaxNameBytes = 1024;
  // A response is closed beyond this, and the rest follows once it is answered: gRPC clients take
  // 4 MiB by default.
  static constexpr size_t kResponseBytes = size_t{2} * 1024 * 1024;

  enum class Answer { kNone, kAck, kNack, kStaleNonce };
  enum class State { kNotSent, kStale, kSynced, kError };

  // Whether "*" means anything for the type; where it does not, it is passed over.
  enum class Wildcard { kAllowed, kIgnored };

  // `nonce_prefix` tells streams apart, so that a nonce of an earlier one is never taken for ours.
  Subscription(std::string type_url, Wildcard wildcard, std::string nonce_prefix);

  absl::StatusOr<Answer> OnRequest(const Request& request, absl::Time now);
  // What is to be sent now, if anything is.
  std::optional<Response> Next(ResourceView& view, absl::Time now);

  // After a NACK: what the client was told counts as not told.
  void OfferRefusedAgain();
  // The client has acknowledged this version of the resource, and nothing is on its way.
  bool Holds(const std::string& name, const std::string& version) const;

  const std::string& type_url() const { return type_url_; }
  State state() const { return state_; }
  absl::Time since() const { return since_; }          // When state() was entered.
  const std::string& error() const { return error_; }  // Of the last NACK, until the next ACK.
  size_t resources() const;                            // That the client was given.

 private:
  struct Item {
    bool subscribed = false;  // By its name, not only through "*".
    bool owed = false;        // To be answered whatever the client holds.
    // What the client was last told: a version, or empty for "no such resource".
    std::optional<std::string> told;
  };

  absl::Status Change(const Request& request);
  Answer TakeAnswer(const Request& request, absl::Time now);
  void Enter(State state, absl::Time now);
  // Appends what the client must be told of `name`; returns whether it is still of interest.
  bool Offer(const std::string& name, Item& item, ResourceView& view, Response& response,
             size_t& bytes) const;

  const std::string type_url_;
  const Wildcard allowed_;
  const std::string nonce_prefix_;
  uint64_t nonces_ = 0;
  std::string outstanding_;  // Nonce; empty: none.
  bool first_request_ = true;
  bool wildcard_ = false;
  std::map<std::string, Item> items_;
  State state_ = State::kNotSent;
  absl::Time since_ = absl::InfinitePast();
  std::string error_;
};

}  // namespace kith::controlplane
