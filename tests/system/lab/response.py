"""Responses of IMAP as Python values: lists, bytes, None for NIL."""

import re

ATOM = re.compile(rb"[^ ()\"{\[\]]*(?:\[[^\]]*\](?:<\d+>)?)?")
LITERAL = re.compile(rb"~?\{(\d+)\}\r\n")


class Reader:
    def __init__(self, data):
        self.data = data
        self.at = 0

    def value(self):
        first = self.data[self.at:self.at + 1]
        if first == b"(":
            return self.list()
        if first == b'"':
            return self.quoted()
        literal = LITERAL.match(self.data, self.at)
        if literal:
            end = literal.end() + int(literal.group(1))
            content = self.data[literal.end():end]
            self.at = end
            return content
        found = ATOM.match(self.data, self.at)
        assert found.end() > self.at, (self.data[max(0, self.at - 40):self.at], self.data[self.at:self.at + 40])
        self.at = found.end()
        return None if found.group().upper() == b"NIL" else found.group()

    def list(self):
        self.at += 1
        values = []
        while self.data[self.at:self.at + 1] != b")":
            assert self.at < len(self.data), "a list without its end"
            if self.data[self.at:self.at + 1] == b" ":
                self.at += 1
            else:
                values.append(self.value())
        self.at += 1
        return values

    def quoted(self):
        found = re.compile(rb'"((?:[^"\\]|\\.)*)"', re.DOTALL).match(self.data, self.at)
        assert found, self.data[self.at:self.at + 80]
        self.at = found.end()
        return re.sub(rb"\\(.)", rb"\1", found.group(1), flags=re.DOTALL)


def fetched(line):
    """A FETCH response as (number, {item: value})."""
    head = re.match(rb"\* (\d+) FETCH ", line)
    if head is None:
        return None
    reader = Reader(line)
    reader.at = head.end()
    values = reader.value()
    return int(head.group(1)), {name.upper(): value for name, value in zip(values[::2], values[1::2])}
