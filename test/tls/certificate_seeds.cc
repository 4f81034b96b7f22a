// Makes the seeds of certificate_fuzz anew: writes them into the folder given, and prints the root
// that belongs into certificate_fuzz.cc. Its key is forgotten, so all of them change together.
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "test/support/temporary_ca.h"
#include "test/tls/mesh.h"

namespace {

using kith::test::CertificateOptions;
using kith::test::Credential;

void Write(const std::string& path, const std::vector<Credential>& chain) {
  std::ofstream file(path, std::ios::binary);
  for (const Credential& credential : chain) {
    const std::string& der = credential.certificate_der;
    file.put(static_cast<char>(der.size() >> 8));
    file.put(static_cast<char>(der.size() & 0xff));
    file << der;
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: certificate_seeds FOLDER\n");
    return 2;
  }
  const std::string folder = std::string(argv[1]) + "/";
  const kith::tls::Mesh mesh("fuzz");
  const kith::test::TemporaryCa& ca = mesh.ca;
  const std::string id = kith::tls::kBackend;
  const Credential one = ca.SignedBy(ca.root(), kith::test::CaCertificate("one"));
  const Credential two = ca.SignedBy(one, kith::test::CaCertificate("two"));
  CertificateOptions is_ca = kith::test::CaCertificate("a CA");
  is_ca.uri_sans = {id};
  const absl::Time now = mesh.clock.Now();

  Write(folder + "good", {ca.Leaf(id)});
  Write(folder + "below_intermediates", {ca.SignedBy(two, {.uri_sans = {id}}), two, one});
  Write(folder + "with_root", {ca.SignedBy(one, {.uri_sans = {id}}), one, ca.root()});
  Write(folder + "rsa", {ca.Leaf({.uri_sans = {id}, .key_type = kith::test::KeyType::kRsa2048})});
  Write(folder + "ed25519",
        {ca.Leaf({.uri_sans = {id}, .key_type = kith::test::KeyType::kEd25519})});
  Write(folder + "other_names", {ca.Leaf({.uri_sans = {id},
                                          .dns_sans = {"backend.shop.svc"},
                                          .email_sans = {"a@b.example"},
                                          .ip_sans = {std::string("\x0a\0\0\x01", 4)},
                                          .common_name = "backend"})});
  Write(folder + "two_uris", {ca.Leaf({.uri_sans = {id, id}})});
  Write(folder + "no_names", {ca.Leaf(CertificateOptions{})});
  Write(folder + "nul", {ca.Leaf({.uri_sans = {id + std::string("\0x", 2)}})});
  Write(folder + "ca", {ca.Leaf(is_ca)});
  Write(folder + "no_usages",
        {ca.Leaf({.uri_sans = {id}, .key_usage = {}, .extended_key_usage = {}})});
  Write(folder + "no_constraints", {ca.Leaf({.uri_sans = {id}, .basic_constraints = false})});
  Write(folder + "expired", {ca.Leaf({.uri_sans = {id}, .not_after = now - absl::Hours(1)})});
  Write(folder + "critical", {ca.Leaf({.uri_sans = {id}, .unknown_critical_extension = true})});
  Write(folder + "self_signed", {ca.SelfSigned({.uri_sans = {id}})});
  Write(folder + "signed_by_leaf",
        {ca.SignedBy(ca.Leaf(id), {.uri_sans = {"spiffe://cluster.local/ns/a/sa/evil"}}),
         ca.Leaf(id)});
  std::printf("%s", ca.root_pem().c_str());
}
