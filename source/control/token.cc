#include "source/control/token.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

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

}  // namespace kith::control
