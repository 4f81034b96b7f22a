// An HTTP authorizer's question and answer: the request it is asked with has the method, path and
// chosen headers of the one it is about; its status decides.
// Threads: any; pure. Owns: nothing.
// Errors: an answer that is none is a Verdict of kFailed.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "source/extauthz/provider.h"
#include "source/extauthz/verdict.h"

namespace kith::extauthz {

// Whether one of `patterns` ("name", "prefix*", "*suffix") means a header of this name.
bool MatchesAny(absl::Span<const std::string> patterns, absl::string_view name);

// The headers to ask with, beside Host; they point into the question and the provider.
std::vector<http::Header> CheckHeaders(const Provider& provider, const Question& question);

// What the request may not bring along past this authorizer: headers that it could have set and was
// not shown, however they are spelled.
std::vector<absl::string_view> Forgeable(const Provider& provider,
                                         absl::Span<const http::Header> headers);

Verdict ReadAnswer(const Provider& provider, int status, const TextHeaders& headers,
                   std::string body);

}  // namespace kith::extauthz
