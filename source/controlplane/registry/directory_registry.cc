#include "source/controlplane/registry/directory_registry.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "source/base/log.h"
#include "source/base/status.h"
#include "source/controlplane/ca/state_directory.h"
#include "source/controlplane/registry/read_directory.h"

namespace kith::controlplane {
namespace {

constexpr size_t kMaxLastGoodBytes = size_t{128} * 1024 * 1024;

}  // namespace

DirectoryRegistry::DirectoryRegistry(Options options)
    : options_(std::move(options)), files_(options_.policy) {}

absl::StatusOr<std::unique_ptr<DirectoryRegistry>> DirectoryRegistry::Create(event::Loop& loop,
                                                                             Options options,
                                                                             Reloaded reloaded) {
  auto registry = std::unique_ptr<DirectoryRegistry>(new DirectoryRegistry(std::move(options)));
  KITH_RETURN_IF_ERROR(registry->Start(loop));
  registry->reloaded_ = std::move(reloaded);
  return registry;
}

absl::Status DirectoryRegistry::Start(event::Loop& loop) {
  // Watched before it is read, so that no change falls between.
  auto watch =
      event::DirectoryWatch::Create(loop, options_.directory, options_.watch, [this] { Reload(); });
  KITH_ASSIGN_OR_RETURN(const FileSet::Files files, ReadDirectory(options_.directory));
  KITH_RETURN_IF_ERROR(watch.status());
  watch_ = *std::move(watch);
  const bool can_fall_back = RestoreLastGood();
  Apply(files);
  loaded_at_ = options_.clock->Now();
  if (!can_fall_back) {
    for (const FileReport& report : files_.reports()) {
      if (report.status.ok() || report.has_last_good) continue;
      return absl::InvalidArgumentError(absl::StrCat(
          report.status.message(),
          " (nothing good of this file is known from before, and it may hold a policy that "
          "denies: repair or remove it, then start again)"));
    }
  }
  LogReports();
  KeepLastGood();
  return absl::OkStatus();
}

void DirectoryRegistry::Reload() {
  const auto files = ReadDirectory(options_.directory);
  bool changed = false;
  if (files.ok()) {
    directory_error_ = absl::OkStatus();
    changed = Apply(*files);
    loaded_at_ = options_.clock->Now();
    LogReports();
    if (changed) KeepLastGood();
  } else if (files.status() != directory_error_) {
    directory_error_ = files.status();
    base::Log(base::LogLevel::kError, "registry", "directory cannot be read; everything is kept",
              {{"error", std::string(directory_error_.message())}});
  }
  if (reloaded_) reloaded_(changed);
}

bool DirectoryRegistry::Apply(FileSet::Files files) {
  directory_files_ = std::move(files);
  FileSet::Files all = directory_files_;
  for (const auto& [name, text] : objects_) all.emplace(name, text);
  return files_.Apply(all);
}

void DirectoryRegistry::SetObjects(std::map<std::string, std::string> objects) {
  objects_ = std::move(objects);
  const bool changed = Apply(std::move(directory_files_));
  loaded_at_ = options_.clock->Now();
  LogReports();
  if (reloaded_) reloaded_(changed);
}

bool DirectoryRegistry::RestoreLastGood() {
  if (options_.last_good_file.empty()) return false;
  const auto text = ReadFile(options_.last_good_file, kMaxLastGoodBytes);
  if (absl::IsNotFound(text.status())) return false;
  const auto json = text.ok() ? nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false)
                              : nlohmann::json(nlohmann::json::value_t::discarded);
  const bool well_formed = json.is_object() && json.contains("directory") &&
                           json["directory"].is_string() && json.contains("files") &&
                           json["files"].is_object();
  if (!well_formed) {
    base::Log(base::LogLevel::kWarning, "registry", "last good files cannot be read",
              {{"file", options_.last_good_file},
               {"error", text.ok() ? "not its JSON" : std::string(text.status().message())}});
    return false;
  }
  // Another directory is another mesh: nothing of it is known from before.
  if (json["directory"].get_ref<const std::string&>() != options_.directory) return false;
  std::map<std::string, std::string> texts;
  for (const auto& [file, contents] : json["files"].items()) {
    if (contents.is_string()) texts[file] = contents.get<std::string>();
  }
  const std::vector<FileReport> lost = files_.Restore(texts);
  for (const FileReport& report : lost) {
    base::Log(base::LogLevel::kWarning, "registry", "last good contents are not accepted any more",
              {{"file", report.file}, {"error", std::string(report.status.message())}});
  }
  return lost.empty() && texts.size() == json["files"].size();
}

void DirectoryRegistry::KeepLastGood() const {
  if (options_.last_good_file.empty()) return;
  nlohmann::json json;
  json["directory"] = options_.directory;
  json["files"] = nlohmann::json::object();
  for (auto& [file, text] : files_.InForce()) {
    if (!objects_.contains(file)) json["files"][file] = text;
  }
  const std::string text = json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  if (const absl::Status status = WriteFileAtomically(options_.last_good_file, text, 0600);
      !status.ok()) {
    base::Log(base::LogLevel::kWarning, "registry",
              "last good files are not kept; a restart with a broken file will be refused",
              {{"error", std::string(status.message())}});
  }
}

void DirectoryRegistry::LogReports() {
  std::map<std::string, std::string> bad;
  for (const FileReport& report : files_.reports()) {
    if (!report.status.ok()) bad[report.file] = std::string(report.status.message());
  }
  for (const FileReport& report : files_.reports()) {
    const auto error = bad.find(report.file);
    const auto logged = logged_.find(report.file);
    if (error == bad.end()) {
      if (logged != logged_.end()) {
        base::Log(base::LogLevel::kInfo, "registry", "file is good again", {{"file", report.file}});
      }
    } else if (logged == logged_.end() || logged->second != error->second) {
      base::Log(base::LogLevel::kError, "registry",
                report.has_last_good ? "bad file; its last good contents stay in force"
                                     : "bad file; nothing of it is in force",
                {{"file", report.file}, {"error", error->second}});
    }
  }
  logged_ = std::move(bad);
}

}  // namespace kith::controlplane
