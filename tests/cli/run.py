#!/usr/bin/python3
"""Runs the tests of the program and prints TAP. Usage: run.py PROGRAM [WORD...]: only tests with all words in their name."""
import sys
import unittest
from pathlib import Path

import program


class TapResult(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.number = 0

    def tell(self, test, is_good, trouble=""):
        self.number += 1
        print(f"{'ok' if is_good else 'not ok'} {self.number} - {test.id()}")
        for line in trouble.splitlines():
            print(f"# {line}")
        sys.stdout.flush()

    def addSuccess(self, test):
        self.tell(test, True)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.tell(test, False, self._exc_info_to_string(err, test))

    def addError(self, test, err):
        super().addError(test, err)
        self.tell(test, False, self._exc_info_to_string(err, test))

    def addSubTest(self, test, subtest, err):
        """The test itself is then told of no more."""
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.tell(subtest, False, self._exc_info_to_string(err, test))

    def addSkip(self, test, reason):
        self.tell(test, False, f"a test that did not run has proved nothing: {reason}")


def tests_of(suite, words):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from tests_of(test, words)
        elif all(word in test.id() for word in words):
            yield test


def main(arguments):
    program.PATH = str(Path(arguments[0]).resolve())
    here = Path(__file__).resolve().parent
    found = unittest.defaultTestLoader.discover(str(here), pattern="test_*.py")
    chosen = list(tests_of(found, arguments[1:]))
    result = TapResult()
    unittest.TestSuite(chosen).run(result)
    print(f"1..{result.number}")
    return 0 if result.number >= len(chosen) > 0 and result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
