#include "source/tls/record_bio.h"

#include <openssl/bio.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <cstring>

namespace kith::tls {

// BIO_TYPE_SOURCE_SINK, with a number that no other BIO of the process needs to be told from.
const bio_method_st RecordBio::kMethod = {
    BIO_TYPE_SOURCE_SINK, "records", &OnWrite, &OnRead, nullptr, nullptr,
    &OnControl,           nullptr,   nullptr,  nullptr,
};

RecordBio::RecordBio(net::Stream& transport)
    : transport_(transport), saved_(transport.loop().blocks()) {}

bool RecordBio::Attach(SSL* ssl) {
  BIO* bio = BIO_new(&kMethod);
  if (bio == nullptr) return false;
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl, bio, bio);
  return true;
}

void RecordBio::SaveInput() {
  saved_.Append(input_);
  input_ = {};
}

size_t RecordBio::Read(absl::Span<uint8_t> out) {
  size_t copied = 0;
  while (copied < out.size() && available() > 0) {
    const absl::Span<const uint8_t> from = saved_.empty() ? input_ : saved_.Front();
    const size_t size = std::min(from.size(), out.size() - copied);
    std::memcpy(out.data() + copied, from.data(), size);
    copied += size;
    if (saved_.empty()) {
      input_.remove_prefix(size);
    } else {
      saved_.Consume(size);
    }
  }
  return copied;
}

int RecordBio::OnRead(BIO* bio, char* out, int size) noexcept {
  BIO_clear_retry_flags(bio);
  if (size <= 0) return 0;
  auto* self = static_cast<RecordBio*>(BIO_get_data(bio));
  const size_t copied =
      self->Read(absl::MakeSpan(reinterpret_cast<uint8_t*>(out), static_cast<size_t>(size)));
  if (copied > 0) return static_cast<int>(copied);
  BIO_set_retry_read(bio);
  return -1;
}

int RecordBio::OnWrite(BIO* bio, const char* bytes, int size) noexcept {
  BIO_clear_retry_flags(bio);
  if (size <= 0) return 0;
  auto* self = static_cast<RecordBio*>(BIO_get_data(bio));
  self->transport_.Write(
      absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(bytes), static_cast<size_t>(size)));
  return size;
}

// NOLINTNEXTLINE(google-runtime-int): BoringSSL's type.
long RecordBio::OnControl(BIO*, int command, long, void*) noexcept {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

}  // namespace kith::tls
