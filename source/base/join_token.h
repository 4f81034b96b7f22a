// What control plane and sidecar agree on about joining: a single-use token, spent by the first
// request for a certificate, whose answer brings a token of the usual kind.
// Threads: constants. Owns: nothing. Errors: none.
#pragma once

namespace kith::base {

// How single-use tokens begin.
inline constexpr char kJoinTokenPrefix[] = "kith-join.";
// The trailing metadata of an answer that brings a token: with a join, and at half of that token's
// life.
inline constexpr char kGivenTokenMetadata[] = "kith-token";

}  // namespace kith::base
