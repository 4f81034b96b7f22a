#include "source/telemetry/access_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "source/base/json_writer.h"

namespace kith::telemetry {

namespace {

absl::StatusOr<int> Open(const std::string& path) {
  if (path == "stdout") return STDOUT_FILENO;
  const int descriptor = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  if (descriptor >= 0) return descriptor;
  return absl::FailedPreconditionError(absl::StrCat("open the access log ", path, ": ",
                                                    std::strerror(errno),
                                                    "; does its folder exist, and may we write?"));
}

void WriteAll(int descriptor, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;  // A full disk or a closed pipe: the lines are lost, the proxy goes on.
    bytes.remove_prefix(static_cast<size_t>(written));
  }
}

}  // namespace

class AccessLog::Impl {
 public:
  Impl(Options options, int descriptor)
      : options_(std::move(options)), descriptor_(descriptor), thread_([this] { Run(); }) {}

  ~Impl() {
    for (auto& writer : writers_) writer->Flush();
    {
      absl::MutexLock lock(&mutex_);
      stopping_ = true;
    }
    thread_.join();
    if (descriptor_ != STDOUT_FILENO) close(descriptor_);
  }

  Writer& AddWriter() {
    absl::MutexLock lock(&mutex_);
    writers_.push_back(std::make_unique<Writer>(*this));
    return *writers_.back();
  }

  // Takes `buffer` or counts its lines as dropped; it is empty afterwards.
  void Take(std::string& buffer) {
    std::string taken;
    taken.swap(buffer);
    absl::MutexLock lock(&mutex_);
    if (queued_bytes_ + taken.size() > options_.max_queued_bytes) {
      for (char c : taken) dropped_ += c == '\n' ? 1 : 0;
      return;
    }
    queued_bytes_ += taken.size();
    queued_.push_back(std::move(taken));
  }

  void Reopen() {
    absl::MutexLock lock(&mutex_);
    reopen_ = true;
  }

  uint64_t dropped() const {
    absl::MutexLock lock(&mutex_);
    return dropped_;
  }

 private:
  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || reopen_ || !queued_.empty();
  }

  void Run() {
    bool stop = false;
    while (!stop) {
      std::vector<std::string> batch;
      bool reopen = false;
      {
        absl::MutexLock lock(&mutex_);
        mutex_.Await(absl::Condition(this, &Impl::HasWork));
        batch.swap(queued_);
        reopen = std::exchange(reopen_, false);
        stop = stopping_;
      }
      size_t written = 0;
      for (const std::string& lines : batch) {
        WriteAll(descriptor_, lines);
        written += lines.size();
      }
      if (reopen) OpenAgain();
      absl::MutexLock lock(&mutex_);
      queued_bytes_ -= written;
    }
  }

  void OpenAgain() {
    auto opened = Open(options_.path);
    if (!opened.ok()) return;  // The old file goes on taking the lines.
    if (descriptor_ != STDOUT_FILENO) close(descriptor_);
    descriptor_ = *opened;
  }

  const Options options_;
  int descriptor_;  // The thread's, once it runs.
  mutable absl::Mutex mutex_;
  std::vector<std::unique_ptr<Writer>> writers_;
  std::vector<std::string> queued_ ABSL_GUARDED_BY(mutex_);
  size_t queued_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t dropped_ ABSL_GUARDED_BY(mutex_) = 0;
  bool reopen_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

absl::StatusOr<std::unique_ptr<AccessLog>> AccessLog::Create(const Options& options) {
  auto descriptor = Open(options.path);
  if (!descriptor.ok()) return descriptor.status();
  return std::unique_ptr<AccessLog>(new AccessLog(std::make_unique<Impl>(options, *descriptor)));
}

AccessLog::AccessLog(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
AccessLog::~AccessLog() = default;
AccessLog::Writer& AccessLog::AddWriter() { return impl_->AddWriter(); }
void AccessLog::Reopen() { impl_->Reopen(); }
uint64_t AccessLog::dropped() const { return impl_->dropped(); }

void AccessLog::Writer::Write(const AccessEntry& entry) {
  FormatAccessEntry(entry, buffer_);
  if (buffer_.size() >= kHandOverAt) Flush();
}

void AccessLog::Writer::Flush() {
  if (!buffer_.empty()) log_.Take(buffer_);
}

namespace {

void Field(absl::string_view key, absl::string_view value, base::JsonWriter& json) {
  if (!value.empty()) json.Key(key).String(value);
}

void Party(absl::string_view key, const AccessParty& party, base::JsonWriter& json) {
  json.Key(key).BeginObject();
  Field("address", party.address, json);
  Field("principal", party.principal, json);
  Field("serial", party.serial, json);
  json.EndObject();
}

}  // namespace

void FormatAccessEntry(const AccessEntry& entry, std::string& out) {
  base::JsonWriter json(out);
  json.BeginObject();
  json.Key("time").String(
      absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", entry.time, absl::UTCTimeZone()));
  Field("kind", entry.kind, json);
  Field("direction", entry.direction, json);
  Field("request_id", entry.request_id, json);
  Party("source", entry.source, json);
  Party("destination", entry.destination, json);
  Field("service", entry.service, json);
  if (!entry.tls_version.empty()) {
    json.Key("tls").BeginObject();
    Field("version", entry.tls_version, json);
    Field("alpn", entry.alpn, json);
    Field("sni", entry.sni, json);
    json.EndObject();
  }
  Field("method", entry.method, json);
  Field("path", entry.path, json);
  Field("host", entry.host, json);
  if (entry.status != 0) json.Key("status").Int(entry.status);
  json.Key("bytes_received").Uint(entry.bytes_received);
  json.Key("bytes_sent").Uint(entry.bytes_sent);
  json.Key("duration_ms").Double(absl::ToDoubleMilliseconds(entry.duration));
  Field("decision", entry.decision, json);
  Field("policy", entry.policy, json);
  if (entry.rule >= 0) json.Key("rule").Int(entry.rule);
  if (entry.reason != Reason::kNone) json.Key("reason").String(Name(entry.reason));
  Field("detail", entry.detail, json);
  json.EndObject();
  out += '\n';
}

}  // namespace kith::telemetry
