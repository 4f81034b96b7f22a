#include "source/controlplane/registry/name_resolution.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "source/base/log.h"

namespace kith::controlplane {

NameResolution::NameResolution(event::Loop& loop, Options options)
    : options_(std::move(options)),
      state_(std::make_shared<MeshState>()),
      resolved_(state_),
      timer_(loop, [this] { AskAgain(); }) {}

void NameResolution::SetState(std::shared_ptr<const MeshState> state) {
  state_ = std::move(state);
  std::map<std::string, Name> wanted;
  for (const auto& [host, service] : state_->services) {
    for (const StaticWorkload& endpoint : service.endpoints) {
      if (endpoint.dns_name.empty() || wanted.contains(endpoint.dns_name)) continue;
      const auto known = names_.find(endpoint.dns_name);
      wanted[endpoint.dns_name] = known == names_.end() ? Name() : std::move(known->second);
    }
  }
  names_ = std::move(wanted);
  Fill();
  for (auto& [name, known] : names_) {
    if (!known.asked) Ask(name);
  }
  if (names_.empty()) {
    timer_.Stop();
  } else if (!timer_.active()) {
    timer_.Start(options_.interval);
  }
}

void NameResolution::Ask(const std::string& name) {
  names_[name].asked = true;
  options_.resolve(name, [this, name](Addresses found) { OnAnswer(name, std::move(found)); });
}

void NameResolution::OnAnswer(const std::string& name, Addresses found) {
  const auto known = names_.find(name);
  if (known == names_.end()) return;  // No document has it any more.
  Name& entry = known->second;
  const std::string error(found.status().message());
  if (error != entry.error) {
    base::Log(found.ok() ? base::LogLevel::kInfo : base::LogLevel::kWarning, "registry",
              found.ok()                ? "a service's name is resolved again"
              : entry.addresses.empty() ? "a service's name cannot be resolved; it has no endpoint"
                                        : "a service's name cannot be resolved; its last addresses "
                                          "stay",
              {{"name", name}, {"error", error}});
    entry.error = error;
  }
  if (!found.ok()) {
    timer_.Start(options_.retry);
    return;
  }
  if (*found == entry.addresses) return;
  entry.addresses = *std::move(found);
  Fill();
  options_.changed();
}

void NameResolution::AskAgain() {
  const bool broken = std::any_of(names_.begin(), names_.end(),
                                  [](const auto& each) { return !each.second.error.empty(); });
  std::vector<std::string> names;
  for (const auto& [name, known] : names_) names.push_back(name);
  for (const std::string& name : names) Ask(name);
  timer_.Start(broken ? options_.retry : options_.interval);
}

void NameResolution::Fill() {
  if (names_.empty()) {
    resolved_ = state_;
    return;
  }
  auto filled = std::make_shared<MeshState>(*state_);
  for (auto& [host, service] : filled->services) {
    std::vector<StaticWorkload> endpoints;
    for (const StaticWorkload& endpoint : service.endpoints) {
      if (endpoint.dns_name.empty()) {
        endpoints.push_back(endpoint);
        continue;
      }
      for (const std::string& address : names_.at(endpoint.dns_name).addresses) {
        endpoints.push_back(endpoint);
        endpoints.back().ip = address;
      }
    }
    service.endpoints = std::move(endpoints);
  }
  resolved_ = std::move(filled);
}

}  // namespace kith::controlplane
