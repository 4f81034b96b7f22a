#include "source/identity/file_source.h"

#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "source/base/check.h"
#include "source/base/log.h"
#include "source/base/status.h"
#include "source/tls/encoding.h"
#include "source/tls/pem.h"

namespace kith::identity {
namespace {

constexpr size_t kMaxFile = size_t{1024} * 1024;
constexpr tls::PemLimits kChainLimits = {size_t{64} * 1024, 10};

absl::StatusOr<std::string> ReadSmallFile(const std::string& file) {
  errno = 0;
  std::ifstream in(file, std::ios::binary);
  std::string content(kMaxFile + 1, '\0');
  if (in) in.read(content.data(), static_cast<std::streamsize>(content.size()));
  if (!in && !in.eof()) {
    return absl::UnavailableError(
        absl::StrCat("read ", file, ": ", errno == 0 ? "it cannot be read" : std::strerror(errno),
                     "; does whoever delivers it run, and may this process read it?"));
  }
  content.resize(static_cast<size_t>(in.gcount()));
  if (content.size() > kMaxFile) {
    return absl::InvalidArgumentError(absl::StrCat("read ", file, ": it is over 1 MiB"));
  }
  return content;
}

// Contents are compared by digest, so that no second copy of a key lives here.
std::string Digest(const std::vector<absl::string_view>& parts) {
  SHA256_CTX context;
  SHA256_Init(&context);
  for (const absl::string_view part : parts) {
    const uint64_t size = part.size();
    SHA256_Update(&context, &size, sizeof size);
    SHA256_Update(&context, part.data(), part.size());
  }
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256_Final(reinterpret_cast<uint8_t*>(digest.data()), &context);
  return digest;
}

// The certificates of a file that may hold the key as well.
std::string CertificatesOf(absl::string_view pem) {
  constexpr absl::string_view kBegin = "-----BEGIN CERTIFICATE-----";
  constexpr absl::string_view kEnd = "-----END CERTIFICATE-----";
  std::string certificates;
  while (true) {
    const size_t begin = pem.find(kBegin);
    if (begin == absl::string_view::npos) return certificates;
    const size_t end = pem.find(kEnd, begin);
    // A block without its end is what makes the file a half-written one.
    const absl::string_view block = end == absl::string_view::npos
                                        ? pem.substr(begin)
                                        : pem.substr(begin, end + kEnd.size() - begin);
    absl::StrAppend(&certificates, block, "\n");
    if (end == absl::string_view::npos) return certificates;
    pem.remove_prefix(end + kEnd.size());
  }
}

absl::Status CheckPair(absl::string_view chain_pem, const tls::PrivateKey& key) {
  auto chain = tls::ParseCertificates(chain_pem, kChainLimits);
  if (!chain.ok()) return chain.status();
  const bool fits = X509_check_private_key(chain->front().get(), key.get()) == 1;
  ERR_clear_error();
  if (!fits) return absl::FailedPreconditionError("the key is not that of the certificate");
  return absl::OkStatus();
}

}  // namespace

struct FileSource::Contents {
  std::string certificate;
  std::string key;
  std::string pkcs12;
  std::string password;
  std::string bundle;

  std::string IdentityDigest() const { return Digest({certificate, key, pkcs12, password}); }
};

FileSource::FileSource(event::Loop& loop, Options options)
    : options_(std::move(options)),
      watches_(loop, {options_.watch, options_.recheck}, [this] { Read(); }),
      timer_(loop, [this] { Read(); }) {}

FileSource::~FileSource() = default;

void FileSource::Start(Observer& observer) {
  KITH_CHECK(observer_ == nullptr, "a source is started once");
  observer_ = &observer;
  for (const std::string* file :
       {&options_.certificate_file, &options_.key_file, &options_.pkcs12_file,
        &options_.password_file, &options_.bundle_file}) {
    watches_.Add(*file);
  }
  Read();
}

void FileSource::RotateNow() {
  used_.clear();
  refused_.clear();
  Read();
}

void FileSource::TryOverdue() {
  if (!refused_.empty()) Read();
}

void FileSource::Read() {
  const absl::StatusOr<Contents> contents = ReadFiles();
  if (!contents.ok()) {
    Tell({}, {Failure::kUnavailable, contents.status()});
  } else if (Refusal refusal = Use(*contents); refusal.failure != Failure::kNone) {
    Tell(*contents, refusal);
  } else {
    refused_.clear();
    failure_ = Failure::kNone;
  }
  if (failure_ != Failure::kNone) {
    timer_.Start(options_.recheck);
  } else {
    timer_.Stop();
  }
}

absl::StatusOr<FileSource::Contents> FileSource::ReadFiles() const {
  Contents contents;
  const auto read = [](const std::string& file, std::string& to) -> absl::Status {
    if (file.empty()) return absl::OkStatus();
    KITH_ASSIGN_OR_RETURN(to, ReadSmallFile(file));
    return absl::OkStatus();
  };
  KITH_RETURN_IF_ERROR(read(options_.certificate_file, contents.certificate));
  KITH_RETURN_IF_ERROR(read(options_.key_file, contents.key));
  KITH_RETURN_IF_ERROR(read(options_.pkcs12_file, contents.pkcs12));
  KITH_RETURN_IF_ERROR(read(options_.password_file, contents.password));
  KITH_RETURN_IF_ERROR(read(options_.bundle_file, contents.bundle));
  return contents;
}

// The roots go first: a new leaf may need them, and an old one that they cut off is replaced with
// them (Manager).
Refusal FileSource::Use(const Contents& contents) {
  Refusal bundle_refusal;
  const std::string bundle_digest = Digest({contents.bundle});
  if (!options_.bundle_file.empty() && used_bundle_ != bundle_digest) {
    absl::Status taken =
        observer_->OnBundles({{std::string(options_.id.trust_domain()), contents.bundle}});
    if (taken.ok()) used_bundle_ = bundle_digest;
    if (!taken.ok()) {
      bundle_refusal = {Failure::kUntrusted,
                        base::Annotate(taken, absl::StrCat("use ", options_.bundle_file))};
    }
  }
  if (options_.certificate_file.empty() && options_.pkcs12_file.empty()) return bundle_refusal;
  const std::string digest = contents.IdentityDigest();
  if (used_ == digest) return bundle_refusal;

  const std::string what =
      options_.pkcs12_file.empty() ? options_.certificate_file : options_.pkcs12_file;
  const auto refuse = [&what](Failure failure, const absl::Status& status) -> Refusal {
    return {failure, base::Annotate(status, absl::StrCat("use ", what))};
  };
  tls::KeyAndChain pair;
  if (options_.pkcs12_file.empty()) {
    auto key =
        tls::PrivateKey::FromPem(options_.key_file.empty() ? contents.certificate : contents.key);
    if (!key.ok()) return refuse(Failure::kIncomplete, key.status());
    pair.key = *std::move(key);
    pair.chain_pem = CertificatesOf(contents.certificate);
  } else {
    auto read = tls::ReadPkcs12(contents.pkcs12,
                                std::string(absl::StripTrailingAsciiWhitespace(contents.password)));
    if (!read.ok()) return refuse(Failure::kIncomplete, read.status());
    pair = *std::move(read);
  }
  if (absl::Status fits = CheckPair(pair.chain_pem, *pair.key); !fits.ok()) {
    return refuse(Failure::kIncomplete, fits);
  }
  auto identity = tls::Identity::Create(pair.chain_pem, pair.key);
  if (!identity.ok()) return refuse(Failure::kBadReply, identity.status());
  Refusal refusal = CheckIdentity(**identity, options_.id, options_.clock->Now());
  if (refusal.failure != Failure::kNone) return refuse(refusal.failure, refusal.status);
  if (absl::Status used = observer_->OnIdentity(*identity); !used.ok()) {
    return refuse(Failure::kUntrusted, used);
  }
  used_ = digest;
  if (bundle_refusal.failure == Failure::kNone) return {};
  // The new leaf may be the one that these roots were made for.
  if (observer_->OnBundles({{std::string(options_.id.trust_domain()), contents.bundle}}).ok()) {
    used_bundle_ = bundle_digest;
    return {};
  }
  return bundle_refusal;
}

void FileSource::Tell(const Contents& contents, const Refusal& refusal) {
  const std::string digest = Digest({contents.IdentityDigest(), contents.bundle});
  const bool told = refused_ == digest && failure_ == refusal.failure;
  refused_ = digest;
  failure_ = refusal.failure;
  if (!told) observer_->OnFailure(refusal.failure, refusal.status);
}

}  // namespace kith::identity
