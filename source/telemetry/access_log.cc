#include "source/telemetry/access_log.h"

#include <signal.h>

#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "source/base/log.h"
#include "source/telemetry/access_output.h"
#include "source/telemetry/families.h"
#include "source/telemetry/metrics.h"

namespace kith::telemetry {

class AccessLog::Impl {
 public:
  Impl(const Options& options, std::unique_ptr<AccessOutput> output)
      : options_(options), output_(std::move(output)) {
    if (options.metrics != nullptr) {
      // Whoever holds the mutex is the shard's one thread.
      Shard& shard = options.metrics->AddShard();
      queue_full_ = &shard.GetCounter(kAccessLogDropped, {"queue_full"});
      write_failed_ = &shard.GetCounter(kAccessLogDropped, {"write_failed"});
    }
    thread_ = std::thread([this] { Run(); });
  }

  ~Impl() {
    for (auto& writer : writers_) writer->Flush();
    {
      std::unique_lock lock(mutex_);
      stopping_ = true;
      changed_.notify_all();
      changed_.wait_for(lock, absl::ToChronoNanoseconds(options_.grace), [this] { return done_; });
    }
    output_->GiveUp();
    thread_.join();
  }

  Writer& AddWriter() {
    std::lock_guard lock(mutex_);
    writers_.push_back(std::make_unique<Writer>(*this));
    return *writers_.back();
  }

  // Takes `lines` lines and leaves an empty buffer. Never waits for the output.
  void Take(std::string& buffer, uint64_t lines) {
    std::lock_guard lock(mutex_);
    if (queued_bytes_ + buffer.size() > options_.max_queued_bytes) {
      buffer.clear();
      CountLost(lines, queue_full_);
      return;
    }
    queued_bytes_ += buffer.size();
    queued_.push_back(std::move(buffer));
    buffer = std::string();
    if (!spare_.empty()) {
      buffer.swap(spare_.back());
      spare_.pop_back();
    }
    changed_.notify_all();
  }

  void Reopen() {
    std::lock_guard lock(mutex_);
    reopen_ = true;
    changed_.notify_all();
  }

  uint64_t dropped() const {
    std::lock_guard lock(mutex_);
    return dropped_;
  }

 private:
  static constexpr size_t kSpare = 8;  // Written buffers kept for the workers to fill again.

  // With the mutex held.
  void CountLost(uint64_t lines, Counter* counter) {
    dropped_ += lines;
    if (counter != nullptr) counter->Add(lines);
  }

  void Run() {
    // Signals are the main thread's, and a reader that went away is an error, not an end.
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    for (;;) {
      std::vector<std::string> batch;
      bool reopen = false;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return stopping_ || reopen_ || !queued_.empty(); });
        batch.swap(queued_);
        reopen = std::exchange(reopen_, false);
        if (batch.empty() && !reopen) {
          done_ = true;
          changed_.notify_all();
          return;
        }
      }
      // First, so that nothing handed over after Reopen() goes to the old file.
      if (reopen) Report(output_->Reopen());
      for (std::string& lines : batch) WriteOut(lines);
    }
  }

  void WriteOut(std::string& lines) {
    uint64_t lost = 0;
    const absl::Status status = output_->Write(lines, lost);
    // Once for each time that it begins: a full disk must not fill the program's log as well.
    if (!status.ok() && !failing_) Report(status);
    failing_ = !status.ok();

    const size_t size = lines.size();
    lines.clear();
    std::lock_guard lock(mutex_);
    queued_bytes_ -= size;
    CountLost(lost, write_failed_);
    if (spare_.size() < kSpare) spare_.push_back(std::move(lines));
  }

  void Report(const absl::Status& status) {
    if (status.ok()) return;
    base::Log(base::LogLevel::kWarning, "access_log", status.message());
  }

  const Options options_;
  // The thread's, once it runs.
  const std::unique_ptr<AccessOutput> output_;
  bool failing_ = false;

  // Not absl::Mutex: ThreadSanitizer cannot see into the installed library's.
  mutable std::mutex mutex_;
  // Everything below is used with the mutex held.
  std::condition_variable changed_;
  std::vector<std::unique_ptr<Writer>> writers_;
  std::vector<std::string> queued_;
  std::vector<std::string> spare_;
  size_t queued_bytes_ = 0;
  uint64_t dropped_ = 0;
  Counter* queue_full_ = nullptr;
  Counter* write_failed_ = nullptr;
  bool reopen_ = false;
  bool stopping_ = false;
  bool done_ = false;

  std::thread thread_;
};

absl::StatusOr<std::unique_ptr<AccessLog>> AccessLog::Create(const Options& options) {
  auto output = AccessOutput::Create(options.path);
  if (!output.ok()) return output.status();
  return std::unique_ptr<AccessLog>(
      new AccessLog(std::make_unique<Impl>(options, *std::move(output))));
}

AccessLog::AccessLog(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
AccessLog::~AccessLog() = default;
AccessLog::Writer& AccessLog::AddWriter() { return impl_->AddWriter(); }
void AccessLog::Reopen() { impl_->Reopen(); }
uint64_t AccessLog::dropped() const { return impl_->dropped(); }

void AccessLog::Writer::Write(const AccessEntry& entry) {
  FormatAccessEntry(entry, buffer_);
  ++lines_;
  if (buffer_.size() >= kHandOverAt) Flush();
}

void AccessLog::Writer::Flush() {
  if (!buffer_.empty()) log_.Take(buffer_, std::exchange(lines_, 0));
}

}  // namespace kith::telemetry
