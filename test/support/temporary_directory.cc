#include "test/support/temporary_directory.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"

namespace kith::test {

TemporaryDirectory::TemporaryDirectory() {
  // Bazel's own folder can be longer than a UNIX socket's path may be; tests make sockets in here.
  constexpr size_t kLongestBase = 60;
  const char* base = std::getenv("TEST_TMPDIR");
  if (base == nullptr || std::strlen(base) > kLongestBase) base = "/tmp";
  std::string pattern = absl::StrCat(base, "/kith-XXXXXX");
  if (::mkdtemp(pattern.data()) == nullptr) {
    std::perror("mkdtemp");
    std::abort();
  }
  path_ = pattern;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TemporaryDirectory::File(absl::string_view name) const {
  return absl::StrCat(path_, "/", name);
}

std::string TemporaryDirectory::Write(absl::string_view name, absl::string_view content) const {
  std::filesystem::path file(File(name));
  std::filesystem::create_directories(file.parent_path());
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  out.write(content.data(), static_cast<std::streamsize>(content.size()));
  out.close();
  if (!out) {
    std::perror(file.c_str());
    std::abort();
  }
  return file.string();
}

std::string TemporaryDirectory::Read(absl::string_view name) const {
  std::ifstream in(File(name), std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

}  // namespace kith::test
