#include "source/identity/source.h"

namespace kith::identity {

absl::string_view Name(Failure failure) {
  switch (failure) {
    case Failure::kNone:
      return "-";
    case Failure::kUnavailable:
      return "unavailable";
    case Failure::kToken:
      return "token";
    case Failure::kRefused:
      return "refused";
    case Failure::kIncomplete:
      return "incomplete";
    case Failure::kBadReply:
      return "bad_reply";
    case Failure::kWrongIdentity:
      return "wrong_identity";
    case Failure::kNotValidNow:
      return "not_valid_now";
    case Failure::kUntrusted:
      return "untrusted";
  }
  return "-";
}

}  // namespace kith::identity
