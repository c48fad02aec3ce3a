#!/usr/bin/python3
"""The file stem is the prefix of the functions that a file shows; ph_ marks the front door and nothing else; words are whole
and say something; every file says in its first line what it is for."""
import re

import checker

EMPTY_WORDS = {"util", "utils", "misc", "common", "helper", "helpers", "manager", "stuff"}
FIRST_IDENTIFIER = re.compile(r"(\w+)\s*\(")
ATTRIBUTE = re.compile(r"__attribute__\s*\(\(.*?\)\)", re.DOTALL)
TYPEDEF_STRUCT = re.compile(r"^\s*typedef\s+(struct|union|enum)\b[^(;]*[{;]", re.MULTILINE)


def find_faults(root):
    faults = []
    stems = {}
    for path in checker.files(root, ["src", "include", "tests", "fuzz", "examples", "bench"], (".c", ".h")):
        name = path.relative_to(root).as_posix()
        text = path.read_text()
        if EMPTY_WORDS & set(re.split(r"[/_.]", name)):
            faults.append(f"{name}: a name that says nothing")
        if not text.startswith("/*"):
            faults.append(f"{name}: the first line does not say what the file is for")
        if name.startswith(("src/", "include/")) and TYPEDEF_STRUCT.search(text):
            faults.append(f"{name}: a struct, union or enum behind a typedef")
        if name.startswith("src/") and name.endswith(".c"):
            if path.stem in stems:
                faults.append(f"{name}: {stems[path.stem]} has the same stem")
            stems[path.stem] = name
            faults += [f"{name}: {fault}" for fault in judge_functions(path, text)]
    return faults


def judge_functions(path, text):
    faults = []
    in_front = path.parent.name == "client"
    for function in shown_functions(text):
        if function.startswith("ph_"):
            if not in_front:
                faults.append(f"{function}: only src/client has ph_ functions")
            elif not path.stem.startswith("ph_"):
                faults.append(f"{function}: public functions live in ph_ files")
        elif function != "main" and function != path.stem and not function.startswith(path.stem + "_"):
            faults.append(f"{function}: does not begin with {path.stem}_")
    return faults


def shown_functions(text):
    """The names of the functions defined here that are not static. The format checker guarantees the shape: a body opens
    with a brace in column 0, and the lines above it, up to something that ends, are its head."""
    lines = text.splitlines()
    for index, line in enumerate(lines):
        if line != "{":
            continue
        start = index
        while start > 0 and not ends_something(lines[start - 1]):
            start -= 1
        head = ATTRIBUTE.sub("", "\n".join(lines[start:index]))
        found = FIRST_IDENTIFIER.search(head)
        if found and not re.search(r"\bstatic\b", head) and "=" not in head[:found.start()]:
            yield found.group(1)


def ends_something(line):
    return (line == "" or line.startswith(("}", "#")) or line.rstrip().endswith((";", "*/", "\\")))


checker.run(find_faults)
