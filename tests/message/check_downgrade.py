"""Messages in 7 bits, read by Python's email package: the same parts, contents, names, addresses and subjects as
before. `check_downgrade.py PROGRAM` (downgrade_message)."""

import email
import email.policy
import random
import subprocess
import sys
import tempfile

PIECES = [1, 7, 1000]


class Wrong(Exception):
    pass


def expect(left, right, what=""):
    if left != right:
        raise Wrong(f"{what}: {left!r:.500} is not {right!r:.500}")


def downgrade(raw, *piece):
    """Output and what was said, None as output where it cannot be done."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(raw)
        file.flush()
        done = subprocess.run([sys.argv[1], file.name, *map(str, piece)], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)
    if done.returncode not in (0, 2):
        raise Wrong(f"ended with {done.returncode}: {done.stderr.decode()}")
    return (done.stdout if done.returncode == 0 else None), done.stderr.decode()


def read(raw):
    return email.message_from_bytes(raw, policy=email.policy.SMTPUTF8)


def leaf(part):
    """What a leaf holds, line ends as they travel."""
    content = part.get_payload(decode=True)
    return content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def compare(before, after, where="message"):
    expect(before.get_content_type(), after.get_content_type(), where)
    expect(before.is_multipart(), after.is_multipart(), where)
    for name in ("Subject", "From", "To", "Cc", "Content-Description", "X-Note"):
        left, right = before.get(name), after.get(name)
        if left is not None and hasattr(left, "addresses"):
            expect([(said(a.display_name), a.username, idna(said(a.domain))) for a in left.addresses],
                   [(a.display_name, a.username, idna(a.domain)) for a in right.addresses], f"{where} {name}")
        else:
            expect(said(left), said(right), f"{where} {name}")
    expect(said(before.get_filename()), said(after.get_filename()), where)
    if before.is_multipart():
        left, right = before.get_payload(), after.get_payload()
        expect(len(left), len(right), where)
        for number, (one, two) in enumerate(zip(left, right), 1):
            compare(one, two, f"{where}.{number}")
    else:
        expect(leaf(before), leaf(after), where)


def said(text):
    """What Python takes from raw UTF-8, made text; blanks at the end mean nothing."""
    return text and text.encode("utf-8", "surrogateescape").decode().rstrip()


def idna(domain):
    return domain.encode("idna").decode() if domain else domain


def check(raw):
    """Downgrades in one piece and in several, and compares."""
    out, trouble = downgrade(raw)
    if out is None:
        raise Wrong(trouble)
    expect(out.isascii(), True, "7-bit")
    for line in out.split(b"\r\n"):
        if len(line) > 998:
            raise Wrong(f"a line of {len(line)}")
    for piece in PIECES:
        if len(raw) / piece < 200000:
            expect(downgrade(raw, piece)[0], out, f"in pieces of {piece}")
    compare(read(raw), read(out))
    return out


def letter(*lines):
    return "\r\n".join(lines).encode("utf-8", "surrogateescape")


def plain_text():
    out = check(letter("From: Ann Müller <ann@home.example>", "To: \"Zoë, die Große\" <zoe@bücher.example>",
                       "Subject: Grüße " + "und noch viel mehr Wörter " * 20, "MIME-Version: 1.0",
                       "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit", "",
                       "Schöne Grüße.", "", "-- ", "Ann", ""))
    expect(read(out)["Content-Transfer-Encoding"] in ("quoted-printable", "base64"), True)


def seven_bit_message():
    raw = letter("From: ann@home.example", "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=", "", "Hello " * 30, "")
    expect(check(raw), raw)


def attachments():
    chance = random.Random(1)
    binary = bytes(chance.randrange(256) for _ in range(20000)).replace(b"\r", b"").replace(b"\n", b"\r\n")
    raw = letter("From: ann@home.example", "MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=\"b 1\"", "",
                 "Vorwort für Gäste", "--b 1", "Content-Type: text/html; charset=iso-8859-1", "",
                 "<p>caf\udce9</p>", "--b 1", "Content-Type: application/x-thing; name=\"Prüfung.bin\"",
                 "Content-Disposition: attachment; filename=\"Prüfung mit einem recht langen Namen.bin\"",
                 "Content-Transfer-Encoding: binary", "", "") + binary
    raw += letter("", "--b 1", "Content-Type: text/plain; charset=us-ascii", "", "as it is", "--b 1--", "Nachwört", "")
    out = check(raw)
    expect(b"\r\n\r\nas it is\r\n--b 1--" in out, True)


def letters_in_letters():
    inner = letter("From: Zoë <z@far.example>", "Subject: ïnner", "MIME-Version: 1.0",
                   "Content-Type: multipart/alternative; boundary=inner", "", "--inner",
                   "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit", "", "Grüße", "--inner",
                   "Content-Type: text/html; charset=utf-8", "Content-Transfer-Encoding: quoted-printable", "",
                   "<p>Gr=C3=BC=C3=9Fe</p>", "--inner--", "")
    digest = letter("Content-Type: multipart/digest; boundary=digest", "", "--digest", "", "Subject: Ä", "",
                    "Bödy", "--digest", "", "Subject: B", "", "plain", "--digest--", "")
    raw = letter("From: ann@home.example", "MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=outer",
                 "Content-Transfer-Encoding: 8bit", "", "--outer", "Content-Type: message/rfc822",
                 "Content-Transfer-Encoding: 8bit", "", "") + inner + b"\r\n--outer\r\n" + digest + b"\r\n--outer--\r\n"
    out = check(raw)
    parts = [part.get_content_type() for part in read(out).walk()]
    expect(parts, ["multipart/mixed", "message/rfc822", "multipart/alternative", "text/plain", "text/html",
                   "multipart/digest", "message/rfc822", "text/plain", "message/rfc822", "text/plain"])


def lines_that_look_like_boundaries():
    tail = "x" * 70 + "--b" + "y" * 80
    raw = letter("From: ann@home.example", "MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=b", "", "--b",
                 "Content-Type: text/plain; charset=utf-8", "", "ein wenig Text " * 40 + "ä",
                 *["x" * i + "--b--" for i in range(60, 80)], tail, "- -b", "--b--", "")
    check(raw)


def long_lines():
    check(letter("From: ann@home.example", "MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8",
                 "Content-Transfer-Encoding: 8bit", "", "plain " * 5000, "Größe " * 5000, ""))
    check(letter("From: ann@home.example", "Subject: " + "ä" * 900, "X-Note: " + "Wörter " * 120,
                 "MIME-Version: 1.0", "Content-Type: text/plain", "", "x", ""))


def large_parts():
    text = "".join(f"Zeile {i} -- größer\r\n" for i in range(30000))
    check(letter("From: ann@home.example", "MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=b", "", "--b",
                 "Content-Type: text/plain; charset=utf-8", "", text, "--b", "Content-Type: image/png", "",
                 "\udcff\udcd8 " * 200000, "--b--", ""))


def addresses_beyond_ascii():
    out, trouble = downgrade(letter("From: <änn@home.example>", "Subject: x", "", "x", ""))
    expect(out, None)
    expect("cannot be said" in trouble, True)


def signed_letters():
    def signed(text):
        return letter("From: ann@home.example", "Subject: ä", "MIME-Version: 1.0",
                      "Content-Type: multipart/signed; boundary=s", "", "--s", "Content-Type: text/plain; charset=utf-8",
                      "", text, "--s", "Content-Type: application/pgp-signature", "", "x", "--s--", "")
    expect(downgrade(signed("plain"))[1], "")
    expect(downgrade(signed("größer"))[1], "signed\n")


def letters_by_chance():
    """Whatever a letter is put together from."""
    chance = random.Random(7)
    words = ["plain", "Größe", "--b", "=?", "=", "\u20ac\u20ac", "x" * 90, "\"q, s\"", "(c)", "\t", "naïve café", "日本語"]

    def text(count):
        return " ".join(chance.choice(words) for _ in range(count))

    for _ in range(60):
        parts = []
        for number in range(chance.randrange(1, 5)):
            kind = chance.choice(["text/plain; charset=utf-8", "text/html; charset=utf-8", "application/pdf"])
            parts += ["--=_b", f"Content-Type: {kind}", f"Content-Description: {text(3)}",
                      f"Content-Disposition: attachment; filename=\"{number} Ä {chance.randrange(9)}.x\"", ""]
            parts += [text(chance.randrange(12)) for _ in range(chance.randrange(6))]
        check(letter("From: \"Zoë " + str(chance.randrange(99)) + "\" <z@far.example>", f"X-Note: {text(4)}".rstrip(),
                     "MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=\"=_b\"", "", *parts, "--=_b--", ""))


CASES = [plain_text, seven_bit_message, attachments, letters_in_letters, lines_that_look_like_boundaries, long_lines,
         large_parts, addresses_beyond_ascii, signed_letters, letters_by_chance]


def main():
    failed = False
    print(f"1..{len(CASES)}")
    for number, case in enumerate(CASES, 1):
        try:
            case()
            print(f"ok {number} {case.__name__}")
        except (Wrong, KeyError, IndexError, ValueError) as trouble:
            failed = True
            print(f"not ok {number} {case.__name__}\n# {type(trouble).__name__}: {trouble!s:.3000}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
