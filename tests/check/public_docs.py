#!/usr/bin/python3
"""Every function of the front door has a comment above it, and a function that is defined is declared there with PH_API."""
import re

import checker

DECLARED = re.compile(r"\b(ph_\w+)\s*\(")
DEFINED = re.compile(r"^[a-z][\w \*]*?\b(ph_\w+)\(", re.MULTILINE)


def find_faults(root):
    faults = []
    declared = set()
    for path in checker.files(root, ["include"], (".h",)):
        name = path.relative_to(root).as_posix()
        above = ""
        for block in declarations(path.read_text()):
            if block.startswith("PH_API"):
                function = DECLARED.search(re.sub(r"PH_FORMAT\([^)]*\)", "", block))
                if function is None:
                    faults.append(f"{name}: not understood: {block.splitlines()[0]}")
                    continue
                declared.add(function.group(1))
                # Declarations that follow one another without a blank line share the comment above them.
                if not above:
                    faults.append(f"{name}: {function.group(1)} has no comment above it")
            else:
                above = block if block.startswith("/*") and "----" not in block else ""
    for path in checker.files(root, ["src/client"], (".c",)):
        for line in DEFINED.finditer(path.read_text()):
            if line.group(1) not in declared and not line.group(0).startswith("static"):
                faults.append(f"{path.relative_to(root)}: {line.group(1)} is in no public header")
    return faults


def declarations(text):
    """Comments, declarations and blank lines (as "") of a header, in order."""
    block = []
    in_comment = False
    for line in text.splitlines():
        if not block and line.strip() == "":
            yield ""
            continue
        block.append(line)
        if len(block) == 1 and line.startswith("/*"):
            in_comment = True
        if in_comment:
            if "*/" in line:
                in_comment = False
                yield "\n".join(block)
                block = []
        elif line.startswith("#") and len(block) == 1:
            block = []
        elif line.rstrip().endswith((";", "{", "}")) or re.search(r";\s*/\*", line):
            yield "\n".join(block)
            block = []


checker.run(find_faults)
