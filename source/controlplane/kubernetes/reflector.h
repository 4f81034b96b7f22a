// One kind of object, listed and then watched for as long as it lives: the API's own way to keep a
// copy (list in pages, watch from the list's resourceVersion, bookmarks, list again when the
// history is gone). Threads: it has its own; the callbacks are called on it. Owns: its thread;
// destroying it ends the watch and waits for it. Errors: what fails is logged and tried again with
// a growing pause; what was good stays.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"
#include "source/kubernetes/api_client.h"

namespace kith::controlplane {

class Reflector {
 public:
  using Object = nlohmann::json;
  struct Options {
    const kubernetes::ApiClient* client = nullptr;
    std::string path;  // "/api/v1/services".
    size_t page = 500;
    // A watch is renewed after it, and taken for dead when the server is silent for a while longer.
    absl::Duration watch_time = absl::Minutes(4);
    absl::Duration first_pause = absl::Milliseconds(200);
    absl::Duration longest_pause = absl::Seconds(30);
  };
  struct Handler {
    // All there are now; what is not among them is gone. Moved from.
    std::function<void(std::vector<Object>)> replaced;
    std::function<void(Object)> changed;
    std::function<void(const Object&)> removed;
  };

  Reflector(Options options, Handler handler);
  ~Reflector();
  Reflector(const Reflector&) = delete;
  Reflector& operator=(const Reflector&) = delete;

 private:
  void Run();
  absl::Status List();
  absl::Status Watch();
  // Whether the watch goes on after this line.
  bool Take(absl::string_view line, absl::Status& failure);
  void Pause(absl::Duration time) const;

  const Options options_;
  const Handler handler_;
  std::string version_;  // The newest resourceVersion seen; empty: a list is due.
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace kith::controlplane
