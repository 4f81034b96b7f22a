// What is kept of each of the cluster's objects of one kind, by namespace and name.
// Threads: any. Owns: what is kept. Errors: none; what an object lacks is empty in what is kept.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "nlohmann/json.hpp"
#include "source/kubernetes/json_read.h"

namespace kith::controlplane {

template <typename Kept>
class ObjectBook {
 public:
  using Json = nlohmann::json;
  using Key = std::pair<std::string, std::string>;  // Namespace and name.
  using Map = std::map<Key, Kept>;

  ObjectBook(const ObjectBook&) = delete;
  ObjectBook& operator=(const ObjectBook&) = delete;

  void Put(const Json& object) {
    Kept kept = read_(object);
    const std::lock_guard<std::mutex> lock(mutex_);
    kept_[KeyOf(object)] = std::move(kept);
  }
  void Remove(const Json& object) {
    const std::lock_guard<std::mutex> lock(mutex_);
    kept_.erase(KeyOf(object));
  }
  // These are all there are.
  void Replace(const std::vector<Json>& objects) {
    Map fresh;
    for (const Json& object : objects) fresh.emplace(KeyOf(object), read_(object));
    const std::lock_guard<std::mutex> lock(mutex_);
    kept_ = std::move(fresh);
  }

 protected:
  explicit ObjectBook(Kept (*read)(const Json& object)) : read_(read) {}
  ~ObjectBook() = default;

  // What `use` makes of all that is kept, which does not change meanwhile.
  template <typename Use>
  auto With(Use use) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return use(kept_);
  }

 private:
  static Key KeyOf(const Json& object) {
    const Json* metadata = kubernetes::Find(&object, "metadata");
    return {kubernetes::Text(metadata, "namespace"), kubernetes::Text(metadata, "name")};
  }

  Kept (*const read_)(const Json& object);
  mutable std::mutex mutex_;
  Map kept_;  // Guarded by mutex_.
};

}  // namespace kith::controlplane
