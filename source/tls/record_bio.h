// What BoringSSL reads records from and writes them to: in, the bytes the transport has just
// delivered, read where they are; out, the transport's own output.
// Threads: the transport's loop. Owns: input that was left unread when its buffer went back, in
// blocks of the loop's pool; the SSL owns the BIO, which borrows this. For tls/ only.
// Errors: none; no input is "try again" to BoringSSL, and output is never refused.
#pragma once

#include <openssl/base.h>

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "source/base/byte_chain.h"
#include "source/net/stream.h"

namespace kith::tls {

class RecordBio {
 public:
  explicit RecordBio(net::Stream& transport);
  RecordBio(const RecordBio&) = delete;
  RecordBio& operator=(const RecordBio&) = delete;

  // False when there is no memory for it.
  bool Attach(SSL* ssl);

  // `input` stays valid until SaveInput().
  void SetInput(absl::Span<const uint8_t> input) { input_ = input; }
  // Keeps what was not read of it.
  void SaveInput();
  size_t available() const { return saved_.size() + input_.size(); }

 private:
  static int OnWrite(BIO* bio, const char* bytes, int size) noexcept;
  static int OnRead(BIO* bio, char* out, int size) noexcept;
  static long OnControl(BIO* bio, int command, long, void*) noexcept;  // NOLINT: BoringSSL's type.
  static const bio_method_st kMethod;

  size_t Read(absl::Span<uint8_t> out);

  net::Stream& transport_;
  base::ByteChain saved_;  // Came before input_.
  absl::Span<const uint8_t> input_;
};

}  // namespace kith::tls
