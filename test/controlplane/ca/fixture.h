// A state directory, an audit log and a clock for the tests of this folder.
// Threads: one at a time. Owns: all of it. Errors: test failures.
#pragma once

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <future>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "source/controlplane/ca/audit_log.h"
#include "source/controlplane/ca/authority.h"
#include "source/controlplane/ca/state_directory.h"
#include "test/support/manual_clock.h"
#include "test/support/temporary_directory.h"

namespace kith::controlplane {

// While it lives no file may grow beyond `bytes`: stands for a full disk.
class FullDisk {
 public:
  explicit FullDisk(size_t bytes) : old_handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &old_limit_);
    struct rlimit limit = {bytes, old_limit_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FullDisk() {
    ::setrlimit(RLIMIT_FSIZE, &old_limit_);
    std::signal(SIGXFSZ, old_handler_);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;

 private:
  struct rlimit old_limit_;
  void (*old_handler_)(int);
};

class CaFixture : public ::testing::Test {
 protected:
  CaFixture() { Open(); }

  // As a process that starts: the directory stays, everything else is new.
  void Open() {
    auto opened = StateDirectory::Open(directory_.path() + "/state");
    ASSERT_TRUE(opened.ok()) << opened.status();
    state_ = *std::move(opened);
    auto audit = AuditLog::Open({.state = state_.get(), .clock = &clock_});
    ASSERT_TRUE(audit.ok()) << audit.status();
    audit_ = *std::move(audit);
  }
  void Close() {
    audit_.reset();
    state_.reset();
  }

  AuthorityOptions Options() {
    AuthorityOptions options;
    options.state = state_.get();
    options.audit = audit_.get();
    options.clock = &clock_;
    return options;
  }

  std::unique_ptr<CertificateAuthority> MakeAuthority(AuthorityOptions options) {
    auto authority = CertificateAuthority::Create(std::move(options));
    EXPECT_TRUE(authority.ok()) << authority.status();
    return authority.ok() ? *std::move(authority) : nullptr;
  }
  std::unique_ptr<CertificateAuthority> MakeAuthority() { return MakeAuthority(Options()); }

  // Until what is enqueued is in the log, with what WhenFlushed() says for `line`.
  absl::Status Flush(AuditLog::Line line = 0) const {
    std::promise<absl::Status> flushed;
    audit_->WhenFlushed(line, [&](const absl::Status& status) { flushed.set_value(status); });
    return flushed.get_future().get();
  }

  std::vector<nlohmann::json> AuditLines() const {
    if (audit_ != nullptr) {
      EXPECT_TRUE(Flush().ok());
    }
    std::vector<nlohmann::json> lines;
    std::istringstream text(directory_.Read("state/audit.jsonl"));
    for (std::string line; std::getline(text, line);) lines.push_back(nlohmann::json::parse(line));
    return lines;
  }

  test::TemporaryDirectory directory_;
  test::ManualClock clock_{absl::FromUnixSeconds(1'800'000'000)};
  std::unique_ptr<StateDirectory> state_;
  std::unique_ptr<AuditLog> audit_;
};

}  // namespace kith::controlplane
