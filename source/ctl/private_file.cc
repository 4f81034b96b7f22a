#include "source/ctl/private_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "source/base/status.h"

namespace kith::ctl {
namespace {

constexpr size_t kMaxFile = 1 << 20;

// While it lives the terminal shows nothing of what is typed.
class QuietTerminal {
 public:
  QuietTerminal() : is_terminal_(tcgetattr(STDIN_FILENO, &before_) == 0) {
    if (!is_terminal_) return;
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
  }
  ~QuietTerminal() {
    if (is_terminal_) tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
  }
  QuietTerminal(const QuietTerminal&) = delete;
  QuietTerminal& operator=(const QuietTerminal&) = delete;
  bool is_terminal() const { return is_terminal_; }

 private:
  termios before_ = {};
  const bool is_terminal_;
};

}  // namespace

absl::StatusOr<std::string> ReadSmallFile(const std::string& name) {
  std::ifstream file(name, std::ios::binary);
  std::string content(kMaxFile + 1, '\0');
  if (!file) {
    return absl::NotFoundError(absl::StrCat("read ", name, ": ", std::strerror(errno)));
  }
  file.read(content.data(), static_cast<std::streamsize>(content.size()));
  if (file.bad() || (file.fail() && !file.eof())) {
    return absl::UnavailableError(absl::StrCat("read ", name, ": is it a file?"));
  }
  content.resize(static_cast<size_t>(file.gcount()));
  if (content.size() > kMaxFile) {
    return absl::InvalidArgumentError(
        absl::StrCat("read ", name, ": more than 1 MiB; is it the right file?"));
  }
  return content;
}

absl::Status WriteNewFile(const std::string& name, absl::string_view content, mode_t mode) {
  const int file = open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
  if (file < 0 && errno == EEXIST) {
    return absl::AlreadyExistsError(
        absl::StrCat("write ", name, ": it is there already; remove it or choose another name"));
  }
  if (file < 0) {
    return absl::UnavailableError(
        absl::StrCat("write ", name, ": ", std::strerror(errno), "; does its folder exist?"));
  }
  const bool written =
      fchmod(file, mode) == 0 &&
      write(file, content.data(), content.size()) == static_cast<ssize_t>(content.size()) &&
      fsync(file) == 0;
  const int error = errno;
  close(file);
  if (written) return absl::OkStatus();
  unlink(name.c_str());
  return absl::UnavailableError(absl::StrCat("write ", name, ": ", std::strerror(error)));
}

absl::StatusOr<std::string> ReadPassword(const std::string& file) {
  std::string password;
  if (!file.empty()) {
    KITH_ASSIGN_OR_RETURN(const std::string content, ReadSmallFile(file));
    password = content.substr(0, content.find('\n'));
  } else {
    const QuietTerminal quiet;
    if (quiet.is_terminal()) std::cerr << "Password: " << std::flush;
    std::getline(std::cin, password);
    if (quiet.is_terminal()) std::cerr << "\n";
  }
  if (!password.empty() && password.back() == '\r') password.pop_back();
  if (password.empty()) {
    return absl::InvalidArgumentError("the password is empty; a file with a key needs one");
  }
  return password;
}

}  // namespace kith::ctl
