// A file descriptor that is closed when its owner goes.
// Threads: as the owner's. Owns: the descriptor; a negative one is none. Errors: none.
#pragma once

#include <unistd.h>

#include <utility>

namespace kith::base {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return fd_; }
  // The caller closes it from here on.
  int Release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

}  // namespace kith::base
