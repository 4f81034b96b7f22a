// An identity that others keep in files: cert-manager, Vault agent, a Kubernetes secret, a person.
// PEM (key and chain in two files or in one) or PKCS#12, and a bundle of roots if they bring one;
// or the bundle alone, beside another source. The files' directories are watched: in-place writes,
// renames and Kubernetes' swaps of symlinks. Threads: the loop's; it reads small files there. Owns:
// its watches and its timer. The loop and the clock are borrowed and outlive it. Errors: what
// cannot be used is told to the observer, once for each content, and looked at again; a key that
// does not fit its certificate is half of a replacement, ignored until it is whole.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "source/base/clock.h"
#include "source/base/spiffe_id.h"
#include "source/event/file_watches.h"
#include "source/event/loop.h"
#include "source/event/timer.h"
#include "source/identity/check.h"
#include "source/identity/source.h"

namespace kith::identity {

class FileSource : public Source {
 public:
  struct Options {
    base::SpiffeId id;
    std::string certificate_file = {};          // PEM: the leaf first, then its intermediates.
    std::string key_file = {};                  // PEM. Empty: the key is in the certificate's file.
    std::string pkcs12_file = {};               // Instead of the two above.
    std::string password_file = {};             // Of the PKCS#12 container. Empty: no password.
    std::string bundle_file = {};               // PEM roots of the own trust domain. Empty: none.
    absl::Duration recheck = absl::Seconds(5);  // Of what could not be used, or be watched.
    event::DirectoryWatch::Options watch = {};
    const base::Clock* clock = &base::Clock::System();
  };

  FileSource(event::Loop& loop, Options options);
  ~FileSource() override;

  void Start(Observer& observer) override;
  // The files are read again: they are not this source's to renew.
  void RotateNow() override;
  void RenewSoon() override {}
  void TryOverdue() override;
  absl::string_view name() const override { return "files"; }
  absl::Time next_attempt() const override { return absl::InfiniteFuture(); }

 private:
  struct Contents;

  void Read();
  absl::StatusOr<Contents> ReadFiles() const;
  Refusal Use(const Contents& contents);
  void Tell(const Contents& contents, const Refusal& refusal);

  const Options options_;
  Observer* observer_ = nullptr;
  event::FileWatches watches_;
  event::Timer timer_;  // Runs while something could not be used.
  std::string used_;    // Digest of what is in use, or of the last bundle that was taken.
  std::string used_bundle_;
  std::string refused_;               // Digest of what was refused last,
  Failure failure_ = Failure::kNone;  // and why: the same is told once.
};

}  // namespace kith::identity
