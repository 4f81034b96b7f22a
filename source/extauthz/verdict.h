// What an external authorizer is asked, and what it answers, whatever protocol carries both.
// Threads: plain values. Owns: a Verdict its text; a Question borrows for the call. Errors: none.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "source/http/message.h"
#include "source/policy/request.h"

namespace kith::extauthz {

struct Question {
  // Whom and what it is about: its peer, addresses, SNI; of kHttp also method, target and host.
  // No token is verified by then, so there are no claims.
  const policy::Request* request = nullptr;
  absl::string_view own_principal;  // As a SPIFFE ID; empty on plaintext.
  absl::Time time;                  // When it came.
  // kHttp only.
  absl::string_view id;  // Its x-request-id.
  absl::Span<const http::Header> headers;
  http::Framing framing;
  // What the provider is shown of the body.
  enum class Shown : uint8_t { kNothing, kWhole, kBeginning };
  Shown shown = Shown::kNothing;
  absl::string_view body;
};

// Says to an authorizer that is shown bodies whether this one is cut: "true" or "false".
inline constexpr absl::string_view kPartialBody = "x-envoy-auth-partial-body";
inline absl::string_view IsPartial(const Question& question) {
  return question.shown == Question::Shown::kBeginning ? "true" : "false";
}

// What becomes of one header of the request before it goes on.
struct HeaderEdit {
  enum class Action : uint8_t {
    kOverwrite,          // The client's own lines of that name are gone.
    kAppend,             // A further line.
    kAddIfAbsent,        // Only where there is none.
    kOverwriteIfExists,  // Only where there is one.
  };
  std::string name;
  std::string value;
  Action action = Action::kOverwrite;
};

using TextHeaders = std::vector<std::pair<std::string, std::string>>;

struct Verdict {
  enum class Outcome : uint8_t {
    kAllowed,
    kDenied,
    kFailed,  // It could not be asked, or its answer makes no sense.
  };

  static Verdict Failed(std::string detail) {
    Verdict verdict;
    verdict.detail = std::move(detail);
    return verdict;
  }

  Outcome outcome = Outcome::kFailed;
  std::string detail;  // For logs.

  // kAllowed: of the request before it goes on, and of its response.
  std::vector<HeaderEdit> edits;
  std::vector<std::string> removed;
  TextHeaders response_headers;

  // kDenied: what the client gets.
  int status = 403;
  TextHeaders headers;
  std::string body;
};

// Whether an authorizer may set or remove it: a sound header's name that does not frame the message
// and is not the sidecar's own.
bool MayEdit(absl::string_view name);
// Whether it may stand in a header.
bool IsSoundValue(absl::string_view value);

}  // namespace kith::extauthz
