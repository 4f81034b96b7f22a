#include "source/controlplane/revocation_status_routes.h"

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "source/x509/crl.h"

namespace kith::controlplane {
namespace {

constexpr size_t kMaxOcspGet = 4096;

http::EmbeddedResponse Der(const std::string& der) {
  return {.content_type = "application/pkix-crl", .body = der, .headers = {}};
}

http::EmbeddedResponse OfIssuer(const CrlPublisher& publisher, absl::string_view issuer) {
  for (const PublishedCrl& crl : publisher.crls()) {
    if (crl.issuer == issuer) return Der(crl.der);
  }
  return http::ErrorResponse(404, "no signer with that key identifier; /crl.pem has all lists");
}

bool Unescape(absl::string_view text, std::string& bytes) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      bytes.push_back(text[i]);
      continue;
    }
    const absl::string_view digits = text.substr(i + 1, 2);
    if (digits.size() != 2 || !absl::ascii_isxdigit(static_cast<unsigned char>(digits[0])) ||
        !absl::ascii_isxdigit(static_cast<unsigned char>(digits[1]))) {
      return false;
    }
    bytes += absl::HexStringToBytes(digits);
    i += 2;
  }
  return true;
}

// RFC 6960 appendix A.1. A request has slashes of its own, which are escaped or not.
http::EmbeddedResponse OcspByGet(OcspResponder& responder, absl::string_view target) {
  constexpr absl::string_view kPrefix = "/ocsp/";
  std::string encoded;
  std::string der;
  if (!absl::ConsumePrefix(&target, kPrefix) || target.size() > kMaxOcspGet ||
      !Unescape(target, encoded) || !absl::Base64Unescape(encoded, &der)) {
    return http::ErrorResponse(400, "GET /ocsp/ is followed by a request in base64 (RFC 6960)");
  }
  http::EmbeddedResponse response{
      .content_type = "application/ocsp-response", .body = responder.Answer(der), .headers = {}};
  // RFC 5019 §6.2; answers are made anew at half of their hour.
  response.headers.emplace_back("Cache-Control", "public, max-age=1800, no-transform");
  return response;
}

}  // namespace

std::vector<Route> RevocationStatusRoutes(const CrlPublisher& publisher, OcspResponder& responder) {
  std::vector<Route> routes;
  routes.push_back({"/crl", "GET", [&publisher](const http::EmbeddedRequest&) {
                      if (publisher.crls().empty()) {
                        return http::ErrorResponse(404, "no signer may sign revocation lists");
                      }
                      return Der(publisher.crls().front().der);
                    }});
  routes.push_back({"/crl/", "GET", [&publisher](const http::EmbeddedRequest& request) {
                      return OfIssuer(publisher, absl::StripPrefix(request.path, "/crl/"));
                    }});
  routes.push_back({"/crl.pem", "GET", [&publisher](const http::EmbeddedRequest&) {
                      http::EmbeddedResponse response{
                          .content_type = "application/x-pem-file", .body = {}, .headers = {}};
                      for (const PublishedCrl& crl : publisher.crls()) {
                        response.body += x509::CrlPem(crl.der);
                      }
                      return response;
                    }});
  routes.push_back({"/ocsp", "POST", [&responder](const http::EmbeddedRequest& request) {
                      return http::EmbeddedResponse{.content_type = "application/ocsp-response",
                                                    .body = responder.Answer(request.body),
                                                    .headers = {}};
                    }});
  routes.push_back({"/ocsp/", "GET", [&responder](const http::EmbeddedRequest& request) {
                      return OcspByGet(responder, request.target);
                    }});
  return routes;
}

}  // namespace kith::controlplane
