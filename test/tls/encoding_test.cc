#include "source/tls/encoding.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "test/support/temporary_ca.h"
#include "test/support/temporary_directory.h"

namespace kith::tls {
namespace {

using ::testing::HasSubstr;

constexpr char kId[] = "spiffe://cluster.local/ns/demo/sa/backend";

class EncodingTest : public ::testing::Test {
 protected:
  // By the openssl command, so that it is nobody's own idea of PKCS#12.
  std::string MakeContainer(const std::string& more) {
    directory_.Write("chain.pem", leaf_.chain_pem + ca_.root_pem());
    directory_.Write("key.pem", leaf_.key_pem);
    const std::string command =
        absl::StrCat("cd ", directory_.path(), " && openssl pkcs12 -export -in chain.pem -inkey ",
                     "key.pem -out out.p12 -passout pass:secret ", more, " 2>/dev/null");
    EXPECT_EQ(std::system(command.c_str()), 0) << command;
    return directory_.Read("out.p12");
  }

  test::TemporaryDirectory directory_;
  test::TemporaryCa ca_{{.intermediate = true}};
  test::Credential leaf_ = ca_.Leaf(kId);
};

TEST_F(EncodingTest, TurnsChainsIntoDerAndBack) {
  const auto der = CertificatesToDer(leaf_.chain_pem);
  ASSERT_TRUE(der.ok()) << der.status();
  EXPECT_EQ(der->substr(0, leaf_.certificate_der.size()), leaf_.certificate_der);
  const auto pem = CertificatesFromDer(*der);
  ASSERT_TRUE(pem.ok()) << pem.status();
  EXPECT_EQ(*pem, leaf_.chain_pem);
}

TEST_F(EncodingTest, TurnsKeysIntoDerAndBack) {
  const auto key = PrivateKey::FromPem(leaf_.key_pem);
  ASSERT_TRUE(key.ok());
  const auto der = KeyToDer(**key);
  ASSERT_TRUE(der.ok()) << der.status();
  EXPECT_EQ(PemBlock("PRIVATE KEY", *der), leaf_.key_pem);
  const auto back = KeyFromDer(*der);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_TRUE(Identity::Create(leaf_.chain_pem, *back).ok());
}

TEST_F(EncodingTest, RefusesDerCutAtAnyByte) {
  const std::string der = *CertificatesToDer(leaf_.certificate_pem);
  for (size_t size = 0; size < der.size(); ++size) {
    EXPECT_FALSE(CertificatesFromDer(der.substr(0, size)).ok()) << size;
  }
  EXPECT_FALSE(CertificatesFromDer(der + "x").ok());
  EXPECT_FALSE(KeyFromDer("junk").ok());
}

TEST_F(EncodingTest, ReadsAPkcs12ContainerInTheOrderOfItsChain) {
  const auto read = ReadPkcs12(MakeContainer(""), "secret");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->chain_pem, leaf_.chain_pem) << "the root is left out";
  EXPECT_TRUE(Identity::Create(read->chain_pem, read->key).ok());
}

TEST_F(EncodingTest, ReadsPkcs12OfOlderTools) {
  const auto read = ReadPkcs12(
      MakeContainer("-keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES -macalg sha1"), "secret");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->chain_pem, leaf_.chain_pem);
}

TEST_F(EncodingTest, SaysThatThePasswordIsWrong) {
  const auto read = ReadPkcs12(MakeContainer(""), "guess");
  EXPECT_THAT(std::string(read.status().message()), HasSubstr("password"));
  EXPECT_FALSE(ReadPkcs12("junk", "secret").ok());
  EXPECT_FALSE(ReadPkcs12(MakeContainer("-nokeys"), "secret").ok());
}

}  // namespace
}  // namespace kith::tls
