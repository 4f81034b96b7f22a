#include "source/tls/ocsp_check.h"

#include <openssl/ssl.h>

#include "absl/strings/str_cat.h"
#include "source/tls/ocsp_word.h"

namespace kith::tls {
namespace {

using Says = OcspWord::Says;

// As the peer sent it in this handshake; empty when it did not.
absl::string_view StapleOf(const SSL* ssl) {
  const uint8_t* bytes = nullptr;
  size_t size = 0;
  SSL_get0_ocsp_response(ssl, &bytes, &size);
  return {reinterpret_cast<const char*>(bytes), size};
}

OcspWord WordOf(const Responders::Answer& answer, const VerifiedLeaf& leaf, absl::Time now) {
  constexpr absl::string_view kOrigin = "the response of its OCSP responder";
  if (answer.response.empty()) {
    return {Says::kNothing, absl::StrCat("its OCSP responder: ", answer.failure)};
  }
  return ReadOcspWord(answer.response, kOrigin, leaf, now);
}

}  // namespace

OcspStep CheckOcsp(const SSL* ssl, const TrustBundle& bundle, absl::Time now,
                   const PeerRules& rules, Responders* responders, HandshakeState& state) {
  const VerifiedLeaf leaf = LeafToJudge(state.verdict, rules);
  const absl::string_view staple = StapleOf(ssl);
  if (staple.empty() && responders == nullptr) return OcspStep::kJudged;
  OcspWord word = ReadOcspWord(staple, "the OCSP response that it staples", leaf, now);
  if (word.says == Says::kNothing && responders != nullptr && IsUnlisted(leaf, bundle, now)) {
    if (state.answer == nullptr) {
      state.question = Responders::QuestionAbout(leaf);
      if (state.question) state.answer = responders->Find(*state.question);
      if (state.question && state.answer == nullptr) return OcspStep::kWait;
    }
    if (state.answer != nullptr) word = WordOf(*state.answer, leaf, now);
  }
  ApplyOcspWord(word, bundle, now, rules, state.verdict);
  return OcspStep::kJudged;
}

}  // namespace kith::tls
