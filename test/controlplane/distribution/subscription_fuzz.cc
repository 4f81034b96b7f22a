// Whatever a client asks and whenever resources change: once everything is answered, the client
// holds exactly what it subscribes to, as it is now.
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "source/base/check.h"
#include "source/controlplane/distribution/subscription.h"

namespace kith::controlplane {
namespace {

constexpr int kNames = 6;

std::string NameOf(int number) { return std::string(1, static_cast<char>('a' + number % kNames)); }

class Server : public ResourceView {
 public:
  std::shared_ptr<const EncodedResource> Find(const std::string& name) override {
    const auto found = versions.find(name);
    if (found == versions.end()) return nullptr;
    return std::make_shared<EncodedResource>(
        EncodedResource{"bytes", std::to_string(found->second)});
  }
  std::vector<std::string> All() override {
    std::vector<std::string> names;
    for (const auto& [name, version] : versions) names.push_back(name);
    return names;
  }
  std::map<std::string, int> versions;
  int last_version = 0;
};

// A client that keeps the protocol's rules, and a server's side of its stream.
class Conversation {
 public:
  Conversation() { Reconnect(); }

  void Step(uint8_t operation, uint8_t operand) {
    const std::string name = NameOf(operand);
    switch (operation % 9) {
      case 0:
        Subscribe(name);
        break;
      case 1:
        Unsubscribe(name);
        break;
      case 2:
        Subscribe("*");
        break;
      case 3:
        Unsubscribe("*");
        break;
      case 4:
        server_.versions[name] = ++server_.last_version;
        break;
      case 5:
        server_.versions.erase(name);
        break;
      case 6:
        Exchange(operand);
        break;
      case 7:
        if (first_sent_) Send(StaleAnswer());
        break;
      case 8:
        Reconnect();
        break;
    }
  }

  void Finish() {
    if (!first_sent_) return;
    // What was refused comes back with its next version.
    for (auto& [name, version] : server_.versions) version = ++server_.last_version;
    for (int round = 0; Exchange(0); ++round) KITH_CHECK(round < 10, "it comes to rest");
    std::map<std::string, std::string> wanted;
    for (const auto& [name, version] : server_.versions) {
      if (wildcard_ || names_.count(name) > 0) wanted[name] = std::to_string(version);
    }
    KITH_CHECK(held_ == wanted, "the client holds what it subscribes to");
  }

 private:
  using Request = Subscription::Request;

  void Send(const Request& request) {
    first_sent_ = true;
    KITH_CHECK(subscription_->OnRequest(request, now_).ok(), "within the bounds");
  }

  void Subscribe(const std::string& name) {
    Request request;
    request.add_resource_names_subscribe(name);
    if (name == "*") {
      wildcard_ = true;
    } else {
      names_.insert(name);
    }
    Send(request);
  }

  void Unsubscribe(const std::string& name) {
    if (!first_sent_) return;  // A first request without subscriptions would be a wildcard.
    Request request;
    request.add_resource_names_unsubscribe(name);
    if (name == "*") {
      wildcard_ = false;
    } else {
      names_.erase(name);
    }
    Forget();
    Send(request);
  }

  // A client keeps nothing that it does not subscribe to.
  void Forget() {
    if (wildcard_) return;
    for (auto held = held_.begin(); held != held_.end();) {
      held = names_.count(held->first) > 0 ? std::next(held) : held_.erase(held);
    }
  }

  bool Exchange(uint8_t operand) {
    const auto response = subscription_->Next(server_, now_);
    if (!response.has_value()) return false;
    Request answer;
    answer.set_response_nonce(response->nonce());
    if (operand % 4 == 3) {
      answer.mutable_error_detail()->set_message("no");
    } else {
      for (const auto& resource : response->resources()) {
        held_[resource.name()] = resource.version();
      }
    }
    // There is nothing to refuse about a removal.
    for (const std::string& name : response->removed_resources()) held_.erase(name);
    Forget();
    Send(answer);
    return true;
  }

  static Request StaleAnswer() {
    Request request;
    request.set_response_nonce("of-an-earlier-stream");
    request.mutable_error_detail();
    return request;
  }

  void Reconnect() {
    subscription_ = std::make_unique<Subscription>(kServiceType, Subscription::Wildcard::kAllowed,
                                                   std::to_string(++streams_));
    first_sent_ = false;
    if (!wildcard_ && names_.empty()) return;
    Request request;
    if (wildcard_) request.add_resource_names_subscribe("*");
    for (const std::string& name : names_) request.add_resource_names_subscribe(name);
    for (const auto& [name, version] : held_) {
      (*request.mutable_initial_resource_versions())[name] = version;
    }
    Send(request);
  }

  const absl::Time now_ = absl::UnixEpoch();
  Server server_;
  std::unique_ptr<Subscription> subscription_;
  int streams_ = 0;
  bool first_sent_ = false;
  bool wildcard_ = false;
  std::set<std::string> names_;
  std::map<std::string, std::string> held_;
};

}  // namespace
}  // namespace kith::controlplane

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  kith::controlplane::Conversation conversation;
  if (size > 512) size = 512;
  for (size_t i = 0; i + 1 < size; i += 2) conversation.Step(data[i], data[i + 1]);
  conversation.Finish();
  return 0;
}
