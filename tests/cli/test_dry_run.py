"""How messages and envelopes are made, looked at through --dry-run."""
import json
import os
import subprocess

import program
from program import EX_DATAERR, EX_IOERR, EX_NOINPUT, EX_USAGE, LETTER, ProgramCase

FROM_ANN = ["--from", "ann@x.example"]
TO_BOB = ["--to", "bob@y.example"]


class Composing(ProgramCase):
    def test_text(self):
        envelope, message = self.dry_run("--from", "Ann Ä <ann@x.example>", "--to", "Bob <bob@y.example>, c@z.example",
                                         "--cc", "dan@y.example", "--bcc", "eve@y.example", "--reply-to",
                                         "desk@x.example", "--subject", "Grüße", "--body", "Hallo\nWelt\n")
        self.assertEqual(envelope, ["MAIL FROM:<ann@x.example>", "RCPT TO:<bob@y.example>", "RCPT TO:<c@z.example>",
                                    "RCPT TO:<dan@y.example>", "RCPT TO:<eve@y.example>"])
        self.assertEqual(message["From"], "Ann Ä <ann@x.example>")
        self.assertEqual(message["To"], "Bob <bob@y.example>, c@z.example")
        self.assertEqual(message["Cc"], "dan@y.example")
        self.assertEqual(message["Reply-To"], "desk@x.example")
        self.assertEqual(message["Subject"], "Grüße")
        self.assertIsNone(message["Bcc"])
        self.assertIsNotNone(message["Date"])
        self.assertTrue(message["Message-ID"].endswith("@x.example>"))
        self.assertEqual(message.get_content(), "Hallo\nWelt\n")

    def test_text_and_html_from_files_and_input(self):
        page = self.file("page.html", "<p>Grüße</p>\n")
        _, message = self.dry_run(*FROM_ANN, *TO_BOB, "--text", "-", "--html", page, data="Grüße\n".encode())
        self.assertEqual(message.get_content_type(), "multipart/alternative")
        self.assertEqual(message.get_body(("plain",)).get_content().splitlines(), ["Grüße"])
        self.assertEqual(message.get_body(("html",)).get_content().splitlines(), ["<p>Grüße</p>"])

    def test_attachments(self):
        data = bytes(range(256)) * 300
        table = self.file("täble.csv", b"a;b\n1;2\n")
        blob = self.file("blob", data)
        odd = self.file("odd;name.bin", b"odd")
        _, message = self.dry_run(*FROM_ANN, *TO_BOB, "--body", "See", "--attach", f"{blob};type=image/png;name=lögo.png",
                                  "-a", f"{table};type=text/csv; charset=utf-8", "--attach", odd)
        found = {part.get_filename(): part for part in message.iter_attachments()}
        self.assertEqual(set(found), {"lögo.png", "täble.csv", "odd;name.bin"})
        self.assertEqual(found["lögo.png"].get_content_type(), "image/png")
        self.assertEqual(found["lögo.png"].get_content(), data)
        self.assertEqual(found["täble.csv"].get_content_type(), "text/csv")
        self.assertEqual(found["täble.csv"].get_content_charset(), "utf-8")
        self.assertEqual(found["odd;name.bin"].get_content(), b"odd")

    def test_attachment_from_input(self):
        _, message = self.dry_run(*FROM_ANN, *TO_BOB, "--body", "See", "--attach", "-;name=log.txt;type=text/plain",
                                  data=b"log\n")
        (part,) = message.iter_attachments()
        self.assertEqual(part.get_filename(), "log.txt")
        self.assertEqual(part.get_content().strip(), "log")

    def test_inline_image(self):
        page = self.file("page.html", '<img src="cid:logo">')
        image = self.file("logo.png", b"\x89PNG....")
        _, message = self.dry_run(*FROM_ANN, *TO_BOB, "--html", page, "--inline", f"logo={image}")
        parts = {part.get_content_type(): part for part in message.walk()}
        self.assertIn("multipart/related", parts)
        self.assertEqual(parts["image/png"].get_content(), b"\x89PNG....")
        self.assertIn("logo", parts["image/png"]["Content-ID"])

    def test_more_headers(self):
        _, message = self.dry_run(*FROM_ANN, *TO_BOB, "--body", "x", "--header", "X-Test:  yes", "--header",
                                  "List-Id: Größe <list.x.example>", "--header", "To: carl@y.example")
        self.assertEqual(message["X-Test"], "yes")
        self.assertEqual(message["List-Id"], "Größe <list.x.example>")
        self.assertIn("carl@y.example", message["To"])

    def test_nothing_injects_a_header_or_a_line(self):
        attack = "x\r\nBcc: eve@evil.example"
        for arguments in ([*FROM_ANN, *TO_BOB, "--subject", attack],
                          [*FROM_ANN, *TO_BOB, "--subject", "x\nBcc: eve@evil.example"],
                          [*FROM_ANN, *TO_BOB, "--header", "X-A: " + attack],
                          [*FROM_ANN, *TO_BOB, "--header", "X-A\r\nBcc: eve@evil.example"],
                          ["--from", "ann@x.example\r\nBcc: eve@evil.example", *TO_BOB],
                          [*FROM_ANN, "--to", "bob@y.example\r\nRCPT TO:<eve@evil.example>"],
                          [*FROM_ANN, "--to", "Bob\r\n <bob@y.example>\r\nX: y"],
                          [*FROM_ANN, *TO_BOB, "--reply-to", attack],
                          [*FROM_ANN, *TO_BOB, "--envelope-from", "ann@x.example> SIZE=1\r\nRSET"],
                          [*FROM_ANN, *TO_BOB, "--envelope-from", "ann@x.example> BODY=8BITMIME <a@x.example"],
                          [*FROM_ANN, *TO_BOB, "--inline", "a\r\nX: y=/etc/hostname"]):
            with self.subTest(arguments=arguments):
                done = self.send("--dry-run", *arguments, "--body", "text", status=EX_USAGE)
                self.assertEqual(done.output, "")
                self.assertLessEqual(len(done.errors.splitlines()), 2, done.errors)

    def test_a_name_of_a_file_injects_nothing(self):
        path = self.file("a\nX-Evil: yes", b"data")
        command = [program.PATH, "send", "--dry-run", *FROM_ANN, *TO_BOB, "--body", "x", "--attach", str(path)]
        done = self.call(command, b"", None, {})
        self.assertNotIn("\nX-Evil", done.output)

    def test_what_is_missing_is_told(self):
        for arguments, words in (([*TO_BOB, "--body", "x"], "--from"),
                                 ([*FROM_ANN, "--body", "x"], "--to"),
                                 ([*FROM_ANN, *TO_BOB, "--body", "x", "--header", "nocolon"], "Name: value"),
                                 ([*FROM_ANN, *TO_BOB, "--body", "x", "--inline", "nofile"], "ID=FILE"),
                                 ([*FROM_ANN, *TO_BOB, "--text", "-", "--html", "-"], "once only"),
                                 ([*FROM_ANN, "--to", "root", "--body", "x"], '--to "root"'),
                                 (["--from", "not an address", *TO_BOB, "--body", "x"], "--from")):
            with self.subTest(arguments=arguments):
                self.assertIn(words, self.send("--dry-run", *arguments, status=EX_USAGE).errors)

    def test_files_that_are_not_there(self):
        for option in ("--text", "--html", "--attach", "--eml"):
            with self.subTest(option=option):
                done = self.send("--dry-run", *FROM_ANN, *TO_BOB, option, self.home / "nothing", status=EX_NOINPUT)
                self.assertIn("nothing", done.errors)
                self.send("--dry-run", *FROM_ANN, *TO_BOB, option, self.home, status=EX_NOINPUT)

    def test_text_that_is_not_utf8(self):
        self.send("--dry-run", *FROM_ANN, *TO_BOB, "--text", "-", data=b"\xff\xfe\n", status=EX_DATAERR)


class Ready(ProgramCase):
    def test_recipients_of_the_header(self):
        letter = (b"From: Ann <ann@x.example>\nTo: Bob <bob@y.example>, Friends: c@y.example, d@y.example;\n"
                  b"Cc: e@y.example\nBcc: f@y.example\nBcc: g@y.example,\n h@y.example\nSubject: x\n\n.dot\nFrom here\n")
        envelope, message = self.dry_run("-t", data=letter)
        self.assertEqual(envelope[0], "MAIL FROM:<ann@x.example>")
        self.assertEqual(sorted(line.split("<")[1][0] for line in envelope[1:]), list("bcdefgh"))
        self.assertIsNone(message["Bcc"])
        self.assertEqual(message.get_payload(), ".dot\nFrom here\n")

    def test_the_message_stays_as_it_is(self):
        path = self.file("letter.eml", LETTER)
        for arguments, options in ((["--eml", path], {}), ([], {"data": LETTER}), (["--eml", "-"], {"data": LETTER})):
            done = self.send("--dry-run", *TO_BOB, *arguments, **options)
            self.assertEqual(done.output, "MAIL FROM:<ann@x.example>\nRCPT TO:<bob@y.example>\n\n" + LETTER.decode())
        with open(path, "rb") as file:
            done = self.send("--dry-run", "-q", *TO_BOB, stdin=file)
        self.assertEqual(done.output, LETTER.decode())

    def test_options_make_the_envelope(self):
        envelope, message = self.dry_run("--from", "Office <office@x.example>", "--to", "carl@y.example", data=LETTER)
        self.assertEqual(envelope, ["MAIL FROM:<office@x.example>", "RCPT TO:<carl@y.example>"])
        self.assertEqual(message["From"], "ann@x.example")
        self.assertEqual(message["To"], "bob@y.example")
        envelope, _ = self.dry_run("-t", "--to", "carl@y.example", "--envelope-from", "<>", data=LETTER)
        self.assertEqual(envelope, ["MAIL FROM:<>", "RCPT TO:<carl@y.example>", "RCPT TO:<bob@y.example>"])

    def test_a_missing_from_is_made(self):
        envelope, message = self.dry_run(*FROM_ANN, "-t", data=b"To: bob@y.example\nSubject: x\n\nHello\n")
        self.assertEqual(message["From"], "ann@x.example")
        self.assertEqual(envelope[0], "MAIL FROM:<ann@x.example>")

    def test_no_message(self):
        self.assertIn("empty", self.send("--dry-run", *FROM_ANN, *TO_BOB, status=EX_NOINPUT).errors)
        done = self.send("--dry-run", *FROM_ANN, *TO_BOB, data=b"just a line\n", status=EX_DATAERR)
        self.assertIn("--text", done.errors)

    def test_no_recipient(self):
        self.assertIn("-t", self.send("--dry-run", data=LETTER, status=EX_USAGE).errors)
        self.send("--dry-run", "-t", data=b"From: ann@x.example\n\nHello\n", status=EX_USAGE)

    def test_headers_that_cannot_be_read(self):
        self.send("--dry-run", "-t", data=b"From: ann@x.example\nTo: bob@@y\n\nHello\n", status=EX_DATAERR)
        self.send("--dry-run", *TO_BOB, data=b"Subject: who?\n\nHello\n", status=EX_DATAERR)


class Shown(ProgramCase):
    def test_as_json(self):
        done = self.send("--dry-run", "--json", "--server", "mail.example", *FROM_ANN, *TO_BOB, "--body", "x")
        self.assertEqual(json.loads(done.output), {"dry_run": True, "server": "mail.example", "sender": "ann@x.example",
                                                   "recipients": ["bob@y.example"]})

    def test_closed_output(self):
        done = subprocess.run([program.PATH, "send", "--dry-run", *FROM_ANN, *TO_BOB, "--body", "x"], check=False,
                              env=self.environment(), stderr=subprocess.PIPE, preexec_fn=lambda: os.close(1))
        self.assertEqual(done.returncode, EX_IOERR)
        self.assertIn(b"standard output", done.stderr)
        with open("/dev/full", "wb") as full:
            self.send("--dry-run", *FROM_ANN, *TO_BOB, "--body", "x", stdout=full, status=EX_IOERR)
