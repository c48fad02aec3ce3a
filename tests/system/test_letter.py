"""Posts the first letter through Postfix and Dovecot."""

import os
import subprocess

from lab.driver import built

HERE = os.path.dirname(os.path.abspath(__file__))


def test_the_first_letter():
    built("tests/system/letter")
    done = subprocess.run([os.path.join(HERE, "letter"), "--verbose", os.environ["POSTHORN_BUILD"]],
                          capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
    assert b"It arrived" in done.stdout
    # The talk is shown, and the password is not in it.
    assert b"STARTTLS" in done.stderr and b"wonderland" not in done.stdout + done.stderr


def test_a_letter_that_is_not_built():
    done = subprocess.run([os.path.join(HERE, "letter"), "/nonexistent"], capture_output=True,
                          timeout=60, check=False)
    assert done.returncode != 0 and b"is not built" in done.stderr
