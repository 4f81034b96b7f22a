// Follows the files of a signing certificate that the user brought (ca.certificateFile and the
// others): a replacement is taken into use once it is whole and its pair fits, without a restart.
// Threads: the loop's. Owns: its watches and timer. Loop and authority are borrowed and outlive it.
// Errors: what cannot be used is logged once for each fault; what is in use stays.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "source/controlplane/ca/authority.h"
#include "source/event/directory_watch.h"
#include "source/event/loop.h"
#include "source/event/timer.h"

namespace kith::controlplane {

class SignerWatch {
 public:
  struct Options {
    CertificateAuthority* authority = nullptr;
    std::function<void()> replaced = [] {};  // Another certificate signs from here on.
    absl::Duration poll = absl::Seconds(5);  // For what the watches miss.
    event::DirectoryWatch::Options watch = {};
  };
  SignerWatch(event::Loop& loop, Options options);

 private:
  void Check();

  const Options options_;
  std::string problem_;
  std::vector<std::unique_ptr<event::DirectoryWatch>> watches_;
  event::Timer timer_;
};

}  // namespace kith::controlplane
