#include "source/http/head_rules.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "source/http/characters.h"

namespace kith::http {
namespace {

using absl::EqualsIgnoreCase;

// What the headers of a message say together, before the start line gives it a meaning.
struct Facts {
  const Header* host = nullptr;
  const Header* content_length = nullptr;
  const Header* transfer_encoding = nullptr;
  const Header* upgrade = nullptr;
  uint64_t length = 0;
  bool has_connection = false;
  bool close = false;
  bool keep_alive = false;
  bool upgrade_nominated = false;
  bool expect_continue = false;
};

ParseError ReadLength(absl::string_view text, uint64_t& length) {
  // 19 digits cannot overflow 64 bits.
  if (text.empty() || text.size() > 19) return ParseError::kBadContentLength;
  uint64_t value = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return ParseError::kBadContentLength;
    value = value * 10 + static_cast<uint64_t>(c - '0');
  }
  length = value;
  return ParseError::kNone;
}

ParseError ReadHeader(Header& header, Facts& facts) {
  header.hop_by_hop = IsHopByHop(header.name);
  switch (header.name.size()) {
    case 4:
      if (EqualsIgnoreCase(header.name, "host")) {
        if (facts.host != nullptr) return ParseError::kDuplicateHost;
        facts.host = &header;
      }
      break;
    case 6:
      if (EqualsIgnoreCase(header.name, "expect")) {
        facts.expect_continue = EqualsIgnoreCase(header.value, "100-continue");
      }
      break;
    case 7:
      if (facts.upgrade == nullptr && EqualsIgnoreCase(header.name, "upgrade")) {
        facts.upgrade = &header;
      }
      break;
    case 10:
      if (EqualsIgnoreCase(header.name, "connection")) facts.has_connection = true;
      break;
    case 14:
      if (EqualsIgnoreCase(header.name, "content-length")) {
        if (facts.content_length != nullptr) return ParseError::kDuplicateContentLength;
        facts.content_length = &header;
        return ReadLength(header.value, facts.length);
      }
      // Gateways such as CGI fold '_' and '-' together and would see a second length.
      if (EqualsIgnoreCase(header.name, "content_length")) return ParseError::kBadHeaderName;
      break;
    case 17:
      if (EqualsIgnoreCase(header.name, "transfer-encoding")) {
        if (facts.transfer_encoding != nullptr) return ParseError::kBadTransferEncoding;
        facts.transfer_encoding = &header;
      }
      if (EqualsIgnoreCase(header.name, "transfer_encoding")) return ParseError::kBadHeaderName;
      break;
    default:
      break;
  }
  return ParseError::kNone;
}

// Dropping one of these because a sender nominates it would change who is asked, for what, or as
// whom, after policy has looked at the message.
bool IsEndToEndAlways(absl::string_view name) {
  return EqualsIgnoreCase(name, "host") || EqualsIgnoreCase(name, "content-length") ||
         EqualsIgnoreCase(name, "authorization") || EqualsIgnoreCase(name, "cookie") ||
         EqualsIgnoreCase(name, "set-cookie") || EqualsIgnoreCase(name, "content-type");
}

ParseError ReadConnectionOption(absl::string_view option, MessageHead& head, Facts& facts) {
  for (char c : option) {
    if (!Is(kTokenChar, c)) return ParseError::kBadConnection;
  }
  if (EqualsIgnoreCase(option, "close")) {
    facts.close = true;
  } else if (EqualsIgnoreCase(option, "keep-alive")) {
    facts.keep_alive = true;
  } else if (EqualsIgnoreCase(option, "upgrade")) {
    facts.upgrade_nominated = true;
  } else if (IsEndToEndAlways(option)) {
    return ParseError::kBadConnection;
  } else {
    for (Header& header : head.headers) {
      if (EqualsIgnoreCase(header.name, option)) header.hop_by_hop = true;
    }
  }
  return ParseError::kNone;
}

// Each option is compared with every header, so their number is bounded.
constexpr int kMaxConnectionOptions = 32;

ParseError ReadConnection(MessageHead& head, Facts& facts) {
  int options = 0;
  for (const Header& header : head.headers) {
    if (!EqualsIgnoreCase(header.name, "connection")) continue;
    absl::string_view rest = header.value;
    while (!rest.empty()) {
      const size_t comma = rest.find(',');
      const absl::string_view option = absl::StripAsciiWhitespace(rest.substr(0, comma));
      rest = comma == absl::string_view::npos ? absl::string_view() : rest.substr(comma + 1);
      if (option.empty()) continue;
      if (++options > kMaxConnectionOptions) return ParseError::kBadConnection;
      const ParseError error = ReadConnectionOption(option, head, facts);
      if (error != ParseError::kNone) return error;
    }
  }
  return ParseError::kNone;
}

ParseError ReadHeaders(MessageHead& head, Facts& facts) {
  for (Header& header : head.headers) {
    const ParseError error = ReadHeader(header, facts);
    if (error != ParseError::kNone) return error;
  }
  if (facts.has_connection) {
    const ParseError error = ReadConnection(head, facts);
    if (error != ParseError::kNone) return error;
  }
  if (facts.transfer_encoding != nullptr) {
    if (facts.content_length != nullptr) return ParseError::kConflictingLength;
    const absl::string_view coding = facts.transfer_encoding->value;
    if (coding.empty() || head.version_minor == 0) return ParseError::kBadTransferEncoding;
    if (!EqualsIgnoreCase(coding, "chunked")) return ParseError::kUnsupportedTransferEncoding;
  }
  head.keep_alive = !facts.close && (head.version_minor == 1 || facts.keep_alive);
  head.upgrade = absl::string_view();
  if (facts.upgrade_nominated && facts.upgrade != nullptr && head.version_minor == 1) {
    head.upgrade = facts.upgrade->value;
  }
  return ParseError::kNone;
}

// Splits an absolute-form target. False when it is not one of http or https.
bool SplitAbsolute(absl::string_view target, absl::string_view& authority,
                   absl::string_view& path) {
  size_t scheme = 0;
  if (absl::StartsWithIgnoreCase(target, "http://")) scheme = 7;
  if (absl::StartsWithIgnoreCase(target, "https://")) scheme = 8;
  if (scheme == 0) return false;
  const absl::string_view rest = target.substr(scheme);
  const size_t end = rest.find_first_of("/?");
  authority = rest.substr(0, end);
  path = end == absl::string_view::npos ? absl::string_view("/") : rest.substr(end);
  return true;
}

ParseError ReadTarget(RequestHead& head) {
  const absl::string_view target = head.target;
  head.is_connect = head.method == "CONNECT";
  if (head.is_connect) {
    head.target_form = TargetForm::kAuthority;
    head.path = absl::string_view();
    // A port is required: there is no default to fall back on.
    if (!IsValidAuthority(target) || target.back() == ']' ||
        target.find(':') == absl::string_view::npos) {
      return ParseError::kBadTarget;
    }
    return ParseError::kNone;
  }
  if (target.front() == '/') {
    head.target_form = TargetForm::kOrigin;
    head.path = target;
    return ParseError::kNone;
  }
  if (target == "*") {
    head.target_form = TargetForm::kAsterisk;
    head.path = target;
    return head.method == "OPTIONS" ? ParseError::kNone : ParseError::kBadTarget;
  }
  absl::string_view authority;
  if (!SplitAbsolute(target, authority, head.path)) return ParseError::kBadTarget;
  head.target_form = TargetForm::kAbsolute;
  // "http://host?query" has no path to begin with '/': nobody sends it, and reading it as "/?query"
  // would need bytes that are not there.
  if (head.path.front() != '/' || !IsValidAuthority(authority)) return ParseError::kBadTarget;
  return ParseError::kNone;
}

// The authority an absolute or CONNECT target names; empty for the other forms.
absl::string_view TargetAuthority(const RequestHead& head) {
  if (head.target_form == TargetForm::kAuthority) return head.target;
  absl::string_view authority, path;
  if (head.target_form == TargetForm::kAbsolute) SplitAbsolute(head.target, authority, path);
  return authority;
}

ParseError ReadHost(const Header* host, RequestHead& head) {
  head.host = absl::string_view();
  if (host == nullptr) {
    return head.version_minor == 1 ? ParseError::kMissingHost : ParseError::kNone;
  }
  if (host->value.empty()) return ParseError::kMissingHost;
  if (!IsValidAuthority(host->value)) return ParseError::kBadHost;
  head.host = host->value;
  const absl::string_view authority = TargetAuthority(head);
  if (!authority.empty() && !EqualsIgnoreCase(authority, head.host)) {
    return ParseError::kHostMismatch;
  }
  return ParseError::kNone;
}

bool IsValidPort(absl::string_view port) {
  if (port.empty() || port.size() > 5) return false;
  int value = 0;
  for (char c : port) {
    if (c < '0' || c > '9') return false;
    value = value * 10 + (c - '0');
  }
  return value <= 65535;
}

}  // namespace

bool IsValidAuthority(absl::string_view text) {
  absl::string_view host = text, after;
  if (!text.empty() && text.front() == '[') {
    const size_t close = text.find(']');
    if (close == absl::string_view::npos || close < 3) return false;
    for (char c : text.substr(1, close - 1)) {
      if (HexValue(c) < 0 && c != ':' && c != '.') return false;
    }
    after = text.substr(close + 1);
    if (!after.empty() && after.front() != ':') return false;
  } else {
    const size_t colon = text.find(':');
    host = text.substr(0, colon);
    if (host.empty()) return false;
    for (char c : host) {
      if (!Is(kHostChar, c)) return false;
    }
    if (colon != absl::string_view::npos) after = text.substr(colon);
  }
  return after.empty() || IsValidPort(after.substr(1));
}

ParseError FinishRequest(RequestHead& head) {
  Facts facts;
  ParseError error = ReadTarget(head);
  if (error == ParseError::kNone) error = ReadHeaders(head, facts);
  if (error == ParseError::kNone) error = ReadHost(facts.host, head);
  if (error != ParseError::kNone) return error;

  head.framing = Framing();
  if (facts.transfer_encoding != nullptr) head.framing.kind = BodyKind::kChunked;
  if (facts.content_length != nullptr) head.framing = {BodyKind::kLength, facts.length};
  if (head.is_connect) {
    if (facts.transfer_encoding != nullptr || facts.length > 0) return ParseError::kBodyNotAllowed;
    head.framing = Framing();
  }
  head.expect_continue = facts.expect_continue && head.version_minor == 1;
  return ParseError::kNone;
}

ParseError FinishResponse(const ResponseContext& context, ResponseHead& head) {
  Facts facts;
  const ParseError error = ReadHeaders(head, facts);
  if (error != ParseError::kNone) return error;
  if (head.status == 101 && !context.upgrade_offered) return ParseError::kUnexpectedUpgrade;

  head.framing = Framing();
  const bool tunnel = context.to_connect && head.status >= 200 && head.status < 300;
  if (head.status < 200 || head.status == 204 || tunnel) {
    // Lengths here are what peers have been confused with.
    if (facts.transfer_encoding != nullptr || facts.length > 0) return ParseError::kBodyNotAllowed;
    return ParseError::kNone;
  }
  if (head.status == 304 || context.to_head) return ParseError::kNone;
  if (facts.transfer_encoding != nullptr) {
    head.framing.kind = BodyKind::kChunked;
  } else if (facts.content_length != nullptr) {
    head.framing = {BodyKind::kLength, facts.length};
  } else {
    head.framing.kind = BodyKind::kUntilClose;
    head.keep_alive = false;
  }
  return ParseError::kNone;
}

bool IsForbiddenTrailer(absl::string_view name) {
  static constexpr absl::string_view kForbidden[] = {"content-length",
                                                     "host",
                                                     "authorization",
                                                     "cookie",
                                                     "set-cookie",
                                                     "content-type",
                                                     "content-range",
                                                     "content-encoding",
                                                     "cache-control",
                                                     "expect",
                                                     "max-forwards",
                                                     "pragma",
                                                     "range",
                                                     "trailer",
                                                     "age",
                                                     "expires",
                                                     "date",
                                                     "location",
                                                     "retry-after",
                                                     "vary",
                                                     "warning",
                                                     "www-authenticate",
                                                     "proxy-authenticate",
                                                     "proxy-authorization",
                                                     "forwarded",
                                                     "x-forwarded-for",
                                                     "x-forwarded-client-cert",
                                                     "x-forwarded-proto",
                                                     "x-forwarded-host",
                                                     "content_length",
                                                     "transfer_encoding"};
  if (IsHopByHop(name)) return true;
  for (absl::string_view forbidden : kForbidden) {
    if (EqualsIgnoreCase(name, forbidden)) return true;
  }
  return false;
}

}  // namespace kith::http
