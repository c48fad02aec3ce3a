"""Difficult messages: some of each kind that goes wrong somewhere, made from a fixed seed, and those that the parser's own tests have."""

import base64
import random
from pathlib import Path

SEED = 9051
TREES, MUTATIONS, HEADERS = 120, 140, 90
DEPTH = 50

STRUCTURES = Path(__file__).resolve().parents[2] / "message" / "structure"

ADDRESSES = [
    b"ann@example.org", b"<ann@example.org>", b"Ann <ann@example.org>", b'"Ann, B." <ann@example.org>', b"ann@example.org (Ann B)",
    b"Ann (comment) B <ann(inner)@example.org>", b'"quoted \\"inner\\" part" <a@b.example>', b"group: a@b.example, C <c@d.example>;",
    b"undisclosed-recipients:;", b"empty group:;, ann@example.org", b"<@relay.example,@other.example:ann@example.org>", b"<>",
    b"Ann <>", b"ann", b"Ann <ann>", b"<ann@>", b"@example.org", b"a@b@c", b"=?UTF-8?Q?J=C3=BCrgen?= <j@example.org>",
    "Jürgen <j@example.org>".encode(), "Jürgen <j@example.org>".encode("latin-1"), b"a@b.example,, c@d.example", b",a@b.example,",
    b"a@b.example; c@d.example", b'"unfinished <a@b.example>', b"(unfinished a@b.example", b"a b c <d@e.example> f", b"a.b.c@d.e.f",
    b".a..b.@example.org", b"a@[192.0.2.1]", b"a@[IPv6:2001:db8::1]", b'"a b"@example.org', b"a @ b . example", b"",
    b" ", b"\t", b"group: nested: a@b.example;;", b"group: a@b.example", b"A<a@b.example>,B<c@d.example>", b"a\\b@example.org",
    b"very long " * 40 + b"<long@example.org>", b"Tim \r\n Folded\r\n\t<tim@example.org>", b"mailto:a@b.example", b"<<a@b.example>>",
]
SUBJECTS = [
    b"plain", b"", b" ", b"=?ISO-8859-1?Q?Gr=FC=DFe?=", b"=?UTF-8?B?w6TDtsO8?=", b"=?UTF-8?Q?broken", b"=?x-unknown?Q?a=62c?=",
    "äöü".encode(), "äöü".encode("latin-1"), b"Re: Re: [list] fwd: deep", b"folded\r\n here\r\n\tand there", b"  two  blanks  ",
    b"tab\there", b'"quoted" \\back\\', b"=?UTF-8?Q?one?= =?UTF-8?Q?_two?=", b"x" * 990, b"{12}", b"(NIL)", b"\x07bell\x1b[0m",
    b"=?UTF-8?B?8J+YgA==?= smile", "\u65e5\u672c\u8a9e".encode("shift_jis"), "привет".encode("koi8-r"),
]
DATES = [
    b"Mon, 02 Jan 2023 03:04:05 +0000", b"2 Jan 23 03:04 EST", b"Mon, 02 Jan 2023 03:04:05 (comment) -0800", b"nonsense", b"",
    b"Mon,  2 Jan 2023  3:04:05 GMT", b"Tue, 31 Feb 2023 25:61:61 +9999", b"02 Jan 1970 00:00:00 +0000", b"Sat, 1 Jan 0000 00:00:00 +0000",
    b"Mon, 02 Jan 2023 03:04:05\r\n +0100", b"Mon Jan  2 03:04:05 2023",
]
IDENTITIES = [
    b"<1@example.org>", b"1@example.org", b"<1@example.org> <2@example.org>", b"<unfinished@example.org", b"<a b@example.org>", b"<>",
    b"(comment) <3@example.org>", b"", b"<" + b"x" * 500 + b"@example.org>", b'<"quoted"@example.org>',
]
TYPES = [
    b"text/plain", b"text/plain; charset=utf-8", b"text/plain; charset=\"iso-8859-15\"; format=flowed", b"TEXT/HTML; CHARSET=US-ASCII",
    b"text/plain; name*=UTF-8''na%C3%AFve.txt", b"text/plain; name*0=\"part one \"; name*1=\"part two.txt\"", b"application/octet-stream",
    b"application/pdf; name=\"a (b).pdf\"", b"image/png", b"text", b"text/", b"/plain", b"text plain", b"", b"text/plain;", b"text/plain;;",
    b"text/plain; charset", b"text/plain; charset=", b"text/plain; =utf-8", b"text/plain; charset=utf-8; charset=latin1",
    b"text/plain (comment); charset (another) = (more) utf-8", b"text/plain; x=\"un finished", b"text/x-very-long-" + b"y" * 200,
    b"multipart/mixed", b"multipart/", b"message/delivery-status", b"message/partial; id=x; number=1", b"text/plain; a=\"\\\"\\\\\"",
    "text/plain; name=\"ünïcode\"".encode(), b"audio/*", b"text/plain\r\n ;\r\n charset=utf-8",
]
ENCODINGS = [b"7bit", b"8bit", b"BINARY", b"quoted-printable", b"base64", b"x-uuencode", b"", b"7bit (comment)", b"base 64", b"\"base64\""]
DISPOSITIONS = [
    b"inline", b"attachment", b"attachment; filename=a.txt", b"attachment; filename*=UTF-8''%e2%82%ac.txt", b"ATTACHMENT; FILENAME=\"x\"; size=12",
    b"", b"; filename=a", b"attachment; filename*0*=UTF-8''a; filename*1=b", b"form-data; name=\"a\"",
]
LANGUAGES = [b"en", b"en, de", b"de (Deutsch)", b"", b","]
CHARSETS = ["utf-8", "iso-8859-1", "iso-8859-2", "iso-8859-5", "iso-8859-7", "iso-8859-15", "windows-1250", "windows-1251", "windows-1252",
            "koi8-r", "shift_jis", "euc-jp", "iso-2022-jp", "gb2312", "gb18030", "big5", "euc-kr", "utf-16", "utf-7", "cp437", "macroman"]
SAMPLES = {"iso-8859-2": "zażółć", "iso-8859-5": "привет", "windows-1251": "привет", "koi8-r": "привет", "iso-8859-7": "καλημέρα",
           "windows-1250": "příliš", "shift_jis": "日本語", "euc-jp": "日本語", "iso-2022-jp": "日本語", "gb2312": "中文", "gb18030": "中文",
           "big5": "中文", "euc-kr": "한국어"}


def field(name, value):
    return name + b": " + value + b"\r\n"


class Maker:
    def __init__(self, chance):
        self.chance = chance

    def pick(self, values):
        return self.chance.choice(values)

    def text(self):
        lines = []
        for _ in range(self.chance.randrange(8)):
            lines.append(self.pick([b"a line of text", b"", b"--", b"-- ", b".", b"From here", b"x" * 300, bytes(range(128, 160)), b"\tindented",
                                    "zwölf Boxkämpfer".encode(), b"--not-a-boundary", b"Subject: no header", b"=3D=", b" trailing  "]))
        return b"".join(line + b"\r\n" for line in lines)

    def header(self):
        fields = []
        for name, values in ((b"From", ADDRESSES), (b"Sender", ADDRESSES), (b"Reply-To", ADDRESSES), (b"To", ADDRESSES), (b"Cc", ADDRESSES),
                             (b"Bcc", ADDRESSES), (b"Subject", SUBJECTS), (b"Date", DATES), (b"Message-ID", IDENTITIES),
                             (b"In-Reply-To", IDENTITIES)):
            if self.chance.random() < (0.8 if name in (b"From", b"To", b"Subject", b"Date") else 0.35):
                value = self.pick(values)
                if values is ADDRESSES and self.chance.random() < 0.3:
                    value += b", " + self.pick(values)
                fields.append(field(self.pick([name, name, name.lower(), name.upper()]), value))
        self.chance.shuffle(fields)
        return b"".join(fields)

    def leaf(self):
        fields = [field(b"Content-Type", self.pick(TYPES))] if self.chance.random() < 0.8 else []
        for name, values in ((b"Content-Transfer-Encoding", ENCODINGS), (b"Content-Disposition", DISPOSITIONS), (b"Content-Language", LANGUAGES),
                             (b"Content-ID", IDENTITIES), (b"Content-Description", SUBJECTS), (b"Content-MD5", [b"Q2hlY2sgSW50ZWdyaXR5IQ==", b"x"]),
                             (b"Content-Location", [b"http://a.example/", b"a b", b""])):
            if self.chance.random() < 0.25:
                fields.append(field(name, self.pick(values)))
        return b"".join(fields), self.text()

    def part(self, depth):
        kind = self.chance.random()
        if depth == 0 or kind < 0.5:
            return self.leaf()
        if kind < 0.65:
            head, body = self.message(depth - 1)
            return field(b"Content-Type", b"message/rfc822"), head + b"\r\n" + body
        boundary = self.pick([b"b%d" % self.chance.randrange(1000), b"=_" + b"z" * 60, b"with space", b"a", b"a-", b"--"])
        parameter = self.pick([b'"' + boundary + b'"', b'"' + boundary + b'"', boundary])
        head = field(b"Content-Type", b"multipart/" + self.pick([b"mixed", b"alternative", b"digest", b"related; type=\"text/html\"", b"signed"]) +
                     b"; boundary=" + parameter)
        body = self.pick([b"", b"preamble\r\n", b"\r\n"])
        for _ in range(self.chance.randrange(4)):
            inner, content = self.part(depth - 1)
            body += b"--" + boundary + self.pick([b"", b"", b"  "]) + b"\r\n" + inner + b"\r\n" + content + self.pick([b"\r\n", b""])
        return head, body + self.pick([b"--" + boundary + b"--\r\n", b"--" + boundary + b"--", b"--" + boundary + b"--\r\nepilogue\r\n", b""])

    def message(self, depth):
        head, body = self.part(depth)
        return self.header() + self.pick([b"MIME-Version: 1.0\r\n", b"MIME-Version: 1.0\r\n", b""]) + head, body

    def mutated(self, content):
        lines = content.split(b"\r\n")
        for _ in range(self.chance.randrange(1, 4)):
            at = self.chance.randrange(len(lines))
            kind = self.chance.randrange(6)
            if kind == 0:
                del lines[at]
            elif kind == 1:
                lines.insert(at, lines[at])
            elif kind == 2:
                lines.insert(at, self.pick([b"", b"garbage without a colon", b": no name", b"--", b"\t", b"X-Odd : blank", b"bytes \xff\xfe"]))
            elif kind == 3:
                del lines[at + 1:]
            elif kind == 4:
                lines[at] = lines[at][:len(lines[at]) // 2]
            else:
                other = self.chance.randrange(len(lines))
                lines[at], lines[other] = lines[other], lines[at]
            lines = lines or [b""]
        return b"\r\n".join(lines)


def nested(depth):
    """Messages in messages."""
    content = field(b"Subject", b"innermost") + b"\r\ndeep\r\n"
    for level in range(depth):
        content = field(b"Subject", b"level %d" % level) + field(b"Content-Type", b"message/rfc822") + b"\r\n" + content
    return content


def nested_multiparts(depth):
    content = field(b"Content-Type", b"text/plain") + b"\r\ndeep\r\n"
    for level in range(depth):
        content = (field(b"Content-Type", b'multipart/mixed; boundary="level%d"' % level) + b"\r\n--level%d\r\n" % level + content +
                   b"\r\n--level%d--\r\n" % level)
    return field(b"Subject", b"many levels") + content


def in_charset(name):
    sample = SAMPLES.get(name, "naïve")
    try:
        content = sample.encode(name)
    except (UnicodeEncodeError, LookupError):
        content = b"plain"
    word = b"=?" + name.encode() + b"?B?" + base64.b64encode(content) + b"?="
    return (field(b"Subject", word) + field(b"From", word + b" <a@b.example>") + field(b"MIME-Version", b"1.0") +
            field(b"Content-Type", b"text/plain; charset=" + name.encode()) + field(b"Content-Transfer-Encoding", b"base64") + b"\r\n" +
            base64.b64encode(content) + b"\r\n")


def special():
    """Those that are made on purpose."""
    yield "only_a_header", b"Subject: no body\r\n\r\n"
    yield "no_blank_line", b"Subject: no blank line\r\n"
    yield "only_a_body", b"\r\nbody\r\n"
    yield "one_line_end", b"\r\n"
    yield "one_byte", b"x"
    yield "no_header_at_all", b"no header at all, just text\r\nand more\r\n"
    yield "no_last_line_end", b"Subject: x\r\n\r\nno end"
    yield "long_lines", field(b"Subject", b"long") + b"\r\n" + (b"y" * 10000 + b"\r\n") * 20
    yield "long_header", b"".join(field(b"X-%d" % number, b"z" * 900) for number in range(60)) + b"\r\nx\r\n"
    yield "many_fields", b"".join(field(b"X-%d" % number, b"z") for number in range(2000)) + b"\r\nx\r\n"
    yield "many_addresses", field(b"To", b",\r\n ".join(b"Somebody %d <s%d@example.org>" % (n, n) for n in range(500))) + b"\r\nx\r\n"
    yield "many_parts", (field(b"Content-Type", b"multipart/mixed; boundary=x") + b"\r\n" +
                         b"".join(b"--x\r\n\r\npart %d\r\n" % number for number in range(300)) + b"--x--\r\n")
    yield "every_byte", field(b"Subject", b"bytes") + b"\r\n" + bytes(byte for byte in range(1, 256) if byte not in (10, 13)) + b"\r\n"
    yield "bare_line_feeds", b"Subject: bare\nFrom: a@b.example\n\nbody\nlines\n"
    yield "mixed_line_ends", b"Subject: mixed\r\nFrom: a@b.example\n\r\nbody\nlines\r\n"
    yield "messages_nested", nested(DEPTH)
    yield "multiparts_nested", nested_multiparts(DEPTH)
    yield "boundary_missing", field(b"Content-Type", b"multipart/mixed") + b"\r\n--x\r\n\r\na\r\n--x--\r\n"
    yield "boundary_never_comes", field(b"Content-Type", b"multipart/mixed; boundary=never") + b"\r\n--x\r\n\r\na\r\n--x--\r\n"
    yield "digest", (field(b"Content-Type", b"multipart/digest; boundary=x") + b"\r\n--x\r\n\r\nSubject: one\r\n\r\n1\r\n--x\r\n"
                     b"Content-Type: text/plain\r\n\r\n2\r\n--x--\r\n")
    for name in CHARSETS:
        yield f"charset_{name}", in_charset(name)


def messages():
    """(name, bytes) of all, always the same."""
    chance = random.Random(SEED)
    maker = Maker(chance)
    yield from special()
    for number in range(HEADERS):
        yield f"header_{number}", maker.header() + b"\r\n" + maker.text()
    for number in range(TREES):
        head, body = maker.message(4)
        yield f"tree_{number}", head + b"\r\n" + body
    for number in range(MUTATIONS):
        head, body = maker.message(3)
        yield f"mutation_{number}", maker.mutated(head + b"\r\n" + body)
    for path in sorted(STRUCTURES.glob("*.eml")):
        yield f"structure_{path.stem}", path.read_bytes()
