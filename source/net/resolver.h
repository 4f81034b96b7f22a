// Looks up the addresses of DNS names as this machine's resolver does, beside the loop.
// Threads: the loop's; the waiting happens on libuv's own threads. Owns: its lookups; destroying it
// abandons them. Errors: NOT_FOUND when the name has no address, UNAVAILABLE when nobody could be
// asked: "resolve db.example: …".
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "source/event/loop.h"

namespace kith::net {

class Resolver {
 public:
  // Text of IP addresses, each once, in a fixed order whatever order the resolver gives.
  using Answer = absl::AnyInvocable<void(absl::StatusOr<std::vector<std::string>>)>;

  explicit Resolver(event::Loop& loop) : loop_(loop) {}
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // `answer` is called once, never before it returns. A name of more than 253 bytes is no name.
  void Resolve(const std::string& name, Answer answer);

 private:
  struct Lookup;

  event::Loop& loop_;
  absl::flat_hash_set<Lookup*> lookups_;
};

}  // namespace kith::net
