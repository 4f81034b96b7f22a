#include "source/proxy/http2_fields.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace kith::proxy {

void Http2Fields::Clear() {
  text_.clear();
  fields_.clear();
  view_.clear();
}

void Http2Fields::Add(absl::string_view name, absl::string_view value) {
  for (char c : name) text_.push_back(absl::ascii_tolower(static_cast<unsigned char>(c)));
  text_.append(value.data(), value.size());
  fields_.push_back({name.size(), value.size()});
}

// Views are made last: the text may have moved while it grew.
absl::Span<const http::Header> Http2Fields::View() {
  const char* at = text_.data();
  for (const Field& field : fields_) {
    view_.push_back({absl::string_view(at, field.name_size),
                     absl::string_view(at + field.name_size, field.value_size)});
    at += field.name_size + field.value_size;
  }
  return view_;
}

absl::Span<const http::Header> Http2Fields::OfRequest(const StoredRequest& request,
                                                      absl::string_view scheme) {
  Clear();
  Add(":method", request.method());
  Add(":scheme", scheme);
  const http::Header* host = http::Find(request.headers(), "host");
  if (host != nullptr) Add(":authority", host->value);
  Add(":path", request.path());
  for (const http::Header& header : request.headers()) {
    if (!absl::EqualsIgnoreCase(header.name, "host")) Add(header.name, header.value);
  }
  return View();
}

absl::Span<const http::Header> Http2Fields::OfResponse(const http::ResponseHead& head) {
  Clear();
  Add(":status", absl::StrCat(head.status));
  for (const http::Header& header : head.headers) {
    if (!header.hop_by_hop) Add(header.name, header.value);
  }
  return View();
}

absl::Span<const http::Header> Http2Fields::OfTrailers(absl::Span<const http::Header> trailers) {
  Clear();
  for (const http::Header& trailer : trailers) Add(trailer.name, trailer.value);
  return View();
}

absl::Span<const http::Header> Http2Fields::OfAnswer(int status, size_t length) {
  Clear();
  Add(":status", absl::StrCat(status));
  Add("content-length", absl::StrCat(length));
  Add("content-type", "text/plain");
  return View();
}

}  // namespace kith::proxy
