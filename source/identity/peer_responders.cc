#include "source/identity/peer_responders.h"

#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "source/telemetry/families.h"
#include "source/x509/ocsp_response.h"

namespace kith::identity {
namespace {

constexpr int kOk = 200;

std::string KeyOf(const tls::Responders::Question& question) {
  return absl::StrCat(question.url, "\n", question.request);
}

}  // namespace

class PeerResponders::Ticket final : public tls::Responders::Waiting {
 public:
  Ticket(PeerResponders& owner, std::shared_ptr<Waiter> waiter)
      : owner_(owner), waiter_(std::move(waiter)) {}
  ~Ticket() override {
    const std::lock_guard<std::mutex> lock(owner_.mutex_);
    waiter_->gone = true;
  }
  Ticket(const Ticket&) = delete;
  Ticket& operator=(const Ticket&) = delete;

 private:
  PeerResponders& owner_;
  const std::shared_ptr<Waiter> waiter_;
};

PeerResponders::PeerResponders(event::Loop& loop, Options options)
    : loop_(loop), options_(std::move(options)) {}

PeerResponders::~PeerResponders() = default;

std::shared_ptr<const tls::Responders::Answer> PeerResponders::Find(const Question& question) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = remembered_.find(KeyOf(question));
  if (found == remembered_.end() || options_.clock->Now() >= found->second.until) return nullptr;
  return found->second.answer;
}

std::unique_ptr<tls::Responders::Waiting> PeerResponders::Ask(const Question& question,
                                                              event::Loop& loop, Done done) {
  auto waiter = std::make_shared<Waiter>();
  waiter->loop = &loop;
  waiter->done = std::move(done);
  auto ticket = std::make_unique<Ticket>(*this, waiter);
  std::string key = KeyOf(question);
  const std::lock_guard<std::mutex> lock(mutex_);
  if (const auto known = remembered_.find(key);
      known != remembered_.end() && options_.clock->Now() < known->second.until) {
    Tell(waiter, known->second.answer);
    return ticket;
  }
  if (const auto asked = on_way_.find(key); asked != on_way_.end()) {
    asked->second.push_back(std::move(waiter));
    return ticket;
  }
  if (on_way_.size() >= options_.max_on_way) {
    Tell(waiter, std::make_shared<const Answer>(
                     Answer{"", "not asked: too many questions are on their way"}));
    return ticket;
  }
  on_way_[key].push_back(std::move(waiter));
  loop_.Post([this, key = std::move(key), question] { Begin(key, question); });
  return ticket;
}

void PeerResponders::Tell(const std::shared_ptr<Waiter>& waiter,
                          std::shared_ptr<const Answer> answer) {
  if (waiter->gone) return;
  waiter->loop->Post([waiter, answer = std::move(answer)]() mutable {
    if (waiter->gone) return;
    // Taken out: it may destroy the ticket.
    Done done = std::move(waiter->done);
    done(std::move(answer));
  });
}

void PeerResponders::Begin(const std::string& key, const Question& question) {
  fetches_[key] = std::make_unique<http::Fetch>(
      loop_,
      http::FetchOptions{.url = question.url,
                         .method = "POST",
                         .content_type = "application/ocsp-request",
                         .body = question.request,
                         .timeout = options_.timeout,
                         .max_body_bytes = options_.max_response_bytes,
                         .may_connect =
                             [this](const base::SocketAddress& address) {
                               return options_.networks.Check(address);
                             }},
      [this, key, question](const absl::StatusOr<http::FetchedAnswer>& fetched) {
        Take(key, question, fetched);
      });
}

void PeerResponders::Take(const std::string& key, const Question& question,
                          const absl::StatusOr<http::FetchedAnswer>& fetched) {
  // What is called now, and its arguments, belong to the fetch.
  const std::unique_ptr<http::Fetch> over = std::move(fetches_[key]);
  fetches_.erase(key);
  Remembered entry = Judge(question, fetched);
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto asked = on_way_.find(key);
  for (const std::shared_ptr<Waiter>& waiter : asked->second) Tell(waiter, entry.answer);
  on_way_.erase(asked);
  Remember(key, std::move(entry));
}

PeerResponders::Remembered PeerResponders::Judge(
    const Question& question, const absl::StatusOr<http::FetchedAnswer>& fetched) {
  const absl::Time now = options_.clock->Now();
  const auto failed = [&](absl::string_view why) {
    Count("failed");
    return Remembered{std::make_shared<const Answer>(Answer{"", std::string(why)}),
                      now + options_.failure_lasts};
  };
  if (!fetched.ok()) return failed(fetched.status().message());
  if (fetched->status != kOk) {
    return failed(absl::StrCat(question.url, " answers with the status ", fetched->status));
  }
  const bssl::UniquePtr<X509> leaf(X509_parse_from_buffer(question.leaf.get()));
  const bssl::UniquePtr<X509> issuer(X509_parse_from_buffer(question.issuer.get()));
  ERR_clear_error();
  if (leaf == nullptr || issuer == nullptr) return failed("no memory for certificates");
  const auto statement = x509::ReadOcspResponse(fetched->body, *leaf, *issuer, now);
  if (!statement.ok()) {
    return failed(absl::StrCat(question.url, ": ", statement.status().message()));
  }
  const bool revoked = statement->status == x509::CertificateStatus::kRevoked;
  const bool said = revoked || statement->status == x509::CertificateStatus::kGood;
  Count(revoked ? "revoked" : said ? "ok" : "failed");
  // One that is not in force is judged by whoever asked, and soon asked for again.
  const absl::Time until = said && statement->IsInForce(now)
                               ? std::min(statement->next_update, now + options_.longest)
                               : now + options_.failure_lasts;
  return {std::make_shared<const Answer>(Answer{fetched->body, ""}), until};
}

void PeerResponders::Remember(const std::string& key, Remembered entry) {
  if (remembered_.size() >= options_.max_remembered && !remembered_.contains(key)) {
    const absl::Time now = options_.clock->Now();
    absl::erase_if(remembered_, [now](const auto& one) { return now >= one.second.until; });
  }
  if (remembered_.size() >= options_.max_remembered && !remembered_.contains(key)) {
    remembered_.erase(std::min_element(
        remembered_.begin(), remembered_.end(),
        [](const auto& a, const auto& b) { return a.second.until < b.second.until; }));
  }
  remembered_[key] = std::move(entry);
}

void PeerResponders::Count(absl::string_view result) const {
  if (options_.metrics == nullptr) return;
  options_.metrics->GetCounter(telemetry::kOcspPeerQuestions, {result}).Add();
}

}  // namespace kith::identity
