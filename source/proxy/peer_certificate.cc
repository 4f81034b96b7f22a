#include "source/proxy/peer_certificate.h"

namespace kith::proxy {

PeerCertificate::PeerCertificate(const tls::Peer& peer) : attributes_(tls::ReadAttributes(peer)) {
  if (!attributes_) return;
  const auto views = [](const std::vector<std::string>& texts) {
    return Views(texts.begin(), texts.end());
  };
  common_names_ = views(attributes_->common_names);
  organizations_ = views(attributes_->organizations);
  units_ = views(attributes_->units);
  dns_names_ = views(attributes_->dns_names);
  extensions_.assign(attributes_->extensions.begin(), attributes_->extensions.end());
  view_.subject_cn = common_names_;
  view_.subject_o = organizations_;
  view_.subject_ou = units_;
  view_.serial = attributes_->serial;
  view_.issuer = attributes_->issuer;
  view_.fingerprint = attributes_->fingerprint;
  view_.dns = dns_names_;
  view_.extensions = extensions_;
}

}  // namespace kith::proxy
