#include "source/controlplane/kubernetes/leader_lease.h"

#include <unistd.h>

#include <array>
#include <chrono>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "nlohmann/json.hpp"
#include "source/base/log.h"
#include "source/base/status.h"
#include "source/kubernetes/json_read.h"

namespace kith::controlplane {
namespace {

using kubernetes::Find;
using kubernetes::ParseJson;
using kubernetes::Text;
using nlohmann::json;

// A clock that nobody sets.
int64_t Steady() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

std::string MicroTime() {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", absl::Now(), absl::UTCTimeZone());
}

int64_t Number(const json* object, const char* key) {
  const json* found = Find(object, key);
  return found == nullptr || !found->is_number_integer() ? 0 : found->get<int64_t>();
}

}  // namespace

std::string LeaderLease::MakeIdentity() {
  std::array<char, 256> host = {};
  if (gethostname(host.data(), host.size() - 1) != 0) host[0] = '\0';
  std::random_device chance;
  return absl::StrCat(host.data(), "_", absl::Hex(chance(), absl::kZeroPad8),
                      absl::Hex(chance(), absl::kZeroPad8));
}

LeaderLease::LeaderLease(Options options)
    : options_(std::move(options)),
      folder_(
          absl::StrCat("/apis/coordination.k8s.io/v1/namespaces/", options_.name_space, "/leases")),
      path_(absl::StrCat(folder_, "/", options_.name)),
      thread_([this] { Run(); }) {}

LeaderLease::~LeaderLease() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    stop_.notify_all();
  }
  thread_.join();
}

bool LeaderLease::leads() const { return Steady() < leads_until_.load(); }

void LeaderLease::Run() {
  while (true) {
    const int64_t began = Steady();
    const absl::StatusOr<bool> taken = TakeOrRenew();
    if (taken.ok()) {
      leads_until_ = *taken ? began + absl::ToInt64Nanoseconds(options_.duration * 2 / 3) : 0;
    }
    Tell(taken);
    std::unique_lock<std::mutex> lock(mutex_);
    if (stop_.wait_for(lock, absl::ToChronoMilliseconds(options_.duration / 8),
                       [this] { return stopping_; })) {
      break;
    }
  }
  if (leads()) Release();
}

void LeaderLease::Tell(const absl::StatusOr<bool>& taken) {
  if (leads() != told_leading_) {
    told_leading_ = !told_leading_;
    base::Log(base::LogLevel::kInfo, "kubernetes",
              told_leading_ ? "leads: it writes what one control plane must write"
                            : "no longer leads: another control plane writes",
              {{"lease", options_.name}, {"identity", options_.identity}});
  }
  const std::string failure(taken.status().message());
  if (!failure.empty() && failure != told_failure_) {
    base::Log(base::LogLevel::kWarning, "kubernetes", "the Lease cannot be taken or renewed",
              {{"error", failure}});
  }
  told_failure_ = failure;
}

absl::StatusOr<bool> LeaderLease::TakeOrRenew() {
  const std::string now = MicroTime();
  json spec = {{"holderIdentity", options_.identity},
               {"leaseDurationSeconds", absl::ToInt64Seconds(options_.duration)},
               {"acquireTime", now},
               {"renewTime", now},
               {"leaseTransitions", 0}};
  const absl::StatusOr<std::string> answer = options_.client->Call("GET", path_);
  if (absl::IsNotFound(answer.status())) {
    const json made = {{"apiVersion", "coordination.k8s.io/v1"},
                       {"kind", "Lease"},
                       {"metadata", {{"name", options_.name}, {"namespace", options_.name_space}}},
                       {"spec", spec}};
    const absl::Status done = options_.client->Call("POST", folder_, made.dump()).status();
    if (absl::IsAlreadyExists(done)) return false;  // Another was faster.
    if (!done.ok()) return done;
    return true;
  }
  if (!answer.ok()) return answer.status();
  json lease = ParseJson(*answer);
  const json* present = Find(&lease, "spec");
  const std::string holder = Text(present, "holderIdentity");
  const std::string seen = absl::StrCat(holder, " ", Text(present, "renewTime"));
  if (seen != seen_) {
    seen_ = seen;
    seen_since_ = Steady();
  }
  const bool ours = holder == options_.identity;
  const int64_t silence = Number(present, "leaseDurationSeconds") * 1'000'000'000;
  if (!ours && !holder.empty() && Steady() < seen_since_ + silence) return false;
  if (ours) spec["acquireTime"] = Text(present, "acquireTime");
  spec["leaseTransitions"] = Number(present, "leaseTransitions") + (ours ? 0 : 1);
  lease["spec"] = std::move(spec);
  // With its resourceVersion: of two that take it at once, one fails.
  const absl::Status done = options_.client->Call("PUT", path_, lease.dump()).status();
  if (absl::IsAlreadyExists(done)) return false;
  if (!done.ok()) return done;
  return true;
}

void LeaderLease::Release() {
  const absl::StatusOr<std::string> answer = options_.client->Call("GET", path_);
  json lease = ParseJson(answer.ok() ? *answer : "");
  if (Text(Find(&lease, "spec"), "holderIdentity") != options_.identity) return;
  lease["spec"]["holderIdentity"] = "";
  lease["spec"]["leaseDurationSeconds"] = 1;
  // Whoever cannot be told waits for the Lease's end.
  options_.client->Call("PUT", path_, lease.dump()).status().IgnoreError();
}

}  // namespace kith::controlplane
