#!/usr/bin/env bash
# Every C++ file is formatted as .clang-format says, and no file is over 500 lines.
set -euo pipefail
cd "$(dirname "$0")/.."
status=0
mapfile -t files < <(find source test -name '*.h' -o -name '*.cc')
findings=$(mktemp)
trap 'rm -f "$findings"' EXIT
if ! clang-format-14 --dry-run --Werror --style=file "${files[@]}" 2> "$findings"; then
  grep -o '^[^:]*' "$findings" | sort -u | sed 's/^/not formatted: /' | head -n 50 >&2
  echo "mend it with: clang-format-14 -i --style=file FILE..." >&2
  status=1
fi
for file in "${files[@]}"; do
  lines=$(wc -l < "$file")
  if [ "$lines" -gt 500 ]; then
    echo "$file has $lines lines; split it" >&2
    status=1
  fi
done
exit "$status"
