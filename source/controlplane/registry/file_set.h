// The files of a registry and what is in force of each: a file that turns bad keeps its last good
// contents, whatever the others do.
//
// What is in force never contradicts itself (one document per kind, namespace and name; one per
// host), and what is already in force wins against what comes later: a new file cannot take a host
// over. Among files that change together the first by name wins.
//
// Threads: one. Owns: the contents in force. Errors: none; they are in the reports.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "source/controlplane/registry/file_contents.h"
#include "source/controlplane/registry/mesh_state.h"
#include "source/policy/policy_set.h"

namespace kith::controlplane {

struct FileReport {
  std::string file;
  absl::Status status = {};    // Why its present text is not in force.
  bool has_last_good = false;  // Earlier contents are in force instead.
};

class FileSet {
 public:
  // By file name: the text, or why it could not be read.
  using Files = std::map<std::string, absl::StatusOr<std::string>>;

  explicit FileSet(policy::PolicySet::Options policy);

  // Puts into force what was in force before a restart; before the first Apply(). What cannot be
  // decoded (by a stricter version, say) is left out and returned.
  std::vector<FileReport> Restore(const std::map<std::string, std::string>& texts);

  // All files there are now; one that is not among them is gone. Returns whether what is in force
  // has changed.
  bool Apply(const Files& files);

  const std::vector<FileReport>& reports() const { return reports_; }  // Of the last Apply().
  std::shared_ptr<const MeshState> state() const { return state_; }
  std::map<std::string, int> Kinds() const;
  // The texts in force, to be persisted.
  std::map<std::string, std::string> InForce() const;

 private:
  struct Entry {
    std::string text;
    std::shared_ptr<const FileContents> contents;
  };
  using Entries = std::map<std::string, Entry>;

  void Publish();

  const policy::PolicySet::Options policy_;
  Entries in_force_;
  std::vector<FileReport> reports_;
  std::shared_ptr<const MeshState> state_;
};

}  // namespace kith::controlplane
