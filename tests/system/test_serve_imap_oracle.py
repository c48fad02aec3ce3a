"""Dovecot as the oracle: hundreds of difficult messages are put into both servers, and what they tell of them is compared.

Where they differ on purpose the kind of difference stands here with its reason, and a judge that knows it when it sees it: any other
difference is a failure, and so is a kind that no longer comes up.
"""

import datetime
import itertools
import re

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

FIRST_RECEIVED = datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)

PATH = re.compile(r"BODY\.PEEK\[([\d.]*?)\.?(?:[A-Z].*)?\]")

SEARCHES = (
    'ALL', 'SUBJECT "x"', 'SUBJECT "level"', 'FROM "ann"', 'FROM "example.org"', 'TO "group"', 'CC "a@b"', 'BCC "ann"',
    'HEADER "message-id" "example"', 'HEADER "x-1" ""', 'HEADER "subject" "quoted"', 'BODY "line"', 'BODY "epilogue"', 'TEXT "here"',
    'NOT TEXT "a"', 'SENTBEFORE 1-Jan-2023', 'SENTON 2-Jan-2023', 'SENTSINCE 1-Jan-2000', 'LARGER 1000', 'SMALLER 300',
    'OR SUBJECT "plain" LARGER 5000', 'CHARSET UTF-8 SUBJECT "grüße"', 'CHARSET UTF-8 TEXT "привет"', 'CHARSET UTF-8 SUBJECT "日本語"',
    'CHARSET UTF-8 BODY "BOXKÄMPFER"', '2:4,7 (SUBJECT "a" NOT FROM "b")',
)
SORTS = ("ARRIVAL", "CC", "DATE", "FROM", "REVERSE SIZE", "SUBJECT", "TO", "SUBJECT REVERSE DATE")
THREADS = ("ORDEREDSUBJECT", "REFERENCES")


class Both:
    """The same messages under the same numbers on both servers."""

    def __init__(self, servers):
        self.names = []
        self.servers = servers
        self.accounts = [server.new_account() for server in servers]
        self.wires = [account.wire() for account in self.accounts]
        self.refused = {}
        self.contents = dict(messages())
        self.kept = {}
        for name, content in self.contents.items():
            # A literal cannot carry NUL (RFC 9051 4.3): ours says so, Dovecot takes it and puts other bytes in its place.
            if content == EMPTY or b"\0" in content:
                continue
            # What has no date of its own is sorted by the one that it gets here.
            date = FIRST_RECEIVED + datetime.timedelta(minutes=len(self.names))
            told = [wire.command("APPEND", "INBOX", f'"{date:%d-%b-%Y %H:%M:%S +0000}"', content)[1] for wire in self.wires]
            if all(answer.startswith(b"OK") for answer in told):
                self.names.append(name)
            else:
                self.refused[name] = told
        for wire in self.wires:
            assert b"%d EXISTS" % len(self.names) in b"".join(wire.ok("SELECT", "INBOX")), self.refused

    def ask(self, *words):
        return [wire.ok(*words) for wire in self.wires]

    def fetch(self, item):
        """{name: value} of both."""
        if item not in self.kept:
            self.kept[item] = [
                {self.names[number - 1]: next(iter(items.values())) for number, items in map(fetched, lines) if len(items) > 0}
                for lines in self.ask("FETCH", "1:*", f"({item})")]
        return self.kept[item]

    def has_section(self, name, item):
        """Whether the message has the part that the item names, and a message in that if it takes one."""
        path = [int(number) for number in PATH.match(item).group(1).split(".") if number]
        part = find_part(self.fetch("BODYSTRUCTURE")[0][name], path)
        return part is not None and (not re.search(r"\.(HEADER|TEXT)", item) or is_message(part))


def is_message(part):
    return part[0] == b"message" and part[1] == b"rfc822"


def find_part(structure, path):
    """The structure of the part with that number (RFC 9051 6.4.5.1), None if the message has none."""
    holder, part = structure, structure
    for number in path:
        if holder is None:
            return None
        parts = list(itertools.takewhile(lambda child: isinstance(child, list), holder)) or [holder]
        if number > len(parts):
            return None
        part = parts[number - 1]
        holder = part[8] if is_message(part) else part if isinstance(part[0], list) else None
    return part


def changes(ours, theirs):
    """The pairs of values in which two structures differ."""
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        return [pair for pair in map(changes, ours, theirs) for pair in pair]
    return [] if ours == theirs else [(ours, theirs)]


# Each kind of difference in what FETCH tells: what judges whether it is this, in a message, and the items in which it comes up.


def is_nothing(both, item, name, ours, theirs):
    """What is not there is NIL (nstring, RFC 9051 9), which no client takes for an empty part; Dovecot shows an empty string."""
    return ours is None and theirs == b"" and not both.has_section(name, item)


def is_in_message_global(both, item, name, ours, theirs):
    """message/global is a message in the message (RFC 9051 6.4.5.1); Dovecot knows message/rfc822 only."""
    part = find_part(both.fetch("BODYSTRUCTURE")[0][name], [1])
    return part[:2] == [b"message", b"global"] and ours in both.contents[name] and theirs in (b"", both.fetch("BODY.PEEK[1]")[1][name])


def is_part_of_a_leaf(both, item, name, ours, theirs):
    """A part without parts in it has no part 1 (RFC 9051 6.4.5.1: only messages have); Dovecot shows the part itself."""
    return ours is None and not both.has_section(name, item) and theirs == both.fetch("BODY.PEEK[1]")[1][name] and theirs != b""


def is_header_up_to_a_boundary(both, item, name, ours, theirs):
    """A header that goes up to a boundary keeps the line end of its last line, without which it would be no header (RFC 5322 2.2);
    Dovecot counts that to the boundary."""
    return ours == (theirs or b"") + b"\r\n" and ours + b"--" in both.contents[name]


def is_header_without_an_end(both, item, name, ours, theirs):
    """Where a message has no empty line behind its header, none is shown (RFC 9051 6.4.5.1, "except in the case of a message that has no
    body and no blank line"); Dovecot makes one up."""
    header = both.fetch(re.sub(r"HEADER\.FIELDS.*", "HEADER]", item))[0][name]
    ends = header == b"\r\n" or header.endswith(b"\r\n\r\n")
    return not ends and theirs == ours + (b"" if ours.endswith(b"\r\n") or ours == b"" else b"\r\n") + b"\r\n"


def is_blank_description(both, item, name, ours, theirs):
    """A text of blanks is an empty text, in Subject as in Content-Description; Dovecot shows a blank in the latter."""
    return set(map(repr, changes(ours, theirs))) == {repr((b"", b" "))} and b"Content-Description:  \r\n" in both.contents[name]


def is_address_in_ruins(both, item, name, ours, theirs):
    """What stands before a quote that is never closed is shown as far as it goes; Dovecot drops it. RFC 5322 knows neither."""
    return changes(ours, theirs) == [(b"B.", b"MISSING_MAILBOX")] and b', "Ann, B." <ann@example.org>\r\n' in both.contents[name]


def is_long_boundary(both, item, name, ours, theirs):
    """A boundary of more than the 70 bytes of RFC 2046 5.1.1 is taken whole; Dovecot looks at 80 bytes, and finds no end."""
    return name == "structure_boundary_100" and [ours[0], *ours[1:]] == [theirs[0], *theirs[2:]] and theirs[1][6] == b"0"


DIFFERENCES = {
    is_nothing: ("BODY.PEEK[2]", "BODY.PEEK[2.MIME]", "BODY.PEEK[1.1]", "BODY.PEEK[1.HEADER]", "BODY.PEEK[2.TEXT]", "BODY.PEEK[1.2.MIME]",
                 "BODY.PEEK[1.HEADER.FIELDS (SUBJECT)]", "BODY.PEEK[1.1.1.1.HEADER]"),
    is_in_message_global: ("BODY.PEEK[1.1]", "BODY.PEEK[1.HEADER]", "BODY.PEEK[1.HEADER.FIELDS (SUBJECT)]"),
    is_part_of_a_leaf: ("BODY.PEEK[1.1]",),
    is_header_up_to_a_boundary: ("BODY.PEEK[1.MIME]", "BODY.PEEK[2.MIME]", "BODY.PEEK[1.HEADER]", "BODY.PEEK[1.2.MIME]"),
    is_header_without_an_end: ("BODY.PEEK[HEADER.FIELDS (SUBJECT FROM X-NONE)]", "BODY.PEEK[1.HEADER.FIELDS (SUBJECT)]"),
    is_blank_description: ("BODYSTRUCTURE", "BODY"),
    is_address_in_ruins: ("BODYSTRUCTURE", "BODY"),
    is_long_boundary: ("BODYSTRUCTURE", "BODY"),
}


# Each kind of message that is found, sorted or threaded otherwise, and where.


def has_word_in_an_unknown_charset(both, name):
    """An encoded word in a charset that is not known stays as it is (RFC 2047 6.2); Dovecot drops that of =?x-unknown?=. We leave UTF-7
    and the charsets of old systems unknown, which iconv has."""
    subject = both.fetch("ENVELOPE")[0][name][1] or b""
    return re.match(rb"=\?(x-unknown|utf-7|cp437|macroman)\?", subject) is not None


def has_raw_bytes(both, name):
    """What is neither UTF-8 nor encoded differs if its bytes do; Dovecot makes one replacement of them all, so that Cyrillic and German
    subjects become the same."""
    try:
        (both.fetch("ENVELOPE")[0][name][1] or b"").decode()
    except UnicodeDecodeError:
        return True
    return False


def has_two_subjects(both, name):
    """Of two Subject fields that count which ENVELOPE shows; Dovecot shows the one and sorts by the other."""
    return name == "mutation_54"


def has_no_date(both, name):
    """A message that does not say when it was sent was not sent before any day (RFC 9051 6.4.4); Dovecot takes it to be of 1970."""
    date = both.fetch("ENVELOPE")[0][name][0]
    return date is None or re.match(rb"$|nonsense|Tue, 31 Feb|Mon Jan  2 03|Sat, 1 Jan 0000|Mon, 02 Jan $|Mon,  2 Jan trailing", date) is not None


def has_text_in_bad_fields(both, name):
    """Content-Type: text without a subtype, and a part whose encoding has blanks in it or is empty, are text that is searched (RFC 2045
    5.2, 6.4 ask for something like it); Dovecot does not look into them."""
    return name in {"mutation_115", "mutation_133", "mutation_7", "mutation_35", "tree_30"}


def has_blank_in_an_identity(both, name):
    """<a b@example.org> is no Message-ID (RFC 5322 3.6.4), and refers to nothing (RFC 5256 3); Dovecot takes the blank out."""
    return b"<a b@example.org>" in both.fetch("ENVELOPE")[0][name][8:10]


ELSEWHERE = {
    'SUBJECT "x"': (has_word_in_an_unknown_charset,),
    'BODY "line"': (has_text_in_bad_fields,),
    'TEXT "here"': (has_text_in_bad_fields,),
    'CHARSET UTF-8 BODY "BOXKÄMPFER"': (has_text_in_bad_fields,),
    'SENTBEFORE 1-Jan-2023': (has_no_date,),
    "SUBJECT": (has_word_in_an_unknown_charset, has_raw_bytes, has_two_subjects),
    "SUBJECT REVERSE DATE": (has_word_in_an_unknown_charset, has_raw_bytes, has_two_subjects),
    "ORDEREDSUBJECT": (has_word_in_an_unknown_charset, has_raw_bytes, has_two_subjects),
    "REFERENCES": (has_word_in_an_unknown_charset, has_raw_bytes, has_blank_in_an_identity),
}


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
    ours, theirs = both.fetch(item)
    kinds = [kind for kind, items in DIFFERENCES.items() if item in items]
    seen = set()
    surprises = []
    for name in both.names:
        if ours[name] != theirs[name]:
            kind = next((kind for kind in kinds if kind(both, item, name, ours[name], theirs[name])), None)
            seen.add(kind)
            if kind is None:
                surprises.append(f"{name}:\n  ours   {shown(ours[name])}\n  theirs {shown(theirs[name])}")
    assert not surprises, f"{len(surprises)} differ in {item}\n" + "\n".join(surprises[:40])
    assert seen == set(kinds)


def numbers(lines):
    return [int(number) for line in lines if line.upper().startswith((b"* SEARCH", b"* SORT")) for number in line.split()[2:]]


@pytest.mark.parametrize("query", SEARCHES)
def test_search(both, query):
    ours, theirs = ({both.names[number - 1] for number in numbers(lines)} for lines in both.ask("SEARCH", query))
    kinds = ELSEWHERE.get(query, ())
    surprises = {name for name in ours ^ theirs if not any(kind(both, name) for kind in kinds)}
    assert not surprises, f"only ours: {sorted(surprises & ours)}; only theirs: {sorted(surprises & theirs)}"
    assert all(any(kind(both, name) for name in ours ^ theirs) for kind in kinds)


def among(both, kinds):
    """The sequence set of the messages that are of none of these kinds."""
    return ",".join(str(number) for number, name in enumerate(both.names, 1) if not any(kind(both, name) for kind in kinds))


def check_order(both, way, ask):
    """Both say the same of the messages that are of no kind that differs here, and not when any of these kinds is among them."""
    kinds = ELSEWHERE.get(way, ())
    ours, theirs = ask(among(both, kinds))
    assert ours == theirs, next(f"at {at}: {one}, Dovecot {other}" for at, (one, other) in enumerate(zip(ours, theirs)) if one != other)
    for kind in kinds:
        ours, theirs = ask(among(both, set(kinds) - {kind}))
        assert ours != theirs, f"no longer different: {kind.__name__}"


@pytest.mark.parametrize("order", SORTS)
def test_sort(both, order):
    check_order(both, order, lambda among: [[both.names[number - 1] for number in numbers(lines)]
                                            for lines in both.ask("SORT", f"({order})", "UTF-8", among)])


@pytest.mark.parametrize("way", THREADS)
def test_thread(both, way):
    check_order(both, way, lambda among: [re.findall(rb"\d+|[()]", next(line for line in lines if line.startswith(b"* THREAD")))
                                          for lines in both.ask("THREAD", way, "UTF-8", among)])
