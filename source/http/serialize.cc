#include "source/http/serialize.h"

#include <charconv>
#include <cstring>
#include <initializer_list>

#include "source/http/characters.h"
#include "source/http/head_rules.h"

namespace kith::http {
namespace {

bool All(CharacterClass wanted, absl::string_view text) {
  for (char c : text) {
    if (!Is(wanted, c)) return false;
  }
  return true;
}

void AppendAll(std::initializer_list<absl::string_view> parts, std::string& out) {
  for (absl::string_view part : parts) out.append(part.data(), part.size());
}

// A line goes to the tail block in one piece when it fits: one bounds check instead of one a part.
void AppendAll(std::initializer_list<absl::string_view> parts, base::ByteChain& out) {
  size_t size = 0;
  for (absl::string_view part : parts) size += part.size();
  const absl::Span<uint8_t> room = out.Reserve();
  if (room.size() < size) {
    for (absl::string_view part : parts) out.Append(part);
    return;
  }
  uint8_t* to = room.data();
  for (absl::string_view part : parts) {
    if (part.empty()) continue;
    std::memcpy(to, part.data(), part.size());
    to += part.size();
  }
  out.Commit(size);
}

}  // namespace

template <typename Out>
bool WriteRequestLine(absl::string_view method, absl::string_view target, Out& out) {
  if (method.empty() || target.empty()) return false;
  if (!All(kMethodChar, method) || !All(kTargetChar, target)) return false;
  AppendAll({method, " ", target, " HTTP/1.1\r\n"}, out);
  return true;
}

template <typename Out>
bool WriteStatusLine(int status, absl::string_view reason, Out& out) {
  if (status < 100 || status > 599 || !All(kValueChar, reason)) return false;
  char digits[3];
  std::to_chars(digits, digits + sizeof(digits), status);
  AppendAll({"HTTP/1.1 ", absl::string_view(digits, sizeof(digits)), " ", reason, "\r\n"}, out);
  return true;
}

template <typename Out>
bool WriteHeader(absl::string_view name, absl::string_view value, Out& out) {
  if (name.empty() || !All(kTokenChar, name) || !All(kValueChar, value)) return false;
  AppendAll({name, ": ", value, "\r\n"}, out);
  return true;
}

template <typename Out>
void EndHead(Out& out) {
  AppendAll({"\r\n"}, out);
}

template <typename Out>
void WriteChunk(absl::Span<const uint8_t> bytes, Out& out) {
  if (bytes.empty()) return;
  char digits[16];
  const auto end = std::to_chars(digits, digits + sizeof(digits), bytes.size(), 16).ptr;
  AppendAll({absl::string_view(digits, static_cast<size_t>(end - digits)), "\r\n",
             absl::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()), "\r\n"},
            out);
}

template <typename Out>
void WriteLastChunk(absl::Span<const Header> trailers, Out& out) {
  AppendAll({"0\r\n"}, out);
  for (const Header& trailer : trailers) {
    if (!IsForbiddenTrailer(trailer.name)) (void)WriteHeader(trailer.name, trailer.value, out);
  }
  EndHead(out);
}

template bool WriteRequestLine(absl::string_view, absl::string_view, std::string&);
template bool WriteRequestLine(absl::string_view, absl::string_view, base::ByteChain&);
template bool WriteStatusLine(int, absl::string_view, std::string&);
template bool WriteStatusLine(int, absl::string_view, base::ByteChain&);
template bool WriteHeader(absl::string_view, absl::string_view, std::string&);
template bool WriteHeader(absl::string_view, absl::string_view, base::ByteChain&);
template void EndHead(std::string&);
template void EndHead(base::ByteChain&);
template void WriteChunk(absl::Span<const uint8_t>, std::string&);
template void WriteChunk(absl::Span<const uint8_t>, base::ByteChain&);
template void WriteLastChunk(absl::Span<const Header>, std::string&);
template void WriteLastChunk(absl::Span<const Header>, base::ByteChain&);

absl::string_view ReasonPhrase(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 101:
      return "Switching Protocols";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 411:
      return "Length Required";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 421:
      return "Misdirected Request";
    case 422:
      return "Unprocessable Content";
    case 426:
      return "Upgrade Required";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "";
  }
}

}  // namespace kith::http
