#include "source/controlplane/federation.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
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

// In the state directory; a trust domain's name has no character that a file's may not have.
std::string KeptFile(const std::string& trust_domain) {
  return absl::StrCat("federation-", trust_domain, ".json");
}

}  // namespace

absl::StatusOr<ReadRoots> ReadBundle(const std::string& trust_domain, const std::string& content) {
  ReadRoots read;
  read.domain = {trust_domain, content};
  if (absl::StartsWith(absl::StripLeadingAsciiWhitespace(content), "{")) {
    KITH_ASSIGN_OR_RETURN(tls::SpiffeBundle bundle, tls::ParseSpiffeBundle(content));
    read.domain.roots_pem = std::move(bundle.roots_pem);
    read.domain.generation = bundle.sequence;
    read.refresh_hint = bundle.refresh_hint;
  }
  // Only to say what is wrong with it: sidecars would refuse it.
  KITH_RETURN_IF_ERROR(tls::TrustBundle::Create({read.domain}).status());
  return read;
}

Federation::Federation(event::Loop& loop, Options options, Changed changed)
    : loop_(loop),
      options_(std::move(options)),
      changed_(std::move(changed)),
      watches_(loop_, {options_.watch, options_.recheck}, [this] { Read(); }),
      check_timer_(loop_, [this] { Check(); }) {
  for (const Entry& entry : options_.entries) {
    Member& member = members_.emplace_back();
    member.entry = entry;
    member.standing.roots.trust_domain = entry.trust_domain;
    if (!entry.endpoint.url.empty() && fetches_ == nullptr) {
      fetches_ = std::make_unique<FetchThread>(loop_);
    }
    watches_.Add(entry.file);
  }
  for (Member& member : members_) {
    ReadFile(member);
    Restore(member);
  }
  Tell();
  if (fetches_ == nullptr) return;
  check_timer_.StartRepeating(options_.check);
  Check();
}

void Federation::Read() {
  bool news = false;
  for (Member& member : members_) news |= ReadFile(member);
  if (news) Tell();
}

bool Federation::ReadFile(Member& member) {
  if (member.entry.file.empty()) return false;
  auto content = config::ReadFile(member.entry.file);
  if (!content.ok()) {
    member.content.clear();
    Complain(member, content.status());
    return false;
  }
  if (member.content == *content) return false;
  member.content = *std::move(content);
  auto read = ReadBundle(member.entry.trust_domain, member.content);
  if (!read.ok()) {
    Complain(member, base::Annotate(read.status(), member.entry.file));
    return false;
  }
  member.standing.roots = std::move(read->domain);
  member.standing.problem.clear();
  member.due = absl::InfinitePast();  // The endpoint may say more.
  return true;
}

void Federation::Restore(Member& member) const {
  if (options_.state == nullptr || member.entry.endpoint.url.empty()) return;
  const auto text = options_.state->Read(KeptFile(member.entry.trust_domain));
  if (!text.ok() || !text->has_value()) return;
  const auto kept = nlohmann::json::parse(**text, nullptr, /*allow_exceptions=*/false);
  const auto member_of = [&kept](const char* name) {
    const auto found = kept.is_object() ? kept.find(name) : kept.end();
    return found != kept.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  // Somebody who replaced the file since then means it.
  if (member_of("beganWith") != member.content) return;
  auto read = ReadBundle(member.entry.trust_domain, member_of("bundle"));
  if (read.ok()) member.standing.roots = std::move(read->domain);
}

void Federation::Keep(const Member& member, const std::string& bundle) const {
  if (options_.state == nullptr) return;
  const nlohmann::json kept = {{"beganWith", member.content}, {"bundle", bundle}};
  const auto replace = nlohmann::json::error_handler_t::replace;
  const absl::Status written = options_.state->Write(KeptFile(member.entry.trust_domain),
                                                     kept.dump(-1, ' ', false, replace), 0600);
  if (written.ok()) return;
  base::Log(base::LogLevel::kWarning, "federation", "a bundle cannot be kept for a restart",
            {{"error", std::string(written.message())}});
}

void Federation::Check() {
  const absl::Time now = options_.clock->Now();
  for (Member& member : members_) {
    const BundleSource& endpoint = member.entry.endpoint;
    // A clock that was set back must not make it wait for ever.
    const bool due = now >= member.due || member.due > now + 2 * options_.max_refresh;
    if (endpoint.url.empty() || member.asked || !due) continue;
    member.asked = true;
    fetches_->Ask(
        [endpoint, roots = member.standing.roots, timeout = options_.timeout,
         clock = options_.clock] { return endpoint.Fetch(roots, timeout, *clock); },
        [this, &member](absl::StatusOr<std::string> text) { Take(member, std::move(text)); });
  }
}

void Federation::Take(Member& member, absl::StatusOr<std::string> text) {
  member.asked = false;
  const absl::Time now = options_.clock->Now();
  absl::StatusOr<ReadRoots> read = absl::UnavailableError("");
  if (text.ok()) {
    read = ReadBundle(member.entry.trust_domain, *text);
  } else {
    read = text.status();
  }
  options_.count(read.ok());
  if (!read.ok()) {
    // Doubles up to the longest refresh.
    const absl::Duration wait = options_.first_retry * (1 << std::min(member.failures++, 10));
    member.due = now + std::min(wait, options_.max_refresh);
    Complain(member, base::Annotate(read.status(), member.entry.endpoint.url));
    return;
  }
  const absl::Duration wish = read->refresh_hint > absl::ZeroDuration()
                                  ? read->refresh_hint
                                  : member.entry.endpoint.refresh;
  member.due = now + std::clamp(wish, options_.min_refresh, options_.max_refresh);
  member.failures = 0;
  member.standing.problem.clear();
  member.standing.fetched = now;
  tls::TrustBundle::Domain& present = member.standing.roots;
  if (present.roots_pem == read->domain.roots_pem &&
      present.generation == read->domain.generation) {
    return;
  }
  present = std::move(read->domain);
  base::Log(
      base::LogLevel::kInfo, "federation", "a trust domain has new roots",
      {{"trustDomain", member.entry.trust_domain}, {"sequence", absl::StrCat(present.generation)}});
  Keep(member, *text);
  Tell();
}

void Federation::Complain(Member& member, const absl::Status& status) const {
  std::string problem(status.message());
  if (member.standing.problem == problem) return;
  member.standing.problem = std::move(problem);
  base::Log(base::LogLevel::kWarning, "federation", "the roots of a trust domain cannot be used",
            {{"trustDomain", member.entry.trust_domain},
             {"error", member.standing.problem},
             {"present", member.standing.roots.roots_pem.empty() ? "none" : "kept"}});
}

void Federation::Tell() const {
  std::vector<tls::TrustBundle::Domain> domains;
  for (const Member& member : members_) {
    if (!member.standing.roots.roots_pem.empty()) domains.push_back(member.standing.roots);
  }
  if (!domains.empty()) changed_(domains);
}

std::map<std::string, Federation::Standing> Federation::standings() const {
  std::map<std::string, Standing> standings;
  for (const Member& member : members_) standings[member.entry.trust_domain] = member.standing;
  return standings;
}

}  // namespace kith::controlplane
