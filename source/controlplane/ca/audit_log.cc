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

std::string Rfc3339(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", time, absl::UTCTimeZone());
}

void Field(base::JsonWriter& json, absl::string_view key, absl::string_view value) {
  if (!value.empty()) json.Key(key).String(value);
}

std::string Format(const AuditEntry& entry, absl::Time now, uint64_t suppressed) {
  std::string line;
  base::JsonWriter json(line);
  json.BeginObject();
  json.Key("v").Int(2);
  json.Key("time").String(Rfc3339(now));
  json.Key("event").String(Name(entry.event));
  json.Key("decision").String(Decision(entry));
  json.Key("reason").String(Name(entry.refusal));
  Field(json, "spiffe_id", entry.spiffe_id);
  Field(json, "serial", entry.serial);
  if (entry.not_before != absl::InfinitePast()) {
    json.Key("not_before").String(Rfc3339(entry.not_before));
  }
  if (entry.not_after != absl::InfiniteFuture()) {
    json.Key("not_after").String(Rfc3339(entry.not_after));
  }
  Field(json, "key_type", entry.key_type);
  Field(json, "caller", entry.caller);
  Field(json, "token_id", entry.token_id);
  Field(json, "peer", entry.peer);
  Field(json, "detail", entry.detail);
  if (suppressed > 0) json.Key("suppressed").Uint(suppressed);
  json.EndObject();
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
  {
    const std::lock_guard<std::mutex> lock(log->mutex_);
    KITH_RETURN_IF_ERROR(log->FindEnd());
  }
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
  chain_ = std::string(x509::ChainOf(line));
  if (chain_.empty()) {
    // The first chained line vouches for all that stands before it.
    KITH_ASSIGN_OR_RETURN(const std::string content, ReadFile(path_, kMaxUnchained));
    chain_ = x509::Sha256Hex(content);
  }
  if (torn == 0) return absl::OkStatus();
  AuditEntry entry;
  entry.event = AuditEvent::kRecovery;
  entry.detail = absl::StrCat("an unfinished line of ", torn, " bytes was cut off");
  return WriteEntry(entry, options_.clock->Now());
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

absl::Status AuditLog::WriteLine(absl::string_view line) {
  ssize_t written;
  do {
    written = ::write(file_, line.data(), line.size());
  } while (written < 0 && errno == EINTR);
  if (written == static_cast<ssize_t>(line.size())) return absl::OkStatus();
  int error = written < 0 ? errno : ENOSPC;
  // Half a line would spoil the next one too.
  if (written > 0 && ::ftruncate(file_, ::lseek(file_, 0, SEEK_END) - written) != 0) error = errno;
  return Refuse(absl::StatusCode::kUnavailable, Refusal::kAuditUnavailable,
                SystemError("write audit log", path_, error, kRemedy));
}

absl::Status AuditLog::WriteEntry(const AuditEntry& entry, absl::Time now) {
  std::string chain;
  const std::string line = x509::ChainLine(Format(entry, now, suppressed_), chain_, chain);
  KITH_RETURN_IF_ERROR(WriteLine(line));
  chain_ = std::move(chain);
  suppressed_ = 0;
  dirty_ = true;
  return absl::OkStatus();
}

absl::Status AuditLog::Append(const AuditEntry& entry) {
  const absl::Time now = options_.clock->Now();
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!broken_.ok()) return broken_;
    if (entry.refusal != Refusal::kNone && !TakeRefusalToken(now)) {
      suppressed_++;
      return absl::OkStatus();
    }
    KITH_RETURN_IF_ERROR(WriteEntry(entry, now));
  }
  const bool certificate =
      entry.event == AuditEvent::kCertificate || entry.event == AuditEvent::kServerCertificate;
  if (options_.ledger != nullptr && certificate && entry.refusal == Refusal::kNone) {
    options_.ledger->Note({entry.serial, entry.spiffe_id, entry.not_after});
  }
  return absl::OkStatus();
}

void AuditLog::WhenFlushed(Flushed done) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    waiting_.push_back(std::move(done));
  }
  wake_.notify_one();
}

void AuditLog::FlushUntilStopped() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    wake_.wait_for(lock, kFlushInterval, [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return stopping_ || !waiting_.empty();
    });
    if (stopping_ && waiting_.empty() && !dirty_) return;
    std::vector<Flushed> waiting = std::exchange(waiting_, {});
    const bool dirty = std::exchange(dirty_, false);
    absl::Status status = broken_;
    if (status.ok() && dirty) {
      lock.unlock();
      const int error = ::fdatasync(file_) == 0 ? 0 : errno;
      lock.lock();
      if (error != 0) {
        status = broken_ =
            Refuse(absl::StatusCode::kUnavailable, Refusal::kAuditUnavailable,
                   SystemError("flush audit log", path_, error,
                               "nothing is issued; mend the disk, then restart the control plane"));
      }
    }
    lock.unlock();
    for (Flushed& done : waiting) done(status);
    lock.lock();
  }
}

std::string AuditLog::chain() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return chain_;
}

}  // namespace kith::controlplane
