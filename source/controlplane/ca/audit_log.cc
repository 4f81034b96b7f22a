#include "source/controlplane/ca/audit_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "source/base/json_writer.h"

namespace kith::controlplane {
namespace {

constexpr char kFile[] = "audit.jsonl";
constexpr absl::string_view kRemedy =
    "is the disk full or read-only? nothing is issued until it works";

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
    case AuditEvent::kCertificate:
      break;
  }
  return "certificate";
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
  json.Key("v").Int(1);
  json.Key("time").String(Rfc3339(now));
  json.Key("event").String(Name(entry.event));
  const absl::string_view done = entry.event == AuditEvent::kRotation ? "done" : "issued";
  json.Key("decision").String(entry.refusal == Refusal::kNone ? done : "refused");
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
  line += '\n';
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
  char last = '\n';
  if (facts.st_size > 0 && ::pread(file, &last, 1, facts.st_size - 1) == 1 && last != '\n') {
    // A power cut may have left part of a line; what follows begins on a line of its own.
    const std::lock_guard<std::mutex> lock(log->mutex_);
    absl::Status ended = log->WriteLine("\n");
    if (!ended.ok()) return ended;
  }
  return log;
}

AuditLog::~AuditLog() {
  ::fdatasync(file_);
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
  off_t before = ::lseek(file_, 0, SEEK_END);
  ssize_t written;
  do {
    written = ::write(file_, line.data(), line.size());
  } while (written < 0 && errno == EINTR);
  if (written == static_cast<ssize_t>(line.size())) return absl::OkStatus();
  int error = written < 0 ? errno : ENOSPC;
  // Half a line would spoil the next one too.
  if (written > 0 && before >= 0 && ::ftruncate(file_, before) != 0) error = errno;
  return Refuse(absl::StatusCode::kUnavailable, Refusal::kAuditUnavailable,
                SystemError("write audit log", path_, error, kRemedy));
}

absl::Status AuditLog::Append(const AuditEntry& entry) {
  absl::Time now = options_.clock->Now();
  const std::lock_guard<std::mutex> lock(mutex_);
  if (entry.refusal != Refusal::kNone && !TakeRefusalToken(now)) {
    suppressed_++;
    return absl::OkStatus();
  }
  absl::Status written = WriteLine(Format(entry, now, suppressed_));
  if (!written.ok()) return written;
  suppressed_ = 0;
  if (now < flushed_ || now >= flushed_ + absl::Seconds(1)) {
    flushed_ = now;
    if (::fdatasync(file_) != 0) {
      return Refuse(absl::StatusCode::kUnavailable, Refusal::kAuditUnavailable,
                    SystemError("flush audit log", path_, errno, kRemedy));
    }
  }
  return absl::OkStatus();
}

}  // namespace kith::controlplane
