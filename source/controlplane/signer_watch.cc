#include "source/controlplane/signer_watch.h"

#include <filesystem>
#include <set>
#include <utility>

#include "source/base/log.h"

namespace kith::controlplane {

SignerWatch::SignerWatch(event::Loop& loop, Options options)
    : options_(std::move(options)), timer_(loop, [this] { Check(); }) {
  const AuthorityOptions& with = options_.authority->options();
  if (with.certificate_file.empty()) return;
  std::set<std::string> directories;
  for (const std::string* file : {&with.certificate_file, &with.key_file, &with.root_file}) {
    directories.insert(std::filesystem::absolute(*file).parent_path().string());
  }
  for (const std::string& directory : directories) {
    auto watch =
        event::DirectoryWatch::Create(loop, directory, options_.watch, [this] { Check(); });
    if (watch.ok()) watches_.push_back(*std::move(watch));
  }
  timer_.StartRepeating(options_.poll);
}

void SignerWatch::Check() {
  const absl::StatusOr<bool> replaced = options_.authority->Reload();
  if (!replaced.ok()) {
    std::string problem(replaced.status().message());
    if (problem == problem_) return;
    problem_ = std::move(problem);
    base::Log(base::LogLevel::kWarning, "ca",
              "the files of the signing certificate cannot be used now; the one in use stays",
              {{"error", problem_}});
    return;
  }
  problem_.clear();
  if (!*replaced) return;
  const CertificateFacts signer = options_.authority->signer();
  base::Log(base::LogLevel::kInfo, "ca", "another certificate signs from here on",
            {{"serial", signer.serial}, {"subject", signer.subject}, {"keyId", signer.key_id}});
  options_.replaced();
}

}  // namespace kith::controlplane
