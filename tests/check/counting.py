#!/usr/bin/python3
"""tests/suites.py counts what fails as failed: a refusal, a skip, a crash behind good cases, and silence."""
import sys

import checker

sys.path.insert(0, str(checker.PROJECT / "tests"))
import suites

CASES = [
    ("all good", "1..2\nok 1 - a\nok 2 - b\n", True, (2, 0)),
    ("one bad", "1..2\nok 1 - a\nnot ok 2 - b\n", False, (1, 1)),
    ("a skip", "1..2\nok 1 - a\nok 2 # SKIP no tool\n", True, (1, 1)),
    ("a crash after good cases", "1..3\nok 1 - a\nok 2 - b\n", False, (2, 1)),
    ("a crash beside a bad case", "1..3\nok 1 - a\nnot ok 2 - b\n", False, (1, 1)),
    ("fewer cases than planned", "1..3\nok 1 - a\nok 2 - b\n", True, (2, 1)),
    ("silence", "", True, (0, 1)),
    ("a bail-out", "1..2\nok 1 - a\nBail out! no corpus\n", True, (1, 1)),
]

print(f"1..{len(CASES)}")
for number, (title, output, is_good, expected) in enumerate(CASES, start=1):
    count = suites.count_tap(output, is_good)
    checker.report(number, (count.passed, count.failed) == expected, f"counting: {title}",
                   [f"expected {expected}, counted {count.passed}, {count.failed}"])
