#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"
#include "source/net/socket_stream.h"
#include "test/net/stream_pair.h"
#include "test/support/run_until.h"
#include "test/support/temporary_directory.h"

namespace kith::net {
namespace {

// A plain socket bound to a free port of the loopback address.
class BoundSocket {
 public:
  BoundSocket() : descriptor_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    base::SocketAddress any = *base::SocketAddress::Parse("127.0.0.1:0");
    EXPECT_EQ(bind(descriptor_, any.get(), any.length()), 0);
    sockaddr_storage own = {};
    socklen_t length = sizeof own;
    EXPECT_EQ(getsockname(descriptor_, reinterpret_cast<sockaddr*>(&own), &length), 0);
    address_ = base::SocketAddress::From(reinterpret_cast<sockaddr*>(&own));
  }
  ~BoundSocket() {
    close(descriptor_);
    for (int waiting : waiting_) close(waiting);
  }

  // From then on the kernel leaves further attempts without an answer.
  void ListenAndFill() {
    ASSERT_EQ(listen(descriptor_, 0), 0);
    for (int i = 0; i < 4; ++i) {
      waiting_.push_back(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      connect(waiting_.back(), address_.get(), address_.length());
    }
  }

  const base::SocketAddress& address() const { return address_; }

 private:
  int descriptor_;
  std::vector<int> waiting_;
  base::SocketAddress address_;
};

class ConnectTest : public testing::Test {
 protected:
  void Start(const base::SocketAddress& address, absl::Duration timeout = absl::Seconds(20),
             absl::string_view hint = "is the application listening there?") {
    connector_ = Connect(*loop_, address, timeout, hint,
                         [this](absl::StatusOr<std::unique_ptr<Stream>> stream) {
                           ++calls_;
                           status_ = stream.status();
                         });
    EXPECT_EQ(calls_, 0) << "called before Connect() returned";
  }

  absl::Status Result() {
    EXPECT_TRUE(test::RunUntil(*loop_, [this] { return calls_ > 0; }));
    for (int i = 0; i < 10; ++i) loop_->RunOnce();
    EXPECT_EQ(calls_, 1);
    return status_;
  }

  std::unique_ptr<event::Loop> loop_ = *event::Loop::Create();
  std::unique_ptr<Connector> connector_;
  int calls_ = 0;
  absl::Status status_;
  test::TemporaryDirectory directory_;
};

TEST_F(ConnectTest, SaysWhoRefusedAndWhatToCheck) {
  BoundSocket nobody;  // Bound, so that nobody else listens there meanwhile, but not listening.
  Start(nobody.address());
  EXPECT_EQ(Result(), absl::UnavailableError(absl::StrCat(
                          "connect ", nobody.address().ToString(),
                          ": connection refused; is the application listening there?")));
}

TEST_F(ConnectTest, GivesUpAfterItsTime) {
  BoundSocket busy;
  busy.ListenAndFill();
  Start(busy.address(), absl::Milliseconds(50), "is the port open in the network policy?");
  EXPECT_EQ(Result(), absl::DeadlineExceededError(absl::StrCat(
                          "connect ", busy.address().ToString(),
                          ": timed out after 50ms; is the port open in the network policy?")));
}

TEST_F(ConnectTest, IsSilentOnceItsConnectorIsDestroyed) {
  BoundSocket nobody;
  Start(nobody.address());
  connector_.reset();
  BoundSocket busy;
  busy.ListenAndFill();
  Start(busy.address(), absl::Milliseconds(1));
  loop_->RunOnce();
  connector_.reset();
  Start(base::SocketAddress());  // Fails at once.
  connector_.reset();
  for (int i = 0; i < 50; ++i) loop_->RunOnce();
  EXPECT_EQ(calls_, 0);
}

TEST_F(ConnectTest, LetsItsConnectorBeDestroyedInTheCallback) {
  BoundSocket nobody, busy;
  busy.ListenAndFill();
  struct Case {
    base::SocketAddress address;
    absl::Duration timeout;
  };
  // Refused, timed out, and refused at once.
  for (const Case& c :
       {Case{nobody.address(), absl::Seconds(20)}, Case{busy.address(), absl::Milliseconds(10)},
        Case{base::SocketAddress(), absl::Seconds(20)}}) {
    bool called = false;
    connector_ = Connect(*loop_, c.address, c.timeout, "",
                         [&](absl::StatusOr<std::unique_ptr<Stream>> stream) {
                           EXPECT_FALSE(stream.ok());
                           connector_.reset();
                           called = true;
                         });
    EXPECT_TRUE(test::RunUntil(*loop_, [&] { return called; }));
  }
}

TEST_F(ConnectTest, RefusesToConnectToNoAddress) {
  Start(base::SocketAddress());
  EXPECT_EQ(Result().code(), absl::StatusCode::kUnavailable);
}

TEST_F(ConnectTest, SaysWhatIsWrongWithAUnixPath) {
  base::SocketAddress missing = *base::SocketAddress::Parse("unix:" + directory_.File("missing"));
  Start(missing, absl::Seconds(20), "");
  EXPECT_EQ(Result(), absl::UnavailableError(absl::StrCat("connect ", missing.ToString(),
                                                          ": no such file or directory")));
}

TEST_F(ConnectTest, OutlivesALoopDestroyedMeanwhile) {
  BoundSocket busy;
  busy.ListenAndFill();
  Start(busy.address());
  loop_->RunOnce();
  connector_.reset();
  loop_.reset();
  EXPECT_EQ(calls_, 0);
}

}  // namespace
}  // namespace kith::net
