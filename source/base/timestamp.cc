#include "source/base/timestamp.h"

#include <cstdint>

namespace kith::base {
namespace {

void Put(int64_t value, int digits, char* at) {
  for (int i = digits - 1; i >= 0; --i, value /= 10) at[i] = static_cast<char>('0' + value % 10);
}

bool HasFourDigits(const absl::TimeZone::CivilInfo& utc) {
  return utc.cs.year() >= 0 && utc.cs.year() <= 9999;
}

}  // namespace

std::string Rfc3339Micros(absl::Time time) {
  const absl::TimeZone::CivilInfo utc = absl::UTCTimeZone().At(time);
  if (!HasFourDigits(utc)) return "";
  std::string text = "0000-00-00T00:00:00.000000Z";
  Put(utc.cs.year(), 4, &text[0]);
  Put(utc.cs.month(), 2, &text[5]);
  Put(utc.cs.day(), 2, &text[8]);
  Put(utc.cs.hour(), 2, &text[11]);
  Put(utc.cs.minute(), 2, &text[14]);
  Put(utc.cs.second(), 2, &text[17]);
  Put(absl::ToInt64Microseconds(utc.subsecond), 6, &text[20]);
  return text;
}

std::string DigitsOf(absl::Time time) {
  const absl::TimeZone::CivilInfo utc = absl::UTCTimeZone().At(time);
  if (!HasFourDigits(utc)) return "";
  std::string text(14, '0');
  Put(utc.cs.year(), 4, &text[0]);
  Put(utc.cs.month(), 2, &text[4]);
  Put(utc.cs.day(), 2, &text[6]);
  Put(utc.cs.hour(), 2, &text[8]);
  Put(utc.cs.minute(), 2, &text[10]);
  Put(utc.cs.second(), 2, &text[12]);
  return text;
}

}  // namespace kith::base
