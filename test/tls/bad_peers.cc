#include "test/tls/bad_peers.h"

#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"

namespace kith::tls {
namespace {

using telemetry::Reason;
using test::CertificateOptions;
using test::Credential;
using test::ExtendedKeyUsage;
using test::KeyType;
using test::KeyUsage;

// What is done to an otherwise good leaf.
struct Fault {
  absl::string_view what;
  Reason reason;
  std::function<void(CertificateOptions&)> spoil;
};

const std::string& With(std::string& scratch, absl::string_view id, absl::string_view more) {
  scratch = absl::StrCat(id, more);
  return scratch;
}

std::vector<Fault> LeafFaults(absl::Time now) {
  const auto id = [](const std::function<std::string(const std::string&)>& change) {
    return [change](CertificateOptions& leaf) { leaf.uri_sans[0] = change(leaf.uri_sans[0]); };
  };
  const std::string nul("\0", 1);
  return {
      {"no URI name", Reason::kBadSpiffeId, [](auto& leaf) { leaf.uri_sans = {}; }},
      {"only a DNS name", Reason::kBadSpiffeId,
       [](auto& leaf) {
         leaf.uri_sans = {};
         leaf.dns_sans = {"backend"};
       }},
      {"two URI names", Reason::kBadSpiffeId,
       [](auto& leaf) { leaf.uri_sans.push_back(leaf.uri_sans[0] + "2"); }},
      {"the same URI name twice", Reason::kBadSpiffeId,
       [](auto& leaf) { leaf.uri_sans.push_back(leaf.uri_sans[0]); }},
      {"NUL at the end of the name", Reason::kBadSpiffeId,
       id([nul](const std::string& name) { return name + nul; })},
      {"NUL and more", Reason::kBadSpiffeId,
       id([nul](const std::string& name) { return name + nul + ".evil"; })},
      {"another scheme", Reason::kBadSpiffeId,
       id([](const std::string& name) { return "https" + name.substr(6); })},
      {"a query", Reason::kBadSpiffeId, id([](const std::string& name) { return name + "?a=b"; })},
      {"a fragment", Reason::kBadSpiffeId, id([](const std::string& name) { return name + "#a"; })},
      {"a port", Reason::kBadSpiffeId,
       id([](const std::string&) { return "spiffe://cluster.local:1/ns/shop/sa/backend"; })},
      {"a user", Reason::kBadSpiffeId,
       id([](const std::string&) { return "spiffe://me@cluster.local/ns/shop/sa/backend"; })},
      {"a slash at the end", Reason::kBadSpiffeId,
       id([](const std::string& name) { return name + "/"; })},
      {"dots as a segment", Reason::kBadSpiffeId,
       id([](const std::string& name) { return name + "/../backend"; })},
      {"a percent sign", Reason::kBadSpiffeId,
       id([](const std::string& name) { return name + "%20"; })},
      {"no path", Reason::kBadSpiffeId,
       id([](const std::string&) { return "spiffe://cluster.local"; })},
      {"bytes above ASCII", Reason::kBadSpiffeId,
       id([](const std::string& name) { return name + "\xc3\xa4"; })},
      {"a line break", Reason::kBadSpiffeId,
       id([](const std::string& name) { return name + "\nadmin"; })},
      {"another trust domain", Reason::kForeignTrustDomain,
       id([](const std::string& name) { return "spiffe://other.example" + name.substr(22); })},
      {"a trust domain that begins like ours", Reason::kForeignTrustDomain,
       id([](const std::string& name) { return "spiffe://cluster.local.evil" + name.substr(22); })},
      {"expired", Reason::kCertificateExpired,
       [now](auto& leaf) { leaf.not_after = now - absl::Seconds(1); }},
      {"expired long ago", Reason::kCertificateExpired,
       [now](auto& leaf) {
         leaf.not_before = now - absl::Hours(1000);
         leaf.not_after = now - absl::Hours(900);
       }},
      {"not yet valid", Reason::kCertificateNotYetValid,
       [now](auto& leaf) { leaf.not_before = now + absl::Seconds(1); }},
      {"valid next year", Reason::kCertificateNotYetValid,
       [now](auto& leaf) {
         leaf.not_before = now + absl::Hours(8760);
         leaf.not_after = now + absl::Hours(9000);
       }},
      {"a CA as leaf", Reason::kCertificatePurpose, [](auto& leaf) { leaf.ca = true; }},
      {"a CA's usages too", Reason::kCertificatePurpose,
       [](auto& leaf) {
         leaf.key_usage = {KeyUsage::kDigitalSignature, KeyUsage::kKeyCertSign};
       }},
      {"the usage to sign revocation lists", Reason::kCertificatePurpose,
       [](auto& leaf) {
         leaf.key_usage = {KeyUsage::kDigitalSignature, KeyUsage::kCrlSign};
       }},
      {"no key usage", Reason::kCertificatePurpose, [](auto& leaf) { leaf.key_usage = {}; }},
      {"for signing code", Reason::kCertificatePurpose,
       [](auto& leaf) { leaf.extended_key_usage = {ExtendedKeyUsage::kCodeSigning}; }},
      {"for servers only", Reason::kCertificatePurpose,
       [](auto& leaf) { leaf.extended_key_usage = {ExtendedKeyUsage::kServerAuth}; }},
      {"for clients only", Reason::kCertificatePurpose,
       [](auto& leaf) { leaf.extended_key_usage = {ExtendedKeyUsage::kClientAuth}; }},
      {"an unknown critical extension", Reason::kBadCertificate,
       [](auto& leaf) { leaf.unknown_critical_extension = true; }},
      {"a wrong signature", Reason::kBadCertificate,
       [](auto& leaf) { leaf.corrupt_signature = true; }},
  };
}

struct Issuers {
  explicit Issuers(const Mesh& mesh)
      : root(mesh.ca.root()),
        below(mesh.ca.SignedBy(root, test::CaCertificate("below"))),
        other({.now = mesh.clock.Now(), .name = "other"}),
        impostor({.now = mesh.clock.Now(), .name = "ours"}) {}
  Credential root;
  Credential below;
  test::TemporaryCa other;
  test::TemporaryCa impostor;  // Of our CA's name, with another key.
};

}  // namespace

std::vector<BadPeer> BadPeers(const Mesh& mesh, const std::string& good) {
  const absl::Time now = mesh.clock.Now();
  const Issuers issuers(mesh);
  const std::pair<absl::string_view, std::string> keys[] = {
      {"P-256", test::MakeKeyPem(KeyType::kP256)},
      {"P-384", test::MakeKeyPem(KeyType::kP384)},
      {"Ed25519", test::MakeKeyPem(KeyType::kEd25519)},
      {"RSA-2048", test::MakeKeyPem(KeyType::kRsa2048)},
  };
  const std::string weak_rsa = test::MakeKeyPem(KeyType::kRsa1024);
  const std::string weak_curve = test::MakeKeyPem(KeyType::kP224);
  std::vector<BadPeer> bad;
  const auto add = [&bad](std::string what, std::vector<Credential> chain, Reason reason) {
    BadPeer peer{std::move(what), {}, chain[0].key_pem, reason};
    for (const Credential& each : chain) peer.chain.push_back(each.certificate_der);
    bad.push_back(std::move(peer));
  };

  std::string scratch;
  for (const auto& [key_name, key] : keys) {
    CertificateOptions sound;
    sound.uri_sans = {good};
    sound.key_pem = key;
    for (const Fault& fault : LeafFaults(now)) {
      CertificateOptions leaf = sound;
      fault.spoil(leaf);
      for (const absl::string_view subject : {"", "backend", "admin", "partner"}) {
        leaf.common_name = std::string(subject);
        const std::string what = absl::StrCat(fault.what, ", ", key_name, ", CN=", subject);
        add(absl::StrCat(what, ", of the root"), {mesh.ca.Leaf(leaf)}, fault.reason);
        add(absl::StrCat(what, ", of an intermediate"),
            {mesh.ca.SignedBy(issuers.below, leaf), issuers.below}, fault.reason);
      }
    }

    // The issuer's fault.
    const auto below = [&](absl::string_view what, Reason reason,
                           const std::function<void(CertificateOptions&)>& spoil) {
      CertificateOptions ca = test::CaCertificate("spoilt");
      spoil(ca);
      const Credential issuer = mesh.ca.SignedBy(issuers.root, ca);
      add(With(scratch, what, key_name), {mesh.ca.SignedBy(issuer, sound), issuer}, reason);
    };
    below("an expired issuer, ", Reason::kCertificateExpired,
          [&](auto& ca) { ca.not_after = now - absl::Seconds(1); });
    below("an issuer of the future, ", Reason::kCertificateNotYetValid,
          [&](auto& ca) { ca.not_before = now + absl::Seconds(1); });
    below("an issuer that is no CA, ", Reason::kCertificatePurpose,
          [](auto& ca) { ca.ca = false; });
    below("an issuer without keyCertSign, ", Reason::kUnknownRoot,
          [](auto& ca) { ca.key_usage = {KeyUsage::kDigitalSignature}; });
    below("an issuer for code, ", Reason::kCertificatePurpose,
          [](auto& ca) { ca.extended_key_usage = {ExtendedKeyUsage::kCodeSigning}; });
    below("an issuer with a weak key, ", Reason::kWeakKey,
          [&](auto& ca) { ca.key_pem = weak_rsa; });
    below("an issuer with an unknown critical extension, ", Reason::kBadCertificate,
          [](auto& ca) { ca.unknown_critical_extension = true; });
    {
      CertificateOptions last = test::CaCertificate("last");
      last.path_length = 0;
      const Credential above = mesh.ca.SignedBy(issuers.root, last);
      const Credential issuer = mesh.ca.SignedBy(above, test::CaCertificate("one too many"));
      add(With(scratch, "a path too long, ", key_name),
          {mesh.ca.SignedBy(issuer, sound), issuer, above}, Reason::kCertificatePurpose);
    }
    {
      Credential issuer = issuers.root;
      std::vector<Credential> chain;
      for (int i = 0; i < 6; ++i) {
        issuer = mesh.ca.SignedBy(issuer, test::CaCertificate(absl::StrCat("ca ", i)));
        chain.insert(chain.begin(), issuer);
      }
      chain.insert(chain.begin(), mesh.ca.SignedBy(issuer, sound));
      add(With(scratch, "six intermediates, ", key_name), chain, Reason::kChainTooLong);
    }

    // Nobody of ours signed it.
    add(With(scratch, "another root, ", key_name), {issuers.other.Leaf(sound)},
        Reason::kUnknownRoot);
    add(With(scratch, "another root, sent along, ", key_name),
        {issuers.other.Leaf(sound), issuers.other.root()}, Reason::kUnknownRoot);
    add(With(scratch, "another CA of our name, ", key_name), {issuers.impostor.Leaf(sound)},
        Reason::kUnknownRoot);
    add(With(scratch, "self-signed, ", key_name), {mesh.ca.SelfSigned(sound)},
        Reason::kUnknownRoot);
    add(With(scratch, "its intermediate missing, ", key_name),
        {mesh.ca.SignedBy(issuers.below, sound)}, Reason::kUnknownRoot);
    add(With(scratch, "signed by a leaf, ", key_name),
        {mesh.ca.SignedBy(mesh.ca.Leaf(sound), sound), mesh.ca.Leaf(sound)},
        Reason::kBadCertificate);
    bad.back().reason = Reason::kNone;

    // Bytes that are no certificate: the leaf's own end, and cuts of its issuer.
    const Credential leaf = mesh.ca.SignedBy(issuers.below, sound);
    const std::string& issuer_der = issuers.below.certificate_der;
    for (size_t cut = 1; cut <= 12; ++cut) {
      BadPeer peer{absl::StrCat("an issuer cut after ", cut, "/13, ", key_name),
                   {leaf.certificate_der, issuer_der.substr(0, issuer_der.size() * cut / 13)},
                   leaf.key_pem,
                   Reason::kBadCertificate};
      bad.push_back(peer);
      peer.what = absl::StrCat("a byte changed ", cut, " from the end, ", key_name);
      peer.chain = {leaf.certificate_der, issuer_der};
      char& byte = peer.chain[0][peer.chain[0].size() - cut];
      byte = static_cast<char>(byte ^ 0x21);
      peer.reason = Reason::kNone;
      bad.push_back(std::move(peer));
    }
  }
  for (const std::string& weak : {weak_rsa, weak_curve}) {
    CertificateOptions leaf;
    leaf.uri_sans = {good};
    leaf.key_pem = weak;
    if (weak == weak_rsa) add("a key of 1024 bits", {mesh.ca.Leaf(leaf)}, Reason::kWeakKey);
  }
  return bad;
}

}  // namespace kith::tls
