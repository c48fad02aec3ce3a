#!/usr/bin/python3
"""No floor includes a higher one, and engines include nothing that reaches out of their floor."""
import re

import checker

FLOORS = {
    "base": 1,
    "db": 2, "mail": 2, "wire": 2, "sasl": 2,
    "store": 3, "smtp": 3, "pop3": 3, "imap": 3,
    "auth": 4, "net": 4,
    "client": 5, "loop": 5,
    "delivery": 6,
    "session": 7,
    "server": 8,
    "cli": 9,
}

# Public headers that hold values only: any floor may use them. The others belong to client/.
VALUE_HEADERS = {"error.h", "transaction.h", "export.h", "protocol.h"}
PUBLIC_FLOOR = FLOORS["client"]

# An engine has no clock, no socket, no thread and no chance. A message needs chance, for its id and boundaries.
PURE = {"mail", "wire", "smtp", "pop3", "imap"}
NEEDS_CHANCE = {"mail"}
IMPURE_HEADERS = re.compile(
    r"base/(clock|random|log)\.h|openssl/.*|sys/(socket|epoll|un|select|poll)\.h|netinet/.*"
    r"|(netdb|poll|pthread|threads|uv|sqlite3|signal|syslog)\.h"
)

# libposthorn links without the server's libraries.
LIBRARY = {"base", "mail", "wire", "sasl", "smtp", "net", "client"}
SERVER_HEADERS = re.compile(r"(uv|sqlite3|libpq-fe|seccomp|microhttpd|confuse|jansson)\.h|systemd/.*|curl/.*")

INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]', re.MULTILINE)


def find_faults(root):
    faults = []
    source = root / "src"
    for path in checker.files(root, ["src"], (".c", ".h")):
        place = path.relative_to(source)
        folder = place.parts[0]
        if len(place.parts) != 2 or folder not in FLOORS:
            faults.append(f"src/{place}: is in no folder that has a floor")
            continue
        for quote, target in INCLUDE.findall(path.read_text()):
            fault = judge(folder, quote, target)
            if fault is not None:
                faults.append(f"src/{place}: {fault}")
    return faults


def judge(folder, quote, target):
    first, _, rest = target.partition("/")
    if first == "posthorn" and quote == "<":
        if rest not in VALUE_HEADERS and FLOORS[folder] < PUBLIC_FLOOR:
            return f"<{target}> belongs to a higher floor"
        return None
    if quote == '"':
        if first not in FLOORS:
            return f'"{target}" is in no folder that has a floor'
        if first != folder and FLOORS[first] >= FLOORS[folder]:
            return f'"{target}" is on floor {FLOORS[first]}, {folder} on {FLOORS[folder]}'
    if folder in PURE and IMPURE_HEADERS.fullmatch(target):
        if target == "base/random.h" and folder in NEEDS_CHANCE:
            return None
        return f"{folder} is pure and may not include {target}"
    if folder in LIBRARY and SERVER_HEADERS.fullmatch(target):
        return f"the library does without {target}"
    return None


checker.run(find_faults)
