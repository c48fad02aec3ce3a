"""Runs programs of others as a test's clients."""

import os
import pty
import select
import subprocess

LIMIT = 60


def run(words, text=None, status=0, **options):
    """A program that needs no terminal, to its end; what it printed."""
    done = subprocess.run(words, input=text, capture_output=True, timeout=LIMIT, check=False, **options)
    assert done.returncode == status, f"{words[0]}: {done.returncode}\n" + (done.stdout + done.stderr).decode(errors="replace")
    return done.stdout


def run_on_terminal(words, **options):
    """For programs that serve people only; what they showed."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, **options)
    os.close(theirs)
    shown = b""
    try:
        while select.select([ours], [], [], LIMIT)[0]:
            shown += os.read(ours, 65536)
    except OSError:
        # The last of them has closed it.
        pass
    finally:
        os.close(ours)
    try:
        assert process.wait(10) == 0, shown.decode(errors="replace")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    return shown
