#include "source/proxy/session.h"

#include <malloc.h>

#include <utility>
#include <vector>

namespace kith::proxy {

namespace {

// A burst that leaves enough free memory to be worth giving back, which takes milliseconds: so many
// slow readers have held 16 MiB of output.
constexpr size_t kBurst = 64;
constexpr absl::Duration kSettled = absl::Seconds(1);

}  // namespace

SessionSet::SessionSet(event::Loop& loop) : loop_(loop), trim_(loop, [] { malloc_trim(0); }) {}

void SessionSet::Remove(Session& session) {
  auto entry = sessions_.find(&session);
  if (entry == sessions_.end()) return;
  loop_.DeleteLater(std::move(entry->second));
  sessions_.erase(entry);
  if (peak_ < kBurst || sessions_.size() > peak_ / 4) return;
  peak_ = sessions_.size();
  trim_.Start(kSettled);
}

template <typename Visit>
void SessionSet::ForEach(Visit visit) {
  // A visit may end its session, which leaves the set but lives on until the end of the turn.
  std::vector<Session*> all;
  all.reserve(sessions_.size());
  for (const auto& [session, owned] : sessions_) all.push_back(session);
  for (Session* session : all) visit(*session);
}

void SessionSet::StartDraining() {
  ForEach([](Session& session) { session.StartDraining(); });
}

void SessionSet::CutOff(const absl::Status& status) {
  ForEach([&status](Session& session) { session.CutOff(status); });
}

void SessionSet::OnConfigChanged() {
  ForEach([](Session& session) { session.OnConfigChanged(); });
}

}  // namespace kith::proxy
