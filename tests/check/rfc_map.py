#!/usr/bin/python3
"""doc/rfc-map.md tells the truth: each file that it names exists, each test that it names is in its file.

A path stands in backticks, from the project's root; a name inside the file follows a colon:
`src/smtp/smtp_reply.c`, `tests/unit/smtp/smtp_reply_test.c:codes_are_strict`, `tests/dialogue/smtp_client/*.talk`."""
import re

import checker

REFERENCE = re.compile(r"`((?:src|include|tests|fuzz|bench|examples|script|man|doc|completions)/[^`:\s]+)(?::([^`\s]+))?`")


def find_faults(root):
    document = root / "doc" / "rfc-map.md"
    if not document.exists():
        return ["doc/rfc-map.md is missing"]
    references = REFERENCE.findall(document.read_text())
    faults = [] if references else ["doc/rfc-map.md names no file"]
    for path, name in references:
        found = sorted(root.glob(path))
        if not found:
            faults.append(f"doc/rfc-map.md: there is no {path}")
        elif name and not any(has_word(file, name) for file in found):
            faults.append(f"doc/rfc-map.md: {path} has no {name}")
    return faults


def has_word(file, name):
    return file.is_file() and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", file.read_text(errors="replace"))


checker.run(find_faults)
