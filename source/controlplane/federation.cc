#include "source/controlplane/federation.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "source/base/log.h"
#include "source/base/status.h"
#include "source/config/document.h"
#include "source/tls/spiffe_bundle.h"

namespace kith::controlplane {
namespace {

std::string DirectoryOf(const std::string& file) {
  const size_t slash = file.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : file.substr(0, slash);
}

}  // namespace

absl::StatusOr<tls::TrustBundle::Domain> ReadBundle(const std::string& trust_domain,
                                                    const std::string& content) {
  tls::TrustBundle::Domain domain{trust_domain, content};
  if (absl::StartsWith(absl::StripLeadingAsciiWhitespace(content), "{")) {
    KITH_ASSIGN_OR_RETURN(tls::SpiffeBundle bundle, tls::ParseSpiffeBundle(content));
    domain.roots_pem = std::move(bundle.roots_pem);
    domain.generation = bundle.sequence;
  }
  // Only to say what is wrong with it: sidecars would refuse it.
  KITH_ASSIGN_OR_RETURN(const auto sound, tls::TrustBundle::Create({domain}));
  (void)sound;
  return domain;
}

Federation::Federation(event::Loop& loop, Options options, Changed changed)
    : loop_(loop),
      options_(std::move(options)),
      changed_(std::move(changed)),
      timer_(loop_, [this] {
        Watch();
        Read();
      }) {
  for (const Entry& entry : options_.entries) {
    const std::string directory = DirectoryOf(entry.file);
    if (std::find(unwatched_.begin(), unwatched_.end(), directory) == unwatched_.end()) {
      unwatched_.push_back(directory);
    }
  }
  Watch();
  Read();
}

void Federation::Watch() {
  std::vector<std::string> missing;
  for (std::string& directory : unwatched_) {
    auto watch =
        event::DirectoryWatch::Create(loop_, directory, options_.watch, [this] { Read(); });
    if (watch.ok()) {
      watches_.push_back(*std::move(watch));
    } else {
      missing.push_back(std::move(directory));
    }
  }
  unwatched_ = std::move(missing);
  if (!unwatched_.empty()) timer_.Start(options_.recheck);
}

void Federation::Read() {
  bool news = false;
  for (const Entry& entry : options_.entries) {
    absl::StatusOr<tls::TrustBundle::Domain> domain = absl::UnavailableError("");
    if (auto content = config::ReadFile(entry.file); !content.ok()) {
      contents_.erase(entry.trust_domain);
      domain = content.status();
    } else {
      std::string& last = contents_[entry.trust_domain];
      if (last == *content) continue;
      last = *std::move(content);
      domain = ReadBundle(entry.trust_domain, last);
    }
    if (domain.ok()) {
      good_[entry.trust_domain] = *std::move(domain);
      problems_.erase(entry.trust_domain);
      news = true;
      continue;
    }
    std::string& problem = problems_[entry.trust_domain];
    if (problem == domain.status().message()) continue;
    problem = std::string(domain.status().message());
    base::Log(base::LogLevel::kWarning, "federation", "the roots of a trust domain cannot be used",
              {{"trustDomain", entry.trust_domain},
               {"file", entry.file},
               {"error", problem},
               {"present", good_.count(entry.trust_domain) == 0 ? "none" : "kept"}});
  }
  if (!news) return;
  std::vector<tls::TrustBundle::Domain> domains;
  domains.reserve(good_.size());
  for (const auto& [trust_domain, domain] : good_) domains.push_back(domain);
  changed_(domains);
}

}  // namespace kith::controlplane
