#include "source/controlplane/revocation_status_routes.h"

#include <string>

#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "source/x509/crl.h"

namespace kith::controlplane {
namespace {

http::EmbeddedResponse Der(const std::string& der) {
  return {.content_type = "application/pkix-crl", .body = der, .headers = {}};
}

http::EmbeddedResponse OfIssuer(const CrlPublisher& publisher, absl::string_view issuer) {
  for (const PublishedCrl& crl : publisher.crls()) {
    if (crl.issuer == issuer) return Der(crl.der);
  }
  return http::ErrorResponse(404, "no signer with that key identifier; /crl.pem has all lists");
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
  return routes;
}

}  // namespace kith::controlplane
