"""Sending to a scripted server: results, exit codes, transcripts, logins."""
import json
import os
import pty
import select
import signal
import socket
import subprocess
import time

import program
from program import (EX_IOERR, EX_NOHOST, EX_NOINPUT, EX_NOPERM, EX_NOUSER, EX_PROTOCOL, EX_TEMPFAIL, EX_UNAVAILABLE,
                     EX_USAGE, LETTER, MAYBE, PARTIAL, ProgramCase, parsed)
from server import SILENCE

FROM_ANN = ["--from", "ann@x.example"]
TO_BOB = ["--to", "bob@y.example"]
TO_TWO = [*TO_BOB, "--cc", "carl@y.example"]
BASE = [*FROM_ANN, *TO_BOB, "--body", "Hello"]


class Sending(ProgramCase):
    def test_a_letter_arrives_whole(self):
        server = self.serve()
        data = os.urandom(100000)
        done = self.send("--server", server.address, *FROM_ANN, *TO_BOB, "--bcc", "eve@y.example", "--subject", "Grüße",
                         "--text", "-", "--attach", self.file("data.bin", data), data="Hallo\n.\n.dot\n".encode())
        (letter,) = server.letters
        self.assertEqual(letter.sender, "ann@x.example")
        self.assertEqual(letter.recipients, ["bob@y.example", "eve@y.example"])
        message = parsed(letter.content)
        self.assertIsNone(message["Bcc"])
        self.assertEqual(message["Subject"], "Grüße")
        self.assertEqual(message.get_body(("plain",)).get_content().splitlines(), ["Hallo", ".", ".dot"])
        (part,) = message.iter_attachments()
        self.assertEqual(part.get_content(), data)
        self.assertEqual(done.output, "")
        self.assertEqual(done.errors, "sent to 2 recipients: 250 2.0.0 Kept as 4711\n")
        self.assertEqual(server.commands[-1].upper(), "QUIT")

    def test_a_ready_message_by_pipe_and_file(self):
        server = self.serve()
        with_bcc = LETTER.replace(b"Subject", b"Bcc: eve@y.example\nSubject")
        self.send("--server", server.address, "-t", data=with_bcc)
        with open(self.file("letter.eml", with_bcc), "rb") as file:
            self.send("--server", server.address, "-t", stdin=file)
        for letter in server.letters:
            self.assertEqual(letter.recipients, ["bob@y.example", "eve@y.example"])
            self.assertEqual(letter.content, LETTER.replace(b"\n", b"\r\n"))
        self.assertEqual(len(server.letters), 2)

    def test_by_chunks(self):
        server = self.serve(features=["PIPELINING", "CHUNKING", "8BITMIME"])
        self.send("--server", server.address, *TO_BOB, data=LETTER)
        self.assertEqual(server.letters[0].content, LETTER.replace(b"\n", b"\r\n"))
        self.assertTrue(any(command.startswith("BDAT") for command in server.commands))
        self.send("--server", server.address, "--no-chunking", *TO_BOB, data=LETTER)
        self.assertIn("DATA", server.commands)

    def test_lmtp_has_a_verdict_for_each(self):
        server = self.serve(lmtp=True, replies={"CONTENT carl@": "552 5.2.2 Mailbox full"})
        done = self.send("--server", server.address, "--lmtp", *FROM_ANN, *TO_TWO, "--body", "x", "--json", status=PARTIAL)
        self.assertEqual([recipient["accepted"] for recipient in json.loads(done.output)["recipients"]], [True, False])
        self.assertIn("LHLO", server.commands[0])

    def test_wishes_reach_the_server(self):
        server = self.serve(features=["DSN", "DELIVERBY", "FUTURERELEASE 999999 2040-01-01T00:00:00Z", "MT-PRIORITY"])
        self.send("--server", server.address, *BASE, "--dsn-notify", "success,delay", "--dsn-return", "headers",
                  "--envelope-id", "id 1", "--priority", "3", "--deliver-by", "120,return", "--hold-for", "60",
                  "--local-hostname", "me.example")
        talk = "\n".join(server.commands).upper()
        for words in ("EHLO ME.EXAMPLE", "NOTIFY=SUCCESS,DELAY", "RET=HDRS", "ENVID=ID+201", "MT-PRIORITY=3", "BY=120;R",
                      "HOLDFOR=60"):
            self.assertIn(words, talk)

    def test_what_is_asked_is_demanded(self):
        server = self.serve()
        done = self.send("--server", server.address, *BASE, "--dsn-notify", "never", status=EX_UNAVAILABLE)
        self.assertIn("DSN", done.errors)
        self.send("--server", server.address, *BASE, "--require-tls", status=EX_UNAVAILABLE)
        self.assertEqual(server.letters, [])

    def test_smtputf8_by_itself(self):
        server = self.serve(features=["SMTPUTF8", "8BITMIME"])
        self.send("--server", server.address, *FROM_ANN, "--to", "bøb@y.example", "--body", "x")
        self.assertIn("SMTPUTF8", " ".join(server.commands))
        self.send("--server", self.serve().address, *FROM_ANN, "--to", "bøb@y.example", "--body", "x",
                  status=EX_UNAVAILABLE)

    def test_quiet(self):
        server = self.serve()
        done = self.send("-q", "--server", server.address, *BASE)
        self.assertEqual((done.output, done.errors), ("", ""))


class Codes(ProgramCase):
    def refused(self, replies, status, *arguments, **behaviour):
        server = self.serve(replies=replies, **behaviour)
        return self.send("--server", server.address, *(arguments or BASE), status=status)

    def test_each_refusal_has_its_status(self):
        for key, reply, status in (
                ("RCPT", "550 5.1.1 No such user", EX_NOUSER),
                ("RCPT", "550 No such user", EX_NOUSER),
                ("RCPT", "553 5.1.3 What address", EX_NOUSER),
                ("RCPT", "550 5.1.2 What host", EX_NOHOST),
                ("RCPT", "450 4.2.0 Greylisted", EX_TEMPFAIL),
                ("RCPT", "550 5.7.1 Relaying denied", EX_NOPERM),
                ("RCPT", "552 5.2.2 Mailbox full", EX_UNAVAILABLE),
                ("MAIL", "550 5.7.1 Not you", EX_NOPERM),
                ("MAIL", "530 Authentication required", EX_NOPERM),
                ("MAIL", "451 4.3.0 Later", EX_TEMPFAIL),
                ("MAIL", "550 5.1.8 Bad sender", EX_UNAVAILABLE),
                ("DATA", "554 5.5.0 No", EX_UNAVAILABLE),
                ("CONTENT", "550 5.7.1 Spam", EX_NOPERM),
                ("CONTENT", "554 5.6.0 Bad", EX_UNAVAILABLE),
                ("CONTENT", "452 4.3.1 Disk full", EX_TEMPFAIL),
                ("GREETING", "554 5.3.2 Go away", EX_UNAVAILABLE),
                ("GREETING", "421 4.3.2 Busy", EX_TEMPFAIL),
                ("GREETING", "hello", EX_PROTOCOL),
                ("GREETING", None, EX_TEMPFAIL),
                ("RCPT", None, EX_TEMPFAIL),
                ("CONTENT", None, MAYBE)):
            with self.subTest(key=key, reply=reply):
                done = self.refused({key: reply}, status)
                if reply and reply != "hello":
                    self.assertIn(reply.split(" ", 2)[-1], done.errors)
                self.assertTrue(done.errors.startswith("posthorn send: "), done.errors)

    def test_partial_refusal_is_distinct(self):
        done = self.refused({"RCPT TO:<carl@": "550 5.1.1 No such user"}, PARTIAL, *FROM_ANN, *TO_TWO, "--body", "x")
        self.assertIn("carl@y.example was refused: 550 5.1.1 No such user", done.errors)
        self.assertIn("sent to 1 of 2 recipients", done.errors)

    def test_one_that_may_succeed_later_decides(self):
        self.refused({"RCPT TO:<carl@": "450 4.2.0 Later", "RCPT TO:<bob@": "550 5.1.1 No such user"}, EX_TEMPFAIL,
                     *FROM_ANN, *TO_TWO, "--body", "x")

    def test_too_large(self):
        done = self.refused({}, EX_UNAVAILABLE, *FROM_ANN, *TO_BOB, "--body", "x" * 2000, features=["SIZE 1000"])
        self.assertIn("1000", done.errors)

    def test_nobody_there(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
        self.assertIn("127.0.0.1", self.send("--server", f"127.0.0.1:{port}", *BASE, status=EX_TEMPFAIL).errors)

    def test_no_such_host(self):
        done = self.call([program.PATH, "send", "--server", "nothing.invalid", *BASE], b"", None, {})
        # A resolver that cannot be reached may only say "later".
        self.assertIn(done.status, (EX_NOHOST, EX_TEMPFAIL))
        self.assertIn("nothing.invalid", done.errors)

    def test_tls_that_is_not_there(self):
        server = self.serve()
        done = self.call([program.PATH, "send", "--server", server.address, "--tls", "starttls", *BASE], b"", None, {})
        self.assertIn(done.status, (EX_UNAVAILABLE, EX_PROTOCOL))
        self.assertIn("STARTTLS", done.errors)
        self.assertEqual(server.letters, [])

    def test_files_for_tls_that_are_not_there(self):
        server = self.serve()
        for option in ("--ca-file", "--ca-dir", "--cert", "--key"):
            done = self.send("--server", server.address, option, self.home / "none.pem", *BASE, status=EX_NOINPUT)
            self.assertIn("none.pem", done.errors)
        self.assertEqual(server.connections, 0)

    def test_no_server(self):
        self.assertIn("--server", self.send(*BASE, status=EX_USAGE).errors)


class Json(ProgramCase):
    KEYS = {"server", "sender", "fate", "accepted", "refused", "reply", "recipients", "dropped", "error", "exit",
            "exit_name"}

    def result(self, *arguments, status=0):
        done = self.send("--json", *arguments, status=status)
        result = json.loads(done.output)
        self.assertEqual(set(result), self.KEYS)
        return result

    def test_success(self):
        server = self.serve()
        result = self.result("--server", server.address, *BASE)
        reply = {"code": 250, "enhanced": "2.0.0", "text": "Kept as 4711"}
        self.assertEqual(result, {
            "server": server.address, "sender": "ann@x.example", "fate": "accepted", "accepted": 1, "refused": 0,
            "reply": reply, "dropped": [], "error": None, "exit": 0, "exit_name": "EX_OK",
            "recipients": [{"address": "bob@y.example", "accepted": True, "fate": "accepted",
                            "reply": {"code": 250, "enhanced": "2.1.5", "text": "Recipient ok"}}]})

    def test_partial(self):
        server = self.serve(replies={"RCPT TO:<bob@": "550-5.1.1 No\r\n550 5.1.1 such user"})
        result = self.result("--server", server.address, *FROM_ANN, *TO_TWO, "--body", "x", status=PARTIAL)
        self.assertEqual((result["accepted"], result["refused"], result["exit"]), (1, 1, PARTIAL))
        self.assertEqual([recipient["accepted"] for recipient in result["recipients"]], [False, True])
        self.assertEqual(result["recipients"][0]["reply"],
                         {"code": 550, "enhanced": "5.1.1", "text": "No\nsuch user"})

    def test_all_refused(self):
        server = self.serve(replies={"RCPT": "550 5.1.1 No such user"})
        result = self.result("--server", server.address, *BASE, status=EX_NOUSER)
        self.assertEqual(result["error"]["kind"], "recipients refused")
        self.assertEqual((result["fate"], result["exit_name"]), ("not sent", "EX_NOUSER"))

    def test_no_connection(self):
        server = self.serve(replies={"GREETING": "421 4.3.2 Busy"})
        result = self.result("--server", server.address, *BASE, status=EX_TEMPFAIL)
        self.assertTrue(result["error"]["retry"])
        self.assertEqual(result["error"]["reply"]["code"], 421)
        self.assertEqual(result["recipients"], [{"address": "bob@y.example", "accepted": False, "fate": "not sent",
                                                 "reply": None}])

    def test_a_reply_that_is_not_utf8(self):
        server = self.serve(replies={"CONTENT": "250 2.0.0 caf\udce9"})
        self.assertEqual(self.result("--server", server.address, *BASE)["reply"]["text"], "caf\ufffd")

    def test_closed_output_is_found_before_sending(self):
        server = self.serve()
        done = subprocess.run([program.PATH, "send", "--json", "--server", server.address, *BASE], check=False,
                              env=self.environment(), stderr=subprocess.PIPE, preexec_fn=lambda: os.close(1))
        self.assertEqual(done.returncode, EX_IOERR)
        self.assertEqual(server.connections, 0)

    def test_closed_streams_never_become_the_connection(self):
        server = self.serve()

        def close_all():
            for descriptor in (0, 1, 2):
                os.close(descriptor)

        done = subprocess.run([program.PATH, "send", "--server", server.address, *BASE], check=False,
                              env=self.environment(), preexec_fn=close_all)
        self.assertEqual(done.returncode, 0)
        self.assertEqual(len(server.letters), 1)
        self.assertFalse([command for command in server.commands if "sent to" in command])


class Talk(ProgramCase):
    def test_transcript_without_secrets(self):
        server = self.serve()
        done = self.send("--transcript", "--server", server.address, "--user", "ann", "--mechanism", "plain",
                         "--cleartext-login", *BASE, extra={"POSTHORN_PASSWORD": "secret"})
        for words in ("C: EHLO", "S: 250", "AUTH PLAIN", "****", "C: RCPT TO:<bob@y.example>", "S: 235"):
            self.assertIn(words, done.errors)
        self.assertNotIn("secret", done.errors)
        self.assertNotIn("AGFubgBzZWNyZXQ=", done.errors)
        self.assertEqual(done.output, "")

    def test_what_the_server_says_cannot_drive_the_terminal(self):
        server = self.serve(replies={"RCPT": "550 5.1.1 \x1b]0;evil\x07\x1b[31m \udc9b31m"})
        done = self.call([program.PATH, "send", "--transcript", "--server", server.address, *BASE], b"", None, {})
        self.assertNotIn("\x1b", done.errors)
        self.assertNotIn("\x07", done.errors)

    def on_terminal(self, arguments, extra):
        """Runs with standard error on a terminal and returns what is seen there."""
        ours, theirs = pty.openpty()
        process = subprocess.Popen([program.PATH, "send", *map(str, arguments)], stdin=subprocess.DEVNULL, stderr=theirs,
                                   env=self.environment(extra), close_fds=True)
        os.close(theirs)
        seen = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:
                break
            if not piece:
                break
            seen += piece
        os.close(ours)
        return process.wait(timeout=60), seen.decode()

    def test_colours_only_where_they_are_welcome(self):
        server = self.serve()
        arguments = ["--server", server.address, *BASE]
        self.assertIn("\033[32m", self.on_terminal(arguments, {"TERM": "xterm"})[1])
        self.assertNotIn("\033", self.on_terminal(arguments, {"TERM": "xterm", "NO_COLOR": "1"})[1])
        self.assertNotIn("\033", self.on_terminal(arguments, {"TERM": "dumb"})[1])
        self.assertNotIn("\033", self.send(*arguments, extra={"TERM": "xterm"}).errors)

    def test_progress_for_large_bodies_only(self):
        server = self.serve()
        large = self.file("large", os.urandom(2 << 20))
        status, seen = self.on_terminal(["--server", server.address, *BASE, "--attach", large], {"TERM": "xterm"})
        self.assertEqual(status, 0)
        self.assertRegex(seen, r"sending \[#*\.*\] +\d+% of \d+\.\d MiB")
        self.assertNotIn("sending [", self.on_terminal(["--server", server.address, *BASE], {"TERM": "xterm"})[1])
        quiet = self.on_terminal(["-q", "--server", server.address, *BASE, "--attach", large], {"TERM": "xterm"})
        self.assertEqual(quiet, (0, ""))


class Login(ProgramCase):
    LOGIN = ["--user", "ann", "--mechanism", "PLAIN", "--cleartext-login"]

    def login(self, *arguments, status=0, **options):
        server = self.serve()
        done = self.send("--server", server.address, *self.LOGIN, *arguments, *BASE, status=status, **options)
        self.assertEqual(len(server.letters), 1 if status == 0 else 0)
        return done

    def test_from_the_environment(self):
        self.login(extra={"POSTHORN_PASSWORD": "secret"})

    def test_from_a_file(self):
        self.login("--password-file", self.file("password", "secret\nsecond line\n"))
        self.login("--password-file", self.file("password", "secret\r\n"))
        self.assertIn("none", self.login("--password-file", self.home / "none", status=EX_NOINPUT).errors)

    def test_from_a_command(self):
        self.login("--password-command", "echo secret; echo more")
        self.login("--password-command", "cat >/dev/null; printf secret", data=b"not for the command")
        done = self.login("--password-command", "exit 3", status=program.EX_CONFIG)
        self.assertIn("status 3", done.errors)
        self.login("--password-command", "true", status=program.EX_CONFIG)

    def test_commands_do_not_see_the_password_of_the_environment(self):
        self.login("--password-command", 'test -z "${POSTHORN_PASSWORD+x}" && echo secret',
                   extra={"POSTHORN_PASSWORD": "other"})

    def test_a_secret_with_a_nul(self):
        done = self.login("--password-file", self.file("password", b"sec\0ret\n"), status=program.EX_CONFIG)
        self.assertIn("NUL", done.errors)

    def test_wrong_password(self):
        done = self.login(status=EX_NOPERM, extra={"POSTHORN_PASSWORD": "wrong-one"})
        self.assertIn("535", done.errors)
        self.assertNotIn("wrong-one", done.errors)

    def test_no_password_and_no_terminal(self):
        self.assertIn("POSTHORN_PASSWORD", self.login(status=EX_NOPERM, start_new_session=True).errors)

    def test_token(self):
        server = self.serve(features=["AUTH XOAUTH2"])
        self.send("--server", server.address, "--user", "ann", "--oauth-token-command", "echo secret", "--cleartext-login",
                  *BASE)
        self.assertEqual(len(server.letters), 1)

    def test_asked_on_the_terminal_without_echo(self):
        server = self.serve()
        child, terminal = pty.fork()
        if child == 0:
            os.execve(program.PATH, ["posthorn", "send", "--server", server.address, *self.LOGIN, *BASE],
                      self.environment())
        seen = b""
        deadline = time.monotonic() + 30
        while b"Password for ann" not in seen and time.monotonic() < deadline:
            if select.select([terminal], [], [], 1)[0]:
                seen += os.read(terminal, 4096)
        os.write(terminal, b"sexx\x7f\x7fcret\n")
        try:
            while select.select([terminal], [], [], 30)[0]:
                seen += os.read(terminal, 4096)
            os.kill(child, signal.SIGKILL)
        except OSError:
            pass  # the program has ended, and its terminal with it
        _, status = os.waitpid(child, 0)
        os.close(terminal)
        self.assertEqual(os.waitstatus_to_exitcode(status), 0, seen)
        self.assertNotIn(b"cret", seen)
        self.assertEqual(len(server.letters), 1)


class Interrupted(ProgramCase):
    def test_a_server_that_does_not_answer_quit(self):
        """Each run would take five minutes, and run_program waits only one."""
        server = self.serve(replies={"QUIT": SILENCE})
        self.send("--server", server.address, *BASE)
        refusing = self.serve(replies={"QUIT": SILENCE, "RCPT": "550 5.1.1 No such user"})
        self.send("--server", refusing.address, *BASE, status=EX_NOUSER)
        self.configure(f'account a {{ server = "{server.address}" }}\n')
        self.sendmail("-i", "bob@y.example", data=LETTER)
        self.assertEqual(len(server.letters), 2)

    def test_the_total_timeout_ends_a_server_that_is_silent(self):
        server = self.serve(replies={"RCPT": SILENCE})
        done = self.send("--server", server.address, "--total-timeout", "1", *BASE, status=EX_TEMPFAIL)
        self.assertIn("time", done.errors)

    def test_control_c_ends_in_good_order(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            process = subprocess.Popen([program.PATH, "send", "--server", f"127.0.0.1:{listener.getsockname()[1]}", *BASE],
                                       stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, env=self.environment())
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as lines:
                connection.sendall(b"220 test.example\r\n")
                lines.readline()
                connection.sendall(b"250 test.example\r\n")
                self.assertTrue(lines.readline().startswith(b"MAIL"))
                process.send_signal(signal.SIGINT)
                _, errors = process.communicate(timeout=30)
        self.assertEqual(process.returncode, EX_TEMPFAIL, errors)
        self.assertTrue(errors.startswith(b"posthorn send: "), errors)
