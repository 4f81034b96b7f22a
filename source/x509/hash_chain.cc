#include "source/x509/hash_chain.h"

#include <openssl/sha.h>

#include <initializer_list>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace kith::x509 {
namespace {

constexpr absl::string_view kMember = R"(,"chain":")";
constexpr absl::string_view kEnd = R"("})";
constexpr size_t kHex = 2 * SHA256_DIGEST_LENGTH;
constexpr size_t kTail = kMember.size() + kHex + kEnd.size();

std::string HexOf(std::initializer_list<absl::string_view> pieces) {
  SHA256_CTX hash;
  SHA256_Init(&hash);
  for (const absl::string_view piece : pieces) SHA256_Update(&hash, piece.data(), piece.size());
  uint8_t digest[SHA256_DIGEST_LENGTH];
  SHA256_Final(digest, &hash);
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest), sizeof(digest)));
}

std::string Link(absl::string_view previous, absl::string_view object) {
  return HexOf({previous, "\n", object});
}

}  // namespace

std::string Sha256Hex(absl::string_view bytes) { return HexOf({bytes}); }

std::string ChainLine(absl::string_view object, absl::string_view previous, std::string& chain) {
  chain = Link(previous, object);
  object.remove_suffix(1);
  return absl::StrCat(object, kMember, chain, kEnd, "\n");
}

absl::string_view ChainOf(absl::string_view line) {
  if (line.size() <= kTail || !absl::EndsWith(line, kEnd)) return "";
  const absl::string_view tail = line.substr(line.size() - kTail);
  return absl::StartsWith(tail, kMember) ? tail.substr(kMember.size(), kHex) : "";
}

absl::Status HashChainReader::Read(absl::string_view line) {
  lines_++;
  const absl::string_view chain = ChainOf(line);
  if (chain.empty()) {
    if (!chain_.empty()) {
      return absl::DataLossError(
          absl::StrCat("line ", lines_,
                       ": has no chain, unlike the line before it; it was changed "
                       "or put there"));
    }
    unchained_++;
    absl::StrAppend(&before_, line, "\n");
    return absl::OkStatus();
  }
  if (chain_.empty()) {
    chain_ = Sha256Hex(before_);
    before_.clear();
  }
  const std::string object = absl::StrCat(line.substr(0, line.size() - kTail), "}");
  if (Link(chain_, object) != chain) {
    return absl::DataLossError(
        absl::StrCat("line ", lines_,
                     ": does not follow from the line before it; one of the two was changed, or a "
                     "line between them was removed"));
  }
  chain_ = std::string(chain);
  return absl::OkStatus();
}

}  // namespace kith::x509
