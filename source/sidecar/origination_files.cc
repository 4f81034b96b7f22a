#include "source/sidecar/origination_files.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "source/base/log.h"
#include "source/base/status.h"
#include "source/config/document.h"
#include "source/telemetry/families.h"

namespace kith::sidecar {
namespace {

// Room for every CA there is, and for the lists of a large one.
constexpr size_t kMaxBytes = size_t{16} * 1024 * 1024;

// An empty path is an empty file.
absl::StatusOr<std::string> Contents(const std::string& path) {
  if (path.empty()) return std::string();
  config::Limits limits;
  limits.bytes = kMaxBytes;
  return config::ReadFile(path, limits);
}

}  // namespace

OriginationFiles::OriginationFiles(event::Loop& loop, Options options)
    : options_(std::move(options)),
      watches_(loop, {}, [this] { ReadAll(); }),
      retry_(loop, [this] { ReadAll(); }),
      current_(std::make_shared<const proxy::Originations>()) {}

void OriginationFiles::Use(const mesh::Snapshot& snapshot) {
  std::map<mesh::TlsOrigination, Entry> wanted;
  bool changed = false;
  for (const auto& [name, service] : snapshot.services) {
    for (const mesh::ServicePort& port : service->ports) {
      if (port.origination == nullptr || wanted.contains(*port.origination)) continue;
      Entry& entry = wanted[*port.origination];
      if (const auto known = entries_.find(*port.origination); known != entries_.end()) {
        entry = std::move(known->second);
      } else {
        if (port.origination->insecure_skip_verify) {
          base::Log(base::LogLevel::kWarning, "upstream",
                    "whoever answers for this server is believed: its DestinationRule says "
                    "insecureSkipVerify",
                    {{"server", port.origination->sni}});
        }
        Watch(*port.origination);
        Read(*port.origination, entry);
        changed = true;
      }
    }
  }
  changed = changed || wanted.size() != entries_.size();
  entries_ = std::move(wanted);
  if (changed) Publish();
}

void OriginationFiles::Watch(const mesh::TlsOrigination& rule) {
  for (const std::string* path :
       {&rule.client_certificate, &rule.private_key, &rule.ca_certificates, &rule.ca_crl}) {
    watches_.Add(*path);
  }
}

void OriginationFiles::Read(const mesh::TlsOrigination& rule, Entry& entry) {
  tls::UpstreamContext::Options options;
  options.names = rule.names;
  options.revocation = options_.revocation;
  options.responders = options_.responders;
  if (rule.insecure_skip_verify) options.check = tls::ServerCheck::kSkip;
  const bool verified = !rule.insecure_skip_verify;
  const std::string& roots =
      rule.ca_certificates.empty() ? options_.system_roots : rule.ca_certificates;
  const struct {
    const std::string& path;
    std::string& to;
    absl::string_view field;
  } files[] = {
      {rule.client_certificate, options.certificate_pem, "clientCertificate"},
      {rule.private_key, options.key_pem, "privateKey"},
      {verified ? roots : rule.ca_certificates, options.roots_pem, "caCertificates"},
      {rule.ca_crl, options.crls, "caCrl"},
  };
  std::string bytes;
  for (const auto& file : files) {
    auto contents = Contents(file.path);
    if (!contents.ok()) {
      return Fail(rule, absl::StrCat(file.field, ": ", contents.status().message()), entry);
    }
    file.to = *std::move(contents);
    absl::StrAppend(&bytes, file.to.size(), ":", file.to);
  }
  if (entry.use != nullptr && entry.use->context != nullptr && bytes == entry.bytes) {
    entry.error.clear();
    return;
  }
  auto context = tls::UpstreamContext::Create(options);
  if (!context.ok()) return Fail(rule, std::string(context.status().message()), entry);
  auto use = std::make_shared<proxy::Origination>();
  use->context = *std::move(context);
  entry.use = std::move(use);
  entry.bytes = std::move(bytes);
  entry.error.clear();
  Count("ok");
}

void OriginationFiles::Fail(const mesh::TlsOrigination& rule, std::string error, Entry& entry) {
  if (error == entry.error) return;
  const bool has_good = entry.use != nullptr && entry.use->context != nullptr;
  Count("failed");
  base::Log(base::LogLevel::kWarning, "upstream",
            has_good ? "the files of a DestinationRule cannot be used; what was read before stays"
                     : "the files of a DestinationRule cannot be used; its servers are not reached",
            {{"server", rule.sni}, {"error", error}});
  entry.error = std::move(error);
  if (has_good) return;
  auto use = std::make_shared<proxy::Origination>();
  use->error = entry.error;
  entry.use = std::move(use);
}

void OriginationFiles::ReadAll() {
  bool changed = false;
  for (auto& [rule, entry] : entries_) {
    const auto before = entry.use;
    Read(rule, entry);
    changed = changed || entry.use != before;
  }
  Publish();
  if (changed) options_.changed();
}

void OriginationFiles::Publish() {
  auto all = std::make_shared<proxy::Originations>();
  bool broken = false;
  for (const auto& [rule, entry] : entries_) {
    all->emplace(rule, entry.use);
    broken = broken || !entry.error.empty();
  }
  current_ = std::move(all);
  if (broken) retry_.Start(options_.retry);
}

void OriginationFiles::Count(absl::string_view result) const {
  if (options_.metrics == nullptr) return;
  options_.metrics->GetCounter(telemetry::kUpstreamFileReads, {result}).Add();
}

}  // namespace kith::sidecar
