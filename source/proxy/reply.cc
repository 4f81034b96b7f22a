#include "source/proxy/reply.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace kith::proxy {
namespace {

// gRPC's own mapping of HTTP statuses, and RESOURCE_EXHAUSTED for a limit.
int GrpcStatusOf(int status) {
  switch (status) {
    case 400:
      return 13;  // INTERNAL
    case 401:
      return 16;  // UNAUTHENTICATED
    case 403:
      return 7;  // PERMISSION_DENIED
    case 404:
      return 12;  // UNIMPLEMENTED
    case 429:
      return 8;  // RESOURCE_EXHAUSTED
    case 502:
    case 503:
    case 504:
      return 14;  // UNAVAILABLE
    default:
      return 2;  // UNKNOWN
  }
}

constexpr int kDeadlineExceeded = 4;

Reply GrpcReply(int grpc_status, absl::string_view text) {
  Reply reply;
  reply.status = 200;
  reply.headers = {{"Content-Type", "application/grpc"},
                   {"grpc-status", absl::StrCat(grpc_status)},
                   {"grpc-message", std::string(text)}};
  return reply;
}

}  // namespace

bool IsGrpc(absl::Span<const http::Header> request) {
  const http::Header* const type = http::Find(request, "content-type");
  return type != nullptr && absl::StartsWithIgnoreCase(type->value, "application/grpc") &&
         !absl::StartsWithIgnoreCase(type->value, "application/grpc-web");
}

Reply Reply::GrpcDeadlineExceeded(absl::string_view text) {
  return GrpcReply(kDeadlineExceeded, text);
}

Reply Reply::Refusal(int status, absl::string_view text, absl::Span<const http::Header> request) {
  if (IsGrpc(request)) return GrpcReply(GrpcStatusOf(status), text);
  Reply reply;
  reply.status = status;
  reply.headers = {{"Content-Type", "text/plain"}};
  reply.body = std::string(text);
  return reply;
}

}  // namespace kith::proxy
