"""Reads what render_messages wrote with Python's email package, and compares it with what was put in,
and, boundaries apart, with the files in expected/.

Called with the program and the folder of expected files; `--write` as a third argument writes those anew."""
import email
import email.policy
import pathlib
import re
import subprocess
import sys
import tempfile

failures = 0


def check(name, what, actual, expected):
    global failures
    if actual != expected:
        failures += 1
        print(f"# {name}: {what}: {actual!r} instead of {expected!r}")


def addresses(message, field):
    return [(a.display_name, a.addr_spec) for a in message[field].addresses]


def text_of(part):
    return part.get_payload(decode=True).decode("utf-8")


def check_lines(name, raw):
    check(name, "bare line ends", re.findall(rb"(?<!\r)\n|\r(?!\n)", raw), [])
    check(name, "long lines", [line for line in raw.split(b"\r\n") if len(line) > 998], [])
    header = raw.split(b"\r\n\r\n")[0]
    check(name, "Bcc", re.findall(rb"(?im)^(?:resent-)?bcc", header), [])
    # The package knows no UTF-8 headers when it reads bytes.
    if header.isascii():
        check(name, "defects", message_defects(email.message_from_bytes(raw, policy=email.policy.default)), [])


def message_defects(message):
    found = list(message.defects)
    for part in message.walk():
        found += part.defects
        for _, value in part.items():
            found += getattr(value, "defects", ())
    return found


def check_7bit(name, raw):
    check(name, "7-bit", raw.isascii(), True)


def check_plain(message, raw):
    check("plain", "subject", message["Subject"], "Hello")
    check("plain", "from", addresses(message, "From"), [("", "ann@x.example")])
    check("plain", "sender", message["Sender"].address.addr_spec, "desk@x.example")
    check("plain", "cc", addresses(message, "Cc"), [("Carl", "carl@y.example")])
    check("plain", "reply-to", addresses(message, "Reply-To"), [("", "list@x.example")])
    check("plain", "date", message["Date"].datetime.isoformat(), "2026-11-23T18:48:08+01:00")
    check("plain", "references", message["References"], "<0@a> <1@a> <2@b>")
    check("plain", "in-reply-to", message["In-Reply-To"], "<1@a> <2@b>")
    check("plain", "twice", message.get_all("X-Twice"), ["one", "two"])
    check("plain", "text", text_of(message), "Hello Bob,\r\n\r\n.a dot\r\n..two\r\nFrom here\r\nno end\r\n")
    check("plain", "encoding", message["Content-Transfer-Encoding"], "7bit")
    check("plain", "secret", b"secret" in raw, False)


def check_international(message, raw):
    check_7bit("international", raw)
    check("international", "subject", message["Subject"],
          "Grüße aus München: und noch mehr Text, der bestimmt nicht in eine Zeile passt, "
          "=?UTF-8?Q?nicht?= dekodieren")
    check("international", "from", addresses(message, "From"), [("Müller, Jörg", "joerg@xn--bcher-kva.example")])
    check("international", "to", addresses(message, "To"),
          [("山田太郎", "taro@xn--r8jz45g.xn--zckzah"), ("", "a@b.example"), ("Ö", "o@b.example")])
    check("international", "groups", [g.display_name for g in message["To"].groups], [None, "Groß und Klein"])
    check("international", "note", message["X-Note"], "naïve café 日本")
    check("international", "text", text_of(message), 
          "Schöne Grüße \r\nüber=all\tx\t\r\nand a line that is plain for balance\r\n")
    check("international", "encoding", message["Content-Transfer-Encoding"], "quoted-printable")


def check_japanese(message, raw):
    check_7bit("japanese", raw)
    check("japanese", "subject", message["Subject"],
          "日本語の件名がとても長いので、何行かに分けなければなりません。まだ続きます、もう少しで終わりです。"
          "はい、終わりました。")
    check("japanese", "text", text_of(message), "日本語の本文です。\r\nこれも。\r\n")
    check("japanese", "encoding", message["Content-Transfer-Encoding"], "base64")


def check_alternative(message, raw):
    check("alternative", "type", message.get_content_type(), "multipart/alternative")
    check("alternative", "parts", [(p.get_content_type(), text_of(p)) for p in message.iter_parts()],
          [("text/plain", "text\r\n"), ("text/html", "<p>html ä</p>\r\n")])


def check_tree(message, raw):
    check_7bit("tree", raw)
    check("tree", "shape", [p.get_content_type() for p in message.walk()],
          ["multipart/mixed", "multipart/alternative", "text/plain", "multipart/related", "text/html",
           "image/png", "image/gif", "text/csv", "application/octet-stream", "message/rfc822", "text/plain",
           "application/octet-stream", "application/octet-stream", "text/plain"])
    texts, csv, stream, mail, mail8, empty, notes = list(message.iter_parts())
    related = list(texts.iter_parts())[1]
    check("tree", "related type", related.get_param("type"), "text/html")
    html, logo, two = list(related.iter_parts())
    check("tree", "html", text_of(html), '<img src="cid:logo@x"><img src="cid:two">\r\n')
    check("tree", "logo", (logo["Content-ID"], logo.get_filename(), logo.get_content_disposition(),
                           logo.get_payload(decode=True)), ("<logo@x>", "logo.png", "inline", b"\x89PNG\r\n\0x"))
    check("tree", "two", (two["Content-ID"], two.get_filename(), two.get_payload(decode=True)),
          ("<two>", None, b"GIF89a"))
    check("tree", "csv", (csv.get_filename(), csv.get_payload(decode=True)),
          ("attached file.csv", b"".join(b"%d;value\n" % i for i in range(5000))))
    check("tree", "stream name", stream.get_filename(),
          'sehr langer Dateiname mit Ümläuten, Leerzeichen und "Anführungszeichen" — 日本語.bin')
    check("tree", "stream", stream.get_payload(decode=True), bytes((i * 131 >> 2) & 255 for i in range(200000)))
    check("tree", "description", stream["Content-Description"], "Beschreibung ö")
    check("tree", "mail", (mail.get_content_type(), mail.get_payload(0)["Subject"],
                           mail.get_payload(0).get_payload()), ("message/rfc822", "inner", "inner body\r\n"))
    check("tree", "mail 8-bit", mail8.get_payload(decode=True),
          "From: x@y\nSubject: inner\n\ninner bödy\n".encode())
    check("tree", "empty", (empty.get_filename(), empty.get_payload(decode=True)), ("empty", b""))
    check("tree", "notes", (notes.get_filename(), notes.get_content_charset(), notes.get_content_disposition(),
                            notes.get_payload(decode=True)), ("notes.txt", "iso-8859-1", "inline", b"caf\xe9\n"))


def check_utf8(message, raw):
    header = raw.split(b"\r\n\r\n")[0].decode("utf-8")
    check("utf8", "from", "From: Jörg <jörg@bücher.example>" in header, True)
    check("utf8", "to", "To: 用户@例子.广告" in header, True)
    check("utf8", "subject", "Subject: Grüße mit UTF-8" in header, True)
    check("utf8", "encoding", message["Content-Transfer-Encoding"], "8bit")
    check("utf8", "text", text_of(message), "Schöne Grüße\r\n")


def check_long(message, raw):
    check("long", "to", addresses(message, "To"),
          [("", "first@y.example")] + [(f"Recipient Number {i}", f"r{i}@y.example") for i in range(200)])
    check("long", "header", message["X-Long"], "x" * 2999)
    check("long", "text", text_of(message), "x" * 2999 + "\r\n")
    header = raw.split(b"\r\n\r\n")[0]
    check("long", "folds", [line for line in header.split(b"\r\n") if len(line) > 78], [])


def check_names(message, raw):
    check("names", "from", addresses(message, "From"), [('a "quoted" \\ name', "a@x.example")])
    check("names", "to", addresses(message, "To"),
          [("", '"a@x> ORCPT=.."@y.example'), ("", '"john doe"@y.example'), ("J. R. Bob Dobbs", "jr@y.example"),
           ("", "x@[192.0.2.1]"), ("Doe, Jane; <x@y>", "jane@y.example"), ("=?UTF-8?Q?not?=", "not@y.example"),
           ("two  blanks", "two@y.example")])
    check("names", "text", text_of(message), "\r\n")


def check_existing(message, raw):
    check("existing", "bytes", raw,
          b"Date: Mon, 23 Nov 2026 17:48:08 +0000\r\nMessage-ID: <fixed@posthorn.example>\r\n"
          b"Received: from a\r\n\tby b\r\nFrom: Ann <ann@x.example>\r\nSubject: =?UTF-8?B?aMOkbGxv?=\r\n"
          b"To: bob@y.example\r\nX-Kept:  as   it is \r\n\r\nThe body\n.\nBcc: not a header\n")


def check_empty(message, raw):
    check("empty", "subject", message["Subject"], "")
    check("empty", "text", text_of(message), "")


CHECKS = {
    "plain": check_plain, "international": check_international, "japanese": check_japanese,
    "alternative": check_alternative, "tree": check_tree, "utf8": check_utf8, "long": check_long,
    "names": check_names, "existing": check_existing, "empty": check_empty,
}
# The others are long, and say nothing more to the eye.
EXPECTED = ["plain", "international", "japanese", "alternative", "utf8", "names", "existing"]


def same_boundaries(raw):
    """Numbers the boundaries in the order they appear."""
    seen = {}
    return re.sub(rb"=_[0-9a-f]{32}", lambda match: seen.setdefault(match.group(), b"=_%d" % len(seen)), raw)


def main():
    program, expected = sys.argv[1], pathlib.Path(sys.argv[2])
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([program, folder], check=True)
        print(f"1..{len(CHECKS)}")
        for number, (name, function) in enumerate(CHECKS.items(), 1):
            before = failures
            raw = (pathlib.Path(folder) / f"{name}.eml").read_bytes()
            message = email.message_from_bytes(raw, policy=email.policy.SMTPUTF8 if name == "utf8"
                                               else email.policy.default)
            if name != "existing":
                check_lines(name, raw)
            function(message, raw)
            if name in EXPECTED:
                path = expected / f"{name}.eml"
                if sys.argv[3:] == ["--write"]:
                    path.write_bytes(same_boundaries(raw))
                check(name, "file", same_boundaries(raw), path.read_bytes())
            print("ok" if failures == before else "not ok", number, "-", name)
    return 1 if failures else 0


sys.exit(main())
