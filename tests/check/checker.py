"""What every checker shares: walking the tree, and proving that it can fail.

A checker gives run() a function that looks at a tree and returns sentences about what is wrong there. run() holds it
against the project and against every folder of bad/<name>/: each is a small tree with one mistake, and its file
`expected` holds words that must be in what the checker says about it. The result is TAP.
"""
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent.parent


def files(root, folders, endings):
    """The project's files below `folders` with one of the endings, sorted."""
    found = []
    for folder in folders:
        for directory, names, leaves in os.walk(root / folder):
            names[:] = sorted(name for name in names if not is_foreign(Path(directory) / name, root))
            found += [Path(directory) / leaf for leaf in leaves if leaf.endswith(endings)]
    return sorted(found)


def is_foreign(path, root):
    relative = path.relative_to(root).as_posix()
    return relative in ("build", ".git", "tests/check/bad") or path.name == "__pycache__"


def run(find_faults):
    name = Path(sys.argv[0]).stem
    bad = sorted(path for path in (HERE / "bad" / name).iterdir() if path.is_dir())
    print(f"1..{1 + len(bad)}")
    faults = find_faults(PROJECT)
    report(1, not faults, f"{name}: the project keeps the rule", faults)
    for number, case in enumerate(bad, start=2):
        said = find_faults(case)
        expected = (case / "expected").read_text().strip()
        report(number, any(expected in fault for fault in said), f"{name}: refuses {case.name}",
               [f"expected to hear: {expected}", "heard:"] + said)


def report(number, is_good, title, details):
    print(f"{'ok' if is_good else 'not ok'} {number} - {title}")
    if not is_good:
        for detail in details:
            for line in detail.splitlines():
                print(f"# {line}")
                print(line, file=sys.stderr)
    sys.stdout.flush()
