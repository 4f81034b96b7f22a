// The few socket calls that the benchmark's origin and load generator share: plain epoll, so that
// they cost the measured core nothing and are slower than no proxy.
// Threads: each program has one. Owns: nothing; descriptors are the caller's.
// Errors: a call that fails ends the program with its name; there is no traffic to save here.
#pragma once

#include <cstdint>

namespace kith::benchmark {

[[noreturn]] void Die(const char* what);

// Listens on 127.0.0.1:`port`, non-blocking, and adds the descriptor to `epoll`.
int Listen(int epoll, uint16_t port);

// A non-blocking connection to 127.0.0.1:`port`, TCP_NODELAY, perhaps still on its way.
int Connect(uint16_t port);

// Waits for what `events` says (EPOLLIN, ...), level-triggered.
void Watch(int epoll, int descriptor, uint32_t events);
void ChangeWatch(int epoll, int descriptor, uint32_t events);

uint16_t ParsePort(const char* text);
uint64_t NowMicroseconds();

}  // namespace kith::benchmark
