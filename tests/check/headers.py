#!/usr/bin/python3
"""Each header compiles alone: ours as GNU C11, the public ones as C99 and as C++17, warnings being errors."""
import os
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import checker

# Debian keeps libpq's header in a folder of its own.
LIBPQ = subprocess.run(["pkg-config", "--cflags", "libpq"], capture_output=True, text=True, check=True).stdout.split()
OURS = ["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wshadow", "-Wvla", "-Wconversion", *LIBPQ]
C99 = ["gcc", "-std=c99", "-pedantic", "-Wall", "-Wextra", "-Wshadow", "-Wstrict-prototypes"]
CXX17 = ["g++", "-std=c++17", "-pedantic", "-Wall", "-Wextra", "-Wshadow"]
# For the C standard library alone: what POSIX adds (ssize_t...) must be asked for by the header itself.


def compile_alone(root, command, include, ending):
    with tempfile.TemporaryDirectory() as directory:
        source = Path(directory) / f"alone{ending}"
        # Twice: the second time must be harmless. A declaration keeps the unit from being empty.
        source.write_text(f"#include {include}\n#include {include}\nint alone;\n")
        done = subprocess.run(
            command + ["-Werror", "-fsyntax-only", f"-I{root}/src", f"-I{root}/include", str(source)],
            capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
    if done.returncode == 0:
        return None
    return f"{include} does not compile alone as {command[1][5:]}:\n{done.stderr}"


def find_faults(root):
    jobs = []
    for path in checker.files(root, ["src"], (".h",)):
        jobs.append((root, OURS, f'"{path.relative_to(root / "src")}"', ".c"))
    for path in checker.files(root, ["include"], (".h",)):
        include = f'<{path.relative_to(root / "include")}>'
        jobs.append((root, C99, include, ".c"))
        jobs.append((root, CXX17, include, ".cpp"))
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        return [fault for fault in pool.map(lambda job: compile_alone(*job), jobs) if fault]


checker.run(find_faults)
