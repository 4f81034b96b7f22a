#include "source/http/http1_parser.h"

#include <algorithm>

#include "source/http/characters.h"

namespace kith::http {
namespace {

// A head that came in pieces is rarely larger, and one allocation is enough for it.
constexpr size_t kFirstGather = 2048;
constexpr int kMaxChunkDigits = 16;  // 64 bits.

absl::Span<const uint8_t> Bytes(const char* begin, size_t size) {
  return absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(begin), size);
}

}  // namespace

Http1Parser::Http1Parser(Kind kind, Http1Handler& handler, const Options& options)
    : kind_(kind), handler_(handler), options_(options) {
  StartHead();
}

void Http1Parser::StartHead() {
  state_ = State::kHead;
  section_bytes_ = 0;
  if (kind_ == Kind::kRequest) {
    scanner_.Start(HeadScanner::Kind::kRequest, options_.max_headers, request_.headers);
  } else {
    scanner_.Start(HeadScanner::Kind::kResponse, options_.max_headers, response_.headers);
  }
}

void Http1Parser::StartTrailers() {
  state_ = State::kTrailers;
  section_bytes_ = 0;
  scanner_.Start(HeadScanner::Kind::kTrailers, options_.max_headers,
                 kind_ == Kind::kRequest ? request_.headers : response_.headers);
}

void Http1Parser::ExpectResponse(const ResponseContext& context) {
  context_ = context;
  response_expected_ = true;
  interim_responses_ = 0;
}

bool Http1Parser::idle() const { return state_ == State::kHead && section_bytes_ == 0; }

void Http1Parser::Fail(ParseError error) {
  error_ = error;
  state_ = State::kFailed;
}

absl::StatusOr<size_t> Http1Parser::Feed(absl::Span<const uint8_t> bytes) {
  const char* const begin = reinterpret_cast<const char*>(bytes.data());
  const char* const end = begin + bytes.size();
  const char* cursor = begin;
  paused_ = false;
  while (!paused_) {
    if (state_ == State::kFailed) return ToStatus(error_);
    if (state_ == State::kComplete) {
      response_expected_ = false;
      StartHead();
      handler_.OnMessageComplete();
      break;
    }
    if (cursor == end) break;
    switch (state_) {
      case State::kHead:
        if (kind_ == Kind::kResponse && !response_expected_) {
          Fail(ParseError::kUnexpectedResponse);
        } else if (ScanHead(cursor, end)) {
          DeliverHead();
        }
        break;
      case State::kTrailers:
        if (ScanHead(cursor, end)) DeliverTrailers();
        break;
      case State::kLength:
      case State::kChunkData:
      case State::kUntilClose:
        TakeBody(cursor, end);
        break;
      case State::kChunkSize:
        TakeChunkSize(cursor, end);
        break;
      default:
        TakeChunkDelimiter(cursor);
        break;
    }
  }
  return static_cast<size_t>(cursor - begin);
}

// Goes on with the head or the trailers; true when they are complete.
bool Http1Parser::ScanHead(const char*& cursor, const char* end) {
  const bool trailers = state_ == State::kTrailers;
  const size_t limit = trailers ? options_.max_trailer_bytes : options_.max_head_bytes;
  const size_t take = std::min(static_cast<size_t>(end - cursor), limit - section_bytes_);

  // Without a beginning kept from before, the bytes are scanned where they lie.
  const bool in_place = gathered_.empty();
  if (!in_place) Gather(cursor, take);
  const char* const start = in_place ? cursor : gathered_.data() + (gathered_.size() - take);
  const char* p = start;
  const HeadScanner::Result result = scanner_.Scan(p, start + take);
  if (result == HeadScanner::Result::kError) {
    Fail(scanner_.error());
    return false;
  }
  section_bytes_ += static_cast<size_t>(p - start);
  if (result == HeadScanner::Result::kComplete) {
    cursor += p - start;
    return true;
  }
  if (section_bytes_ == limit) {
    Fail(trailers                                              ? ParseError::kTrailersTooLarge
         : scanner_.in_start_line() && kind_ == Kind::kRequest ? ParseError::kTargetTooLong
                                                               : ParseError::kHeadTooLarge);
    return false;
  }
  if (in_place) {
    Gather(cursor, take);
    scanner_.Rebase(cursor, gathered_.data());
  }
  cursor += take;
  return false;
}

void Http1Parser::Gather(const char* bytes, size_t size) {
  const size_t needed = gathered_.size() + size;
  if (needed > gathered_.capacity()) {
    std::vector<char> larger;
    larger.reserve(std::max({needed, 2 * gathered_.capacity(), kFirstGather}));
    larger.assign(gathered_.begin(), gathered_.end());
    if (!gathered_.empty()) scanner_.Rebase(gathered_.data(), larger.data());
    gathered_.swap(larger);
  }
  gathered_.insert(gathered_.end(), bytes, bytes + size);
}

void Http1Parser::DeliverHead() {
  section_bytes_ = 0;
  if (kind_ == Kind::kRequest) {
    request_.method = scanner_.method();
    request_.target = scanner_.target();
    request_.version_minor = scanner_.version_minor();
    const ParseError error = FinishRequest(request_);
    if (error != ParseError::kNone) return Fail(error);
    StartBody(request_.framing);
    handler_.OnRequestHead(request_);
  } else {
    response_.status = scanner_.status();
    response_.reason = scanner_.reason();
    response_.version_minor = scanner_.version_minor();
    const ParseError error = FinishResponse(context_, response_);
    if (error != ParseError::kNone) return Fail(error);
    if (response_.is_informational()) {
      if (++interim_responses_ > options_.max_interim_responses) {
        return Fail(ParseError::kTooManyInterimResponses);
      }
      handler_.OnResponseHead(response_);
      StartHead();
    } else {
      StartBody(response_.framing);
      handler_.OnResponseHead(response_);
    }
  }
  // Freed rather than kept: an idle connection holds no buffer.
  std::vector<char>().swap(gathered_);
}

void Http1Parser::StartBody(const Framing& framing) {
  switch (framing.kind) {
    case BodyKind::kNone:
      state_ = State::kComplete;
      break;
    case BodyKind::kLength:
      remaining_ = framing.length;
      state_ = remaining_ == 0 ? State::kComplete : State::kLength;
      break;
    case BodyKind::kChunked:
      remaining_ = 0;
      chunk_digits_ = 0;
      state_ = State::kChunkSize;
      break;
    case BodyKind::kUntilClose:
      state_ = State::kUntilClose;
      break;
  }
}

void Http1Parser::TakeBody(const char*& cursor, const char* end) {
  const char* const start = cursor;
  size_t size = static_cast<size_t>(end - start);
  if (state_ != State::kUntilClose) {
    size = static_cast<size_t>(std::min<uint64_t>(size, remaining_));
    remaining_ -= size;
    if (remaining_ == 0) {
      state_ = state_ == State::kLength ? State::kComplete : State::kChunkDataCr;
    }
  }
  cursor += size;
  handler_.OnBody(Bytes(start, size));
}

// Hexadecimal digits and CR, nothing else: extensions are refused, for parsers disagree about where
// they end.
void Http1Parser::TakeChunkSize(const char*& cursor, const char* end) {
  while (cursor < end) {
    const char c = *cursor++;
    const int digit = HexValue(c);
    if (digit >= 0) {
      if (++chunk_digits_ > kMaxChunkDigits) return Fail(ParseError::kBadChunk);
      remaining_ = remaining_ * 16 + static_cast<uint64_t>(digit);
      continue;
    }
    if (c != '\r' || chunk_digits_ == 0) return Fail(ParseError::kBadChunk);
    state_ = State::kChunkSizeLf;
    return;
  }
}

void Http1Parser::TakeChunkDelimiter(const char*& cursor) {
  const char c = *cursor++;
  switch (state_) {
    case State::kChunkSizeLf:
      if (c != '\n') return Fail(ParseError::kBadChunk);
      if (remaining_ == 0) return StartTrailers();
      state_ = State::kChunkData;
      return;
    case State::kChunkDataCr:
      if (c != '\r') return Fail(ParseError::kBadChunk);
      state_ = State::kChunkDataLf;
      return;
    default:
      if (c != '\n') return Fail(ParseError::kBadChunk);
      chunk_digits_ = 0;
      state_ = State::kChunkSize;
      return;
  }
}

void Http1Parser::DeliverTrailers() {
  section_bytes_ = 0;
  state_ = State::kComplete;
  std::vector<Header>& trailers = kind_ == Kind::kRequest ? request_.headers : response_.headers;
  trailers.erase(std::remove_if(trailers.begin(), trailers.end(),
                                [](const Header& h) { return IsForbiddenTrailer(h.name); }),
                 trailers.end());
  if (!trailers.empty()) handler_.OnTrailers(trailers);
  std::vector<char>().swap(gathered_);
}

absl::Status Http1Parser::FinishOnEof() {
  if (state_ == State::kUntilClose) {
    response_expected_ = false;
    StartHead();
    handler_.OnMessageComplete();
    return absl::OkStatus();
  }
  if (idle() && !response_expected_) return absl::OkStatus();
  if (state_ != State::kFailed) Fail(ParseError::kTruncated);
  return ToStatus(error_);
}

}  // namespace kith::http
