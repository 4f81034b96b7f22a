#include "source/http/http2_head.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "source/http/characters.h"
#include "source/http/serialize.h"

namespace kith::http {

namespace {

bool All(CharacterClass wanted, absl::string_view text) {
  return std::all_of(text.begin(), text.end(), [&](char c) { return Is(wanted, c); });
}

bool IsFieldName(absl::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return Is(kTokenChar, c) && (c < 'A' || c > 'Z');
  });
}

// White space at either end is no part of a value in HTTP/1.1, so two readings would differ.
bool IsFieldValue(absl::string_view value) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t'; };
  return value.empty() ||
         (All(kValueChar, value) && !is_space(value.front()) && !is_space(value.back()));
}

// RFC 9113 §8.2.2: what speaks of a connection has no meaning here, and is a way to smuggle.
bool IsConnectionSpecific(absl::string_view name, absl::string_view value) {
  return name == "connection" || name == "keep-alive" || name == "proxy-connection" ||
         name == "transfer-encoding" || name == "upgrade" || name == "http2-settings" ||
         (name == "te" && !absl::EqualsIgnoreCase(value, "trailers"));
}

// TE is the one hop-by-hop header that a sidecar passes on, between HTTP/2 and HTTP/2: gRPC asks
// for it.
void KeepTe(std::vector<Header>& headers) {
  for (Header& header : headers) {
    if (header.name == "te") header.hop_by_hop = false;
  }
}

// Keeps the room of the headers.
template <typename Head>
void Reset(Head& head) {
  std::vector<Header> headers = std::move(head.headers);
  head = Head();
  head.headers = std::move(headers);
}

}  // namespace

void Http2Head::Clear() {
  text_.clear();
  cookie_.clear();
  fields_.clear();
  bytes_ = count_ = 0;
}

void Http2Head::Add(absl::string_view name, absl::string_view value) {
  bytes_ += name.size() + value.size();
  ++count_;
  if (bytes_ > limits_.bytes || count_ > limits_.fields) return;
  const size_t begin = text_.size();
  text_.append(name.data(), name.size());
  text_.append(value.data(), value.size());
  fields_.push_back({begin, name.size(), begin + name.size(), value.size()});
}

ParseError Http2Head::CheckFields() const {
  if (bytes_ > limits_.bytes) return ParseError::kHeadTooLarge;
  if (count_ > limits_.fields) return ParseError::kTooManyHeaders;
  return ParseError::kNone;
}

ParseError Http2Head::Read(Pseudo& pseudo, std::vector<Header>& headers) {
  if (const ParseError error = CheckFields(); error != ParseError::kNone) return error;
  headers.clear();
  for (const Field& field : fields_) {
    const absl::string_view name = Text(field.name, field.name_size);
    const absl::string_view value = Text(field.value, field.value_size);
    if (absl::StartsWith(name, ":")) {
      absl::string_view* to = name == ":method"      ? &pseudo.method
                              : name == ":scheme"    ? &pseudo.scheme
                              : name == ":authority" ? &pseudo.authority
                              : name == ":path"      ? &pseudo.path
                              : name == ":status"    ? &pseudo.status
                                                     : nullptr;
      // Unknown, repeated, empty or behind a regular one.
      if (to == nullptr || !to->empty() || value.empty() || !headers.empty()) {
        return ParseError::kBadRequestLine;
      }
      *to = value;
      continue;
    }
    if (!IsFieldName(name)) return ParseError::kBadHeaderName;
    if (!IsFieldValue(value)) return ParseError::kBadHeaderValue;
    if (IsConnectionSpecific(name, value)) return ParseError::kBadConnection;
    headers.push_back({name, value});
  }
  return ParseError::kNone;
}

void Http2Head::JoinCookies(std::vector<Header>& headers) {
  const auto is_cookie = [](const Header& header) { return header.name == "cookie"; };
  if (std::count_if(headers.begin(), headers.end(), is_cookie) < 2) return;
  for (const Header& header : headers) {
    if (!is_cookie(header)) continue;
    if (!cookie_.empty()) cookie_ += "; ";
    cookie_.append(header.value.data(), header.value.size());
  }
  headers.erase(std::remove_if(headers.begin(), headers.end(), is_cookie), headers.end());
  headers.push_back({"cookie", cookie_});
}

ParseError Http2Head::ReadRequest(BlockEnd end, RequestHead& head) {
  Reset(head);
  Pseudo pseudo;
  ParseError error = Read(pseudo, head.headers);
  if (error != ParseError::kNone) return error;
  if (pseudo.method.empty() || !pseudo.status.empty()) return ParseError::kBadRequestLine;
  if (!All(kMethodChar, pseudo.method)) return ParseError::kBadMethod;
  const bool connect = pseudo.method == "CONNECT";
  if (connect != pseudo.path.empty() || connect != pseudo.scheme.empty()) {
    return ParseError::kBadTarget;
  }
  if (!connect && pseudo.scheme != "http" && pseudo.scheme != "https") {
    return ParseError::kBadTarget;
  }
  if (!All(kTargetChar, pseudo.path)) return ParseError::kBadTarget;
  // An absolute URL here would be a second authority.
  if (!connect && pseudo.path.front() != '/' && pseudo.path != "*") return ParseError::kBadTarget;
  JoinCookies(head.headers);
  if (!pseudo.authority.empty()) {
    // Both may be there if they agree; the application then sees one.
    if (const Header* host = head.Find("host"); host != nullptr) {
      if (!absl::EqualsIgnoreCase(host->value, pseudo.authority)) return ParseError::kHostMismatch;
      head.headers.erase(head.headers.begin() + (host - head.headers.data()));
      if (head.Find("host") != nullptr) return ParseError::kDuplicateHost;
    }
    head.headers.insert(head.headers.begin(), {"host", pseudo.authority});
  }
  head.method = pseudo.method;
  head.target = connect ? pseudo.authority : pseudo.path;
  if (head.target.empty()) return ParseError::kBadTarget;
  error = FinishRequest(head);
  if (error != ParseError::kNone) return error;
  KeepTe(head.headers);
  head.complete = end == BlockEnd::kStreamEnds;
  if (head.complete && head.framing.length > 0) return ParseError::kBadContentLength;
  if (!head.complete && head.framing.kind == BodyKind::kNone && !connect) {
    head.framing.kind = BodyKind::kChunked;
  }
  return ParseError::kNone;
}

ParseError Http2Head::ReadResponse(const ResponseContext& context, BlockEnd end,
                                   ResponseHead& head) {
  Reset(head);
  Pseudo pseudo;
  ParseError error = Read(pseudo, head.headers);
  if (error != ParseError::kNone) return error;
  if (pseudo.status.size() != 3 || !pseudo.method.empty() || !pseudo.path.empty() ||
      !pseudo.scheme.empty() || !pseudo.authority.empty()) {
    return ParseError::kBadStatusLine;
  }
  for (char c : pseudo.status) {
    if (c < '0' || c > '9') return ParseError::kBadStatusLine;
    head.status = head.status * 10 + (c - '0');
  }
  if (head.status < 100 || head.status > 599) return ParseError::kBadStatusLine;
  head.reason = ReasonPhrase(head.status);
  error = FinishResponse(context, head);
  if (error != ParseError::kNone) return error;
  head.keep_alive = true;
  head.complete = end == BlockEnd::kStreamEnds;
  // The end of a stream is a sure end, which a connection's is not.
  if (head.framing.kind == BodyKind::kUntilClose) head.framing.kind = BodyKind::kChunked;
  return ParseError::kNone;
}

ParseError Http2Head::ReadTrailers(std::vector<Header>& trailers) {
  Pseudo pseudo;
  const ParseError error = Read(pseudo, trailers);
  if (error != ParseError::kNone) return error;
  if (!pseudo.method.empty() || !pseudo.scheme.empty() || !pseudo.authority.empty() ||
      !pseudo.path.empty() || !pseudo.status.empty()) {
    return ParseError::kBadHeaderName;
  }
  trailers.erase(
      std::remove_if(trailers.begin(), trailers.end(),
                     [](const Header& trailer) { return IsForbiddenTrailer(trailer.name); }),
      trailers.end());
  return ParseError::kNone;
}

}  // namespace kith::http
