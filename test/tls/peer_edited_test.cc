// Certificates that TemporaryCa does not make: edited, and signed again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <functional>
#include <string>

#include "source/tls/pem.h"
#include "test/tls/verify_peer_fixture.h"

namespace kith::tls {
namespace {

using telemetry::Reason;
using test::Credential;
using test::TemporaryCa;

using VerifyEditedPeerTest = VerifyPeerTest;

// `credential` changed by `edit` and signed again by the issuer's key.
Credential Edited(const Credential& credential, const Credential& issuer,
                  const std::function<void(X509*)>& edit, const EVP_MD* digest = EVP_sha256()) {
  const auto* der = reinterpret_cast<const uint8_t*>(credential.certificate_der.data());
  bssl::UniquePtr<X509> certificate(
      d2i_X509(nullptr, &der, static_cast<long>(credential.certificate_der.size())));
  edit(certificate.get());
  auto key = PrivateKey::FromPem(issuer.key_pem);
  EXPECT_GT(X509_sign(certificate.get(), (*key)->get(), digest), 0);
  uint8_t* out = nullptr;
  const int size = i2d_X509(certificate.get(), &out);
  bssl::UniquePtr<uint8_t> free_out(out);
  Credential edited = credential;
  edited.certificate_der.assign(reinterpret_cast<char*>(out), static_cast<size_t>(size));
  edited.certificate_pem = ToPem(*certificate);
  return edited;
}

void RemoveExtension(X509* certificate, int nid) {
  const int at = X509_get_ext_by_NID(certificate, nid, -1);
  ASSERT_GE(at, 0);
  X509_EXTENSION_free(X509_delete_ext(certificate, at));
}

struct Constraint {
  enum List { kPermitted, kExcluded };
  List list;
  int type;  // GEN_URI and so on.
  std::string base;
  int critical = 1;
};

void AddConstraint(X509* certificate, const Constraint& constraint) {
  bssl::UniquePtr<NAME_CONSTRAINTS> constraints(NAME_CONSTRAINTS_new());
  auto& list = constraint.list == Constraint::kPermitted ? constraints->permittedSubtrees
                                                         : constraints->excludedSubtrees;
  GENERAL_SUBTREE* subtree = GENERAL_SUBTREE_new();
  ASN1_STRING* base =
      ASN1_STRING_type_new(constraint.type == GEN_IPADD ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);
  ASN1_STRING_set(base, constraint.base.data(), static_cast<int>(constraint.base.size()));
  GENERAL_NAME_set0_value(subtree->base, constraint.type, base);
  list = sk_GENERAL_SUBTREE_new_null();
  sk_GENERAL_SUBTREE_push(list, subtree);
  ASSERT_EQ(X509_add1_ext_i2d(certificate, NID_name_constraints, constraints.get(),
                              constraint.critical, X509V3_ADD_APPEND),
            1);
}

TEST_F(VerifyEditedPeerTest, FindsTheRightOneOfTwoRootsOfOneNameWithoutKeyIds) {
  const TemporaryCa next({.now = kNow, .name = "ours"});
  TrustOnly(ca_.root_pem() + next.root_pem());
  const TemporaryCa* const signers[] = {&ca_, &next};
  for (const TemporaryCa* signer : signers) {
    const Credential leaf = Edited(signer->Leaf(kId), signer->root(), [](X509* certificate) {
      RemoveExtension(certificate, NID_authority_key_identifier);
    });
    const PeerVerdict verdict = Verify({leaf});
    EXPECT_TRUE(verdict.status.ok()) << verdict.status;
  }
}

TEST_F(VerifyEditedPeerTest, CallsAnotherCaOfOurRootsNameUnknown) {
  const TemporaryCa other({.now = kNow, .name = "ours"});
  const Credential leaf = Edited(other.Leaf(kId), other.root(), [](X509* certificate) {
    RemoveExtension(certificate, NID_authority_key_identifier);
  });
  ExpectRefused(Verify({leaf}), Reason::kUnknownRoot, "key id not given", SSL_AD_UNKNOWN_CA);
}

TEST_F(VerifyEditedPeerTest, HonoursUriNameConstraints) {
  const std::string ten_slash_eight("\x0a\x00\x00\x00\xff\x00\x00\x00", 8);
  const struct {
    absl::string_view what;
    Constraint constraint;
    bool allowed;
  } kCases[] = {
      {"its domain", {Constraint::kPermitted, GEN_URI, "cluster.local"}, true},
      {"another", {Constraint::kPermitted, GEN_URI, "other.example"}, false},
      {"another, as suffix", {Constraint::kPermitted, GEN_URI, ".local"}, true},
      {"all but its domain", {Constraint::kExcluded, GEN_URI, "cluster.local"}, false},
      {"the same, not critical", {Constraint::kExcluded, GEN_URI, "cluster.local", 0}, false},
      {"all but another", {Constraint::kExcluded, GEN_URI, "other.example"}, true},
      {"names it does not have", {Constraint::kPermitted, GEN_DNS, "other.example"}, true},
      {"addresses, which it does not have",
       {Constraint::kPermitted, GEN_IPADD, ten_slash_eight},
       true},
  };
  const Credential issuer = ca_.SignedBy(ca_.root(), test::CaCertificate("constrained"));
  const Credential leaf = ca_.SignedBy(issuer, {.uri_sans = {kId}});
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.what);
    const Credential constrained = Edited(
        issuer, ca_.root(), [&](X509* certificate) { AddConstraint(certificate, c.constraint); });
    const PeerVerdict verdict = Verify({leaf, constrained});
    EXPECT_EQ(verdict.status.ok(), c.allowed) << verdict.status;
    EXPECT_EQ(verdict.reason, c.allowed ? Reason::kNone : Reason::kCertificatePurpose);
  }
}

TEST_F(VerifyEditedPeerTest, RefusesConstraintsItCannotMatch) {
  const Credential issuer = ca_.SignedBy(ca_.root(), test::CaCertificate("constrained"));
  const Credential constrained = Edited(issuer, ca_.root(), [](X509* certificate) {
    AddConstraint(certificate, {Constraint::kPermitted, GEN_IPADD,
                                std::string("\x0a\x00\x00\x00\xff\x00\x00\x00", 8)});
  });
  const Credential leaf =
      ca_.SignedBy(issuer, {.uri_sans = {kId}, .ip_sans = {std::string("\x0a\x00\x00\x01", 4)}});
  ExpectRefused(Verify({leaf, constrained}), Reason::kCertificatePurpose, "constraint",
                SSL_AD_UNSUPPORTED_CERTIFICATE);
}

TEST_F(VerifyEditedPeerTest, HonoursTheConstraintsOfARoot) {
  const Credential root = ca_.SelfSigned(test::CaCertificate("constrained"));
  const Credential constrained = Edited(root, root, [](X509* certificate) {
    AddConstraint(certificate, {Constraint::kPermitted, GEN_URI, "other.example"});
  });
  TrustOnly(constrained.certificate_pem);
  ExpectRefused(Verify({ca_.SignedBy(root, {.uri_sans = {kId}})}), Reason::kCertificatePurpose,
                "its certificate: permitted subtree violation", SSL_AD_UNSUPPORTED_CERTIFICATE);
}

TEST_F(VerifyEditedPeerTest, RefusesSha1Signatures) {
  const Credential leaf = Edited(
      ca_.Leaf(kId), ca_.root(), [](X509*) {}, EVP_sha1());
  ExpectRefused(Verify({leaf}), Reason::kWeakKey, "its certificate: it is signed with ",
                SSL_AD_BAD_CERTIFICATE);
}

TEST_F(VerifyEditedPeerTest, RefusesASecondSanExtension) {
  const Credential leaf = Edited(ca_.Leaf(kId), ca_.root(), [](X509* certificate) {
    const int at = X509_get_ext_by_NID(certificate, NID_subject_alt_name, -1);
    ASSERT_EQ(X509_add_ext(certificate, X509_get_ext(certificate, at), -1), 1);
  });
  const PeerVerdict verdict = Verify({leaf});
  EXPECT_FALSE(verdict.status.ok());
  EXPECT_FALSE(verdict.peer.has_value());
}

}  // namespace
}  // namespace kith::tls
