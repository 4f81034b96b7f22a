// Whatever an authorizer answers: it is read or fails, and what it may do to a message stays sound.
#include "absl/strings/ascii.h"
#include "source/base/check.h"
#include "source/extauthz/grpc_check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kith::extauthz;
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto message = Unframe(bytes);
  const Verdict verdict = DecodeCheck(message.ok() ? *message : bytes);
  if (verdict.outcome == Verdict::Outcome::kFailed) {
    KITH_CHECK(!verdict.detail.empty(), "a failure says what failed");
    return 0;
  }
  for (const HeaderEdit& edit : verdict.edits) {
    KITH_CHECK(MayEdit(edit.name) && IsSoundValue(edit.value), "an edit is a sound header");
  }
  for (const auto& headers : {verdict.headers, verdict.response_headers}) {
    for (const auto& [name, value] : headers) {
      KITH_CHECK(MayEdit(name) && IsSoundValue(value), "an answer's header is sound");
    }
  }
  for (const std::string& name : verdict.removed) {
    KITH_CHECK(MayEdit(name), "what is removed is a header's name");
  }
  KITH_CHECK(verdict.status >= 200 && verdict.status < 600, "a status is one");
  return 0;
}
