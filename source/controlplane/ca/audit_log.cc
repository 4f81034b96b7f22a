#include "source/controlplane/ca/audit_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "source/base/json_writer.h"
#include "source/base/status.h"
#include "source/base/timestamp.h"
#include "source/x509/hash_chain.h"

namespace kith::controlplane {
namespace {

constexpr char kFile[] = "audit.jsonl";
constexpr absl::string_view kRemedy =
    "is the disk full or read-only? nothing is issued until it works";
constexpr off_t kMaxLine = 256 * 1024;  // No line is nearly as long.
constexpr size_t kMaxUnchained = size_t{1} << 30;
constexpr std::chrono::seconds kFlushInterval{1};

absl::string_view Name(AuditEvent event) {
  switch (event) {
    case AuditEvent::kServerCertificate:
      return "server_certificate";
    case AuditEvent::kToken:
      return "token";
    case AuditEvent::kIntermediate:
      return "intermediate";
    case AuditEvent::kRotation:
      return "rotation";
    case AuditEvent::kJoinToken:
      return "join_token";
    case AuditEvent::kRevocation:
      return "revocation";
    case AuditEvent::kUnrevocation:
      return "unrevocation";
    case AuditEvent::kRecovery:
      return "recovery";
    case AuditEvent::kCertificate:
      break;
  }
  return "certificate";
}

absl::string_view Decision(const AuditEntry& entry) {
  if (entry.refusal != Refusal::kNone) return "refused";
  switch (entry.event) {
    case AuditEvent::kRevocation:
      return "revoked";
    case AuditEvent::kUnrevocation:
      return "restored";
    case AuditEvent::kRecovery:
      return "recovered";
    default:
      return "issued";
  }
}

void Field(base::JsonWriter& json, absl::string_view key, absl::string_view value) {
  if (!value.empty()) json.Key(key).String(value);
}

// Without the brace at its end.
std::string Format(const AuditEntry& entry, absl::Time now) {
  std::string line;
  line.reserve(640);
  base::JsonWriter json(line);
  json.BeginObject();
  json.Key("v").Int(2);
  json.Key("time").String(base::Rfc3339Micros(now));
  json.Key("event").String(Name(entry.event));
  json.Key("decision").String(Decision(entry));
  json.Key("reason").String(Name(entry.refusal));
  Field(json, "spiffe_id", entry.spiffe_id);
  Field(json, "serial", entry.serial);
  if (entry.not_before != absl::InfinitePast()) {
    json.Key("not_before").String(base::Rfc3339Micros(entry.not_before));
  }
  if (entry.not_after != absl::InfiniteFuture()) {
    json.Key("not_after").String(base::Rfc3339Micros(entry.not_after));
  }
  Field(json, "key_type", entry.key_type);
  Field(json, "caller", entry.caller);
  Field(json, "token_id", entry.token_id);
  Field(json, "peer", entry.peer);
  Field(json, "detail", entry.detail);
  return line;
}

}  // namespace

absl::StatusOr<std::unique_ptr<AuditLog>> AuditLog::Open(Options options) {
  std::string path = options.state->File(kFile);
  int file = ::open(path.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0) {
    return absl::FailedPreconditionError(SystemError("open audit log", path, errno, kRemedy));
  }
  // The log names every workload; a file made by hand may be more open than that.
  std::unique_ptr<AuditLog> log(new AuditLog(options, std::move(path), file));
  struct stat facts;
  if (::fchmod(file, 0600) != 0 || ::fstat(file, &facts) != 0) {
    return absl::FailedPreconditionError(
        SystemError("protect audit log", log->path_, errno, "does it belong to this user?"));
  }
  KITH_RETURN_IF_ERROR(log->FindEnd());
  log->flusher_ = std::thread([raw = log.get()] { raw->FlushUntilStopped(); });
  return log;
}

absl::Status AuditLog::FindEnd() {
  const off_t size = ::lseek(file_, 0, SEEK_END);
  const off_t begin = std::max<off_t>(0, size - kMaxLine);
  std::string tail(static_cast<size_t>(size - begin), '\0');
  if (::pread(file_, tail.data(), tail.size(), begin) != static_cast<ssize_t>(tail.size())) {
    return absl::FailedPreconditionError(
        SystemError("read audit log", path_, errno, "is the disk healthy?"));
  }
  const size_t last_feed = tail.rfind('\n');
  const size_t torn = tail.size() - (last_feed == std::string::npos ? 0 : last_feed + 1);
  if (torn > 0) {
    if (::ftruncate(file_, size - static_cast<off_t>(torn)) != 0) {
      return absl::FailedPreconditionError(SystemError("mend audit log", path_, errno, kRemedy));
    }
    tail.resize(tail.size() - torn);
  }
  absl::string_view line = tail;
  if (!line.empty()) line.remove_suffix(1);
  const size_t before = line.rfind('\n');
  if (before != absl::string_view::npos) line.remove_prefix(before + 1);
  std::string chain(x509::ChainOf(line));
  if (chain.empty()) {
    // The first chained line vouches for all that stands before it.
    KITH_ASSIGN_OR_RETURN(const std::string content, ReadFile(path_, kMaxUnchained));
    chain = x509::Sha256Hex(content);
  }
  {
    const std::scoped_lock lock(file_mutex_, mutex_);
    chain_ = chain;
    written_chain_ = std::move(chain);
  }
  if (torn == 0) return absl::OkStatus();
  AuditEntry entry;
  entry.event = AuditEvent::kRecovery;
  entry.detail = absl::StrCat("an unfinished line of ", torn, " bytes was cut off");
  return Append(entry);
}

AuditLog::~AuditLog() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (flusher_.joinable()) flusher_.join();
  ::close(file_);
}

bool AuditLog::TakeRefusalToken(absl::Time now) {
  if (now < second_ || now >= second_ + absl::Seconds(1)) {
    second_ = now;
    refusals_in_second_ = 0;
  }
  return refusals_in_second_++ < options_.refusals_per_second;
}

absl::Status AuditLog::WriteWhole(absl::string_view lines) {
  ssize_t written;
  do {
    written = ::write(file_, lines.data(), lines.size());
  } while (written < 0 && errno == EINTR);
  if (written == static_cast<ssize_t>(lines.size())) return absl::OkStatus();
  int error = written < 0 ? errno : ENOSPC;
  absl::Status status = Refuse(absl::StatusCode::kUnavailable, Refusal::kAuditUnavailable,
                               SystemError("write audit log", path_, error, kRemedy));
  // Half a line would spoil the next one too, and nobody is told of the whole ones before it.
  if (written > 0 && ::ftruncate(file_, ::lseek(file_, 0, SEEK_END) - written) != 0) {
    const std::lock_guard<std::mutex> lock(mutex_);
    broken_ = status;
  }
  return status;
}

absl::Status AuditLog::WriteQueue(std::vector<Waiter>* waiting) {
  std::string lines;
  std::string chain;
  uint64_t suppressed = 0;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (waiting != nullptr) *waiting = std::exchange(waiting_, {});
    lines = std::exchange(queue_, {});
    if (!broken_.ok()) return broken_;
    if (lines.empty()) return absl::OkStatus();
    chain = chain_;
    suppressed = std::exchange(queued_suppressed_, 0);
  }
  absl::Status status = WriteWhole(lines);
  const std::lock_guard<std::mutex> lock(mutex_);
  if (status.ok()) {
    written_chain_ = std::move(chain);
    dirty_ = true;
    return status;
  }
  // What has been queued meanwhile is chained to what is lost.
  queue_.clear();
  chain_ = written_chain_;
  suppressed_ += suppressed + std::exchange(queued_suppressed_, 0);
  lost_ = last_;
  loss_ = status;
  return status;
}

absl::StatusOr<AuditLog::Line> AuditLog::Queue(const AuditEntry& entry) {
  const absl::Time now = options_.clock->Now();
  std::string object = Format(entry, now);
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!broken_.ok()) return broken_;
  if (entry.refusal != Refusal::kNone && !TakeRefusalToken(now)) {
    suppressed_++;
    return 0;
  }
  if (suppressed_ > 0) {
    absl::StrAppend(&object, ",\"suppressed\":", suppressed_);
    queued_suppressed_ += std::exchange(suppressed_, 0);
  }
  object += '}';
  std::string chain;
  queue_ += x509::ChainLine(object, chain_, chain);
  chain_ = std::move(chain);
  return ++last_;
}

absl::StatusOr<AuditLog::Line> AuditLog::Enqueue(const AuditEntry& entry) {
  KITH_ASSIGN_OR_RETURN(const Line line, Queue(entry));
  const bool certificate =
      entry.event == AuditEvent::kCertificate || entry.event == AuditEvent::kServerCertificate;
  if (options_.ledger != nullptr && certificate && entry.refusal == Refusal::kNone) {
    options_.ledger->Note({entry.serial, entry.spiffe_id, entry.not_after});
  }
  return line;
}

absl::Status AuditLog::Append(const AuditEntry& entry) {
  // From before it is queued: nobody else may write it, and fail.
  const std::lock_guard<std::mutex> lock(file_mutex_);
  KITH_RETURN_IF_ERROR(Enqueue(entry).status());
  return WriteQueue(nullptr);
}

void AuditLog::WhenFlushed(Line line, Flushed done) {
  bool first = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    first = waiting_.empty();
    waiting_.push_back({line, std::move(done)});
  }
  if (first) wake_.notify_one();
}

void AuditLog::FlushOnce() {
  std::vector<Waiter> waiting;
  {
    const std::lock_guard<std::mutex> lock(file_mutex_);
    // Whom a failure concerns is found out below: others may have failed for the same lines.
    WriteQueue(&waiting).IgnoreError();
  }
  std::unique_lock<std::mutex> lock(mutex_);
  const bool dirty = std::exchange(dirty_, false);
  if (broken_.ok() && dirty) {
    lock.unlock();
    const int error = ::fdatasync(file_) == 0 ? 0 : errno;
    lock.lock();
    if (error != 0) {
      broken_ = Refuse(absl::StatusCode::kUnavailable, Refusal::kAuditUnavailable,
                       SystemError("flush audit log", path_, error,
                                   "nothing is issued; mend the disk, then restart the control "
                                   "plane"));
    }
  }
  const absl::Status broken = broken_;
  const absl::Status loss = loss_;
  const Line lost = lost_;
  lock.unlock();
  for (Waiter& waiter : waiting) {
    const bool is_lost = waiter.line != 0 && waiter.line <= lost;
    waiter.done(broken.ok() && is_lost ? loss : broken);
  }
}

void AuditLog::FlushUntilStopped() {
  while (true) {
    {
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait_for(lock, kFlushInterval, [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return stopping_ || !waiting_.empty();
      });
      if (stopping_ && waiting_.empty() && !dirty_ && queue_.empty()) return;
    }
    FlushOnce();
  }
}

}  // namespace kith::controlplane
