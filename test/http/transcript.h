// A handler that writes down what a parser delivers, so that tests compare whole conversations.
// Threads: one. Owns: the text. Errors: none.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "source/http/http1_parser.h"

namespace kith::http {

class Transcript : public Http1Handler {
 public:
  void OnRequestHead(const RequestHead& head) override;
  void OnResponseHead(const ResponseHead& head) override;
  void OnBody(absl::Span<const uint8_t> bytes) override;
  void OnTrailers(absl::Span<const Header> trailers) override;
  void OnMessageComplete() override;

  // One line an event; body pieces that follow each other are one line, however they were cut.
  const std::string& text() const { return text_; }
  int messages() const { return messages_; }

 private:
  void Describe(const MessageHead& head);

  std::string text_;
  int messages_ = 0;
  bool in_body_ = false;
};

inline absl::Span<const uint8_t> AsBytes(absl::string_view text) {
  return absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(text.data()), text.size());
}

// Feeds everything, going on after each message. For responses `context` is given before each one.
absl::Status FeedAll(Http1Parser& parser, absl::string_view bytes,
                     const ResponseContext* context = nullptr);

}  // namespace kith::http
