#include "source/proxy/stored_request.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "source/base/check.h"

namespace kith::proxy {
namespace {

constexpr size_t kMinText = 256;

// A header's name as NamesHeader() compares it.
std::string SpellingOf(absl::string_view name) {
  std::string spelling;
  for (const char c : name) spelling += absl::ascii_isalnum(c) ? absl::ascii_tolower(c) : '-';
  return spelling;
}

// To HTTP/2 a connection is switched with prior knowledge only, and TLS is the sidecars' own: an
// upgrade to either would pass requests by the policies. A list says nothing that one name does
// not.
bool MayUpgrade(const http::RequestHead& head) {
  const absl::string_view name = head.upgrade;
  if (name.empty() || head.is_connect || head.framing.kind != http::BodyKind::kNone) return false;
  if (name.find_first_of(", \t") != absl::string_view::npos) return false;
  for (const absl::string_view refused : {"h2", "http", "tls"}) {
    if (absl::StartsWithIgnoreCase(name, refused)) return false;
  }
  return true;
}

}  // namespace

bool NamesHeader(absl::string_view pattern, absl::string_view name) {
  if (!pattern.empty() && pattern.back() == '*') {
    pattern.remove_suffix(1);
    name = name.substr(0, pattern.size());
  }
  if (name.size() != pattern.size()) return false;
  for (size_t i = 0; i < name.size(); ++i) {
    const char c = absl::ascii_isalnum(name[i]) ? absl::ascii_tolower(name[i]) : '-';
    if (c != pattern[i]) return false;
  }
  return true;
}

void StoredRequest::Assign(const http::RequestHead& head, absl::string_view path,
                           absl::Span<const absl::string_view> dropped,
                           absl::Span<const http::Header> added) {
  // Every view points into text_, so its size is settled before the first of them is made.
  size_t size = head.method.size() + path.size() + head.target.size() + head.upgrade.size();
  for (const http::Header& header : head.headers) size += header.name.size() + header.value.size();
  for (const http::Header& header : added) size += header.name.size() + header.value.size();
  text_.clear();
  // Never in the string object itself, where a swap would move it from under the views.
  text_.reserve(std::max(size, kMinText));
  headers_.clear();

  method_ = Keep(head.method);
  path_ = Keep(path);
  framing_ = head.framing;
  switch_ = Switch::kNone;
  if (head.is_connect) {
    switch_ = Switch::kConnect;
    authority_ = Keep(head.target);
  } else if (MayUpgrade(head)) {
    switch_ = Switch::kUpgrade;
    upgrade_ = Keep(head.upgrade);
  }
  for (const http::Header& header : head.headers) {
    if (header.hop_by_hop) continue;
    const bool drop = std::any_of(dropped.begin(), dropped.end(), [&](absl::string_view name) {
      return NamesHeader(name, header.name);
    });
    if (!drop) headers_.push_back({Keep(header.name), Keep(header.value)});
  }
  for (const http::Header& header : added) {
    headers_.push_back({Keep(header.name), Keep(header.value)});
  }
}

void StoredRequest::Edit(absl::string_view path, absl::Span<const absl::string_view> dropped,
                         absl::Span<const http::Header> added) {
  http::RequestHead head;
  head.method = method_;
  head.headers = headers_;
  head.framing = framing_;
  head.is_connect = switch_ == Switch::kConnect;
  if (head.is_connect) head.target = authority_;
  if (switch_ == Switch::kUpgrade) head.upgrade = upgrade_;
  // All of that points into the old text, which stays until it is copied.
  std::string text;
  text.swap(text_);
  std::vector<std::string> spellings;
  spellings.reserve(dropped.size());
  for (const absl::string_view name : dropped) spellings.push_back(SpellingOf(name));
  const std::vector<absl::string_view> patterns(spellings.begin(), spellings.end());
  Assign(head, path, patterns, added);
}

absl::string_view StoredRequest::Keep(absl::string_view text) {
  KITH_CHECK(text_.size() + text.size() <= text_.capacity(), "views into the text must stay valid");
  const size_t begin = text_.size();
  text_.append(text.data(), text.size());
  return absl::string_view(text_.data() + begin, text.size());
}

bool StoredRequest::IsGranted(Switch asked, int status) {
  switch (asked) {
    case Switch::kNone:
      return false;
    case Switch::kUpgrade:
      return status == 101;
    case Switch::kConnect:
      return status >= 200 && status < 300;
  }
  return false;
}

bool StoredRequest::CanBeRepeated() const {
  if (framing_.kind != http::BodyKind::kNone || switch_ != Switch::kNone) return false;
  for (absl::string_view method : {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"}) {
    if (method_ == method) return true;
  }
  return false;
}

}  // namespace kith::proxy
