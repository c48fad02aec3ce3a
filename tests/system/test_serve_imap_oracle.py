"""Dovecot as the oracle: hundreds of difficult messages are put into both servers, and what they tell of them is compared.

Where they differ, the table DIFFERENCES names the message, what differs and why; a difference that is not there is a failure, and so is a
line there that no longer holds.
"""

import pytest

from lab.difficult import messages
from lab.imap import DovecotImap, PosthornImap
from lab.response import fetched

# What both refuse or Dovecot cannot keep is no message to compare.
EMPTY = b""

ITEMS = ("RFC822.SIZE", "ENVELOPE", "BODYSTRUCTURE", "BODY", "BODY.PEEK[HEADER]", "BODY.PEEK[TEXT]", "BODY.PEEK[]<10.100>", "BODY.PEEK[1]",
         "BODY.PEEK[1.MIME]", "BODY.PEEK[2]", "BODY.PEEK[2.MIME]", "BODY.PEEK[1.1]", "BODY.PEEK[1.HEADER]", "BODY.PEEK[2.TEXT]", "BODY.PEEK[1.2.MIME]",
         "BODY.PEEK[HEADER.FIELDS (SUBJECT FROM X-NONE)]", "BODY.PEEK[HEADER.FIELDS.NOT (SUBJECT TO)]",
         "BODY.PEEK[1.HEADER.FIELDS (SUBJECT)]", "BODY.PEEK[1.1.1.1.HEADER]")

# {item: {name: why}}
DIFFERENCES = {}

SEARCHES = {
    'ALL': "", 'SUBJECT "x"': "", 'SUBJECT "level"': "", 'FROM "ann"': "", 'FROM "example.org"': "", 'TO "group"': "", 'CC "a@b"': "",
    'BCC "ann"': "", 'HEADER "message-id" "example"': "", 'HEADER "x-1" ""': "", 'HEADER "subject" "quoted"': "", 'BODY "line"': "",
    'BODY "epilogue"': "", 'TEXT "here"': "", 'NOT TEXT "a"': "", 'SENTBEFORE 1-Jan-2023': "", 'SENTON 2-Jan-2023': "",
    'SENTSINCE 1-Jan-2000': "", 'LARGER 1000': "", 'SMALLER 300': "", 'OR SUBJECT "plain" LARGER 5000': "",
    'CHARSET UTF-8 SUBJECT "grüße"': "", 'CHARSET UTF-8 TEXT "привет"': "", 'CHARSET UTF-8 SUBJECT "日本語"': "",
    'CHARSET UTF-8 BODY "BOXKÄMPFER"': "", '2:4,7 (SUBJECT "a" NOT FROM "b")': "",
}
SORTS = {"ARRIVAL": "", "CC": "", "DATE": "", "FROM": "", "REVERSE SIZE": "", "SUBJECT": "", "TO": "", "SUBJECT REVERSE DATE": ""}
THREADS = {"ORDEREDSUBJECT": "", "REFERENCES": ""}


class Both:
    """The same messages under the same numbers on both servers."""

    def __init__(self, servers):
        self.names = []
        self.servers = servers
        self.accounts = [server.new_account() for server in servers]
        self.wires = [account.wire() for account in self.accounts]
        self.refused = {}
        for name, content in messages():
            # A literal cannot carry NUL (RFC 9051 4.3): ours says so, Dovecot takes it and puts other bytes in its place.
            if content == EMPTY or b"\0" in content:
                continue
            told = [wire.command("APPEND", "INBOX", content)[1] for wire in self.wires]
            if all(answer.startswith(b"OK") for answer in told):
                self.names.append(name)
            else:
                self.refused[name] = told
        for wire in self.wires:
            assert b"%d EXISTS" % len(self.names) in b"".join(wire.ok("SELECT", "INBOX")), self.refused

    def ask(self, *words):
        return [wire.ok(*words) for wire in self.wires]


@pytest.fixture(scope="module")
def both(house, authority, posthorn_program, tmp_path_factory):
    dovecot = DovecotImap(house, authority)
    posthorn = PosthornImap(posthorn_program, tmp_path_factory.mktemp("oracle"), house.ports)
    made = Both((posthorn, dovecot))
    yield made
    for wire in made.wires:
        wire.close()
    posthorn.close()


def shown(value):
    text = repr(value)
    return text if len(text) < 1500 else text[:1500] + "..."


def test_both_take_all(both):
    assert both.refused == {}
    assert len(both.names) > 400


@pytest.mark.parametrize("item", ITEMS)
def test_fetch(both, item):
    ours, theirs = ({number: items for number, items in map(fetched, lines) if len(items) > 0}
                    for lines in both.ask("FETCH", "1:*", f"({item})"))
    expected = DIFFERENCES.get(item, {})
    wrong = {}
    for number, name in enumerate(both.names, 1):
        if ours[number] != theirs[number]:
            wrong[name] = (ours[number], theirs[number])
    surprises = [f"{name}:\n  ours   {shown(pair[0])}\n  theirs {shown(pair[1])}" for name, pair in wrong.items() if name not in expected]
    assert not surprises, f"{len(surprises)} differ in {item}\n" + "\n".join(surprises[:40])
    assert set(expected) == set(wrong), f"no longer different: {set(expected) - set(wrong)}"


def numbers(lines):
    return [line.split()[2:] for line in lines if line.upper().startswith((b"* SEARCH", b"* SORT"))]


@pytest.mark.parametrize("query", SEARCHES)
def test_search(both, query):
    ours, theirs = (set(map(int, numbers(lines)[0])) for lines in both.ask("SEARCH", query))
    surplus, missing = ({both.names[number - 1] for number in found} for found in (ours - theirs, theirs - ours))
    expected = SEARCHES[query] or {}
    assert (surplus | missing) - set(expected) == set(), f"only ours: {sorted(surplus)}; only theirs: {sorted(missing)}"
    assert set(expected) == surplus | missing


@pytest.mark.parametrize("order", SORTS)
def test_sort(both, order):
    ours, theirs = ([both.names[int(number) - 1] for number in numbers(lines)[0]] for lines in both.ask("SORT", f"({order})", "UTF-8", "ALL"))
    moved = SORTS[order] or {}
    ours, theirs = ([name for name in names if name not in moved] for names in (ours, theirs))
    assert ours == theirs, next(f"at {at}: {one}, Dovecot {other}" for at, (one, other) in enumerate(zip(ours, theirs)) if one != other)


@pytest.mark.parametrize("way", THREADS)
def test_thread(both, way):
    ours, theirs = ([line for line in lines if line.startswith(b"* THREAD")][0] for lines in both.ask("THREAD", way, "UTF-8", "ALL"))
    assert ours == theirs
