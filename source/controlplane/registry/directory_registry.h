// The mesh's documents, read from a directory and kept up to date while its files change.
//
// A file that turns bad keeps its last good contents in force, and other files' changes go through.
// What is in force is also kept in the state directory, so that a restart with a broken file goes
// on with that file's last good contents. At a first start there is nothing to fall back on: a
// broken file may hold the policy that denies, so the start is refused until every file is good.
//
// Threads: the loop's. Owns: the watch and the contents.
// Errors: Create() fails when the directory cannot be read or, as said, at a first start with a
// broken file. Later errors are logged and stand in reports() and directory_error().
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "source/base/clock.h"
#include "source/controlplane/registry/file_set.h"
#include "source/controlplane/registry/mesh_state.h"
#include "source/event/directory_watch.h"
#include "source/event/loop.h"
#include "source/policy/policy_set.h"

namespace kith::controlplane {

class DirectoryRegistry {
 public:
  struct Options {
    std::string directory;
    std::string last_good_file;  // In the state directory. Empty keeps nothing over a restart.
    policy::PolicySet::Options policy;
    event::DirectoryWatch::Options watch;
    const base::Clock* clock = &base::Clock::System();
  };
  // Called after every reading of the directory, whether or not the state has changed.
  using Reloaded = absl::AnyInvocable<void(bool state_changed)>;

  // Has read the directory when it returns; `reloaded` is called for later readings only.
  static absl::StatusOr<std::unique_ptr<DirectoryRegistry>> Create(event::Loop& loop,
                                                                   Options options,
                                                                   Reloaded reloaded);

  // Documents that come from elsewhere, beside the directory's files: all there are now, by a name
  // that no file has. They are not kept over a restart; whoever gives them has them again.
  void SetObjects(std::map<std::string, std::string> objects);

  std::shared_ptr<const MeshState> state() const { return files_.state(); }
  const std::vector<FileReport>& reports() const { return files_.reports(); }
  std::map<std::string, int> Kinds() const { return files_.Kinds(); }
  const absl::Status& directory_error() const { return directory_error_; }
  absl::Time loaded_at() const { return loaded_at_; }
  const std::string& directory() const { return options_.directory; }

 private:
  explicit DirectoryRegistry(Options options);

  absl::Status Start(event::Loop& loop);
  void Reload();
  // Puts the directory's files and the objects into force.
  bool Apply(FileSet::Files files);
  // Whether everything that was in force before the restart is in force again.
  bool RestoreLastGood();
  void KeepLastGood() const;
  void LogReports();

  Options options_;
  Reloaded reloaded_;
  FileSet files_;
  FileSet::Files directory_files_;  // As they were last read.
  std::map<std::string, std::string> objects_;
  absl::Status directory_error_;
  absl::Time loaded_at_;
  std::map<std::string, std::string> logged_;  // By file: the error that has been logged.
  std::unique_ptr<event::DirectoryWatch> watch_;
};

}  // namespace kith::controlplane
