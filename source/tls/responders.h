// The OCSP responders that the certificates of peers outside the mesh name. A handshake that lacks
// a word on its peer's leaf asks here and waits, without holding up anything else.
// Threads: any. Owns: see the implementation (identity/peer_responders.h).
// Errors: none: an answer without a response says why there is none.
#pragma once

#include <openssl/base.h>

#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/types/optional.h"

namespace kith::event {
class Loop;
}

namespace kith::tls {

struct VerifiedLeaf;

class Responders {
 public:
  struct Question {
    std::string url;
    std::string request;  // DER.
    // What the answer must be about, and who may give it.
    std::shared_ptr<CRYPTO_BUFFER> leaf;
    std::shared_ptr<CRYPTO_BUFFER> issuer;
  };
  // None where the leaf names no responder that could be asked.
  static absl::optional<Question> QuestionAbout(const VerifiedLeaf& leaf);

  struct Answer {
    std::string response;  // DER, for whoever uses it to verify. Empty: there is none.
    std::string failure;   // Then: why.
  };
  using Done = absl::AnyInvocable<void(std::shared_ptr<const Answer>)>;

  // Destroying it, on the loop's thread, abandons the question; `done` never fires after.
  class Waiting {
   public:
    virtual ~Waiting() = default;
  };

  virtual ~Responders() = default;
  // What is remembered; null: it must be asked for.
  virtual std::shared_ptr<const Answer> Find(const Question& question) = 0;
  // `done` is called once on `loop`, never before this returns, within a bounded time; inside it
  // the Waiting may be destroyed.
  virtual std::unique_ptr<Waiting> Ask(const Question& question, event::Loop& loop, Done done) = 0;
};

}  // namespace kith::tls
