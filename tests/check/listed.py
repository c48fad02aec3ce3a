#!/usr/bin/python3
"""Nothing lies beside the build: every source, unit test and fuzz target is listed in the meson.build of its folder, so that no
test is written and then never run."""
import re

import checker

COMMENT = re.compile(r"#.*")
QUOTED = re.compile(r"'([^']+)'")


def find_faults(root):
    faults = []
    for path in checker.files(root, ["src", "fuzz", "examples", "tests/unit"], (".c",)):
        name = path.relative_to(root).as_posix()
        if name.startswith("src/"):
            wanted = path.name
        elif name.startswith("tests/unit/") and name.endswith("_test.c"):
            wanted = path.stem.removesuffix("_test")
        elif name.endswith("_fuzz.c"):
            wanted = path.stem.removesuffix("_fuzz")
        else:
            wanted = path.name
        if not is_listed(root, path.parent, {wanted, path.name, path.stem}):
            faults.append(f"{name}: is not listed in {path.parent.relative_to(root)}/meson.build")
    return faults


def is_listed(root, folder, names):
    """In the folder's own meson.build or in one above it, where the name may have the folder before it."""
    while folder != root:
        build = folder / "meson.build"
        if build.exists():
            quoted = {text.rsplit("/", 1)[-1] for text in QUOTED.findall(COMMENT.sub("", build.read_text()))}
            if quoted & names:
                return True
        folder = folder.parent
    return False


checker.run(find_faults)
