"""The program as programs call it: sendmail's flags, and SMTP on standard input and output."""
import os
import pwd
import subprocess

from program import (EX_CONFIG, EX_DATAERR, EX_NOUSER, EX_PROTOCOL, EX_TEMPFAIL, EX_USAGE, LETTER, PARTIAL,
                     ProgramCase, parsed)

CRLF_LETTER = LETTER.replace(b"\n", b"\r\n")


class SendmailCase(ProgramCase):
    def prepare(self, more="", **behaviour):
        server = self.serve(**behaviour)
        self.configure(f'account lab {{ server = "{server.address}"\n from = "Lab <lab@x.example>"\n {more} }}\n')
        return server


class Flags(SendmailCase):
    def test_the_calls_of_programs(self):
        server = self.prepare()
        for arguments in (["-t"], ["-t", "-i"], ["-oi", "-t"], ["-ti"], ["-i", "bob@y.example"], ["-bm", "bob@y.example"],
                          ["-i", "-f", "ann@x.example", "--", "bob@y.example"], ["-i", "-fann@x.example", "bob@y.example"],
                          ["-FCronDaemon", "-i", "-B8BITMIME", "-oem", "bob@y.example"],
                          ["-oi", "-oem", "-odb", "-om", "-r", "ann@x.example", "bob@y.example"],
                          ["-i", "-Am", "-n", "-G", "-h5", "-L", "tag", "-m", "-U", "-d0", "-O", "QueueLA=1", "-q5m", "-p",
                           "ESMTP:me", "-x", "-e", "m", "bob@y.example"],
                          ["-N", "never", "-R", "hdrs", "-V", "id", "-i", "bob@y.example"]):
            with self.subTest(arguments=arguments):
                server.letters.clear()
                done = self.sendmail(*arguments, data=LETTER)
                self.assertEqual((done.output, done.errors), ("", ""))
                (letter,) = server.letters
                self.assertEqual(letter.recipients, ["bob@y.example"])
                self.assertEqual(letter.sender, "ann@x.example" if any("ann@" in word for word in arguments)
                                 else "lab@x.example")
                self.assertTrue(letter.content.endswith(b"\r\n\r\nHello.\r\n"), letter.content)
                self.assertEqual(parsed(letter.content)["From"], "ann@x.example")

    def test_missing_fields_are_made(self):
        server = self.prepare()
        self.sendmail("-i", "-F", "Änne Läb", "-f", "anne@x.example", "bob@y.example", data=b"Subject: x\n\nHello\n")
        message = parsed(server.letters[0].content)
        self.assertEqual(message["From"], "Änne Läb <anne@x.example>")
        self.assertIsNotNone(message["Date"])
        self.assertTrue(message["Message-ID"].endswith("@x.example>"))
        self.sendmail("-i", "bob@y.example", data=b"Subject: x\n\nHello\n")
        self.assertEqual(parsed(server.letters[1].content)["From"], "Lab <lab@x.example>")

    def test_without_an_address_of_ones_own(self):
        server = self.serve()
        self.configure(f'account lab {{ server = "{server.address}"\n domain = box.example }}\n')
        self.sendmail("-i", "root", data=b"Subject: x\n\nHello\n")
        (letter,) = server.letters
        user = pwd.getpwuid(os.getuid()).pw_name
        self.assertEqual(letter.sender, f"{user}@box.example")
        self.assertEqual(letter.recipients, ["root@box.example"])
        self.assertIn(f"{user}@box.example", parsed(letter.content)["From"])

    def test_a_full_name_injects_nothing(self):
        server = self.prepare()
        self.sendmail("-i", "-F", "Ann\nBcc: eve@evil.example", "bob@y.example", data=b"Subject: x\n\nHello\n",
                      status=EX_USAGE)
        self.sendmail("-i", "-f", "ann@x.example>\nRCPT TO:<eve@evil.example", "bob@y.example", data=LETTER,
                      status=EX_USAGE)
        self.assertEqual(server.letters, [])

    def test_the_lone_dot(self):
        server = self.prepare()
        data = LETTER + b".\nMore.\n"
        self.sendmail("bob@y.example", data=data)
        self.sendmail("-i", "bob@y.example", data=data)
        self.sendmail("-oi", "bob@y.example", data=data)
        self.sendmail("bob@y.example", data=LETTER.replace(b"\n", b"\r\n") + b".\r\nMore.\r\n")
        self.sendmail("bob@y.example", data=LETTER + b"." * 70000 + b"\n..\n.")
        ends = [letter.content.split(b"Hello.\r\n")[1] for letter in server.letters]
        self.assertEqual(ends, [b"", b".\r\nMore.\r\n", b".\r\nMore.\r\n", b"", b"." * 70000 + b"\r\n..\r\n"])

    def test_texts_that_are_no_messages(self):
        server = self.prepare()
        for data, subject, body in ((b"disk full\n", None, "disk full\n"),
                                    (b"Subject: x\ndisk full\n", "x", "disk full\n"),
                                    (b"From ann Mon Jan  1 00:00:00 2024\nSubject: x\n\nHello\n", "x", "Hello\n"),
                                    (b"Subject: a\n b\n\nHello\n", "a b", "Hello\n"),
                                    (b"Subject: x\n", "x", ""),
                                    (b"\nHello\n", None, "Hello\n"),
                                    (b"", None, "")):
            with self.subTest(data=data):
                server.letters.clear()
                self.sendmail("-i", "bob@y.example", data=data)
                message = parsed(server.letters[0].content)
                self.assertEqual(message["Subject"], subject)
                self.assertEqual(message.get_content().replace("\r\n", "\n"), body)
                self.assertEqual(message["From"], "Lab <lab@x.example>")

    def test_recipients_of_header_and_line(self):
        server = self.prepare()
        data = b"From: ann@x.example\nTo: bob@y.example\nBcc: eve@y.example\nBcc: eva@y.example\n\nHello\n"
        self.sendmail("-i", "-t", "carl@y.example", data=data)
        (letter,) = server.letters
        self.assertEqual(set(letter.recipients),
                         {"bob@y.example", "eve@y.example", "eva@y.example", "carl@y.example"})
        self.assertNotIn(b"eve", letter.content)
        self.assertNotIn(b"Bcc", letter.content)

    def test_recipients_that_look_like_options(self):
        server = self.prepare()
        self.sendmail("-i", "--", "-bob@y.example", data=LETTER)
        self.assertEqual(server.letters[0].recipients, ["-bob@y.example"])

    def test_a_header_of_a_local_program(self):
        """Cron writes names without a domain."""
        server = self.prepare()
        self.sendmail("-i", "-FCronDaemon", "root", data=b"From: root (Cron Daemon)\nTo: root\nSubject: Cron\n\nHello\n")
        self.sendmail("-t", data=b"From: root (Cron Daemon)\nTo: root,\n ann@y.example\nSubject: Cron\n\nTo: root\n")
        for letter in server.letters:
            self.assertEqual(letter.recipients[0], "root@x.example")
            message = parsed(letter.content)
            self.assertEqual(message["From"].addresses[0].addr_spec, "root@x.example")
            self.assertEqual(message["To"].addresses[0].addr_spec, "root@x.example")
        self.assertEqual(message.get_content().splitlines(), ["To: root"])

    def test_wishes(self):
        server = self.prepare(features=["DSN"])
        self.sendmail("-i", "-N", "success,failure", "-R", "full", "-V", "id7", "bob@y.example", data=LETTER)
        talk = "\n".join(server.commands)
        for words in ("NOTIFY=SUCCESS,FAILURE", "RET=FULL", "ENVID=id7"):
            self.assertIn(words, talk)

    def test_modes_without_mail(self):
        self.assertEqual(self.sendmail("-bp").output, "Mail queue is empty\n")
        self.sendmail("-bi")
        self.sendmail("-I")
        self.sendmail("-q")
        self.sendmail("-q30m")
        for mode in ("-bd", "-bv", "-bt", "-b"):
            self.assertIn("-b", self.sendmail(mode, "x", status=EX_USAGE).errors)
        self.assertIn("-t", self.sendmail("-i", data=LETTER, status=EX_USAGE).errors)
        self.sendmail("-y", status=EX_USAGE)

    def test_what_goes_wrong(self):
        self.assertIn("send.conf", self.sendmail("-i", "bob@y.example", data=LETTER, status=EX_CONFIG).errors)
        self.prepare(replies={"RCPT TO:<eve@": "550 5.1.1 No such user", "RCPT TO:<later@": "450 4.2.0 Later"})
        self.sendmail("-i", "eve@y.example", data=LETTER, status=EX_NOUSER)
        self.sendmail("-i", "later@y.example", data=LETTER, status=EX_TEMPFAIL)
        done = self.sendmail("-i", "eve@y.example", "bob@y.example", data=LETTER, status=PARTIAL)
        self.assertIn("eve@y.example", done.errors)
        self.sendmail("-i", "-t", data=b"Subject: x\n\nHello\n", status=EX_USAGE)
        self.sendmail("-i", "-t", data=b"To: bob@@y\n\nHello\n", status=EX_DATAERR)

    def test_transcripts(self):
        self.prepare()
        self.assertIn("C: MAIL FROM:<lab@x.example>", self.sendmail("-v", "-i", "bob@y.example", data=LETTER).errors)

    def test_strangers_texts_write_no_file_and_run_no_command(self):
        server = self.prepare()
        log = self.file("log", "before\n")
        for arguments in (["-X", log], [f"-X{self.home}/new"]):
            self.assertIn("-X is not followed", self.sendmail(*arguments, "-i", "bob@y.example", data=LETTER).errors)
        self.assertEqual(log.read_text(), "before\n")
        self.assertFalse((self.home / "new").exists())
        self.assertEqual(len(server.letters), 2)
        secret = self.file("secret", "secret\n")
        for field in (f"password-command = 'touch {self.home}/new; echo secret'",
                      f"oauth-token-command = 'touch {self.home}/new; echo secret'",
                      f"password-file = '{secret}'", f"oauth-token-file = '{secret}'"):
            upload = self.file("upload", f'account a {{ server = "{server.address}"\n user = u\n cleartext-login = yes\n'
                                         f'from = "a@x.example"\n{field} }}\n')
            upload.chmod(0o600)
            errors = self.sendmail("-C", upload, "-i", "bob@y.example", data=LETTER, status=EX_CONFIG).errors
            self.assertIn(field.split()[0], errors)
        self.assertFalse((self.home / "new").exists())
        self.assertFalse([command for command in server.commands if "AUTH" in command])
        upload.write_text(f'account a {{ server = "{server.address}"\n from = "other@x.example" }}\n')
        self.sendmail("-C", upload, "-i", "bob@y.example", data=LETTER)
        self.assertEqual(server.letters[-1].sender, "other@x.example")


class Dialogue(SendmailCase):
    def talk(self, data, status=0, **options):
        """The codes of all replies, the last line of each."""
        if isinstance(data, str):
            data = data.encode()
        done = self.sendmail("-bs", data=data, status=status, **options)
        self.assertTrue(all(line.endswith("\r") for line in done.output.split("\n")[:-1]), done.output)
        self.lines = done.output.splitlines()
        return " ".join(line[:3] for line in self.lines if line[3:4] == " ")

    def test_a_letter(self):
        server = self.prepare()
        body = CRLF_LETTER.replace(b"Hello.", b"..Hello.\r\n..\r\n...x")
        talk = (b"EHLO me.example\r\nMAIL FROM:<ann@x.example> SIZE=99\r\nRCPT TO:<bob@y.example>\r\n"
                b"rcpt to: <carl@y.example>\r\nDATA\r\n" + body + b".\r\nQUIT\r\n")
        self.assertEqual(self.talk(talk), "220 250 250 250 250 354 250 221")
        (letter,) = server.letters
        self.assertEqual(letter.sender, "ann@x.example")
        self.assertEqual(letter.recipients, ["bob@y.example", "carl@y.example"])
        self.assertEqual(letter.content, CRLF_LETTER.replace(b"Hello.", b".Hello.\r\n.\r\n..x"))
        self.assertIn("250 2.0.0 Kept as 4711", self.lines)

    def test_only_what_the_server_offers_is_offered(self):
        self.prepare(features=["SIZE 1000", "DSN"])
        self.talk("EHLO me.example\r\nQUIT\r\n")
        offered = {line[4:] for line in self.lines if line.startswith("250")}
        self.assertLessEqual({"SIZE 1000", "DSN", "PIPELINING"}, offered)
        self.assertFalse({"8BITMIME", "SMTPUTF8"} & offered)

    def test_several_letters_and_rset(self):
        server = self.prepare()
        letter = "MAIL FROM:<>\r\nRCPT TO:<bob@y.example>\r\nDATA\r\nSubject: x\r\n\r\n.\r\n"
        self.assertEqual(self.talk("HELO me\r\n" + letter + "MAIL FROM:<a@x.example>\r\nRSET\r\nNOOP\r\n" + letter +
                                   "QUIT\r\n"), "220 250 250 250 354 250 250 250 250 250 250 354 250 221")
        self.assertEqual(len(server.letters), 2)
        self.assertEqual(server.connections, 1)

    def test_a_refused_recipient_is_refused_at_once(self):
        server = self.prepare(replies={"RCPT TO:<eve@": "550-5.1.1 No\r\n550 5.1.1 such user"})
        self.assertEqual(self.talk("EHLO me\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<eve@y.example>\r\nDATA\r\n"
                                   "RCPT TO:<bob@y.example>\r\nDATA\r\nSubject: x\r\n\r\n.\r\nQUIT\r\n"),
                         "220 250 250 550 554 250 354 250 221")
        self.assertIn("550-5.1.1 No", self.lines)
        self.assertEqual(server.letters[0].recipients, ["bob@y.example"])

    def test_a_refused_letter(self):
        server = self.prepare(replies={"CONTENT": "554 5.6.0 No"})
        letter = "MAIL FROM:<a@x.example>\r\nRCPT TO:<bob@y.example>\r\nDATA\r\nSubject: x\r\n\r\n.\r\n"
        self.assertEqual(self.talk("EHLO me\r\n" + letter * 2 + "QUIT\r\n"), "220 250 250 250 354 554 250 250 354 554 221")
        self.assertEqual(server.letters, [])

    def test_order_and_form(self):
        self.prepare()
        self.assertEqual(self.talk("MAIL FROM:<a@x.example>\r\nEHLO\r\nEHLO me\r\nRCPT TO:<a@x.example>\r\nDATA\r\n"
                                   "MAIL FROM:a@x.example\r\nMAIL FROM:<a@x.example\r\nMAIL TO:<a@x.example>\r\n"
                                   "MAIL FROM:<not an address>\r\nMAIL FROM:<a@x.example>x\r\n"
                                   "MAIL FROM:<a@x.example>\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<>\r\n"
                                   "RCPT TO:<@route.example:bob@y.example>\r\nVRFY bob\r\nHELP\r\nWHAT\r\nQUIT\r\n"),
                         "220 503 501 250 503 503 501 501 501 553 501 250 503 501 250 252 214 500 221")

    def test_lines_end_in_crlf(self):
        server = self.prepare()
        self.assertEqual(self.talk(b"EHLO me\nEHLO me\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<bob@y.example>\r\nDATA\r\n"
                                   b"Subject: x\r\n\r\nHello\n.\nMAIL FROM:<evil@x.example>\r\n.\r\nNOOP \0\r\nQUIT\r\n"),
                         "220 500 250 250 250 354 550 500 221")
        self.assertEqual(server.letters, [])
        for bare in (b"\n.\r\n", b"\r.\r\n", b"\r\n.\n", b"\r\n.\r"):
            talk = (b"EHLO me\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<bob@y.example>\r\nDATA\r\nSubject: x\r\n\r\nHello" +
                    bare + b"more\r\n.\r\nQUIT\r\n")
            self.assertEqual(self.talk(talk), "220 250 250 250 354 550 221", bare)

    def test_limits(self):
        self.prepare()
        self.assertEqual(self.talk("NOOP " + "x" * 5000 + "\r\nNOOP\r\nQUIT\r\n"), "220 500 250 221")
        self.assertEqual(self.talk("WHAT\r\n" * 30, status=EX_PROTOCOL), "220" + " 500" * 19 + " 421")

    def test_no_server(self):
        self.prepare(replies={"GREETING": "421 4.3.2 Busy"})
        self.assertEqual(self.talk("HELO me\r\nMAIL FROM:<a@x.example>\r\nQUIT\r\n"), "220 250 421 221")
        self.assertEqual(self.talk("EHLO me\r\nQUIT\r\n", status=EX_PROTOCOL), "220 421")

    def test_input_that_ends(self):
        server = self.prepare()
        self.assertEqual(self.talk(""), "220")
        self.assertEqual(self.talk("EHLO me\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<bob@y.example>\r\nDATA\r\nHello\r\n",
                                   status=EX_PROTOCOL), "220 250 250 250 354")
        self.assertEqual(server.letters, [])

    def test_lmtp_takes_one_recipient_at_a_time(self):
        server = self.prepare("lmtp = yes", lmtp=True)
        letter = "DATA\r\nSubject: x\r\n\r\n.\r\n"
        self.assertEqual(self.talk("EHLO me\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<bob@y.example>\r\n"
                                   "RCPT TO:<carl@y.example>\r\n" + letter + "QUIT\r\n"),
                         "220 250 250 250 452 354 250 221")
        self.assertEqual(server.letters[0].recipients, ["bob@y.example"])

    def test_pythons_client_over_a_pipe(self):
        """One command at a time, each after its answer."""
        server = self.prepare()
        link = self.home / "sendmail"
        self.sendmail("-bp")
        with subprocess.Popen([link, "-bs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              env=self.environment()) as process:
            def ask(line):
                if line:
                    process.stdin.write(line + b"\r\n")
                    process.stdin.flush()
                while True:
                    answer = process.stdout.readline()
                    if answer[3:4] != b"-":
                        return answer[:3]
            self.assertEqual([ask(line) for line in (b"", b"EHLO me", b"MAIL FROM:<a@x.example>",
                                                     b"RCPT TO:<bob@y.example>", b"DATA",
                                                     b"Subject: x\r\n\r\nHello\r\n.", b"QUIT")],
                             [b"220", b"250", b"250", b"250", b"354", b"250", b"221"])
        self.assertEqual(len(server.letters), 1)
