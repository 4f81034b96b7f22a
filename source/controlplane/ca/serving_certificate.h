// The control plane's own server certificate, as files that a TLS server watches: serving/cert.pem
// (the chain) and serving/key.pem (0600) in the state directory. `serving` is a symbolic link to a
// folder that is never changed, so that certificate and key are always of one pair; a renewal makes
// a new folder and swaps the link.
// Threads: the loop's. Owns: its timer and the folders. The authority, the state directory and the
// loop must outlive it.
// Errors: Create() when there is no first certificate. A renewal that fails is logged and tried
// again; the valid certificate stays.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "source/base/clock.h"
#include "source/controlplane/ca/authority.h"
#include "source/controlplane/ca/state_directory.h"
#include "source/event/loop.h"
#include "source/event/timer.h"

namespace kith::controlplane {

class ServingCertificate {
 public:
  struct Options {
    event::Loop* loop = nullptr;
    const CertificateAuthority* authority = nullptr;
    const StateDirectory* state = nullptr;
    const base::Clock* clock = &base::Clock::System();
    std::vector<std::string> server_names = {"kith-controlplane", "localhost"};
    absl::Duration lifetime = absl::Hours(24);
    // How often the wall clock is compared with the half of the lifetime: one long timer would
    // sleep through a jump of the clock.
    absl::Duration check_interval = absl::Seconds(10);
  };
  static absl::StatusOr<std::unique_ptr<ServingCertificate>> Create(Options options);
  ServingCertificate(const ServingCertificate&) = delete;
  ServingCertificate& operator=(const ServingCertificate&) = delete;

  const std::string& certificate_file() const { return certificate_file_; }
  const std::string& key_file() const { return key_file_; }
  const std::string& serial() const { return serial_; }
  absl::Time not_after() const { return not_after_; }

  // Renews when half of the lifetime is over. The timer calls this; so may a test.
  void Check();
  // Whatever the age of the present one: its issuer is on the way out. What fails is tried again.
  void RenewNow();

 private:
  explicit ServingCertificate(Options options);
  absl::Status Renew();
  void RemoveFoldersExcept(const std::string& current, const std::string& previous) const;

  Options options_;
  std::string certificate_file_;
  std::string key_file_;
  std::string serial_;
  std::string folder_;
  absl::Time renew_at_ = absl::InfinitePast();
  absl::Time issued_at_ = absl::InfinitePast();
  absl::Time not_after_ = absl::InfinitePast();
  event::Timer timer_;
};

}  // namespace kith::controlplane
