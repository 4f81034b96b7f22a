#include "source/control/token.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "source/base/atomic_file.h"
#include "source/base/join_token.h"

namespace kith::control {
namespace {

absl::Status Bad(const std::string& file, absl::string_view problem) {
  return absl::FailedPreconditionError(absl::StrCat("read the token file ", file, ": ", problem));
}

}  // namespace

absl::StatusOr<std::string> ReadToken(const std::string& file) {
  // Not blocking: a file that turns out to be a pipe must not stop the sidecar.
  const int descriptor = open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) {
    return Bad(file, absl::StrCat(std::strerror(errno),
                                  "; does it exist, and may this user read it? 'kithctl token "
                                  "create' makes one"));
  }
  std::string text(kMaxTokenBytes + 2, '\0');
  size_t size = 0;
  ssize_t count = 0;
  do {
    count = read(descriptor, text.data() + size, text.size() - size);
    if (count > 0) size += static_cast<size_t>(count);
  } while (size < text.size() && (count > 0 || (count < 0 && errno == EINTR)));
  const int error = count < 0 ? errno : 0;
  close(descriptor);
  if (error != 0) return Bad(file, std::strerror(error));
  text.resize(size);
  absl::StripAsciiWhitespace(&text);
  if (text.empty()) return Bad(file, "it is empty; put a token into it");
  if (text.size() > kMaxTokenBytes) return Bad(file, "it is longer than 16 KiB; is it a token?");
  // What goes into a header: nothing but a token's own characters.
  const bool sound =
      std::all_of(text.begin(), text.end(), [](unsigned char c) { return absl::ascii_isgraph(c); });
  if (!sound) return Bad(file, "it holds bytes that no token has; is it a token?");
  return text;
}

bool IsJoinToken(absl::string_view token) {
  return absl::StartsWith(token, base::kJoinTokenPrefix);
}

absl::Status CheckReplaceable(const std::string& file) {
  const size_t slash = file.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : file.substr(0, slash + 1);
  if (access(directory.c_str(), W_OK | X_OK) == 0) return absl::OkStatus();
  return Bad(file, absl::StrCat("it is a join token, which is replaced by another one, and ",
                                directory, " cannot be written to: ", std::strerror(errno)));
}

absl::Status KeepToken(const std::string& file, absl::string_view token) {
  if (token.empty() || token.size() > kMaxTokenBytes) {
    return absl::InvalidArgumentError("the token that was given is empty or too long");
  }
  return base::WriteFileAtomically(file, absl::StrCat(token, "\n"), 0600);
}

}  // namespace kith::control
