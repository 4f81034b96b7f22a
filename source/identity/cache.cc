#include "source/identity/cache.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "source/base/descriptor.h"
#include "source/base/status.h"
#include "source/identity/check.h"
#include "source/tls/encoding.h"

namespace kith::identity {
namespace {

constexpr char kFile[] = "/identity.pem";
constexpr size_t kMaxBytes = size_t{128} * 1024;

absl::Status Failed(absl::string_view attempted, int error) {
  return absl::UnavailableError(absl::StrCat(attempted, ": ", std::strerror(error)));
}

// Nobody else may read or replace what is there.
absl::Status CheckPrivate(const struct stat& entry, absl::string_view what) {
  if (entry.st_uid != geteuid()) {
    return absl::FailedPreconditionError(absl::StrCat(what, ": another user owns it"));
  }
  if ((entry.st_mode & 077) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(what, ": group or others may access it; chmod go= it"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Cache>> Cache::Create(std::string directory) {
  const std::string attempted = absl::StrCat("keep the identity in ", directory);
  if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return Failed(attempted, errno);
  struct stat entry;
  if (lstat(directory.c_str(), &entry) != 0) return Failed(attempted, errno);
  if (!S_ISDIR(entry.st_mode)) {
    return absl::FailedPreconditionError(absl::StrCat(attempted, ": it is no directory"));
  }
  KITH_RETURN_IF_ERROR(CheckPrivate(entry, attempted));
  return std::unique_ptr<Cache>(new Cache(std::move(directory)));
}

absl::StatusOr<std::shared_ptr<const tls::Identity>> Cache::Load(const base::SpiffeId& id,
                                                                 absl::Time now) const {
  const std::string file = directory_ + kFile;
  const std::string attempted = absl::StrCat("read the kept identity ", file);
  const base::Descriptor in(open(file.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (in.get() < 0 && errno == ENOENT) return absl::NotFoundError("no identity was kept");
  if (in.get() < 0) return Failed(attempted, errno);
  struct stat entry;
  if (fstat(in.get(), &entry) != 0) return Failed(attempted, errno);
  KITH_RETURN_IF_ERROR(CheckPrivate(entry, attempted));
  std::string pem(kMaxBytes, '\0');
  const ssize_t size = read(in.get(), pem.data(), pem.size());
  if (size < 0) return Failed(attempted, errno);
  pem.resize(static_cast<size_t>(size));

  auto key = tls::PrivateKey::FromPem(pem);
  if (!key.ok()) return base::Annotate(key.status(), attempted);
  // The key comes last, so that what is before it is the chain.
  const size_t chain_end = pem.find("-----BEGIN PRIVATE KEY-----");
  auto identity = tls::Identity::Create(pem.substr(0, chain_end), *std::move(key));
  if (!identity.ok()) return base::Annotate(identity.status(), attempted);
  const Refusal refusal = CheckIdentity(**identity, id, now);
  if (refusal.failure != Failure::kNone) return base::Annotate(refusal.status, attempted);
  return identity;
}

absl::Status Cache::Store(const tls::Identity& identity) const {
  KITH_ASSIGN_OR_RETURN(const std::string key, tls::KeyToDer(identity.key()));
  const std::string pem = identity.ChainPem() + tls::PemBlock("PRIVATE KEY", key);
  const std::string file = directory_ + kFile;
  const std::string fresh = file + ".new";
  const std::string attempted = absl::StrCat("keep the identity in ", file);
  unlink(fresh.c_str());
  const base::Descriptor out(
      open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (out.get() < 0) return Failed(attempted, errno);
  if (write(out.get(), pem.data(), pem.size()) != static_cast<ssize_t>(pem.size()) ||
      rename(fresh.c_str(), file.c_str()) != 0) {
    const int error = errno;
    unlink(fresh.c_str());
    return Failed(attempted, error);
  }
  return absl::OkStatus();
}

}  // namespace kith::identity
