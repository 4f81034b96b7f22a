#include "source/net/listener.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "test/support/run_until.h"
#include "test/support/temporary_directory.h"

namespace kith::net {
namespace {

using ::testing::HasSubstr;

class ListenerTest : public testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<Listener>> Listen(absl::string_view address,
                                                   Listener::Options options = {}) {
    options.address = *base::SocketAddress::Parse(address);
    return Listener::Create(*loop_, options, [this](std::unique_ptr<Stream> stream) {
      accepted_.push_back(std::move(stream));
    });
  }

  // Starts to connect with a plain socket and does not wait.
  int Dial(const base::SocketAddress& address) {
    int descriptor = socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    EXPECT_GE(descriptor, 0);
    connect(descriptor, address.get(), address.length());
    dialled_.push_back(descriptor);
    return descriptor;
  }

  ~ListenerTest() override {
    for (int descriptor : dialled_) close(descriptor);
  }

  static mode_t ModeOf(const std::string& path) {
    struct stat file = {};
    EXPECT_EQ(lstat(path.c_str(), &file), 0);
    return file.st_mode & 07777;
  }

  std::unique_ptr<event::Loop> loop_ = *event::Loop::Create();
  std::vector<std::unique_ptr<Stream>> accepted_;
  std::vector<int> dialled_;
  test::TemporaryDirectory directory_;
};

TEST_F(ListenerTest, TellsThePortThatTheKernelChose) {
  for (const char* address : {"127.0.0.1:0", "[::1]:0"}) {
    absl::StatusOr<std::unique_ptr<Listener>> listener = Listen(address);
    ASSERT_TRUE(listener.ok()) << listener.status();
    EXPECT_NE((*listener)->local().port(), 0);
    Dial((*listener)->local());
    size_t before = accepted_.size();
    EXPECT_TRUE(test::RunUntil(*loop_, [&] { return accepted_.size() > before; }));
  }
}

TEST_F(ListenerTest, AcceptsMoreThanOneTurnTakes) {
  absl::StatusOr<std::unique_ptr<Listener>> listener = Listen("127.0.0.1:0");
  ASSERT_TRUE(listener.ok()) << listener.status();
  for (int i = 0; i < 100; ++i) Dial((*listener)->local());
  EXPECT_TRUE(test::RunUntil(*loop_, [&] { return accepted_.size() == 100; }));
  EXPECT_EQ((*listener)->accept_errors(), 0u);
}

TEST_F(ListenerTest, SaysThatThePortIsTaken) {
  absl::StatusOr<std::unique_ptr<Listener>> first = Listen("127.0.0.1:0");
  ASSERT_TRUE(first.ok()) << first.status();
  std::string address = (*first)->local().ToString();
  absl::StatusOr<std::unique_ptr<Listener>> second = Listen(address);
  EXPECT_EQ(second.status(), absl::FailedPreconditionError(absl::StrCat(
                                 "listen on ", address,
                                 ": address already in use; is another process using the port? "
                                 "(ss -ltnp)")));
  // It is free as soon as the first is gone.
  first->reset();
  EXPECT_TRUE(Listen(address).ok());
}

TEST_F(ListenerTest, SharesAPortOnRequestOnly) {
  Listener::Options shared;
  shared.reuse_port = true;
  absl::StatusOr<std::unique_ptr<Listener>> first = Listen("127.0.0.1:0", shared);
  ASSERT_TRUE(first.ok()) << first.status();
  absl::StatusOr<std::unique_ptr<Listener>> second = Listen((*first)->local().ToString(), shared);
  EXPECT_TRUE(second.ok()) << second.status();
  EXPECT_FALSE(Listen((*first)->local().ToString()).ok());
}

TEST_F(ListenerTest, SaysThatTheAddressIsNotOfThisMachine) {
  absl::StatusOr<std::unique_ptr<Listener>> listener = Listen("192.0.2.1:0");
  EXPECT_THAT(std::string(listener.status().message()), HasSubstr("does this machine have"));
  EXPECT_FALSE(Listener::Create(*loop_, {}, [](std::unique_ptr<Stream>) {}).ok());
}

TEST_F(ListenerTest, GivesTheUnixSocketItsModeWhateverTheUmask) {
  for (mode_t mask : {0000, 0022, 0777}) {
    for (int mode : {0600, 0666}) {
      std::string path = directory_.File("socket");
      mode_t before = umask(mask);
      Listener::Options options;
      options.unix_mode = mode;
      absl::StatusOr<std::unique_ptr<Listener>> listener =
          Listen(absl::StrCat("unix:", path), options);
      umask(before);
      ASSERT_TRUE(listener.ok()) << listener.status();
      EXPECT_EQ(ModeOf(path), static_cast<mode_t>(mode)) << mask;
    }
  }
}

TEST_F(ListenerTest, RemovesItsUnixSocketWhenItCloses) {
  std::string path = directory_.File("socket");
  absl::StatusOr<std::unique_ptr<Listener>> listener = Listen(absl::StrCat("unix:", path));
  ASSERT_TRUE(listener.ok()) << listener.status();
  EXPECT_EQ((*listener)->local().UnixPath(), path);
  Dial((*listener)->local());
  ASSERT_TRUE(test::RunUntil(*loop_, [&] { return accepted_.size() == 1; }));
  EXPECT_EQ(accepted_[0]->local().UnixPath(), path);
  listener->reset();
  EXPECT_NE(access(path.c_str(), F_OK), 0);
}

TEST_F(ListenerTest, LeavesAFileThatTookThePlaceOfItsSocket) {
  std::string path = directory_.File("socket");
  absl::StatusOr<std::unique_ptr<Listener>> listener = Listen(absl::StrCat("unix:", path));
  ASSERT_TRUE(listener.ok()) << listener.status();
  ASSERT_EQ(unlink(path.c_str()), 0);
  directory_.Write("socket", "another's");
  listener->reset();
  EXPECT_EQ(directory_.Read("socket"), "another's");
}

TEST_F(ListenerTest, ReplacesAUnixSocketThatNobodyListensOn) {
  base::SocketAddress address = *base::SocketAddress::Parse("unix:" + directory_.File("socket"));
  int dead = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(bind(dead, address.get(), address.length()), 0);
  close(dead);
  absl::StatusOr<std::unique_ptr<Listener>> listener = Listen(address.ToString());
  ASSERT_TRUE(listener.ok()) << listener.status();
  Dial(address);
  EXPECT_TRUE(test::RunUntil(*loop_, [&] { return accepted_.size() == 1; }));
}

TEST_F(ListenerTest, LeavesAUnixSocketThatAnotherListensOn) {
  std::string address = absl::StrCat("unix:", directory_.File("socket"));
  absl::StatusOr<std::unique_ptr<Listener>> first = Listen(address);
  ASSERT_TRUE(first.ok()) << first.status();
  absl::StatusOr<std::unique_ptr<Listener>> second = Listen(address);
  EXPECT_EQ(second.status(), absl::FailedPreconditionError(absl::StrCat(
                                 "listen on ", address,
                                 ": address already in use; is another process listening there?")));
  Dial((*first)->local());
  EXPECT_TRUE(test::RunUntil(*loop_, [&] { return !accepted_.empty(); }));
}

TEST_F(ListenerTest, LeavesAFileThatIsNoSocket) {
  std::string path = directory_.Write("precious", "data");
  absl::StatusOr<std::unique_ptr<Listener>> listener = Listen(absl::StrCat("unix:", path));
  EXPECT_EQ(listener.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(listener.status().message()), HasSubstr("no socket"));
  EXPECT_EQ(directory_.Read("precious"), "data");
}

TEST_F(ListenerTest, SaysThatItsDirectoryIsMissing) {
  absl::StatusOr<std::unique_ptr<Listener>> listener =
      Listen(absl::StrCat("unix:", directory_.File("missing/socket")));
  EXPECT_EQ(listener.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(listener.status().message()), HasSubstr("does its directory exist"));
}

TEST_F(ListenerTest, WaitsWhenDescriptorsRunOutAndGoesOn) {
  absl::StatusOr<std::unique_ptr<Listener>> listener = Listen("127.0.0.1:0");
  ASSERT_TRUE(listener.ok()) << listener.status();
  loop_->RunOnce();
  Dial((*listener)->local());
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit none = before;
  none.rlim_cur = 0;  // Open ones stay; no new one can be had.
  testing::internal::CaptureStderr();
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  bool failed = test::RunUntil(*loop_, [&] { return (*listener)->accept_errors() >= 3; });
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  std::string log = testing::internal::GetCapturedStderr();
  EXPECT_TRUE(failed);
  // Three failures, a tenth of a second apart, are one line.
  EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 1) << log;
  EXPECT_THAT(log, HasSubstr("ulimit -n"));
  EXPECT_TRUE(accepted_.empty());
  EXPECT_TRUE(test::RunUntil(*loop_, [&] { return accepted_.size() == 1; }));
}

TEST_F(ListenerTest, IsDestroyedInsideItsCallback) {
  Listener::Options options;
  options.address = *base::SocketAddress::Parse("127.0.0.1:0");
  std::unique_ptr<Listener> listener;
  int calls = 0;
  absl::StatusOr<std::unique_ptr<Listener>> created =
      Listener::Create(*loop_, options, [&](std::unique_ptr<Stream>) {
        ++calls;
        listener.reset();
      });
  ASSERT_TRUE(created.ok()) << created.status();
  listener = *std::move(created);
  base::SocketAddress address = listener->local();
  for (int i = 0; i < 3; ++i) Dial(address);
  ASSERT_TRUE(test::RunUntil(*loop_, [&] { return calls > 0; }));
  for (int i = 0; i < 10; ++i) loop_->RunOnce();
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace kith::net
