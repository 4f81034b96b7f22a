#include "test/tls/mesh.h"

#include <utility>

#include "source/base/check.h"

namespace kith::tls {

base::SpiffeId Id(absl::string_view text) { return *base::SpiffeId::Parse(text); }

Mesh::Mesh(absl::string_view name) : ca({.now = clock.Now(), .name = std::string(name)}) {}

std::shared_ptr<const Context> Mesh::Workload(absl::string_view id, MinVersion min_version,
                                              const std::string& roots) const {
  return WorkloadWith(ca.Leaf(id), min_version, roots);
}

std::shared_ptr<const Context> Mesh::WorkloadWith(const test::Credential& credential,
                                                  MinVersion min_version,
                                                  const std::string& roots) const {
  auto key = PrivateKey::FromPem(credential.key_pem);
  KITH_CHECK(key.ok(), "a test's key");
  auto identity = Identity::Create(credential.chain_pem, *std::move(key));
  KITH_CHECK(identity.ok(), "a test's certificate");
  auto bundle = TrustBundle::Create({{"cluster.local", roots.empty() ? ca.root_pem() : roots}});
  KITH_CHECK(bundle.ok(), "a test's roots");
  Context::Options options;
  options.identity = *std::move(identity);
  options.bundle = *std::move(bundle);
  options.rules.min_version = min_version;
  options.clock = &clock;
  auto context = Context::Create(std::move(options));
  KITH_CHECK(context.ok(), "a test's context");
  return *std::move(context);
}

}  // namespace kith::tls
