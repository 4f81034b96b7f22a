#include "source/controlplane/ca/crl_publisher.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "source/base/json_writer.h"
#include "source/base/log.h"
#include "source/base/status.h"
#include "source/controlplane/ca/json_member.h"

namespace kith::controlplane {
namespace {

constexpr char kFile[] = "crls.json";
constexpr size_t kMaxFile = 64 << 20;
// Peers whose clocks are behind must not see a list from the future.
constexpr absl::Duration kBackdate = absl::Minutes(2);

}  // namespace

CrlPublisher::CrlPublisher(Options options)
    : options_(std::move(options)), timer_(*options_.loop, [this] {
        absl::Status updated = Update();
        if (updated.ok()) return;
        base::Log(base::LogLevel::kError, "ca",
                  "cannot make a new revocation list; the previous one stays in force",
                  {{"error", std::string(updated.message())}});
      }) {}

absl::StatusOr<std::unique_ptr<CrlPublisher>> CrlPublisher::Create(Options options) {
  std::unique_ptr<CrlPublisher> publisher(new CrlPublisher(std::move(options)));
  // An unchanged list after a restart saves every sidecar a new trust bundle.
  if (publisher->Restore(publisher->options_.signers())) {
    publisher->options_.published(publisher->crls_);
  }
  KITH_RETURN_IF_ERROR(base::Annotate(publisher->Update(), "certificate revocation list"));
  publisher->timer_.StartRepeating(publisher->options_.check_interval);
  return publisher;
}

std::vector<std::string> CrlPublisher::IssuersOf(
    const std::vector<std::shared_ptr<const Signer>>& signers) const {
  std::vector<std::string> issuers;
  issuers.reserve(signers.size());
  for (const auto& signer : signers) {
    issuers.push_back(absl::BytesToHexString(signer->issuer.key_identifier));
  }
  return issuers;
}

absl::Status CrlPublisher::Update() {
  const absl::Time now = options_.clock->Now();
  const auto signers = options_.signers();
  std::vector<std::string> issuers = IssuersOf(signers);
  // A clock that was set back leaves a list from the future, which is replaced likewise.
  const bool fresh = now >= this_update_ && now < this_update_ + (next_update_ - this_update_) / 2;
  if (fresh && options_.revocations->number() == number_ && issuers == issuers_)
    return absl::OkStatus();

  x509::CrlSpec spec;
  KITH_ASSIGN_OR_RETURN(spec.number, options_.revocations->TakeNumber());
  spec.this_update = now - kBackdate;
  spec.next_update = now + options_.lifetime;
  for (const Revocation& revocation : options_.revocations->Serials()) {
    spec.revoked.push_back({revocation.serial, revocation.at, revocation.reason});
  }
  std::vector<PublishedCrl> crls;
  for (size_t i = 0; i < signers.size(); i++) {
    KITH_ASSIGN_OR_RETURN(std::string der, x509::BuildCrl(spec, signers[i]->issuer));
    crls.push_back({issuers[i], std::move(der)});
  }
  crls_ = std::move(crls);
  issuers_ = std::move(issuers);
  number_ = spec.number;
  this_update_ = now;
  next_update_ = spec.next_update;
  Keep();
  base::Log(base::LogLevel::kInfo, "ca", "signed a revocation list",
            {{"number", absl::StrCat(number_)},
             {"revoked", absl::StrCat(spec.revoked.size())},
             {"next_update", absl::FormatTime(next_update_, absl::UTCTimeZone())}});
  options_.published(crls_);
  return absl::OkStatus();
}

void CrlPublisher::Keep() const {
  std::string text;
  base::JsonWriter json(text);
  json.BeginObject();
  json.Key("number").Uint(number_);
  json.Key("thisUpdate").Int(absl::ToUnixSeconds(this_update_));
  json.Key("nextUpdate").Int(absl::ToUnixSeconds(next_update_));
  json.Key("crls").BeginArray();
  for (const PublishedCrl& crl : crls_) {
    json.BeginObject();
    json.Key("issuer").String(crl.issuer);
    json.Key("der").String(absl::Base64Escape(crl.der));
    json.EndObject();
  }
  json.EndArray();
  json.EndObject();
  absl::Status kept = options_.state->Write(kFile, text, 0600);
  if (kept.ok()) return;
  // The lists are in force; only the next start makes new ones.
  base::Log(base::LogLevel::kWarning, "ca", "cannot keep the revocation lists",
            {{"error", std::string(kept.message())}});
}

bool CrlPublisher::Restore(const std::vector<std::shared_ptr<const Signer>>& signers) {
  const absl::StatusOr<std::string> text = ReadFile(options_.state->File(kFile), kMaxFile);
  if (!text.ok()) return false;
  const auto json = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("crls") || !json["crls"].is_array()) return false;
  std::vector<PublishedCrl> crls;
  std::vector<std::string> issuers;
  for (const auto& each : json["crls"]) {
    PublishedCrl crl;
    if (!each.is_object() || !absl::Base64Unescape(TextOf(each, "der"), &crl.der)) return false;
    crl.issuer = TextOf(each, "issuer");
    issuers.push_back(crl.issuer);
    crls.push_back(std::move(crl));
  }
  // Every change of the revocations takes a number, so an equal one means an equal list.
  if (issuers != IssuersOf(signers) || NumberOf(json, "number") != options_.revocations->number()) {
    return false;
  }
  crls_ = std::move(crls);
  issuers_ = std::move(issuers);
  number_ = options_.revocations->number();
  this_update_ = absl::FromUnixSeconds(NumberOf(json, "thisUpdate"));
  next_update_ = absl::FromUnixSeconds(NumberOf(json, "nextUpdate"));
  return true;
}

}  // namespace kith::controlplane
