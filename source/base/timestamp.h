// Times in UTC as digits. absl::FormatTime() takes several times as long, which shows where every
// line of a log or every certificate has some.
// Threads: any; pure. Owns: nothing.
// Errors: the empty string for a year that has not four digits.
#pragma once

#include <string>

#include "absl/time/time.h"

namespace kith::base {

// RFC 3339 with microseconds: "2026-11-21T20:33:07.000025Z".
std::string Rfc3339Micros(absl::Time time);

// "20261121203307", which is ASN.1's GeneralizedTime without its zone.
std::string DigitsOf(absl::Time time);

}  // namespace kith::base
