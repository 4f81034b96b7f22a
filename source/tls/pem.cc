#include "source/tls/pem.h"

#include <openssl/bio.h>
#include <openssl/bytestring.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pool.h>
#include <openssl/x509.h>

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace kith::tls {
namespace {

struct Block {
  bssl::UniquePtr<char> name;
  bssl::UniquePtr<char> header;
  bssl::UniquePtr<uint8_t> bytes;
  long size = 0;  // NOLINT(google-runtime-int): PEM_read_bio's type.
};

// False at the end of the input; `block.bytes` is null when what is there is malformed.
bool ReadBlock(BIO* in, Block& block) {
  char* name = nullptr;
  char* header = nullptr;
  uint8_t* bytes = nullptr;
  const bool read = PEM_read_bio(in, &name, &header, &bytes, &block.size) == 1;
  const uint32_t error = ERR_peek_last_error();
  ERR_clear_error();
  if (!read) {
    return ERR_GET_LIB(error) != ERR_LIB_PEM || ERR_GET_REASON(error) != PEM_R_NO_START_LINE;
  }
  block.name.reset(name);
  block.header.reset(header);
  block.bytes.reset(bytes);
  return true;
}

absl::StatusOr<bssl::UniquePtr<X509>> ReadCertificate(const Block& block) {
  if (block.bytes == nullptr) return absl::InvalidArgumentError("its PEM block is malformed");
  const absl::string_view name = block.name.get();
  if (name != PEM_STRING_X509 && name != PEM_STRING_X509_OLD) {
    return absl::InvalidArgumentError(absl::StrCat("found a block \"",
                                                   absl::CHexEscape(name.substr(0, 64)),
                                                   "\" where only certificates belong"));
  }
  bssl::UniquePtr<CRYPTO_BUFFER> der(
      CRYPTO_BUFFER_new(block.bytes.get(), static_cast<size_t>(block.size), nullptr));
  bssl::UniquePtr<X509> certificate(der == nullptr ? nullptr : X509_parse_from_buffer(der.get()));
  ERR_clear_error();
  if (certificate == nullptr) return absl::InvalidArgumentError("it is no X.509 certificate");
  return certificate;
}

}  // namespace

absl::StatusOr<std::vector<bssl::UniquePtr<X509>>> ParseCertificates(absl::string_view pem,
                                                                     const PemLimits& limits) {
  if (pem.size() > limits.bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("it has ", pem.size(), " bytes, more than ", limits.bytes));
  }
  bssl::UniquePtr<BIO> in(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  if (in == nullptr) return absl::ResourceExhaustedError("no memory to read certificates");
  std::vector<bssl::UniquePtr<X509>> certificates;
  for (Block block; ReadBlock(in.get(), block); block = Block()) {
    if (certificates.size() == limits.certificates) {
      return absl::InvalidArgumentError(
          absl::StrCat("it has more than ", limits.certificates, " certificates"));
    }
    absl::StatusOr<bssl::UniquePtr<X509>> certificate = ReadCertificate(block);
    if (!certificate.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("certificate ", certificates.size() + 1, ": ",
                                                     certificate.status().message()));
    }
    certificates.push_back(*std::move(certificate));
  }
  if (certificates.empty()) {
    return absl::InvalidArgumentError("it holds no certificate (-----BEGIN CERTIFICATE-----)");
  }
  return certificates;
}

std::string ToPem(const X509& certificate) {
  bssl::UniquePtr<BIO> out(BIO_new(BIO_s_mem()));
  const uint8_t* bytes = nullptr;
  size_t size = 0;
  if (out == nullptr || PEM_write_bio_X509(out.get(), const_cast<X509*>(&certificate)) != 1 ||
      BIO_mem_contents(out.get(), &bytes, &size) != 1) {
    ERR_clear_error();
    return "";
  }
  return std::string(reinterpret_cast<const char*>(bytes), size);
}

}  // namespace kith::tls
