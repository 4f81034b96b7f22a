#include "source/sidecar/crl_files.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "source/base/log.h"
#include "source/base/status.h"
#include "source/config/document.h"
#include "source/telemetry/families.h"

namespace kith::sidecar {
namespace {

// As ParseCrls() has it.
constexpr size_t kMaxBytes = size_t{16} * 1024 * 1024;

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

absl::StatusOr<std::unique_ptr<CrlFiles>> CrlFiles::Create(event::Loop& loop, Options options) {
  std::unique_ptr<CrlFiles> all(new CrlFiles(std::move(options)));
  std::vector<std::string> folders;
  for (const std::string& path : all->options_.files) {
    File file{path, "", {}, ""};
    KITH_RETURN_IF_ERROR(all->Read(file));
    all->files_.push_back(std::move(file));
    const std::string folder = FolderOf(path);
    if (std::find(folders.begin(), folders.end(), folder) == folders.end()) {
      folders.push_back(folder);
    }
  }
  if (all->files_.empty()) return all;
  KITH_RETURN_IF_ERROR(all->Use());
  for (const std::string& folder : folders) {
    KITH_ASSIGN_OR_RETURN(
        auto watch, event::DirectoryWatch::Create(loop, folder, {},
                                                  [files = all.get()] { files->OnChange(); }));
    all->watches_.push_back(std::move(watch));
  }
  return all;
}

absl::Status CrlFiles::Read(File& file) {
  config::Limits limits;
  limits.bytes = kMaxBytes;
  auto bytes = config::ReadFile(file.path, limits);
  if (!bytes.ok()) return base::Annotate(bytes.status(), "revocation.crlFiles");
  if (*bytes == file.bytes) return absl::OkStatus();
  auto lists = tls::ParseCrls(*bytes);
  if (!lists.ok()) {
    return base::Annotate(lists.status(), absl::StrCat("revocation.crlFiles: ", file.path));
  }
  file.bytes = *std::move(bytes);
  file.lists = *std::move(lists);
  return absl::OkStatus();
}

absl::Status CrlFiles::Use() const {
  tls::Crls lists;
  for (const File& file : files_) lists.insert(lists.end(), file.lists.begin(), file.lists.end());
  return options_.use(std::move(lists));
}

void CrlFiles::OnChange() {
  bool changed = false;
  for (File& file : files_) {
    const std::string before = file.bytes;
    const absl::Status read = Read(file);
    const std::string error(read.message());
    if (!read.ok() && error != file.error) {
      base::Log(base::LogLevel::kWarning, "revocation",
                "a revocation list cannot be read; its last good version stays in force",
                {{"file", file.path}, {"error", error}});
      Count("failed");
    }
    file.error = error;
    changed = changed || file.bytes != before;
  }
  if (!changed) return;
  const absl::Status used = Use();
  Count(used.ok() ? "ok" : "failed");
  if (used.ok()) return;
  base::Log(base::LogLevel::kWarning, "revocation", "new revocation lists are not taken",
            {{"error", std::string(used.message())}});
}

void CrlFiles::Count(absl::string_view result) const {
  if (options_.metrics == nullptr) return;
  options_.metrics->GetCounter(telemetry::kRevocationFileReads, {result}).Add();
}

}  // namespace kith::sidecar
