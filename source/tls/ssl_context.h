// What every SSL_CTX of ours has in common: versions, suites, groups and signatures within our
// bounds, no resumption, bounded peers' chains; and a certificate of our own.
// Threads: whoever makes the context. Owns: nothing. For tls/ only.
// Errors: false, with the reason in BoringSSL's queue.
#pragma once

#include <openssl/base.h>

#include <cstdint>
#include <string>

#include "absl/types/span.h"
#include "source/tls/credentials.h"

namespace kith::tls {

// `tls12_ciphers`: as SSL_CTX_set_strict_cipher_list() takes them.
bool SetProtocol(SSL_CTX* ssl_context, uint16_t min_version, const std::string& tls12_ciphers);

// Leaf first.
bool SetChainAndKey(SSL_CTX* ssl_context, absl::Span<X509* const> chain, const PrivateKey& key);

}  // namespace kith::tls
