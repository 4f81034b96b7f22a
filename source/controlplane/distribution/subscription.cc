#include "source/controlplane/distribution/subscription.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "source/base/status.h"

namespace kith::controlplane {
namespace {

constexpr char kWildcard[] = "*";
constexpr size_t kMaxErrorBytes = 2048;

}  // namespace

Subscription::Subscription(std::string type_url, Wildcard wildcard, std::string nonce_prefix)
    : type_url_(std::move(type_url)), allowed_(wildcard), nonce_prefix_(std::move(nonce_prefix)) {}

void Subscription::Enter(State state, absl::Time now) {
  if (state_ == state) return;
  state_ = state;
  since_ = now;
}

Subscription::Answer Subscription::TakeAnswer(const Request& request, absl::Time now) {
  if (request.response_nonce().empty()) return Answer::kNone;
  if (request.response_nonce() != outstanding_) return Answer::kStaleNonce;
  outstanding_.clear();
  // Its presence counts: some clients leave the code at 0.
  if (request.has_error_detail()) {
    error_ = request.error_detail().message().substr(0, kMaxErrorBytes);
    if (error_.empty()) error_ = "refused without a message";
    Enter(State::kError, now);
    return Answer::kNack;
  }
  error_.clear();
  Enter(State::kSynced, now);
  return Answer::kAck;
}

absl::Status Subscription::Change(const Request& request) {
  const bool first = std::exchange(first_request_, false);
  const bool may_be_wildcard = allowed_ == Wildcard::kAllowed;
  if (first && request.resource_names_subscribe().empty()) wildcard_ = may_be_wildcard;
  for (const std::string& name : request.resource_names_subscribe()) {
    if (name == kWildcard) {
      wildcard_ = may_be_wildcard;
      continue;
    }
    if (name.empty() || name.size() > kMaxNameBytes) {
      return absl::InvalidArgumentError("a resource name is empty or longer than 1024 bytes");
    }
    Item& item = items_[name];
    item.subscribed = true;
    item.owed = true;
    if (items_.size() > kMaxNames) {
      return absl::ResourceExhaustedError("more than 20000 resources subscribed on one stream");
    }
  }
  for (const std::string& name : request.resource_names_unsubscribe()) {
    if (name == kWildcard) {
      wildcard_ = false;
      // The client drops them too: should "*" come back, they are sent anew.
      std::erase_if(items_, [](const auto& item) { return !item.second.subscribed; });
      continue;
    }
    const auto found = items_.find(name);
    if (found == items_.end() || !found->second.subscribed) continue;
    if (wildcard_) {
      // The name goes on through "*", or is gone: the client is told which.
      found->second.subscribed = false;
      found->second.owed = true;
    } else {
      items_.erase(found);
    }
  }
  if (!first) return absl::OkStatus();
  for (const auto& [name, version] : request.initial_resource_versions()) {
    if (name.size() > kMaxNameBytes || items_.size() >= kMaxNames) break;
    const auto found = items_.find(name);
    if (found != items_.end()) {
      found->second.owed = false;
      found->second.told = version;
    } else if (wildcard_) {
      items_[name].told = version;
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Subscription::Answer> Subscription::OnRequest(const Request& request,
                                                             absl::Time now) {
  // A stale nonce answers nothing, but the changes beside it count.
  const Answer answer = TakeAnswer(request, now);
  KITH_RETURN_IF_ERROR(Change(request));
  return answer;
}

bool Subscription::Offer(const std::string& name, Item& item, ResourceView& view,
                         Response& response, size_t& bytes) const {
  if (!item.subscribed && !wildcard_) return false;
  const std::shared_ptr<const EncodedResource> resource = view.Find(name);
  if (resource == nullptr) {
    const bool holds_one = item.told.has_value() && !item.told->empty();
    const bool was_told = item.told.has_value();
    if (item.owed || holds_one || !was_told) {
      response.add_removed_resources(name);
      bytes += name.size();
    }
    item.owed = false;
    item.told = "";
    return item.subscribed;
  }
  if (!item.owed && item.told == resource->version) return true;
  auto& added = *response.add_resources();
  added.set_name(name);
  added.set_version(resource->version);
  added.mutable_resource()->set_type_url(type_url_);
  added.mutable_resource()->set_value(resource->bytes);
  bytes += name.size() + resource->bytes.size();
  item.owed = false;
  item.told = resource->version;
  return true;
}

std::optional<Subscription::Response> Subscription::Next(ResourceView& view, absl::Time now) {
  if (first_request_ || !outstanding_.empty()) return std::nullopt;
  if (wildcard_) {
    for (const std::string& name : view.All()) {
      if (items_.size() >= kMaxNames) break;
      items_.try_emplace(name);
    }
  }
  Response response;
  size_t bytes = 0;
  for (auto item = items_.begin(); item != items_.end() && bytes < kResponseBytes;) {
    if (Offer(item->first, item->second, view, response, bytes)) {
      ++item;
    } else {
      item = items_.erase(item);
    }
  }
  if (response.resources().empty() && response.removed_resources().empty()) {
    if (state_ != State::kError) Enter(State::kSynced, now);
    return std::nullopt;
  }
  outstanding_ = absl::StrCat(nonce_prefix_, "-", ++nonces_);
  response.set_type_url(type_url_);
  response.set_nonce(outstanding_);
  Enter(State::kStale, now);
  return response;
}

void Subscription::OfferRefusedAgain() {
  if (state_ != State::kError || !outstanding_.empty()) return;
  for (auto& [name, item] : items_) item.owed = true;
}

bool Subscription::Holds(const std::string& name, const std::string& version) const {
  const auto found = items_.find(name);
  return found != items_.end() && state_ == State::kSynced && outstanding_.empty() &&
         !found->second.owed && found->second.told == version;
}

size_t Subscription::resources() const {
  size_t count = 0;
  for (const auto& [name, item] : items_) {
    if (item.told.has_value() && !item.told->empty()) ++count;
  }
  return count;
}

}  // namespace kith::controlplane
