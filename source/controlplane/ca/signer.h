// What the certificate authority signs with: its certificate and key, the chain up to the root, and
// the roots that sidecars are to trust. Made on first start or brought by the user.
// Threads: immutable once made. Owns: keys and certificates.
// Errors: FAILED_PRECONDITION that names the file and the remedy.
#pragma once

#include <openssl/base.h>
#include <openssl/x509.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "source/controlplane/ca/state_directory.h"
#include "source/x509/certificate_builder.h"
#include "source/x509/key_type.h"

namespace kith::controlplane {

struct Signer {
  bssl::UniquePtr<X509> certificate;
  x509::Issuer issuer;
  std::string key_type;
  // Between leaf and root, the signing certificate first, one PEM each; empty when it is the root.
  std::vector<std::string> intermediates_pem;
  std::vector<bssl::UniquePtr<X509>> intermediates;
  std::string roots_pem;
  std::vector<bssl::UniquePtr<X509>> roots;
  // Of the root it leads to, as certificates name it: lower-case hex, empty when it has none.
  std::string root_key_id;
  // When every certificate above a leaf is valid.
  absl::Time not_before;
  absl::Time not_after;
  std::string source;  // For messages: the file that holds the certificate.
};

constexpr char kRootCertificateFile[] = "root-cert.pem";
constexpr char kRootKeyFile[] = "root-key.pem";

// The root in `state`, made when neither of its files is there. The key is on the disk before the
// certificate, so a crash between the two leaves a key that nobody trusts yet and that is used at
// the next start.
absl::StatusOr<Signer> LoadOrCreateRoot(const StateDirectory& state, x509::KeyType key_type,
                                        const std::string& trust_domain, absl::Duration lifetime,
                                        absl::Duration backdate, absl::Time now);

// A root and its key, or an intermediate, what is above it, and its root.
struct RootPem {
  std::string certificate;  // The signing certificate first.
  std::string key;          // Secret.
  std::string roots;
};
absl::StatusOr<RootPem> MakeRoot(x509::KeyType key_type, const std::string& trust_domain,
                                 absl::Duration lifetime, absl::Duration backdate, absl::Time now);

struct SignerFiles {
  std::string certificate;
  std::string key;
  std::string roots;
};
absl::StatusOr<Signer> LoadSigner(const SignerFiles& files, absl::Time now);

// An intermediate with a new key, signed by `root`, as what signs leaves from here on. It lives no
// longer than its root.
absl::StatusOr<Signer> MakeIntermediate(const Signer& root, x509::KeyType key_type,
                                        const std::string& trust_domain, absl::Duration lifetime,
                                        absl::Duration backdate, absl::Time now);

// The key id of a CA certificate as those below name it and sidecars report it: lower-case hex,
// without leading zero bytes; empty when it has none.
std::string KeyIdText(const X509* certificate);

// Whether `leaf`, issued by `signer`, is what a peer would accept as client and as server.
absl::Status VerifyLeaf(const Signer& signer, X509* leaf, absl::Time now);

}  // namespace kith::controlplane
