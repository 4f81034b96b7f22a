#include "source/control/resource_store.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "kith/mesh/v1/resources.pb.h"
#include "source/base/status.h"

namespace kith::control {
namespace {

constexpr char kSelf[] = "self";
constexpr char kWildcard[] = "*";
constexpr size_t kMaxErrorBytes = 2048;

template <typename Message>
absl::StatusOr<Message> Unpack(const google::protobuf::Any& any) {
  Message message;
  if (!message.ParseFromString(any.value())) {
    return absl::InvalidArgumentError("its bytes are no such message");
  }
  return message;
}

}  // namespace

// In the order of subscription: whom to trust comes before whom to talk to.
struct ResourceStore::Kind {
  absl::string_view name;
  const char* type_url;
  absl::Status (ResourceStore::*take)(const Resource&);
  absl::Status (ResourceStore::*remove)(const std::string&);
};

const ResourceStore::Kind ResourceStore::kKinds[] = {
    {"TrustBundle", "type.googleapis.com/kith.mesh.v1.TrustBundle", &ResourceStore::TakeBundle,
     &ResourceStore::RemoveBundle},
    {"WorkloadConfig", "type.googleapis.com/kith.mesh.v1.WorkloadConfig",
     &ResourceStore::TakeWorkload, &ResourceStore::RemoveWorkload},
    {"Service", "type.googleapis.com/kith.mesh.v1.Service", &ResourceStore::TakeService,
     &ResourceStore::RemoveService},
};

ResourceStore::ResourceStore(Options options) : options_(std::move(options)) {
  settings_.policies = policy::PolicySet::DenyAll();
  settings_.rules = options_.rules;
  if (!options_.roots_pem.empty()) {
    bundles_[options_.trust_domain] = {options_.trust_domain, options_.roots_pem};
  }
}

std::vector<std::string> ResourceStore::NamesOf(const Kind& kind) const {
  if (kind.take == &ResourceStore::TakeBundle) return {kWildcard};
  if (kind.take == &ResourceStore::TakeWorkload) return {kSelf};
  std::vector<std::string> names = options_.services;
  names.insert(names.end(), wanted_order_.begin(), wanted_order_.end());
  return names;
}

bool ResourceStore::IsUsed(const std::string& service) const {
  return wanted_.contains(service) || std::find(options_.services.begin(), options_.services.end(),
                                                service) != options_.services.end();
}

bool ResourceStore::Want(const std::string& name, Request& request) {
  if (IsUsed(name)) return false;
  request.set_type_url(kKinds[2].type_url);
  if (wanted_.size() >= kMaxWanted) {
    const auto oldest =
        std::find_if(wanted_order_.begin(), wanted_order_.end(),
                     [this](const std::string& each) { return absent_.contains(each); });
    if (oldest == wanted_order_.end()) return false;
    request.add_resource_names_unsubscribe(*oldest);
    absent_.erase(*oldest);
    wanted_.erase(*oldest);
    wanted_order_.erase(oldest);
  }
  wanted_.insert(name);
  wanted_order_.push_back(name);
  request.add_resource_names_subscribe(name);
  return true;
}

std::vector<ResourceStore::Request> ResourceStore::Subscriptions() const {
  std::vector<Request> requests;
  for (const Kind& kind : kKinds) {
    const std::vector<std::string> names = NamesOf(kind);
    if (names.empty()) continue;  // An empty first request would mean "everything".
    Request request;
    request.set_type_url(kind.type_url);
    for (const std::string& name : names) request.add_resource_names_subscribe(name);
    const auto held = versions_.find(kind.type_url);
    if (held != versions_.end()) {
      for (const auto& [name, version] : held->second) {
        (*request.mutable_initial_resource_versions())[name] = version;
      }
    }
    requests.push_back(std::move(request));
  }
  return requests;
}

ResourceStore::Result ResourceStore::Apply(const Response& response) {
  Result result;
  result.answer.set_type_url(response.type_url());
  result.answer.set_response_nonce(response.nonce());
  std::string problems;
  const auto note = [&problems](absl::string_view name, const absl::Status& status) {
    absl::StrAppend(&problems, problems.empty() ? "" : "; ", name, ": ", status.message());
  };
  const Kind* const kind =
      std::find_if(std::begin(kKinds), std::end(kKinds),
                   [&](const Kind& each) { return response.type_url() == each.type_url; });
  if (kind == std::end(kKinds)) {
    note(response.type_url().substr(0, 200), absl::InvalidArgumentError("was not asked for"));
  } else {
    result.type = kind->name;
    std::map<std::string, std::string>& versions = versions_[kind->type_url];
    for (const Resource& resource : response.resources()) {
      absl::Status taken = resource.resource().type_url() == kind->type_url
                               ? (this->*kind->take)(resource)
                               : absl::InvalidArgumentError("its type is not the response's");
      if (taken.ok()) {
        versions[resource.name()] = resource.version();
        result.changed = true;
      } else {
        note(resource.name().substr(0, 256), taken);
      }
    }
    for (const std::string& name : response.removed_resources()) {
      const absl::Status removed = (this->*kind->remove)(name);
      if (!removed.ok()) note(name.substr(0, 256), removed);
      const bool news = kind->take == &ResourceStore::TakeService && wanted_.contains(name);
      if (removed.ok() && (versions.erase(name) > 0 || news)) result.changed = true;
    }
  }
  if (result.changed) ++changes_;
  if (!problems.empty()) {
    problems.resize(std::min(problems.size(), kMaxErrorBytes));
    // A protobuf string is UTF-8, and what is cut or quoted may no longer be.
    for (char& c : problems) c = absl::ascii_isprint(static_cast<unsigned char>(c)) ? c : '?';
    result.status = absl::InvalidArgumentError(problems);
    result.answer.mutable_error_detail()->set_code(static_cast<int>(result.status.code()));
    result.answer.mutable_error_detail()->set_message(problems);
  }
  return result;
}

absl::Status ResourceStore::TakeBundle(const Resource& resource) {
  KITH_ASSIGN_OR_RETURN(const auto message, Unpack<mesh::v1::TrustBundle>(resource.resource()));
  KITH_ASSIGN_OR_RETURN(auto domain, TranslateTrustBundle(message, resource.name()));
  std::map<std::string, tls::TrustBundle::Domain> bundles = bundles_;
  bundles[resource.name()] = std::move(domain);
  std::vector<tls::TrustBundle::Domain> domains;
  domains.reserve(bundles.size());
  for (const auto& [trust_domain, each] : bundles) domains.push_back(each);
  KITH_RETURN_IF_ERROR(options_.use_bundles(std::move(domains)));
  bundles_ = std::move(bundles);
  return absl::OkStatus();
}

absl::Status ResourceStore::RemoveBundle(const std::string& name) {
  if (!bundles_.contains(name)) return absl::OkStatus();
  if (name == options_.trust_domain) {
    return absl::InvalidArgumentError("the roots of this workload's own trust domain stay");
  }
  std::vector<tls::TrustBundle::Domain> domains;
  for (const auto& [trust_domain, each] : bundles_) {
    if (trust_domain != name) domains.push_back(each);
  }
  KITH_RETURN_IF_ERROR(options_.use_bundles(std::move(domains)));
  bundles_.erase(name);
  return absl::OkStatus();
}

absl::Status ResourceStore::TakeWorkload(const Resource& resource) {
  if (resource.name() != kSelf) return absl::InvalidArgumentError("was not asked for");
  KITH_ASSIGN_OR_RETURN(auto message, Unpack<mesh::v1::WorkloadConfig>(resource.resource()));
  KITH_ASSIGN_OR_RETURN(settings_,
                        TranslateWorkload(message, options_.trust_domain, options_.rules));
  source_ = std::make_shared<const mesh::v1::WorkloadConfig>(std::move(message));
  configured_ = true;
  return absl::OkStatus();
}

// Without its own settings a workload has no policies, so their absence never counts as news.
absl::Status ResourceStore::RemoveWorkload(const std::string&) {
  return absl::InvalidArgumentError("a workload always has settings; the last ones stay in force");
}

absl::Status ResourceStore::TakeService(const Resource& resource) {
  if (!IsUsed(resource.name())) return absl::InvalidArgumentError("was not asked for");
  KITH_ASSIGN_OR_RETURN(const auto message, Unpack<mesh::v1::Service>(resource.resource()));
  KITH_ASSIGN_OR_RETURN(services_[resource.name()], TranslateService(message, resource.name()));
  absent_.erase(resource.name());
  return absl::OkStatus();
}

absl::Status ResourceStore::RemoveService(const std::string& name) {
  services_.erase(name);
  if (wanted_.contains(name)) absent_.insert(name);
  return absl::OkStatus();
}

uint64_t ResourceStore::bundle_generation() const {
  const auto own = bundles_.find(options_.trust_domain);
  return own == bundles_.end() ? 0 : own->second.generation;
}

Update ResourceStore::Current() const {
  auto snapshot = std::make_shared<mesh::Snapshot>();
  snapshot->version = changes_;
  snapshot->modes = settings_.modes;
  for (const auto& [host, service] : services_) snapshot->services[host] = service;
  snapshot->absent.insert(absent_.begin(), absent_.end());
  Update update;
  update.snapshot = std::move(snapshot);
  update.policies = settings_.policies;
  update.summaries = settings_.summaries;
  update.rules = settings_.rules;
  update.authentication = settings_.authentication;
  update.rate_limits = settings_.rate_limits;
  update.providers = settings_.providers;
  update.source = source_;
  update.configured = configured_;
  const auto own = versions_.find(kKinds[1].type_url);
  if (own != versions_.end() && own->second.contains(kSelf)) {
    update.version = own->second.at(kSelf);
  }
  return update;
}

}  // namespace kith::control
