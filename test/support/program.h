// A program run by a test: its output, its signals, its exit code.
// Threads: the test's. Owns: the process, killed when this is destroyed.
// Errors: by gtest's expectations.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <string>
#include <vector>

namespace kith::test {

class Program {
 public:
  explicit Program(std::vector<std::string> arguments) {
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    pid_ = fork();
    if (pid_ == 0) {
      dup2(ends[1], STDOUT_FILENO);
      dup2(ends[1], STDERR_FILENO);
      close(ends[0]);
      close(ends[1]);
      std::vector<char*> argv;
      for (std::string& argument : arguments) argv.push_back(argument.data());
      argv.push_back(nullptr);
      execv(argv[0], argv.data());
      _exit(127);
    }
    close(ends[1]);
    output_fd_ = ends[0];
  }

  ~Program() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      Wait();
    }
    close(output_fd_);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  // Reads until the output holds `text`; false when it ended before, or after 30 s of silence.
  bool Await(const std::string& text) {
    while (output_.find(text) == std::string::npos) {
      if (!ReadSome()) return false;
    }
    return true;
  }

  void Signal(int number) const { kill(pid_, number); }

  // The exit code, or minus the signal that killed it. The output is complete then.
  int Wait() {
    while (ReadSome()) {
    }
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  const std::string& output() const { return output_; }

 private:
  bool ReadSome() {
    pollfd wait{.fd = output_fd_, .events = POLLIN, .revents = 0};
    if (poll(&wait, 1, 30'000) != 1) return false;
    char buffer[4096];
    const ssize_t got = read(output_fd_, buffer, sizeof(buffer));
    if (got <= 0) return false;
    output_.append(buffer, static_cast<size_t>(got));
    return true;
  }

  pid_t pid_ = -1;
  int output_fd_ = -1;
  std::string output_;
};

}  // namespace kith::test
