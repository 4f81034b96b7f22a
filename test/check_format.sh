#!/usr/bin/env bash
# Every C++ and protobuf file is formatted as .clang-format says, and no file is over 500 lines.
set -euo pipefail
cd "$(dirname "$0")/.."
status=0
mapfile -t files < <(git ls-files -co --exclude-standard -- '*.h' '*.cc')
if [ "${#files[@]}" -eq 0 ]; then
  echo "no C++ files found; is this a git checkout?" >&2
  exit 1
fi
if ! clang-format-14 --dry-run --Werror --style=file "${files[@]}" 2> /tmp/kith-format.$$; then
  grep -o '^[^:]*' "/tmp/kith-format.$$" | sort -u | sed 's/^/not formatted: /' | head -n 50 >&2
  echo "mend it with: clang-format-14 -i --style=file FILE..." >&2
  status=1
fi
rm -f "/tmp/kith-format.$$"
for file in "${files[@]}"; do
  lines=$(wc -l < "$file")
  if [ "$lines" -gt 500 ]; then
    echo "$file has $lines lines; split it" >&2
    status=1
  fi
done
exit "$status"
