// Answers a sidecar gives itself: what a client is told when its request goes nowhere. The status
// says it all; reasons and details are for logs.
// Threads: any. Owns: nothing. Errors: none.
#pragma once

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"
#include "source/proxy/reply.h"
#include "source/telemetry/reason.h"

namespace kith::proxy {

// 502, 503 or 504, by what kept the request from its upstream.
int StatusOf(telemetry::Reason reason);

// What its body says.
absl::string_view AnswerText(int status);

struct LocalAnswer {
  enum class Body : uint8_t { kSent, kNotSent };  // To HEAD only its length is told.
  int status = 503;
  bool close = false;  // Says that the connection ends with it.
  Body body = Body::kSent;
  const Reply* reply = nullptr;  // Null: what the status says.
};

// Appends the whole answer; returns how long its body is.
size_t AppendAnswer(const LocalAnswer& answer, std::string& out);

}  // namespace kith::proxy
