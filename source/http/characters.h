// The character classes of HTTP/1.1 (RFC 9110 §5.5 and §5.6.2, RFC 9112 §3), one table lookup each.
// Threads: constants. Owns: nothing. Errors: none.
#pragma once

#include <array>
#include <cstdint>

namespace kith::http {

enum CharacterClass : uint8_t {
  kTokenChar = 1,   // tchar: header names.
  kMethodChar = 2,  // tchar without lower case: methods are upper case for us.
  kTargetChar = 4,  // Visible ASCII without '#'.
  kValueChar = 8,   // HTAB, visible ASCII, space, obs-text: header values and reasons.
  kHostChar = 16,   // What names and IPv4 addresses in Host are made of.
};

constexpr std::array<uint8_t, 256> MakeCharacterTable() {
  std::array<uint8_t, 256> table{};
  for (int c = 0; c < 256; ++c) {
    const bool digit = c >= '0' && c <= '9';
    const bool upper = c >= 'A' && c <= 'Z';
    const bool lower = c >= 'a' && c <= 'z';
    bool mark = false;
    for (char m : {'!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~'}) {
      if (c == m) mark = true;
    }
    uint8_t classes = 0;
    if (digit || upper || lower || mark) classes |= kTokenChar;
    if (digit || upper || mark) classes |= kMethodChar;
    if (c > 0x20 && c < 0x7f && c != '#') classes |= kTargetChar;
    if (c == '\t' || (c >= 0x20 && c != 0x7f)) classes |= kValueChar;
    if (digit || upper || lower || c == '-' || c == '.' || c == '_' || c == '~') {
      classes |= kHostChar;
    }
    table[static_cast<size_t>(c)] = classes;
  }
  return table;
}

inline constexpr std::array<uint8_t, 256> kCharacterTable = MakeCharacterTable();

inline bool Is(CharacterClass wanted, char c) {
  return (kCharacterTable[static_cast<uint8_t>(c)] & wanted) != 0;
}

// The value of a hexadecimal digit, or -1.
constexpr int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace kith::http
