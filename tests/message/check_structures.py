"""Difficult messages against what is expected of them: ENVELOPE and BODYSTRUCTURE as IMAP shows them, and where
each part lies. They were held against Dovecot's answers when they were written; only boundary_100 differs, for
there Dovecot looks at 80 bytes of a boundary. `check_structures.py PROGRAM FOLDER [--write]`."""

import pathlib
import subprocess
import sys

# Whatever the pieces, the result is the same.
PIECES = [1, 2, 3, 7, 64, 1000]


def run(program, message, *piece):
    arguments = [program, message, *map(str, piece)]
    return subprocess.run(arguments, stdout=subprocess.PIPE, check=True).stdout


def trouble(program, message):
    """What is wrong, or None."""
    whole = run(program, message)
    expected = message.with_suffix(".expected")
    if not expected.exists():
        return "nobody wrote down what is expected"
    if whole != expected.read_bytes():
        return "not as expected:\n" + whole.decode("utf-8", "backslashreplace")
    # The largest messages are played in the larger pieces only.
    pieces = [piece for piece in PIECES if piece * 100000 > message.stat().st_size]
    for piece in pieces:
        if run(program, message, piece) != whole:
            return f"otherwise in pieces of {piece}"
    return None


def main():
    program, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    messages = sorted(folder.glob("*.eml"))
    if "--write" in sys.argv:
        for message in messages:
            message.with_suffix(".expected").write_bytes(run(program, message))
        return 0
    failed = not messages
    print(f"1..{len(messages)}")
    for number, message in enumerate(messages, 1):
        wrong = trouble(program, message)
        failed = failed or wrong is not None
        print(f"{'ok' if wrong is None else 'not ok'} {number} {message.stem}")
        for line in (wrong or "").splitlines():
            print("# " + line)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
