#include "source/jwt/locations.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "source/http/query.h"

namespace kith::jwt {
namespace {

bool Contains(const std::vector<std::string>& names, absl::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Calls back with each piece of `text` between dividers.
template <typename Take>
void ForEachPiece(absl::string_view text, char divider, Take take) {
  while (!text.empty()) {
    const size_t end = text.find(divider);
    take(text.substr(0, end));
    text = end == absl::string_view::npos ? absl::string_view() : text.substr(end + 1);
  }
}

absl::string_view QueryOf(absl::string_view target) {
  const size_t begin = target.find('?');
  return begin == absl::string_view::npos ? absl::string_view() : target.substr(begin + 1);
}

// One "name=value" of a query. Decoded singly, so that a broken neighbour does not hide it.
bool DecodeParameter(absl::string_view piece, std::string& name, std::string& value) {
  http::QueryParameters decoded;
  if (!http::DecodeQuery(piece, decoded) || decoded.size() != 1) return false;
  name = std::move(decoded.front().first);
  value = std::move(decoded.front().second);
  return true;
}

absl::string_view CookieName(absl::string_view piece) {
  return absl::StripAsciiWhitespace(piece.substr(0, piece.find('=')));
}

absl::string_view CookieValue(absl::string_view piece) {
  const size_t equals = piece.find('=');
  if (equals == absl::string_view::npos) return {};
  absl::string_view value = absl::StripAsciiWhitespace(piece.substr(equals + 1));
  if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
    value = value.substr(1, value.size() - 2);
  }
  return value;
}

}  // namespace

std::vector<std::string> FindTokens(const Rule& rule, const RequestView& request) {
  std::vector<std::string> tokens;
  const auto take = [&tokens](absl::string_view token) {
    if (!token.empty()) tokens.emplace_back(token);
  };
  for (const Rule::HeaderLocation& location : rule.headers) {
    for (const http::Header& header : request.headers) {
      if (!absl::EqualsIgnoreCase(header.name, location.name)) continue;
      absl::string_view value = header.value;
      if (absl::ConsumePrefix(&value, location.prefix)) take(absl::StripAsciiWhitespace(value));
    }
  }
  if (!rule.parameters.empty()) {
    ForEachPiece(QueryOf(request.target), '&', [&](absl::string_view piece) {
      std::string name;
      std::string value;
      if (DecodeParameter(piece, name, value) && Contains(rule.parameters, name)) take(value);
    });
  }
  if (!rule.cookies.empty()) {
    for (const http::Header& header : request.headers) {
      if (!absl::EqualsIgnoreCase(header.name, "cookie")) continue;
      ForEachPiece(header.value, ';', [&](absl::string_view piece) {
        if (Contains(rule.cookies, CookieName(piece))) take(CookieValue(piece));
      });
    }
  }
  return tokens;
}

bool WithoutParameters(const Rule& rule, absl::string_view target, std::string& out) {
  if (rule.parameters.empty()) return false;
  bool found = false;
  std::string query;
  ForEachPiece(QueryOf(target), '&', [&](absl::string_view piece) {
    std::string name;
    std::string value;
    if (DecodeParameter(piece, name, value) && Contains(rule.parameters, name)) {
      found = true;
    } else {
      absl::StrAppend(&query, query.empty() ? "" : "&", piece);
    }
  });
  if (!found) return false;
  out = std::string(target.substr(0, target.find('?')));
  if (!query.empty()) absl::StrAppend(&out, "?", query);
  return true;
}

bool WithoutCookies(const Rule& rule, absl::Span<const http::Header> headers, std::string& out) {
  if (rule.cookies.empty()) return false;
  bool found = false;
  out.clear();
  for (const http::Header& header : headers) {
    if (!absl::EqualsIgnoreCase(header.name, "cookie")) continue;
    ForEachPiece(header.value, ';', [&](absl::string_view piece) {
      const absl::string_view cookie = absl::StripAsciiWhitespace(piece);
      if (Contains(rule.cookies, CookieName(cookie))) {
        found = true;
      } else if (!cookie.empty()) {
        absl::StrAppend(&out, out.empty() ? "" : "; ", cookie);
      }
    });
  }
  return found;
}

}  // namespace kith::jwt
