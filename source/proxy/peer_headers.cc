#include "source/proxy/peer_headers.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace kith::proxy {
namespace {

constexpr absl::string_view kForwarded = "x-forwarded-client-cert";
constexpr absl::string_view kDropped[] = {kForwarded, "x-ssl-client-*"};
// Each hop adds some 200 bytes: a chain of dozens.
constexpr size_t kMaxForwarded = 8192;

// Inside double quotes.
std::string Quoted(absl::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "\"";
}

bool IsHostName(absl::string_view name) {
  for (const char c : name) {
    if (!absl::ascii_isalnum(c) && c != '-' && c != '.' && c != '*' && c != '_') return false;
  }
  return !name.empty();
}

}  // namespace

absl::Span<const absl::string_view> PeerHeaders::Dropped() { return kDropped; }

absl::Span<const absl::string_view> PeerHeaders::DroppedOutbound() {
  return absl::MakeConstSpan(kDropped, 1);
}

bool IsSoundClientCert(absl::string_view value) {
  if (value.empty() || value.size() > kMaxForwarded) return false;
  bool quoted = false;
  for (size_t i = 0; i < value.size(); ++i) {
    const char c = value[i];
    if (!absl::ascii_isprint(c)) return false;
    if (quoted && c == '\\') {
      ++i;
      if (i == value.size() || !absl::ascii_isprint(value[i])) return false;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (c == '\\') {
      return false;  // Outside quotes readers differ about what it escapes.
    }
  }
  return !quoted;
}

std::string ClientCertElement(const tls::Peer& peer, const base::SpiffeId& own) {
  std::string element =
      absl::StrCat("By=", own.text(), ";Hash=", peer.leaf.sha256,
                   ";Subject=", Quoted(peer.leaf.subject), ";URI=", peer.id.text());
  for (const std::string& name : peer.leaf.dns_names) {
    if (IsHostName(name)) absl::StrAppend(&element, ";DNS=", name);
  }
  return element;
}

void PeerHeaders::Add(const PeerHeaderOptions& options, absl::Span<const http::Header> received,
                      const tls::Peer* peer, const base::SpiffeId* own,
                      std::vector<http::Header>& added) {
  const bool tell = options.ssl_client == SslClientHeaders::kAdded;
  if (peer == nullptr || own == nullptr) {
    if (tell) added.push_back({"X-SSL-Client-Verify", "NONE"});
    return;
  }
  const bool forwards = options.forward == ForwardClientCert::kAppendForward ||
                        options.forward == ForwardClientCert::kForwardOnly;
  const bool sets = options.forward == ForwardClientCert::kAppendForward ||
                    options.forward == ForwardClientCert::kSanitizeSet;
  forwarded_.clear();
  for (const http::Header& header : received) {
    if (!forwards || header.hop_by_hop || !absl::EqualsIgnoreCase(header.name, kForwarded))
      continue;
    absl::StrAppend(&forwarded_, forwarded_.empty() ? "" : ",", header.value);
  }
  if (!IsSoundClientCert(forwarded_)) forwarded_.clear();
  if (sets && element_.empty()) element_ = ClientCertElement(*peer, *own);
  if (sets && !forwarded_.empty()) absl::StrAppend(&forwarded_, ",", element_);
  const absl::string_view value = forwarded_.empty() && sets ? element_ : forwarded_;
  if (!value.empty()) added.push_back({kForwarded, value});
  if (!tell) return;
  added.push_back({"X-SSL-Client-Verify", "SUCCESS"});
  serial_ = absl::AsciiStrToUpper(peer->leaf.serial);  // As nginx writes it.
  added.push_back({"X-SSL-Client-S-DN", peer->leaf.subject});
  added.push_back({"X-SSL-Client-I-DN", peer->leaf.issuer});
  added.push_back({"X-SSL-Client-Serial", serial_});
  added.push_back({"X-SSL-Client-Fingerprint", peer->leaf.sha256});
  added.push_back({"X-SSL-Client-URI", peer->id.text()});
}

}  // namespace kith::proxy
