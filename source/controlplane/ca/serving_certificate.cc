#include "source/controlplane/ca/serving_certificate.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "source/base/log.h"
#include "source/base/status.h"

namespace kith::controlplane {
namespace {

constexpr char kLink[] = "serving";
constexpr char kFolderPrefix[] = "serving-";
constexpr char kRemedy[] = "is the disk full or read-only?";

}  // namespace

ServingCertificate::ServingCertificate(Options options)
    : options_(std::move(options)),
      certificate_file_(options_.state->File(absl::StrCat(kLink, "/cert.pem"))),
      key_file_(options_.state->File(absl::StrCat(kLink, "/key.pem"))),
      timer_(*options_.loop, [this] { Check(); }) {}

absl::StatusOr<std::unique_ptr<ServingCertificate>> ServingCertificate::Create(Options options) {
  std::unique_ptr<ServingCertificate> serving(new ServingCertificate(std::move(options)));
  // Always a new one at start: names, root and lifetime may have changed since the last.
  absl::Status renewed = serving->Renew();
  if (!renewed.ok()) return base::Annotate(renewed, "serving certificate");
  serving->timer_.StartRepeating(serving->options_.check_interval);
  return serving;
}

absl::Status ServingCertificate::Renew() {
  const absl::Time now = options_.clock->Now();
  KITH_ASSIGN_OR_RETURN(ServerCertificate made,
                        options_.authority->IssueServer(options_.server_names, options_.lifetime,
                                                        x509::CertificateKind::kServer));
  const std::string name = absl::StrCat(kFolderPrefix, made.serial);
  const std::string folder = options_.state->File(name);
  if (::mkdir(folder.c_str(), 0700) != 0) {
    return absl::UnavailableError(SystemError("create", folder, errno, kRemedy));
  }
  KITH_RETURN_IF_ERROR(WriteFileAtomically(absl::StrCat(folder, "/key.pem"), made.key_pem, 0600));
  KITH_RETURN_IF_ERROR(
      WriteFileAtomically(absl::StrCat(folder, "/cert.pem"), made.chain_pem, 0644));
  const std::string link = options_.state->File(kLink);
  const std::string next = absl::StrCat(link, ".new");
  ::unlink(next.c_str());
  if (::symlink(name.c_str(), next.c_str()) != 0 || ::rename(next.c_str(), link.c_str()) != 0) {
    return absl::UnavailableError(SystemError("replace", link, errno, kRemedy));
  }
  // A reader may be between the two files of the pair that was just replaced: it stays one round.
  RemoveFoldersExcept(name, folder_);
  folder_ = name;
  serial_ = made.serial;
  not_after_ = made.not_after;
  issued_at_ = now;
  renew_at_ = now + (made.not_after - now) / 2;
  return absl::OkStatus();
}

void ServingCertificate::Check() {
  const absl::Time now = options_.clock->Now();
  // A clock that was set back leaves a certificate from the future, which is renewed likewise.
  if (now < renew_at_ && now >= issued_at_) return;
  const std::string previous = serial_;
  absl::Status renewed = Renew();
  if (renewed.ok()) {
    base::Log(base::LogLevel::kInfo, "ca", "renewed the serving certificate",
              {{"previous_serial", previous}, {"serial", serial_}});
  } else {
    base::Log(base::LogLevel::kError, "ca",
              "cannot renew the serving certificate; the previous one stays in use",
              {{"error", std::string(renewed.message())}, {"serial", previous}});
  }
}

void ServingCertificate::RenewNow() {
  renew_at_ = absl::InfinitePast();
  Check();
}

void ServingCertificate::RemoveFoldersExcept(const std::string& current,
                                             const std::string& previous) const {
  std::error_code ignored;
  std::filesystem::directory_iterator entries(options_.state->path(), ignored);
  std::vector<std::filesystem::path> old;
  for (; !ignored && entries != std::filesystem::directory_iterator(); entries.increment(ignored)) {
    std::string name = entries->path().filename().string();
    if (absl::StartsWith(name, kFolderPrefix) && name != current && name != previous) {
      old.push_back(entries->path());
    }
  }
  for (const auto& path : old) std::filesystem::remove_all(path, ignored);
}

}  // namespace kith::controlplane
