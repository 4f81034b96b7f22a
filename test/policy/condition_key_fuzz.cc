// The key of a condition is refused, or read as something that can be evaluated.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "source/policy/condition_key.h"
#include "source/policy/ip_block.h"
#include "source/policy/pattern.h"
#include "source/policy/predicate.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kith::policy;
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto key = ParseConditionKey(text);
  if (key.ok()) {
    if ((key->attribute == Attribute::kHeader) == key->name.empty() &&
        key->attribute != Attribute::kCertificateExtension) {
      std::abort();
    }
    if ((key->attribute == Attribute::kClaim) == key->claim.empty()) std::abort();
  }
  if (const auto block = ParseIpBlock(text); block.ok() && block->size() > 129) std::abort();
  if (text.empty()) return 0;
  const TokenPattern token = ParseTokenPattern(text);
  if (token.first.written() != text) std::abort();
  if (!Pattern::IsTemplate(text)) return 0;
  const auto pattern = Pattern::Template(text, Pattern::TemplateBytes::kAny);
  // A template of listed bytes matches nothing that one of any byte does not.
  const auto listed = Pattern::Template(text, Pattern::TemplateBytes::kListed);
  if (pattern.ok() && listed->Matches(text) && !pattern->Matches(text)) std::abort();
  return 0;
}
