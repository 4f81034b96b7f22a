#include "source/controlplane/ca/verified_tokens.h"

#include <openssl/sha.h>

#include <utility>

namespace kith::controlplane {

VerifiedTokens::Digest VerifiedTokens::DigestOf(absl::string_view token) {
  Digest digest;
  SHA256(reinterpret_cast<const uint8_t*>(token.data()), token.size(), digest.data());
  return digest;
}

std::shared_ptr<const VerifiedTokens::Entry> VerifiedTokens::Find(const Digest& token) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (const auto young = young_.find(token); young != young_.end()) return young->second;
  const auto old = old_.find(token);
  if (old == old_.end()) return nullptr;
  std::shared_ptr<const Entry> entry = std::move(old->second);
  old_.erase(old);
  Put(token, entry);
  return entry;
}

void VerifiedTokens::Add(const Digest& token, Entry entry) {
  const std::lock_guard<std::mutex> lock(mutex_);
  Put(token, std::make_shared<const Entry>(std::move(entry)));
}

void VerifiedTokens::Put(const Digest& token, std::shared_ptr<const Entry> entry) {
  if (young_.size() >= half_) {
    old_ = std::move(young_);
    young_.clear();
  }
  young_.insert_or_assign(token, std::move(entry));
}

size_t VerifiedTokens::size() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return young_.size() + old_.size();
}

}  // namespace kith::controlplane
