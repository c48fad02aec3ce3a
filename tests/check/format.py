#!/usr/bin/python3
"""clang-format has nothing to change."""
import subprocess

import checker

STYLE = checker.PROJECT / ".clang-format"
FOLDERS = ["src", "include", "tests", "fuzz", "bench", "examples"]


def find_faults(root):
    paths = checker.files(root, FOLDERS, (".c", ".h"))
    if not paths:
        return []
    done = subprocess.run(["clang-format-14", f"--style=file:{STYLE}", "--dry-run", "-Werror"] + paths,
                          capture_output=True, text=True)
    if done.returncode == 0:
        return []
    return done.stderr.splitlines() or [f"clang-format-14 ended with {done.returncode}"]


checker.run(find_faults)
