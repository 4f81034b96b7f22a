#include "source/http/head_scanner.h"

#include "source/http/characters.h"

namespace kith::http {
namespace {

// No registered method comes near it; what is longer is not HTTP.
constexpr size_t kMaxMethodBytes = 32;
constexpr absl::string_view kVersionPrefix = "HTTP/";

absl::string_view View(const char* begin, const char* end) {
  return absl::string_view(begin, static_cast<size_t>(end - begin));
}

const char* SkipWhile(CharacterClass wanted, const char* p, const char* end) {
  while (p < end && Is(wanted, *p)) ++p;
  return p;
}

}  // namespace

void HeadScanner::Start(Kind kind, size_t max_headers, std::vector<Header>& headers) {
  kind_ = kind;
  state_ = kind == Kind::kRequest    ? State::kRequestStart
           : kind == Kind::kResponse ? State::kVersion
                                     : State::kLineStart;
  error_ = ParseError::kNone;
  index_ = 0;
  skipped_empty_line_ = false;
  status_ = 0;
  max_headers_ = max_headers;
  token_ = nullptr;
  first_ = second_ = name_ = absl::string_view();
  headers_ = &headers;
  headers.clear();
}

HeadScanner::Result HeadScanner::Fail(ParseError error) {
  error_ = error;
  return Result::kError;
}

HeadScanner::Result HeadScanner::Scan(const char*& cursor, const char* end) {
  const char* p = cursor;
  ParseError error = ParseError::kNone;
  while (p < end) {
    switch (state_) {
      case State::kRequestStart:
        if (*p == '\r' && !skipped_empty_line_) {
          skipped_empty_line_ = true;
          state_ = State::kEmptyLineLf;
          ++p;
        } else {
          token_ = p;
          state_ = State::kMethod;
        }
        break;
      case State::kEmptyLineLf:
        if (*p++ != '\n') return Fail(ParseError::kBareCrOrLf);
        state_ = State::kRequestStart;
        break;
      case State::kMethod:
        error = TakeMethod(p, end);
        break;
      case State::kTarget:
        error = TakeTarget(p, end);
        break;
      case State::kVersion:
        error = TakeVersion(*p++);
        break;
      case State::kStatus:
        error = TakeStatus(*p++);
        if (state_ == State::kReason) token_ = p;
        break;
      case State::kReason:
        error = TakeReason(p, end);
        break;
      case State::kLineLf:
        if (*p++ != '\n') return Fail(ParseError::kBareCrOrLf);
        state_ = State::kLineStart;
        break;
      case State::kLineStart:
        error = StartLine(p);
        if (state_ == State::kEndLf) ++p;
        break;
      case State::kName:
        error = TakeName(p, end);
        break;
      case State::kValueStart:
        while (p < end && (*p == ' ' || *p == '\t')) ++p;
        if (p == end) break;
        token_ = p;
        state_ = State::kValue;
        break;
      case State::kValue:
        error = TakeValue(p, end);
        break;
      case State::kEndLf:
        if (*p++ != '\n') return Fail(ParseError::kBareCrOrLf);
        cursor = p;
        return Result::kComplete;
    }
    if (error != ParseError::kNone) return Fail(error);
  }
  cursor = p;
  return Result::kIncomplete;
}

ParseError HeadScanner::TakeMethod(const char*& p, const char* end) {
  p = SkipWhile(kMethodChar, p, end);
  if (static_cast<size_t>(p - token_) > kMaxMethodBytes) return ParseError::kBadMethod;
  if (p == end) return ParseError::kNone;
  if (*p != ' ') {
    if (*p == '\n') return ParseError::kBareCrOrLf;
    return *p == '\r' ? ParseError::kBadRequestLine : ParseError::kBadMethod;
  }
  if (p == token_) return ParseError::kBadRequestLine;
  first_ = View(token_, p);
  token_ = ++p;
  state_ = State::kTarget;
  return ParseError::kNone;
}

ParseError HeadScanner::TakeTarget(const char*& p, const char* end) {
  p = SkipWhile(kTargetChar, p, end);
  if (p == end) return ParseError::kNone;
  if (*p != ' ') {
    if (*p == '\n') return ParseError::kBareCrOrLf;
    return *p == '\r' ? ParseError::kBadRequestLine : ParseError::kBadTarget;
  }
  if (p == token_) return ParseError::kBadRequestLine;
  second_ = View(token_, p);
  ++p;
  index_ = 0;
  state_ = State::kVersion;
  return ParseError::kNone;
}

// One byte of "HTTP/1.1" or of what must follow it.
ParseError HeadScanner::TakeVersion(char c) {
  const ParseError malformed =
      kind_ == Kind::kRequest ? ParseError::kBadRequestLine : ParseError::kBadStatusLine;
  constexpr size_t kMajor = 5, kDot = 6, kMinor = 7, kAfter = 8;
  const size_t at = index_++;
  if (at < kVersionPrefix.size()) {
    return c == kVersionPrefix[at] ? ParseError::kNone : malformed;
  }
  if (at == kMajor || at == kMinor) {
    if (c < '0' || c > '9') return malformed;
    version_[at == kMajor ? 0 : 1] = static_cast<uint8_t>(c - '0');
    return ParseError::kNone;
  }
  if (at == kDot) return c == '.' ? ParseError::kNone : malformed;
  static_assert(kAfter == kMinor + 1);
  if (kind_ == Kind::kRequest && c == '\n') return ParseError::kBareCrOrLf;
  if (c != (kind_ == Kind::kRequest ? '\r' : ' ')) return malformed;
  if (version_[0] != 1 || version_[1] > 1) return ParseError::kBadVersion;
  index_ = 0;
  state_ = kind_ == Kind::kRequest ? State::kLineLf : State::kStatus;
  return ParseError::kNone;
}

// One byte of the status or of what must follow it. The space after it may be missing when there is
// no reason: applications that send it so are common, and no second reading exists.
ParseError HeadScanner::TakeStatus(char c) {
  if (index_ < 3) {
    if (c < '0' || c > '9') return ParseError::kBadStatusLine;
    if (index_ == 0 && (c == '0' || c > '5')) return ParseError::kBadStatusLine;
    status_ = status_ * 10 + (c - '0');
    ++index_;
    return ParseError::kNone;
  }
  if (c == '\n') return ParseError::kBareCrOrLf;
  if (c != ' ' && c != '\r') return ParseError::kBadStatusLine;
  state_ = c == ' ' ? State::kReason : State::kLineLf;
  return ParseError::kNone;
}

ParseError HeadScanner::TakeReason(const char*& p, const char* end) {
  p = SkipWhile(kValueChar, p, end);
  if (p == end) return ParseError::kNone;
  if (*p == '\n') return ParseError::kBareCrOrLf;
  if (*p != '\r') return ParseError::kBadStatusLine;
  second_ = View(token_, p);
  ++p;
  state_ = State::kLineLf;
  return ParseError::kNone;
}

// The first byte after a line's end says what comes: a header, or the end of the head.
ParseError HeadScanner::StartLine(const char* p) {
  if (*p == '\r') {
    state_ = State::kEndLf;
    return ParseError::kNone;
  }
  if (*p == ' ' || *p == '\t') return ParseError::kObsFold;
  if (*p == '\n') return ParseError::kBareCrOrLf;
  if (!Is(kTokenChar, *p)) return ParseError::kBadHeaderName;
  if (headers_->size() == max_headers_) return ParseError::kTooManyHeaders;
  token_ = p;
  state_ = State::kName;
  return ParseError::kNone;
}

ParseError HeadScanner::TakeName(const char*& p, const char* end) {
  p = SkipWhile(kTokenChar, p, end);
  if (p == end) return ParseError::kNone;
  if (*p == '\n') return ParseError::kBareCrOrLf;
  if (*p != ':') return ParseError::kBadHeaderName;
  name_ = View(token_, p);
  ++p;
  state_ = State::kValueStart;
  return ParseError::kNone;
}

ParseError HeadScanner::TakeValue(const char*& p, const char* end) {
  p = SkipWhile(kValueChar, p, end);
  if (p == end) return ParseError::kNone;
  if (*p == '\n') return ParseError::kBareCrOrLf;
  if (*p != '\r') return ParseError::kBadHeaderValue;
  const char* last = p;
  while (last > token_ && (last[-1] == ' ' || last[-1] == '\t')) --last;
  headers_->push_back({name_, View(token_, last)});
  ++p;
  state_ = State::kLineLf;
  return ParseError::kNone;
}

void HeadScanner::Rebase(const char* from, const char* to) {
  const auto move = [from, to](absl::string_view& view) {
    if (view.data() != nullptr) view = absl::string_view(to + (view.data() - from), view.size());
  };
  if (token_ != nullptr) token_ = to + (token_ - from);
  move(first_);
  move(second_);
  move(name_);
  for (Header& header : *headers_) {
    move(header.name);
    move(header.value);
  }
}

}  // namespace kith::http
