#include "source/controlplane/ca/key_ring.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "source/base/check.h"
#include "source/base/log.h"
#include "source/base/status.h"
#include "source/x509/crypto.h"

namespace kith::controlplane {
namespace {

using Json = nlohmann::json;

constexpr char kFile[] = "rotation.json";
constexpr char kPrefix[] = "rotation-root-";

absl::StatusOr<std::string> Text(const Json& json, const char* key) {
  if (!json.is_object() || !json.contains(key) || !json[key].is_string()) {
    return absl::FailedPreconditionError(absl::StrCat(key, " is missing"));
  }
  return json[key].get<std::string>();
}

absl::StatusOr<absl::Time> TimeOf(const Json& json, const char* key) {
  if (!json.contains(key) || !json[key].is_number_integer()) {
    return absl::FailedPreconditionError(absl::StrCat(key, " is missing"));
  }
  return absl::FromUnixMillis(json[key].get<int64_t>());
}

bool HasEnded(const std::string& file, absl::Time now) {
  const auto pem = ReadFile(file);
  if (!pem.ok()) return false;
  const auto certificates = x509::ParseCertificatesPem(*pem);
  return certificates.ok() && x509::NotAfter(certificates->front().get()) < now;
}

bool Holds(const std::vector<const X509*>& roots, const X509* root) {
  return std::any_of(roots.begin(), roots.end(),
                     [root](const X509* other) { return X509_cmp(other, root) == 0; });
}

}  // namespace

absl::string_view Name(RotationPhase phase) {
  switch (phase) {
    case RotationPhase::kIdle:
      return "idle";
    case RotationPhase::kAdding:
      return "adding";
    case RotationPhase::kReissuing:
      return "reissuing";
    case RotationPhase::kAborting:
      return "aborting";
    case RotationPhase::kRemoving:
      return "removing";
  }
  return "idle";
}

absl::StatusOr<std::unique_ptr<KeyRing>> KeyRing::Load(Options options, absl::Time now) {
  std::unique_ptr<KeyRing> ring(new KeyRing(std::move(options)));
  KITH_ASSIGN_OR_RETURN(const std::optional<std::string> text, ring->options_.state->Read(kFile));
  if (!text.has_value()) {
    KITH_RETURN_IF_ERROR(ring->LoadFirst(now));
    return ring;
  }
  absl::StatusOr<State> state = ring->Parse(*text, now);
  if (!state.ok()) {
    return base::Annotate(state.status(),
                          absl::StrCat(ring->options_.state->File(kFile),
                                       ": restore it and the files it names from one backup"));
  }
  ring->state_ = *std::move(state);
  const SignerFiles& used = ring->state_.members.front().files;
  if (!ring->options_.configured.certificate.empty() &&
      used.certificate != ring->options_.configured.certificate) {
    base::Log(base::LogLevel::kWarning, "ca",
              "a rotation has replaced the configured certificate, which is no longer used",
              {{"configured", ring->options_.configured.certificate}, {"used", used.certificate}});
  }
  KITH_RETURN_IF_ERROR(ring->Publish());
  ring->RemoveUnused();
  return ring;
}

absl::Status KeyRing::LoadFirst(absl::Time now) {
  Member member;
  absl::StatusOr<Signer> signer;
  if (options_.configured.certificate.empty()) {
    member.made_here = true;
    member.files = {options_.state->File(kRootCertificateFile), options_.state->File(kRootKeyFile),
                    options_.state->File(kRootCertificateFile)};
    signer = LoadOrCreateRoot(*options_.state, options_.key_type, options_.trust_domain,
                              options_.root_lifetime, options_.backdate, now);
  } else {
    member.files = options_.configured;
    signer = LoadSigner(options_.configured, now);
  }
  if (!signer.ok()) return signer.status();
  member.signer = std::make_shared<const Signer>(*std::move(signer));
  state_.members.push_back(std::move(member));
  state_.since = now;
  // A crash may have left the beginning of a rotation.
  if (state_.members.front().made_here) RemoveUnused();
  return absl::OkStatus();
}

absl::StatusOr<bool> KeyRing::Reload(absl::Time now) {
  Member& member = state_.members.front();
  if (state_.members.size() != 1 || options_.configured.certificate.empty() ||
      member.files.certificate != options_.configured.certificate) {
    return absl::FailedPreconditionError(
        "the configured certificate is not what signs alone: a rotation has replaced it, or does");
  }
  KITH_ASSIGN_OR_RETURN(Signer signer, LoadSigner(options_.configured, now));
  if (X509_cmp(signer.certificate.get(), member.signer->certificate.get()) == 0 &&
      signer.roots_pem == member.signer->roots_pem &&
      signer.intermediates_pem == member.signer->intermediates_pem) {
    return false;
  }
  // Sidecars must know a root before it is of use to them, which is what a rotation sees to.
  if (signer.roots_pem != member.signer->roots_pem) {
    return absl::FailedPreconditionError(absl::StrCat(
        options_.configured.roots,
        ": the roots are others; replace them by 'kithctl ca rotate start --root-file', or, where "
        "several control planes sign by these files, restart each (docs/kubernetes.md)"));
  }
  if (options_.check) KITH_RETURN_IF_ERROR(options_.check(signer));
  member.signer = std::make_shared<const Signer>(std::move(signer));
  return true;
}

absl::StatusOr<KeyRing::State> KeyRing::Parse(const std::string& text, absl::Time now) const {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  State state;
  KITH_ASSIGN_OR_RETURN(const std::string phase, Text(json, "phase"));
  KITH_ASSIGN_OR_RETURN(const std::string mode, Text(json, "mode"));
  const auto* const found = std::find_if(std::begin(kRotationPhases), std::end(kRotationPhases),
                                         [&](RotationPhase each) { return Name(each) == phase; });
  if (found == std::end(kRotationPhases)) {
    return absl::FailedPreconditionError(absl::StrCat("phase \"", phase, "\" is unknown"));
  }
  state.phase = *found;
  state.mode = mode == "manual" ? RotationMode::kManual : RotationMode::kAutomatic;
  KITH_ASSIGN_OR_RETURN(state.since, TimeOf(json, "since"));
  KITH_ASSIGN_OR_RETURN(state.started, TimeOf(json, "started"));
  if (!json.contains("generation") || !json["generation"].is_number_unsigned()) {
    return absl::FailedPreconditionError("generation is missing");
  }
  state.generation = json["generation"].get<uint64_t>();
  const bool pair = state.phase == RotationPhase::kAdding ||
                    state.phase == RotationPhase::kReissuing ||
                    state.phase == RotationPhase::kAborting;
  if (!json.contains("roots") || !json["roots"].is_array() ||
      json["roots"].size() != (pair ? 2 : 1)) {
    return absl::FailedPreconditionError("roots are not as many as the phase has");
  }
  bool dropped = false;
  for (size_t i = 0; i < json["roots"].size(); ++i) {
    const Json& each = json["roots"][i];
    Member member;
    KITH_ASSIGN_OR_RETURN(member.files.certificate, Text(each, "certificate"));
    KITH_ASSIGN_OR_RETURN(member.files.key, Text(each, "key"));
    KITH_ASSIGN_OR_RETURN(member.files.roots, Text(each, "roots"));
    member.made_here = each.value("madeHere", false);
    const bool retiring = (state.phase == RotationPhase::kReissuing && i == 0) ||
                          (state.phase == RotationPhase::kAborting && i == 1);
    if (retiring && HasEnded(member.files.certificate, now)) {
      dropped = true;  // While nobody was there to remove it.
      continue;
    }
    KITH_ASSIGN_OR_RETURN(Signer signer, LoadSigner(member.files, now));
    member.signer = std::make_shared<const Signer>(std::move(signer));
    state.members.push_back(std::move(member));
  }
  if (dropped) {
    state.phase = RotationPhase::kRemoving;
    ++state.generation;
  }
  return state;
}

std::shared_ptr<const Signer> KeyRing::leaf_signer() const {
  return state_.phase == RotationPhase::kReissuing ? state_.members.back().signer
                                                   : state_.members.front().signer;
}

const Signer* KeyRing::retiring() const {
  if (state_.phase == RotationPhase::kReissuing) return state_.members.front().signer.get();
  if (state_.phase == RotationPhase::kAborting) return state_.members.back().signer.get();
  return nullptr;
}

std::vector<const X509*> KeyRing::Roots() const {
  std::vector<const X509*> roots;
  for (const Member& member : state_.members) {
    for (const auto& root : member.signer->roots) {
      if (!Holds(roots, root.get())) roots.push_back(root.get());
    }
  }
  return roots;
}

std::string KeyRing::BundlePem() const {
  std::string pem;
  for (const X509* root : Roots()) {
    const auto one = x509::CertificatePem(const_cast<X509*>(root));
    KITH_CHECK(one.ok(), "a certificate that was read can be written");
    pem += *one;
  }
  return pem;
}

absl::Status KeyRing::Expect(absl::string_view step,
                             std::initializer_list<RotationPhase> phases) const {
  if (std::find(phases.begin(), phases.end(), state_.phase) != phases.end()) {
    return absl::OkStatus();
  }
  const auto name = [](std::string* out, RotationPhase phase) {
    absl::StrAppend(out, Name(phase));
  };
  return absl::FailedPreconditionError(
      absl::StrCat(step, ": the rotation is ", Name(state_.phase), ", and this is a step from ",
                   absl::StrJoin(phases, " or ", name), " only; see 'kithctl ca rotate status'"));
}

// The files of a root are whole before anything names them.
absl::StatusOr<KeyRing::Member> KeyRing::Store(const RootPem& pem, absl::Time now) const {
  const std::string name = absl::StrCat(kPrefix, absl::BytesToHexString(x509::RandomBytes(4)));
  Member member;
  member.made_here = true;
  member.files = {options_.state->File(absl::StrCat(name, "-cert.pem")),
                  options_.state->File(absl::StrCat(name, "-key.pem")),
                  options_.state->File(absl::StrCat(name, "-roots.pem"))};
  KITH_RETURN_IF_ERROR(WriteFileAtomically(member.files.key, pem.key, 0600));
  KITH_RETURN_IF_ERROR(WriteFileAtomically(member.files.certificate, pem.certificate, 0644));
  KITH_RETURN_IF_ERROR(WriteFileAtomically(member.files.roots, pem.roots, 0644));
  KITH_ASSIGN_OR_RETURN(Signer signer, LoadSigner(member.files, now));
  member.signer = std::make_shared<const Signer>(std::move(signer));
  return member;
}

absl::Status KeyRing::Enter(RotationPhase phase, State next, absl::Time now) {
  next.phase = phase;
  next.since = now;
  Json roots = Json::array();
  for (const Member& member : next.members) {
    roots.push_back({{"certificate", member.files.certificate},
                     {"key", member.files.key},
                     {"roots", member.files.roots},
                     {"madeHere", member.made_here}});
  }
  const Json json{{"phase", std::string(Name(phase))},
                  {"mode", next.mode == RotationMode::kManual ? "manual" : "automatic"},
                  {"since", absl::ToUnixMillis(now)},
                  {"started", absl::ToUnixMillis(next.started)},
                  {"generation", next.generation},
                  {"roots", std::move(roots)}};
  KITH_RETURN_IF_ERROR(options_.state->Write(kFile, json.dump(2) + "\n", 0600));
  state_ = std::move(next);
  const absl::Status published = Publish();
  // The step counts all the same, and the next start writes the file.
  if (!published.ok()) {
    base::Log(base::LogLevel::kWarning, "ca", "the bundle's file is not up to date",
              {{"error", std::string(published.message())}});
  }
  RemoveUnused();
  return absl::OkStatus();
}

// root-cert.pem is what people give to sidecars, so it always holds the roots to trust.
absl::Status KeyRing::Publish() const {
  const std::string bundle = BundlePem();
  KITH_ASSIGN_OR_RETURN(const std::optional<std::string> present,
                        options_.state->Read(kRootCertificateFile));
  if (present == bundle) return absl::OkStatus();
  return options_.state->Write(kRootCertificateFile, bundle, 0644);
}

// Keys of roots that are gone, copies that a crash left, and the first root's key once it lies
// under another name: all of them are named by nothing any more.
void KeyRing::RemoveUnused() const {
  std::vector<std::string> used;
  for (const Member& member : state_.members) {
    used.insert(used.end(), {member.files.certificate, member.files.key, member.files.roots});
  }
  std::error_code ignored;
  std::vector<std::filesystem::path> unused;
  for (std::filesystem::directory_iterator entry(options_.state->path(), ignored), end;
       !ignored && entry != end; entry.increment(ignored)) {
    const std::string name = entry->path().filename().string();
    if (!absl::StartsWith(name, kPrefix) && name != kRootKeyFile) continue;
    if (std::find(used.begin(), used.end(), options_.state->File(name)) == used.end()) {
      unused.push_back(entry->path());
    }
  }
  for (const auto& path : unused) std::filesystem::remove(path, ignored);
}

absl::Status KeyRing::Add(const RootPem& root, RotationMode mode, absl::Time now) {
  KITH_RETURN_IF_ERROR(Expect("start a rotation", {RotationPhase::kIdle}));
  State next = state_;
  Member& present = next.members.front();
  if (present.files.key == options_.state->File(kRootKeyFile)) {
    // root-cert.pem is about to hold both roots; from here on a root's own files are apart.
    KITH_ASSIGN_OR_RETURN(const std::string certificate, ReadFile(present.files.certificate));
    KITH_ASSIGN_OR_RETURN(const std::string key, ReadFile(present.files.key));
    KITH_ASSIGN_OR_RETURN(present, Store({certificate, key, certificate}, now));
  }
  absl::StatusOr<Member> added = Store(root, now);
  absl::Status usable = added.status();
  if (usable.ok() && options_.check) usable = options_.check(*added->signer);
  if (!usable.ok()) {
    RemoveUnused();
    return base::Annotate(usable, "start a rotation: the new root");
  }
  if (added->signer->root_key_id == present.signer->root_key_id) {
    RemoveUnused();
    return absl::FailedPreconditionError(
        absl::StrCat("start a rotation: the new root has the key of the present one, ",
                     present.signer->root_key_id, "; give one with a new key"));
  }
  next.members.push_back(*std::move(added));
  next.mode = mode;
  next.started = now;
  ++next.generation;
  return Enter(RotationPhase::kAdding, std::move(next), now);
}

absl::Status KeyRing::Switch(absl::Time now) {
  KITH_RETURN_IF_ERROR(Expect("switch the signer", {RotationPhase::kAdding}));
  State next = state_;
  ++next.generation;  // The old root's leaves are asked to renew.
  return Enter(RotationPhase::kReissuing, std::move(next), now);
}

absl::Status KeyRing::Abort(absl::Time now) {
  KITH_RETURN_IF_ERROR(
      Expect("abort the rotation", {RotationPhase::kAdding, RotationPhase::kReissuing}));
  State next = state_;
  ++next.generation;
  return Enter(RotationPhase::kAborting, std::move(next), now);
}

absl::Status KeyRing::Remove(absl::Time now) {
  KITH_RETURN_IF_ERROR(
      Expect("remove the root", {RotationPhase::kReissuing, RotationPhase::kAborting}));
  State next = state_;
  if (state_.phase == RotationPhase::kReissuing) {
    next.members.erase(next.members.begin());
  } else {
    next.members.pop_back();
  }
  ++next.generation;
  return Enter(RotationPhase::kRemoving, std::move(next), now);
}

absl::Status KeyRing::Settle(absl::Time now) {
  KITH_RETURN_IF_ERROR(Expect("end the rotation", {RotationPhase::kRemoving}));
  State next = state_;
  next.mode = RotationMode::kAutomatic;
  return Enter(RotationPhase::kIdle, std::move(next), now);
}

}  // namespace kith::controlplane
