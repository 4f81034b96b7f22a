"""Counts test cases: prints "PASSED FAILED" for the targets a `bazel test` run reported.

usage: count_cases.py LOG TESTLOGS
A target whose XML names cases counts each of them; one that has none (a fuzz target, a crash) counts
as one.
"""

import pathlib
import re
import sys
import xml.etree.ElementTree as xml

# "//test/http:path_test    PASSED in 0.3s", also "(cached) PASSED", "FAILED", "TIMEOUT".
RESULT = re.compile(r"^(//\S+)\s+(?:\(cached\)\s+)?(PASSED|FLAKY|FAILED|TIMEOUT|NO STATUS)\b")


def cases(target, testlogs):
    """(cases, failures) of the target's newest run."""
    path = pathlib.Path(testlogs) / target[2:].replace(":", "/") / "test.xml"
    try:
        root = xml.parse(path).getroot()
    except (OSError, xml.ParseError):
        return 0, 0
    found = [case for case in root.iter("testcase") if case.get("status", "run") != "notrun"]
    broken = [c for c in found if c.find("failure") is not None or c.find("error") is not None]
    return len(found), len(broken)


def main():
    passed = failed = 0
    seen = set()
    for line in open(sys.argv[1], errors="replace"):
        match = RESULT.match(line)
        if not match or match.group(1) in seen:
            continue
        target, result = match.groups()
        seen.add(target)
        total, broken = cases(target, sys.argv[2])
        if result in ("PASSED", "FLAKY"):
            passed += max(total, 1)
        else:
            failed += max(broken, 1)
            passed += max(total - max(broken, 1), 0)
    print(passed, failed)


if __name__ == "__main__":
    main()
