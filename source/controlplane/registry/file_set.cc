#include "source/controlplane/registry/file_set.h"

#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"

namespace kith::controlplane {
namespace {

// Who holds what only one document may have.
class Claims {
 public:
  // Takes all claims of `contents` for `file`, or none and says which one is held already.
  absl::Status Take(const std::string& file, const FileContents& contents) {
    for (const Claim& claim : contents.claims) {
      const auto held = holders_.find(claim.what);
      if (held != holders_.end()) {
        return absl::AlreadyExistsError(absl::StrCat(file, ":", claim.line, ": ", claim.what,
                                                     " is defined already, in ", held->second));
      }
    }
    for (const Claim& claim : contents.claims) holders_.emplace(claim.what, file);
    return absl::OkStatus();
  }

 private:
  absl::flat_hash_map<std::string, std::string> holders_;
};

}  // namespace

FileSet::FileSet(policy::PolicySet::Options policy) : policy_(std::move(policy)) { Publish(); }

std::vector<FileReport> FileSet::Restore(const std::map<std::string, std::string>& texts) {
  std::vector<FileReport> lost;
  Claims claims;
  for (const auto& [file, text] : texts) {
    auto contents = DecodeFile(text, file, policy_);
    absl::Status status = contents.status();
    if (status.ok()) status = claims.Take(file, **contents);
    if (status.ok()) {
      in_force_[file] = Entry{text, *std::move(contents)};
    } else {
      lost.push_back({.file = file, .status = std::move(status)});
    }
  }
  Publish();
  return lost;
}

bool FileSet::Apply(const Files& files) {
  Entries kept;        // Stay as they are: unchanged, or bad with earlier contents.
  Entries candidates;  // Changed or new, and good by themselves.
  std::map<std::string, absl::Status> bad;

  const auto keep_last_good = [&](const std::string& file) {
    const auto earlier = in_force_.find(file);
    if (earlier != in_force_.end()) kept.insert(*earlier);
  };
  for (const auto& [file, text] : files) {
    const auto earlier = in_force_.find(file);
    if (text.ok() && earlier != in_force_.end() && earlier->second.text == *text) {
      kept.insert(*earlier);
      continue;
    }
    auto contents = text.ok() ? DecodeFile(*text, file, policy_)
                              : absl::StatusOr<std::shared_ptr<const FileContents>>(text.status());
    if (contents.ok()) {
      candidates[file] = Entry{*text, *std::move(contents)};
    } else {
      bad[file] = contents.status();
      keep_last_good(file);
    }
  }
  // A candidate that loses falls back to its earlier contents, which may take from another
  // candidate what they held: start over without the loser until all that is left agrees. What is
  // kept always agrees, because all of it was in force together.
  for (bool again = true; again;) {
    again = false;
    Claims claims;
    for (const auto& [file, entry] : kept) (void)claims.Take(file, *entry.contents);
    for (auto candidate = candidates.begin(); candidate != candidates.end();) {
      const absl::Status status = claims.Take(candidate->first, *candidate->second.contents);
      if (status.ok()) {
        ++candidate;
        continue;
      }
      bad[candidate->first] = status;
      const bool falls_back = in_force_.contains(candidate->first);
      keep_last_good(candidate->first);
      candidate = candidates.erase(candidate);
      if (falls_back) {
        again = true;
        break;
      }
    }
  }

  reports_.clear();
  for (const auto& [file, text] : files) {
    FileReport report{.file = file};
    if (const auto found = bad.find(file); found != bad.end()) {
      report.status = found->second;
      report.has_last_good = kept.contains(file);
    }
    reports_.push_back(std::move(report));
  }
  const bool changed = !candidates.empty() || kept.size() != in_force_.size();
  kept.merge(candidates);
  in_force_ = std::move(kept);
  if (changed) Publish();
  return changed;
}

void FileSet::Publish() {
  auto state = std::make_shared<MeshState>();
  for (const auto& [file, entry] : in_force_) {
    const FileContents& contents = *entry.contents;
    state->authorization_policies.insert(state->authorization_policies.end(),
                                         contents.authorization_policies.begin(),
                                         contents.authorization_policies.end());
    state->peer_authentications.insert(state->peer_authentications.end(),
                                       contents.peer_authentications.begin(),
                                       contents.peer_authentications.end());
    state->trust_policies.insert(state->trust_policies.end(), contents.trust_policies.begin(),
                                 contents.trust_policies.end());
    state->rulebook.Append(contents.rulebook);
    for (const ServiceDefinition& service : contents.services) {
      state->services.emplace(service.host, service);
    }
    for (const TrafficRule& rule : contents.traffic_rules) {
      state->traffic_rules.emplace(rule.host, rule);
    }
    for (const StaticWorkload& workload : contents.workload_entries) {
      state->workload_entries[workload.name_space].push_back(workload);
    }
  }
  state_ = std::move(state);
}

std::map<std::string, int> FileSet::Kinds() const {
  std::map<std::string, int> kinds;
  for (const auto& [file, entry] : in_force_) {
    for (const auto& [kind, count] : entry.contents->kinds) kinds[kind] += count;
  }
  return kinds;
}

std::map<std::string, std::string> FileSet::InForce() const {
  std::map<std::string, std::string> texts;
  for (const auto& [file, entry] : in_force_) texts[file] = entry.text;
  return texts;
}

}  // namespace kith::controlplane
