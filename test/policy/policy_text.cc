#include "test/policy/policy_text.h"

#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "source/config/document.h"

namespace kith::policy {
namespace {

void MustBeOk(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::abort();
}

}  // namespace

std::vector<security::v1::AuthorizationPolicy> Policies(absl::string_view yaml) {
  const auto documents = config::ParseDocuments(yaml, "test.yaml");
  MustBeOk(documents.status());
  std::vector<security::v1::AuthorizationPolicy> policies;
  for (const config::Document& document : *documents) {
    MustBeOk(config::Decode(document, policies.emplace_back()));
  }
  return policies;
}

security::v1::AuthorizationPolicy PolicyOf(absl::string_view spec) {
  return Policies(absl::StrCat("apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n"
                               "metadata: {name: p, namespace: demo}\nspec: ",
                               spec))
      .front();
}

}  // namespace kith::policy
