"""Reports to senders, read field by field by Python's email package. `check_reports.py PROGRAM` (render_report)."""

import email
import email.policy
import re
import subprocess
import sys
import tempfile

NOW = 1795452488000000  # Mon, 23 Nov 2026 16:48:08 +0000
ARRIVED = NOW - 5 * 24 * 3600 * 1000000
LETTER = b"""Received: from client.example\r
From: Ann <ann@home.example>\r
To: bob@far.example\r
Subject: =?utf-8?q?Caf=C3=A9?= on Friday\r
Message-ID: <1@home.example>\r
References: <0@home.example>\r
\r
Hello\r
Bob\r
"""
UTF8_LETTER = "From: Änn <änn@home.example>\r\nSubject: Grüße\r\nMessage-ID: <2@home.example>\r\n\r\nÄ\r\n".encode()


class Wrong(Exception):
    pass


def expect(left, right):
    if left != right:
        raise Wrong(f"{left!r} is not {right!r}")


def expect_in(part, whole):
    if part not in whole:
        raise Wrong(f"{part!r} is not in {whole!r}")


def render(letter=LETTER, recipients=(), **values):
    """The bytes of a report; `recipients` are dicts."""
    given = dict(now=NOW, arrived=ARRIVED, sender="ann@home.example", is_content_whole=1)
    given.update(values)
    with tempfile.NamedTemporaryFile() as file:
        file.write(letter)
        file.flush()
        arguments = [b"content=" + file.name.encode()]

        def add(name, value):
            value = value if isinstance(value, bytes) else str(value).encode()
            arguments.append(name.encode() + b"=" + value)

        for name, value in given.items():
            add(name, value)
        for recipient in recipients:
            add("recipient", recipient["recipient"])
            for name, value in recipient.items():
                if name != "recipient":
                    add(name, value)
        return subprocess.run([sys.argv[1], *arguments], stdout=subprocess.PIPE, check=True).stdout


class Report:
    """A report taken apart: message, text, groups of fields, what is returned."""

    def __init__(self, raw):
        self.raw = raw
        for line in raw.split(b"\r\n"):
            if b"\r" in line or b"\n" in line or len(line) > 998:
                raise Wrong(f"a line that is none: {line[:200]!r}")
        self.message = email.message_from_bytes(raw, policy=email.policy.SMTPUTF8)
        if self.message.defects:
            raise Wrong(f"defects: {self.message.defects}")
        expect(self.message.get_content_type(), "multipart/report")
        expect(self.message.get_param("report-type"), "delivery-status")
        self.parts = self.message.get_payload()
        expect(len(self.parts), 3)
        for part in self.parts:
            if part.defects:
                raise Wrong(f"defects of {part.get_content_type()}: {part.defects}")
        self.text = self.parts[0].get_content().replace("\r\n", "\n")
        self.returned = self.parts[2]

    def groups(self):
        """Fields of the status part, as it is defined: groups of unfolded lines, raw."""
        content = self.body(1).decode()
        groups = []
        for group in content.split("\r\n\r\n"):
            unfolded = group.replace("\r\n ", " ").strip("\r\n")
            groups.append([tuple(line.split(": ", 1)) for line in unfolded.split("\r\n")])
        return groups

    def body(self, number):
        """A part's body as bytes, its transfer encoding undone."""
        boundary = b"\r\n--" + self.message.get_boundary().encode()
        head, body = self.raw.split(boundary)[number + 1].split(b"\r\n\r\n", 1)
        part = email.message_from_bytes(head.lstrip(b"\r\n") + b"\r\n\r\n", policy=email.policy.SMTP)
        encoding = str(part.get("Content-Transfer-Encoding", "7bit"))
        if encoding in ("quoted-printable", "base64"):
            plain = email.message_from_bytes(
                b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: "
                + encoding.encode() + b"\r\n\r\n" + body, policy=email.policy.SMTP)
            return plain.get_payload(decode=True)
        return body


FAILED = dict(recipient="bob@far.example", action="failed", code=550, status="5.1.1", text="No such user",
              host="mx.far.example", last_attempt=NOW)


def header_of_the_report():
    report = Report(render(recipients=[FAILED]))
    message = report.message
    expect(message["From"], "Mail Delivery System <MAILER-DAEMON@mx.home.example>")
    expect(message["To"], "ann@home.example")
    expect(message["Subject"], "Not delivered: Café on Friday")
    expect(message["Date"], "Mon, 23 Nov 2026 16:48:08 +0000")
    expect(message["Message-ID"], "<1122334455667788.report@mx.home.example>")
    expect(message["In-Reply-To"], "<1@home.example>")
    expect(message["References"], "<0@home.example> <1@home.example>")
    expect(message["Auto-Submitted"], "auto-replied")
    expect(message["MIME-Version"], "1.0")
    expect(message["Return-Path"], None)


def fields_of_a_failure():
    report = Report(render(envelope_id="QQ 314+=", recipients=[dict(FAILED, original="rfc822;info@home.example")]))
    expect(report.parts[1].get_content_type(), "message/delivery-status")
    expect(report.groups(), [
        [("Original-Envelope-Id", "QQ 314+="),
         ("Reporting-MTA", "dns; mx.home.example"),
         ("Arrival-Date", "Wed, 18 Nov 2026 16:48:08 +0000")],
        [("Original-Recipient", "rfc822; info@home.example"),
         ("Final-Recipient", "rfc822; bob@far.example"),
         ("Action", "failed"),
         ("Status", "5.1.1"),
         ("Remote-MTA", "dns; mx.far.example"),
         ("Diagnostic-Code", "smtp; 550 5.1.1 No such user"),
         ("Last-Attempt-Date", "Mon, 23 Nov 2026 16:48:08 +0000")]])
    # Python takes the groups apart in the same way.
    groups = report.parts[1].get_payload()
    expect(len(groups), 2)
    expect(groups[0]["Original-Envelope-Id"], "QQ 314+=")
    expect(groups[1]["Final-Recipient"], "rfc822; bob@far.example")


def what_was_not_given_is_not_there():
    recipient = dict(recipient="bob@far.example", action="failed", status="nonsense")
    groups = Report(render(recipients=[recipient])).groups()
    expect([name for name, _ in groups[0]], ["Reporting-MTA", "Arrival-Date"])
    expect(groups[1], [("Final-Recipient", "rfc822; bob@far.example"), ("Action", "failed"), ("Status", "5.0.0")])


def our_own_reasons():
    recipient = dict(recipient="bob@dead.example", action="failed", status="4.4.1", text="connection timed out")
    report = Report(render(recipients=[recipient]))
    expect(dict(report.groups()[1])["Diagnostic-Code"], "x-posthorn; connection timed out")
    expect("Remote-MTA" in dict(report.groups()[1]), False)
    expect_in("It was tried for 5 days in vain.", report.text)
    expect_in("connection timed out", report.text)


def each_action():
    recipients = [
        dict(FAILED),
        dict(recipient="b@x.example", action="delayed", status="4.2.2", code=452, text="Full", host="mx.x.example",
             will_retry_until=NOW + 3600 * 1000000),
        dict(recipient="c@home.example", action="delivered", status="2.1.5"),
        dict(recipient="d@y.example", action="relayed", status="2.1.9", host="mx.y.example", code=250, text="Ok"),
        dict(recipient="e@home.example", action="expanded", status="2.1.5", will_retry_until=NOW),
    ]
    report = Report(render(recipients=recipients))
    groups = [dict(group) for group in report.groups()[1:]]
    expect([group["Action"] for group in groups], ["failed", "delayed", "delivered", "relayed", "expanded"])
    expect(["Will-Retry-Until" in group for group in groups], [False, True, False, False, False])
    expect(groups[1]["Will-Retry-Until"], "Mon, 23 Nov 2026 17:48:08 +0000")
    expect(groups[3]["Remote-MTA"], "dns; mx.y.example")
    expect(groups[3]["Diagnostic-Code"], "smtp; 250 2.1.9 Ok")
    for recipient in recipients:
        expect_in(recipient["recipient"], report.text)
    expect_in("will be tried until Mon, 23 Nov 2026 17:48:08 +0000",
              report.text.replace("\n", " "))
    expect(report.message["Subject"], "Not delivered: Café on Friday")
    titles = {1: "Not delivered yet", 2: "Delivered", 3: "Passed on", 4: "Passed on"}
    for index, title in titles.items():
        alone = Report(render(recipients=[recipients[index]]))
        expect(alone.message["Subject"], title + ": Café on Friday")


def first_lines_are_for_people():
    report = Report(render(recipients=[FAILED]))
    lines = report.text.split("\n")
    expect(lines[0], "Your letter could not be delivered to:")
    expect(lines[2], "    bob@far.example")
    expect(lines[4], "There is no mailbox of this name there. mx.far.example said:")
    expect(lines[6], "    550 5.1.1 No such user")
    expect_in("Check the address for typing mistakes.", lines[8])


def a_delay_is_no_refusal():
    recipient = dict(FAILED, action="delayed", code=451, status="4.7.1", text="Greylisted")
    report = Report(render(recipients=[recipient]))
    expect(report.text.split("\n")[0], "Your letter has not been delivered yet to:")
    expect_in("puts off letters", report.text)
    expect_in("You need not do anything: it will be tried again.", report.text)


def reasons_by_status():
    sentences = {
        "5.1.2": "The domain of the address does not exist", "5.2.2": "mailbox is full", "4.2.2": "mailbox is full",
        "5.3.4": "too large", "5.7.1": "refuses the letter by its rules", "5.7.26": "from your domain",
        "4.4.1": "could not be reached", "4.4.3": "name service", "5.4.6": "in a circle", "5.1.10": "takes no mail at all",
        "5.6.7": "beyond ASCII", "5.7.999": "security rules", "5.9.1": "did not say why", "5.1.99": "wrong with the address",
        "5.0.0": "did not say why",
    }
    for status, sentence in sentences.items():
        report = Report(render(recipients=[dict(FAILED, status=status)]))
        expect(dict(report.groups()[1])["Status"], status)
        expect_in(sentence, report.text.replace("\n", " "))


def wrong_statuses():
    for status in ["", "5", "5.1", "5.1.1.1", "3.1.1", "5.01.1", "5.1.1000", "5.1.x", " 5.1.1", "5.1.1\r\nX: y"]:
        report = Report(render(recipients=[dict(FAILED, status=status)]))
        expect(dict(report.groups()[1])["Status"], "5.0.0")


def whole_letter_or_header():
    recipients = [FAILED]
    whole = Report(render(returns_full=1, recipients=recipients))
    expect(whole.returned.get_content_type(), "message/rfc822")
    expect(whole.body(2), LETTER)
    header = LETTER.split(b"\r\n\r\n")[0] + b"\r\n"
    for values in [dict(returns_full=0), dict(returns_full=1, is_content_whole=0)]:
        report = Report(render(recipients=recipients, **values))
        expect(report.returned.get_content_type(), "text/rfc822-headers")
        expect(report.body(2), header)
    # RFC 3461 6.2: without a failure only the header comes back.
    report = Report(render(returns_full=1, recipients=[dict(FAILED, action="delivered", status="2.1.5")]))
    expect(report.body(2), header)
    large = LETTER + b"x" * 70 + b"\r\n"
    large += (b"y" * 70 + b"\r\n") * 1500
    report = Report(render(large, returns_full=1, recipients=recipients))
    expect(report.body(2), header)


def header_that_is_cut_off():
    cut = LETTER[:LETTER.index(b"References") + 8]
    report = Report(render(cut, is_content_whole=0, recipients=[FAILED]))
    expect(report.body(2), LETTER[:LETTER.index(b"References")])
    expect(Report(render(b"", is_content_whole=1, recipients=[FAILED])).message["Subject"],
           "Not delivered: (no subject)")


def boundary_in_the_letter():
    letter = LETTER + b"--=_1122334455667788.0\r\nContent-Type: text/plain\r\n\r\nsmuggled\r\n--=_1122334455667788.1--\r\n"
    report = Report(render(letter, returns_full=1, recipients=[FAILED]))
    expect(report.body(2), letter)


def eight_bit_letters():
    letter = LETTER.replace(b"Hello", "Grüße".encode())
    report = Report(render(letter, returns_full=1, recipients=[FAILED]))
    expect(report.returned.get_content_type(), "message/rfc822")
    expect(report.returned["Content-Transfer-Encoding"], "8bit")
    expect(report.message["Content-Transfer-Encoding"], "8bit")
    expect(report.body(2), letter)
    raw = LETTER.replace(b"Hello", b"x").replace(b"=?utf-8?q?Caf=C3=A9?=", b"Caf\xe9")
    report = Report(render(raw, recipients=[FAILED]))
    expect(report.raw.isascii(), True)
    expect(report.returned.get_content_type(), "text/rfc822-headers")
    expect(report.returned.get_param("charset"), "unknown-8bit")
    expect(report.body(2), raw.split(b"\r\n\r\n")[0] + b"\r\n")


def nothing_breaks_out():
    evil = b"a\r\n.\r\n\r\nX-Evil: 1\nStatus: 2.0.0\r\x01\x7f\x1b[31m\xff\xfe \xe2\x80\xae" + b"w" * 3000 + b" ) ( \" \xc3\xa4"
    values = dict(text=evil, host=b"mx\r\nX-Evil: 1", original=b"rfc822;a\r\nX-Evil: 1 b\xff")
    recipient = dict(FAILED, **values)
    recipient["recipient"] = b"bob\r\nX-Evil: 1@far.example"
    letter = LETTER.replace(b"=?utf-8?q?Caf=C3=A9?=", b"=?utf-8?q?=0D=0AX-Evil:_1=0D=0A=00=1B?=")
    for is_utf8 in (0, 1):
        report = Report(render(letter, envelope_id=b"x\r\nX-Evil: 1\xff", is_utf8=is_utf8, recipients=[recipient]))
        groups = report.groups()
        expect(len(groups), 2)
        names = [name for group in groups for name, _ in group]
        expect("X-Evil" in names or "X-Evil" in report.message, False)
        expect(names.count("Status"), 1)
        for line in report.body(1).split(b"\r\n"):
            if re.search(rb"[\x00-\x1f\x7f]", line):
                raise Wrong(f"a control character in {line!r}")
        if re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", report.text):
            raise Wrong("a control character in the text")


def utf8_reports():
    recipients = [dict(FAILED, recipient="bøb@far.example", original="utf-8;bøb@far.example", text="Nein: bøb")]
    report = Report(render(UTF8_LETTER, sender="änn@home.example", is_utf8=1, recipients=recipients))
    expect(report.parts[1].get_content_type(), "message/global-delivery-status")
    fields = dict(report.groups()[1])
    expect(fields["Final-Recipient"], "utf-8; bøb@far.example")
    expect(fields["Original-Recipient"], "utf-8; bøb@far.example")
    expect(fields["Diagnostic-Code"], "smtp; 550 5.1.1 Nein: bøb")
    expect(report.returned.get_content_type(), "message/global-headers")
    expect(report.returned.get_param("charset"), None)
    expect(report.body(2), UTF8_LETTER.split(b"\r\n\r\n")[0] + b"\r\n")
    expect_in("To: änn@home.example\r\n".encode(), report.raw)
    whole = Report(render(UTF8_LETTER, sender="änn@home.example", is_utf8=1, returns_full=1, recipients=recipients))
    expect(whole.returned.get_content_type(), "message/global")
    expect(whole.body(2), UTF8_LETTER)


def utf8_report_to_an_ascii_sender():
    recipients = [dict(FAILED, recipient="bøb@far.example")]
    for returns_full in (0, 1):
        report = Report(render(UTF8_LETTER, is_utf8=1, returns_full=returns_full, recipients=recipients))
        expect(report.raw.isascii(), True)
        expect(dict(report.groups()[1])["Final-Recipient"], "utf-8; bøb@far.example")
        expect(report.body(2), UTF8_LETTER if returns_full else UTF8_LETTER.split(b"\r\n\r\n")[0] + b"\r\n")
    report = Report(render(LETTER, is_utf8=1, recipients=[FAILED]))
    expect(report.parts[1].get_content_type(), "message/delivery-status")
    expect(report.returned.get_content_type(), "text/rfc822-headers")


def utf8_address_in_ascii():
    """RFC 6533 3: the form of seven bits."""
    recipient = dict(FAILED, recipient="bøb+x@far.example", original="utf-8;a€@far.example")
    report = Report(render(recipients=[recipient]))
    fields = dict(report.groups()[1])
    expect(fields["Final-Recipient"], r"utf-8; b\x{F8}b\x{2B}x@far.example")
    expect(fields["Original-Recipient"], r"utf-8; a\x{20AC}@far.example")
    expect(report.parts[1].get_content_type(), "message/delivery-status")


def many_recipients():
    recipients = [dict(FAILED, recipient=f"someone{i}@far.example", text="No such user " * 30) for i in range(1000)]
    report = Report(render(recipients=recipients))
    expect(len(report.groups()), 1001)
    for i in (0, 500, 999):
        expect_in(f"someone{i}@far.example", report.text)


CASES = [
    header_of_the_report, fields_of_a_failure, what_was_not_given_is_not_there, our_own_reasons, each_action,
    first_lines_are_for_people, a_delay_is_no_refusal, reasons_by_status, wrong_statuses, whole_letter_or_header, header_that_is_cut_off,
    boundary_in_the_letter, eight_bit_letters, nothing_breaks_out, utf8_reports, utf8_report_to_an_ascii_sender,
    utf8_address_in_ascii, many_recipients,
]


def main():
    failed = False
    print(f"1..{len(CASES)}")
    for number, case in enumerate(CASES, 1):
        try:
            case()
            print(f"ok {number} {case.__name__}")
        except (Wrong, subprocess.CalledProcessError, KeyError, IndexError, ValueError) as trouble:
            failed = True
            print(f"not ok {number} {case.__name__}\n# {type(trouble).__name__}: {trouble!s:.2000}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
