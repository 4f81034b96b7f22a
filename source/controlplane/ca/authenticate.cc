#include "source/controlplane/ca/authenticate.h"

#include <iterator>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "source/controlplane/ca/refusal.h"

namespace kith::controlplane {
namespace {

absl::Status Missing(absl::string_view what) {
  return Refuse(
      absl::StatusCode::kUnauthenticated, Refusal::kTokenMissing,
      absl::StrCat("token: ", what, "; send the metadata \"authorization: Bearer <token>\" once"));
}

}  // namespace

absl::StatusOr<Caller> Authenticator::Check(const Metadata& metadata) const {
  auto [begin, end] = metadata.equal_range("authorization");
  if (begin == end) return Missing("there is none");
  // With two, which one counts would be a matter of taste.
  if (std::next(begin) != end) return Missing("there are several");
  absl::string_view value(begin->second.data(), begin->second.size());
  constexpr absl::string_view kScheme = "bearer ";
  if (!absl::StartsWithIgnoreCase(value, kScheme)) return Missing("it is not a bearer token");
  value.remove_prefix(kScheme.size());
  value = absl::StripLeadingAsciiWhitespace(value);
  if (value.empty()) return Missing("it is empty");
  return verifier_.Verify(value);
}

absl::StatusOr<Caller> Authenticator::Authenticate(const Metadata& metadata) const {
  absl::StatusOr<Caller> caller = Check(metadata);
  metrics_.CountTokenCheck(RefusalOf(caller.status()));
  return caller;
}

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(status.message()));
}

}  // namespace kith::controlplane
