"""serve and dev: from the first start to the last signal."""
import imaplib
import os
import poplib
import pwd
import signal
import smtplib
import socket
import ssl
import stat
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

import program
from posthorn_server import DEADLINE, PosthornServer, users_of
from program import EX_CONFIG, EX_NOPERM, EX_OK, EX_TEMPFAIL, EX_UNAVAILABLE, EX_USAGE, ProgramCase

PLACES = ("smtp", "submission", "submissions", "pop3", "pop3s", "imap", "imaps")
SOURCE = Path(__file__).resolve().parents[2]
AS_WE_ARE = ("-o", "user=root") if os.geteuid() == 0 else ()


def free_places():
    return [word for name in PLACES for word in ("-o", f"listen-{name}=127.0.0.1:0")]


class ServerCase(ProgramCase):
    def start(self, *arguments, extra=None, user=AS_WE_ARE):
        server = PosthornServer([*arguments, *user], self.environment(extra))
        self.addCleanup(server.close)
        return server

    def serve_here(self, *arguments, **options):
        """A server on free ports with the store in the home."""
        return self.start("serve", *free_places(), *arguments, **options).started()

    def dev(self, *arguments):
        # Root becomes nobody, who may not write to the home of the test.
        places = free_places()
        return self.start("dev", *places[:8], *places[10:12], *arguments, extra={"TMPDIR": "/tmp"}, user=()).started()

    @property
    def data(self):
        return self.home / ".local" / "share" / "posthorn"

    def trust(self, path=None):
        return ssl.create_default_context(cafile=str(path or self.data / "certificate.pem"))

    def add_account(self, address="ann@localhost", password="secret"):
        self.run_program("account", "add", address, "--create-domain", "--stdin", data=password.encode() + b"\n")

    def submit(self, server, context=None, text="Subject: Hello\r\n\r\nBody\r\n"):
        with smtplib.SMTP("localhost", server.port("submission"), timeout=DEADLINE) as client:
            client.starttls(context=context or self.trust())
            client.login("ann@localhost", "secret")
            client.sendmail("ann@localhost", ["ann@localhost"], text)

    def letters(self, server, context=None):
        reader = poplib.POP3("localhost", server.port("pop3"), timeout=DEADLINE)
        reader.stls(context or self.trust())
        reader.user("ann@localhost")
        reader.pass_("secret")
        letters = [b"\n".join(reader.retr(number + 1)[1]) for number in range(reader.stat()[0])]
        reader.quit()
        return letters


class ServeTest(ServerCase):
    def test_without_configuration_a_letter_goes_in_and_comes_out(self):
        server = self.serve_here()
        self.add_account()
        self.submit(server)
        letters = self.letters(server)
        self.assertEqual(len(letters), 1)
        self.assertTrue(letters[0].endswith(b"Subject: Hello\n\nBody") or b"Subject: Hello\n" in letters[0], letters)
        self.assertIn("event=server.stopped", server.end())

    def test_the_store_is_still_there_after_a_restart(self):
        server = self.serve_here()
        self.add_account()
        self.submit(server)
        server.end()
        self.assertEqual(len(self.letters(self.serve_here())), 1)

    def test_a_localhost_account_gets_mail_from_outside(self):
        server = self.serve_here()
        self.run_program("account", "add", "ann@localhost", "--stdin", data=b"secret\n")
        with smtplib.SMTP("127.0.0.1", server.port("smtp"), timeout=DEADLINE) as client:
            client.sendmail("far@away.example", ["ann@localhost"], "Subject: x\r\n\r\ny\r\n")
            self.assertRaises(smtplib.SMTPRecipientsRefused, client.sendmail, "far@away.example",
                              ["bob@elsewhere.example"], "x")
        self.assertEqual(len(self.letters(server)), 1)

    def test_no_password_in_clear_unless_it_is_allowed(self):
        server = self.serve_here()
        self.add_account()
        with smtplib.SMTP("127.0.0.1", server.port("submission"), timeout=DEADLINE) as client:
            client.ehlo()
            self.assertNotIn("auth", client.esmtp_features)
        server.end()
        server = self.serve_here("-o", "allow-clear-login=submission,pop3")
        with smtplib.SMTP("127.0.0.1", server.port("submission"), timeout=DEADLINE) as client:
            client.login("ann@localhost", "secret")
            client.sendmail("ann@localhost", ["ann@localhost"], "Subject: x\r\n\r\ny\r\n")
        reader = poplib.POP3("127.0.0.1", server.port("pop3"), timeout=DEADLINE)
        reader.user("ann@localhost")
        reader.pass_("secret")
        self.assertEqual(reader.stat()[0], 1)
        reader.quit()

    def test_a_letter_is_found_by_imap(self):
        server = self.serve_here()
        self.add_account()
        self.submit(server)
        client = imaplib.IMAP4("localhost", server.port("imap"), timeout=DEADLINE)
        self.assertIn("LOGINDISABLED", client.capabilities)
        self.assertRaisesRegex(imaplib.IMAP4.error, "PRIVACYREQUIRED", client.login, "ann@localhost", "secret")
        client.starttls(self.trust())
        client.login("ann@localhost", "secret")
        self.assertEqual(client.select("INBOX")[1], [b"1"])
        self.assertEqual(client.search(None, "SUBJECT", "hello")[1], [b"1"])
        client.logout()
        client = imaplib.IMAP4_SSL("localhost", server.port("imaps"), ssl_context=self.trust(), timeout=DEADLINE)
        client.login("ann@localhost", "secret")
        self.assertIn(b"(MESSAGES 1 UNSEEN 1)", client.status("INBOX", "(MESSAGES UNSEEN)")[1][0])
        client.logout()

    def test_a_silent_imap_client_is_sent_away(self):
        server = self.serve_here("-o", "allow-clear-login=imap", "-o", "limit-imap-idle-time=1s")
        self.add_account()
        client = imaplib.IMAP4("127.0.0.1", server.port("imap"), timeout=DEADLINE)
        client.login("ann@localhost", "secret")
        self.assertTrue(client.readline().startswith(b"* BYE "))
        client.shutdown()

    def test_a_configuration_file_is_followed(self):
        socket_path = self.home / "lmtp"
        path = self.file("posthorn.conf", f"""
            host-name = mail.example.org   # our name
            store = '{self.home}/mail.db'
            listen-smtp = {{'127.0.0.1:0', '[::1]:0'}}
            listen-submission = {{}}
            listen-submissions = {{}}
            listen-lmtp = {{'unix:{socket_path}'}}
            listen-pop3 = {{'127.0.0.1:0'}}
            listen-pop3s = {{}}
            listen-imap = {{}}
            listen-imaps = {{}}
            log-format = json
        """)
        path.chmod(0o600)
        server = self.start("serve", "-c", path)
        server.wait_for('"event":"server.started"')
        output = "\n".join(server.lines)
        self.assertIn('"protocol":"lmtp"', output)
        self.assertEqual(output.count('"protocol":"smtp"'), 2)
        self.assertNotIn("submission", output)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(socket_path))
            self.assertTrue(client.recv(1000).startswith(b"220 mail.example.org "))
        server.end()
        self.assertFalse(socket_path.exists())

    def test_a_second_server_on_the_store_is_refused_and_admin_commands_are_not(self):
        server = self.serve_here()
        second = self.start("serve", *free_places())
        output = second.ended(EX_TEMPFAIL)
        self.assertIn(f"another server (process {server.process.pid}) serves the store", output)
        self.assertIn("stop it first", output)
        self.run_program("account", "list")
        server.end()
        self.serve_here()

    def test_an_address_in_use_is_named_with_what_to_do(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            output = self.start("serve", "-o", f"listen-smtp=127.0.0.1:{port}").ended(EX_UNAVAILABLE)
            self.assertIn(f'listen-smtp "127.0.0.1:{port}"', output)
            self.assertIn("choose another place", output)

    def test_wrong_usage(self):
        for arguments, words in (((["-o", "no-such=1"]), "no-such"), (["-o", "log-level"], "NAME=VALUE"),
                                 (["-o", "log-levle=info"], "log-level"), (["-o", "log-level=loud"], "error, warning"),
                                 (["extra"], "operands")):
            self.assertIn(words, self.run_program("serve", *arguments, status=EX_USAGE).errors)
        for arguments, words in ((["--port-offset", "x"], "number"), (["extra"], "operands")):
            self.assertIn(words, self.run_program("dev", *arguments, status=EX_USAGE).errors)
        self.run_program("serve", "--help")
        self.run_program("dev", "--help")

    def test_a_broken_configuration_is_told_with_its_line(self):
        path = self.file("posthorn.conf", "host-name = mail.example.org\nlimit-hops = many\n")
        done = self.run_program("serve", "-c", path, status=EX_CONFIG)
        self.assertIn(f"{path}:2: limit-hops", done.errors)

    @unittest.skipIf(os.geteuid() != 0, "needs root")
    def test_root_names_whom_to_become(self):
        output = self.start("serve", *free_places(), user=()).ended(EX_NOPERM)
        self.assertIn("user=NAME", output)
        output = self.start("serve", *free_places(), "-o", "user=no-such-user", user=()).ended(EX_UNAVAILABLE)
        self.assertIn("no-such-user", output)

    @unittest.skipIf(os.geteuid() != 0, "needs root")
    def test_root_is_given_up_for_good(self):
        nobody = pwd.getpwnam("nobody")
        self.home.chmod(0o711)
        folder = self.home / "mail"
        log = self.home / "posthorn.log"
        place = ["-o", f"store={folder}/mail.db", "-o", f"data-directory={folder}"]
        self.add_account_in(folder / "mail.db")
        server = self.start("serve", *free_places(), *place, "-o", "user=nobody", "-o", f"log-file={log}", user=())
        self.wait_for_file(log, "event=server.started", server)
        self.assertEqual(users_of(server.process.pid), {nobody.pw_uid})
        status = Path(f"/proc/{server.process.pid}/status").read_text(encoding="ascii")
        self.assertIn("NoNewPrivs:\t1", status)
        self.assertIn("CapEff:\t0000000000000000", status)
        self.assertIn("CapPrm:\t0000000000000000", status)
        for name in ("mail.db", "certificate.key", "mail.db.lock"):
            self.assertEqual((folder / name).stat().st_uid, nobody.pw_uid, name)
        self.assertEqual(stat.S_IMODE((folder / "certificate.key").stat().st_mode), 0o600)
        # Rotation: the user can make the file anew, as its folder allows.
        self.home.chmod(0o777)
        log.rename(self.home / "old.log")
        server.signal(signal.SIGHUP)
        self.wait_for_file(log, "event=server.reloaded", server)
        server.end()

    @unittest.skipIf(os.geteuid() != 0, "needs root")
    def test_root_follows_no_link_to_a_log(self):
        nobody = pwd.getpwnam("nobody")
        self.home.chmod(0o711)
        folder = self.home / "mail"
        folder.mkdir()
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        other = self.home / "other"
        other.write_text("root's own\n", encoding="ascii")
        (folder / "log").symlink_to(other)
        place = ["-o", f"store={folder}/mail.db", "-o", f"data-directory={folder}", "-o", f"log-file={folder}/log"]
        output = self.start("serve", *free_places(), *place, "-o", "user=nobody", user=()).ended(EX_UNAVAILABLE)
        self.assertIn("is a link", output)
        self.assertEqual(other.read_text(encoding="ascii"), "root's own\n")
        self.assertEqual(other.stat().st_uid, 0)

    def add_account_in(self, store):
        self.run_program("account", "add", "ann@localhost", "--create-domain", "--stdin", "--store", store,
                         data=b"secret\n")

    def wait_for_file(self, path, words, server):
        while not path.exists() or words not in path.read_text(encoding="utf-8"):
            if server.process.poll() is not None:
                self.fail("\n".join(server.lines))
            server.process.poll()
            try:
                server.process.wait(timeout=0.02)
            except subprocess.TimeoutExpired:
                pass


class SignalTest(ServerCase):
    def make_certificate(self, name):
        certificate, key = self.home / f"{name}.pem", self.home / f"{name}.key"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", str(key), "-out", str(certificate), "-days", "30", "-subj", f"/CN={name}",
                        "-addext", "subjectAltName=DNS:localhost"], check=True, stderr=subprocess.PIPE)
        return certificate, key

    def configured(self, certificate, key, more=""):
        text = "".join(f"listen-{name} = {{'127.0.0.1:0'}}\n" for name in PLACES)
        path = self.file("posthorn.conf", text + f"tls-certificate = '{certificate}'\ntls-key = '{key}'\n"
                         f"store = '{self.data}/posthorn.db'\n{more}")
        path.chmod(0o600)
        return path

    def test_reload_changes_certificate_limits_and_log_and_drops_nobody(self):
        first, second = self.make_certificate("first"), self.make_certificate("second")
        path = self.configured(*first)
        server = self.start("serve", "-c", path).started()
        self.add_account()
        open_client = smtplib.SMTP("localhost", server.port("submission"), timeout=DEADLINE)
        open_client.starttls(context=self.trust(first[0]))
        open_client.login("ann@localhost", "secret")
        self.configured(*second, "limit-message-size = 1M\nlog-level = debug\n")
        server.signal(signal.SIGHUP)
        server.wait_for("event=server.reloaded")
        self.assertRaises(ssl.SSLCertVerificationError, self.submit, server, self.trust(first[0]))
        self.submit(server, self.trust(second[0]))
        open_client.sendmail("ann@localhost", ["ann@localhost"], "Subject: open\r\n\r\nx\r\n")
        open_client.quit()
        with smtplib.SMTP("localhost", server.port("smtp"), timeout=DEADLINE) as client:
            client.ehlo()
            self.assertEqual(client.esmtp_features["size"], str(1024 * 1024))
        self.assertEqual(len(self.letters(server, self.trust(second[0]))), 2)
        server.end()

    def test_a_broken_configuration_changes_nothing(self):
        first = self.make_certificate("first")
        path = self.configured(*first)
        server = self.start("serve", "-c", path).started()
        self.add_account()
        for trouble, words in (("limit-hops = many\n", ":11: limit-hops"), ("tls-key = x\n", ":11: tls-key"),
                               ("nonsense\n", ":11: ")):
            self.configured(*first, "" + trouble)
            count = sum("reload-refused" in line for line in server.lines)
            server.signal(signal.SIGHUP)
            self.assertIn(words, server.wait_for("event=server.reload-refused", count + 1))
        self.configured(self.home / "no-such.pem", first[1])
        server.signal(signal.SIGHUP)
        self.assertIn("no-such.pem", server.wait_for("event=server.reload-refused", 4))
        self.submit(server, self.trust(first[0]))
        server.end()

    def test_the_end_waits_for_the_transaction_in_hand(self):
        server = self.serve_here("-o", "allow-clear-login=pop3")
        self.add_account()
        client = smtplib.SMTP("127.0.0.1", server.port("smtp"), timeout=DEADLINE)
        client.ehlo()
        client.mail("far@away.example")
        client.rcpt("ann@localhost")
        client.putcmd("DATA")
        self.assertEqual(client.getreply()[0], 354)
        client.send("Subject: in hand\r\n\r\n")
        idle = smtplib.SMTP("127.0.0.1", server.port("smtp"), timeout=DEADLINE)
        server.signal(signal.SIGTERM)
        self.assertEqual(idle.getreply()[0], 421)
        self.wait_until_nobody_is_let_in(server.port("smtp"))
        client.send("late\r\n.\r\n")
        self.assertEqual(client.getreply()[0], 250)
        self.assertIn("event=server.stopped", server.end())
        client.close()
        idle.close()
        self.assertEqual(len(self.letters(self.serve_here())), 1)

    def wait_until_nobody_is_let_in(self, port):
        """The listener may end a moment after the connections of another loop."""
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=DEADLINE).close()
            except OSError:
                return
        self.fail("connections are still accepted")

    def test_a_second_signal_ends_at_once(self):
        server = self.serve_here()
        client = smtplib.SMTP("127.0.0.1", server.port("smtp"), timeout=DEADLINE)
        client.ehlo()
        client.mail("far@away.example")
        idle = smtplib.SMTP("127.0.0.1", server.port("smtp"), timeout=DEADLINE)
        client.close()
        holding = smtplib.SMTP("127.0.0.1", server.port("smtp"), timeout=DEADLINE)
        self.add_account()
        holding.ehlo()
        holding.mail("far@away.example")
        holding.rcpt("ann@localhost")
        holding.putcmd("DATA")
        holding.getreply()
        server.signal(signal.SIGTERM)
        self.assertEqual(idle.getreply()[0], 421)
        server.signal(signal.SIGINT)
        server.ended(-signal.SIGINT)
        holding.close()
        idle.close()

    def test_the_service_manager_is_told(self):
        path = Path(tempfile.mkdtemp(dir=self.home)) / "notify"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(str(path))
            manager.settimeout(DEADLINE)
            server = self.serve_here(extra={"NOTIFY_SOCKET": str(path)})
            self.assertIn(b"READY=1", manager.recv(1000))
            server.signal(signal.SIGHUP)
            self.assertIn(b"RELOADING=1\nMONOTONIC_USEC=", manager.recv(1000))
            self.assertIn(b"READY=1", manager.recv(1000))
            server.signal(signal.SIGTERM)
            self.assertIn(b"STOPPING=1", manager.recv(1000))
            server.end()


class DevTest(ServerCase):
    def test_any_address_and_any_login(self):
        server = self.dev()
        with smtplib.SMTP("127.0.0.1", server.port("smtp"), timeout=DEADLINE) as client:
            client.sendmail("app@x.example", ["carol@anywhere.example"], "Subject: one\r\n\r\n1\r\n")
        with smtplib.SMTP("127.0.0.1", server.port("submission"), timeout=DEADLINE) as client:
            client.login("whoever", "whatever")
            client.sendmail("app@x.example", ["carol@anywhere.example"], "Subject: two\r\n\r\n2\r\n")
        reader = poplib.POP3("127.0.0.1", server.port("pop3"), timeout=DEADLINE)
        reader.user("carol@anywhere.example")
        reader.pass_("any")
        self.assertEqual(reader.stat()[0], 2)
        self.assertIn(b"Subject: two", reader.retr(2)[1])
        reader.quit()
        server.wait_for("event=smtp.kept")
        server.end()

    def test_a_store_on_request_keeps_the_mail(self):
        path = self.home / "dev.db"
        for count in (1, 2):
            server = self.dev("--store", path, *AS_WE_ARE)
            with smtplib.SMTP("127.0.0.1", server.port("smtp"), timeout=DEADLINE) as client:
                client.sendmail("a@x.example", ["b@y.example"], "Subject: x\r\n\r\ny\r\n")
            reader = poplib.POP3("127.0.0.1", server.port("pop3"), timeout=DEADLINE)
            reader.user("b@y.example")
            reader.pass_("any")
            self.assertEqual(reader.stat()[0], count)
            reader.quit()
            server.end()

    def test_what_to_point_a_program_at_is_printed(self):
        server = self.dev()
        server.signal(signal.SIGTERM)
        output = server.process.stdout.read().decode()
        self.assertIn(f"127.0.0.1:{server.port('smtp')}", output)
        self.assertIn(f"127.0.0.1:{server.port('pop3')}", output)
        self.assertIn("certificate.pem", output)
        server.end()


class StartTest(ServerCase):
    def free_offset(self):
        for offset in range(7000, 50000, 997):
            if all(is_free(port + offset) for port in (2525, 2587, 2465, 2110, 2995, 2143, 2993, 2625)):
                return offset
        return self.fail("no free ports")

    def test_it_goes_on_serving_until_control_c(self):
        process = subprocess.Popen([str(SOURCE / "script" / "start"), "--data", str(self.home / "data"),
                                    "--port-offset", str(self.free_offset())], stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, start_new_session=True,
                                   env=self.environment({"POSTHORN": program.PATH}),
                                   preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        output = b""
        while b"Control-C ends it" not in output:
            piece = os.read(process.stdout.fileno(), 4096)
            self.assertTrue(piece, output.decode())
            output += piece
        # The hint is written by a program of its own, which Control-C would hit as well.
        while b"posthorn.log\n\n" not in output:
            output += os.read(process.stdout.fileno(), 4096)
        os.killpg(process.pid, signal.SIGINT)
        process.wait(timeout=DEADLINE)
        log = (self.home / "data" / "posthorn.log").read_text(encoding="utf-8")
        self.assertIn("event=server.stopped", log)

    def test_the_first_letter_and_the_second(self):
        offset = self.free_offset()
        # The second start finds the first letter, and the report on the one that came back.
        for count in ("1 letter in", "3 letters in"):
            done = self.call([str(SOURCE / "script" / "start"), "--once", "--data", str(self.home / "data"),
                              "--port-offset", str(offset)], b"", {"POSTHORN": program.PATH}, {})
            self.assertEqual(done.status, EX_OK, str(done))
            self.assertIn("Subject: The first letter", done.output)
            self.assertIn(count, done.output)
            self.assertIn("bob@far.example was delivered: ", done.output)
            self.assertIn("nobody@far.example was returned: ", done.output)
            self.assertIn("Subject: Not delivered: To nobody@far.example", done.output)
            self.assertIn("The queue is empty.", done.output)


def is_free(port):
    with socket.socket() as trial:
        try:
            trial.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
