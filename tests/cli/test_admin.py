"""Domains, accounts, aliases, passwords, quotas and the store, from the command line."""
import json
import os
import pty
import re
import select
import signal
import smtplib
import sqlite3
import termios

import program
from posthorn_server import PosthornServer
from program import (EX_CANTCREAT, EX_CONFIG, EX_DATAERR, EX_NOINPUT, EX_NOUSER, EX_OK, EX_UNAVAILABLE,
                     EX_USAGE, ProgramCase)

EX_SOFTWARE = 70
MADE = re.compile(r"[a-km-np-z2-9]{5}(-[a-km-np-z2-9]{5}){3}")


class AdminCase(ProgramCase):
    def setUp(self):
        super().setUp()
        self.store = self.home / "mail.db"

    def admin(self, *arguments, **options):
        """The store is named in front, so that anything may stand at the end."""
        return self.run_program(arguments[0], "--store", self.store, *arguments[1:], **options)

    def json(self, *arguments, **options):
        return json.loads(self.admin(*arguments, "--json", **options).output)

    def make(self, *logins):
        """Accounts without password, and their domains."""
        for login in logins:
            self.admin("account", "add", login, "--create-domain", "--no-password")

    def logins(self):
        return [account["login"] for account in self.json("account", "list")]

    def everything(self):
        """All bytes that the store has on disk."""
        return b"".join(path.read_bytes() for path in self.home.iterdir() if path.name.startswith("mail.db"))

    def talk(self, arguments, answers):
        """Runs the program on a terminal of its own, and gives it an answer for each question. The status and what the
        terminal showed."""
        child, terminal = pty.fork()
        if child == 0:
            os.execve(program.PATH, [program.PATH, *map(str, arguments), "--store", str(self.store)],
                      {**self.environment(), "TERM": "dumb"})
        shown = b""
        for question, answer in answers:
            while question not in shown.rpartition(b"\n")[2]:
                self.assertTrue(select.select([terminal], [], [], 30)[0], shown)
                shown += os.read(terminal, 1000)
            if b"assword" in question or b"again" in question:
                self.assertFalse(termios.tcgetattr(terminal)[3] & termios.ECHO, "the password would be shown")
            os.write(terminal, answer)
        try:
            while piece := os.read(terminal, 1000):
                shown += piece
        except OSError:
            pass
        os.close(terminal)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), shown.decode()


class Accounts(AdminCase):
    def test_the_life_of_an_account(self):
        self.admin("domain", "add", "Example.ORG")
        self.admin("account", "add", "Ann@Example.org", "--stdin", data=b"secret\n")
        self.make("bob@example.net")
        self.assertEqual(self.logins(), ["ann@example.org", "bob@example.net"])
        self.assertEqual([a["login"] for a in self.json("account", "list", "example.net")], ["bob@example.net"])
        self.assertEqual(self.json("domain", "list"), [{"name": "example.net", "accounts": 1, "aliases": 0},
                                                       {"name": "example.org", "accounts": 1, "aliases": 0}])
        shown = self.json("account", "show", "ann@example.org")
        self.assertEqual([password["kind"] for password in shown["passwords"]], ["SCRAM-SHA-256"])
        self.admin("account", "disable", "ann@example.org")
        self.assertTrue(self.json("account", "show", "ann@example.org")["disabled"])
        self.assertIn("disabled", self.admin("account", "list").output)
        self.admin("account", "enable", "ann@example.org")
        self.assertFalse(self.json("account", "show", "ann@example.org")["disabled"])
        self.admin("account", "remove", "ann@example.org", "--yes")
        self.assertEqual(self.logins(), ["bob@example.net"])
        self.admin("domain", "remove", "example.org", "--yes")
        self.assertEqual(self.json("store", "check")["problems"], 0)

    def test_refusals_teach(self):
        self.make("ann@example.org")
        for arguments, status, words in (
                (["account", "add", "bob@example.net", "--no-password"], EX_NOUSER, "posthorn domain add example.net"),
                (["account", "add", "ANN@example.org", "--no-password"], EX_CANTCREAT, "posthorn password set"),
                (["account", "add", "ann", "--no-password"], EX_DATAERR, ""),
                (["account", "remove", "bob@example.org", "-y"], EX_NOUSER, "posthorn account list"),
                (["account", "disable", "bob@example.org"], EX_NOUSER, "no account"),
                (["account", "list", "example.net"], EX_NOUSER, "posthorn domain add example.net"),
                (["domain", "add", "example.org"], EX_CANTCREAT, "there already"),
                (["domain", "add", "exa mple"], EX_DATAERR, ""),
                (["domain", "remove", "example.org", "-y"], EX_CANTCREAT, "ann@example.org"),
                (["alias", "add", "info@example.org", "bob@example.org"], EX_NOUSER, "posthorn account add"),
                (["password", "set", "bob@example.org", "--generate"], EX_NOUSER, "no account"),
                (["quota", "set", "ann@example.org", "lots"], EX_DATAERR, "500M"),
                (["quota", "set", "ann@example.org"], EX_USAGE, "SIZE"),
                (["account", "add"], EX_USAGE, "posthorn account add ADDRESS"),
                (["account", "list", "a", "b"], EX_USAGE, "too much"),
                (["account", "lsit"], EX_USAGE, "did you mean list?"),
                (["password", "app", "ad"], EX_USAGE, "did you mean app add?"),
                (["account"], EX_USAGE, "action"),
                (["account", "list", "--generate"], EX_USAGE, "takes no --generate"),
                (["account", "add", "eve@example.org", "--no-password", "--stdin"], EX_USAGE, "--no-password")):
            with self.subTest(arguments=arguments):
                done = self.admin(*arguments, status=status)
                self.assertIn(words, done.errors)
                self.assertEqual(done.output, "")

    def test_a_removal_wants_to_be_meant(self):
        self.make("ann@example.org")
        done = self.admin("account", "remove", "ann@example.org", status=EX_USAGE)
        self.assertIn("--yes", done.errors)
        status, shown = self.talk(["account", "remove", "ann@example.org"], [(b"[y/N]", b"n\n")])
        self.assertEqual(status, EX_UNAVAILABLE)
        self.assertIn("nothing was done", shown)
        self.assertEqual(self.logins(), ["ann@example.org"])
        self.assertEqual(self.talk(["account", "remove", "ann@example.org"], [(b"[y/N]", b"y\n")])[0], EX_OK)
        self.assertEqual(self.logins(), [])

    def test_international_domains(self):
        self.make("ann@b\u00fccher.example")
        self.assertEqual(self.logins(), ["ann@xn--bcher-kva.example"])
        self.admin("account", "show", "ANN@B\u00dcCHER.example")

    def test_tables_and_json_say_the_same(self):
        self.make("ann@example.org")
        lines = self.admin("account", "list").output.splitlines()
        self.assertEqual(lines[0].split(), ["ACCOUNT", "MESSAGES", "SIZE", "QUOTA", "STATE"])
        self.assertEqual(lines[1].split(), ["ann@example.org", "0", "0", "none", "enabled"])
        self.assertEqual(self.json("account", "list"), [
            {"login": "ann@example.org", "disabled": False, "messages": 0, "bytes": 0, "quota_messages": None,
             "quota_bytes": None}])
        self.assertEqual(self.admin("alias", "list").output, "")
        self.assertEqual(self.json("alias", "list"), [])


class Aliases(AdminCase):
    def test_add_list_remove(self):
        self.make("ann@example.org", "bob@example.org")
        self.admin("alias", "add", "info@example.org", "ann@example.org")
        self.admin("alias", "add", "info@example.org", "eve@elsewhere.example")
        self.admin("alias", "add", "@example.org", "bob@example.org")
        self.assertEqual([(a["alias"], a["target"]) for a in self.json("alias", "list")],
                         [("@example.org", "bob@example.org"), ("info@example.org", "ann@example.org"),
                          ("info@example.org", "eve@elsewhere.example")])
        self.assertEqual(self.json("account", "show", "ann@example.org")["aliases"], ["info@example.org"])
        self.assertEqual(len(self.json("domain", "show", "example.org")["aliases"]), 3)
        self.admin("alias", "add", "info@example.org", "ann@example.org", status=EX_CANTCREAT)
        self.admin("alias", "remove", "info@example.org", "eve@elsewhere.example")
        self.admin("alias", "remove", "info@example.org", "--yes")
        self.admin("alias", "remove", "info@example.org", "--yes", status=EX_NOUSER)
        self.assertEqual(len(self.json("alias", "list")), 1)


class Passwords(AdminCase):
    def test_they_are_shown_nowhere(self):
        secret = "correct horse battery"
        self.admin("domain", "add", "example.org")
        for arguments in (["account", "add", "ann@example.org", "--stdin"],
                          ["password", "set", "ann@example.org", "--stdin", "--scram-sha-1"]):
            done = self.admin(*arguments, data=secret.encode() + b"\n")
            self.assertNotIn(secret, done.output + done.errors)
        self.assertNotIn(secret.encode(), self.everything())
        kinds = [password["kind"] for password in self.json("account", "show", "ann@example.org")["passwords"]]
        self.assertEqual(kinds, ["SCRAM-SHA-256", "SCRAM-SHA-1"])
        # A new one without SCRAM-SHA-1 leaves nothing of the old one behind.
        self.admin("password", "set", "ann@example.org", "--stdin", data=b"other\n")
        self.assertEqual(len(self.json("account", "show", "ann@example.org")["passwords"]), 1)

    def test_no_option_takes_one(self):
        self.make("ann@example.org")
        self.admin("password", "set", "ann@example.org", "--password", "x", status=EX_USAGE)
        self.admin("password", "set", "ann@example.org", "secret", status=EX_USAGE)

    def test_asked_for_twice_without_echo(self):
        self.admin("domain", "add", "example.org")
        status, shown = self.talk(["account", "add", "ann@example.org"],
                                  [(b"New password for ann@example.org: ", b"pass-word\n"), (b"again", b"pass-word\n")])
        self.assertEqual(status, EX_OK, shown)
        self.assertNotIn("pass-word", shown)
        status, shown = self.talk(["password", "set", "ann@example.org"],
                                  [(b"New password", b"one\n"), (b"again", b"two\n")])
        self.assertEqual(status, EX_DATAERR)
        self.assertIn("differ", shown)
        status, shown = self.talk(["password", "set", "ann@example.org"], [(b"New password", b"\x03")])
        self.assertEqual(status, EX_UNAVAILABLE, shown)

    def test_nobody_there_to_be_asked(self):
        self.admin("domain", "add", "example.org")
        done = self.admin("account", "add", "ann@example.org", status=EX_USAGE, start_new_session=True)
        self.assertIn("--stdin", done.errors)
        self.assertEqual(self.logins(), [])

    def test_made_up(self):
        self.admin("domain", "add", "example.org")
        first = self.admin("account", "add", "ann@example.org", "--generate").output
        second = self.admin("password", "make", "ann@example.org").output
        third = self.json("password", "make", "ann@example.org")["password"]
        fourth = self.admin("password", "set", "ann@example.org", "--generate").output
        for made in (first.strip(), second.strip(), third, fourth.strip()):
            self.assertRegex(made, rf"^{MADE.pattern}$")
            self.assertNotIn(made.encode(), self.everything())
        self.assertEqual(len({first, second, third, fourth}), 4)

    def test_what_no_password_may_be(self):
        self.make("ann@example.org")
        for data in (b"", b"\n", b"tab\there\n", b"x" * 1025 + b"\n", b"nul\0\n", b"\xff\xfe\n"):
            with self.subTest(data=data):
                self.admin("password", "set", "ann@example.org", "--stdin", data=data, status=EX_DATAERR)
        self.assertEqual(self.json("account", "show", "ann@example.org")["passwords"], [])

    def test_app_passwords_come_and_go(self):
        self.make("ann@example.org")
        done = self.admin("password", "app", "add", "ann@example.org", "her phone")
        self.assertRegex(done.output, rf"^{MADE.pattern}\n$")
        self.assertNotIn(done.output.strip().encode(), self.everything())
        self.admin("password", "app", "add", "ann@example.org", "her phone", status=EX_CANTCREAT)
        self.admin("password", "app", "add", "ann@example.org", "", status=EX_DATAERR)
        self.assertRegex(self.json("password", "app", "add", "ann@example.org", "desk")["password"], MADE)
        labels = [password["label"] for password in self.json("password", "app", "list", "ann@example.org")]
        self.assertEqual(labels, ["her phone", "desk"])
        self.admin("password", "make", "ann@example.org")
        self.admin("password", "app", "remove", "ann@example.org", "her phone", "--yes")
        self.admin("password", "app", "remove", "ann@example.org", "her phone", "--yes", status=EX_NOUSER)
        self.assertEqual(len(self.json("password", "app", "list", "ann@example.org")), 1)

    HASH = "$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/"

    def test_hashes_of_others(self):
        self.make("ann@example.org", "bob@example.org")
        self.admin("password", "make", "ann@example.org")
        self.admin("password", "import", "ann@example.org", data=f"{self.HASH}\n".encode())
        self.assertEqual([password["kind"] for password in self.json("account", "show", "ann@example.org")["passwords"]],
                         ["crypt"])
        lines = f"# users\n\nbob@example.org:{{SHA512-CRYPT}}{self.HASH}:1000:1000::/home/bob\nann@example.org:{self.HASH}\n"
        self.assertIn("2 passwords", self.admin("password", "import", data=lines.encode()).errors)
        for data, words in ((b"plain\n", "ADDRESS:HASH"), (b"bob@example.org:plain\n", "line 1"), (b"", "no hash"),
                            (f"bob@example.org:{self.HASH[:-1]}\n".encode(), "no whole crypt(3) hash"),
                            (f"bob@example.org:{self.HASH}\nbob@example.org:*\n".encode(), "line 2")):
            with self.subTest(data=data):
                self.assertIn(words, self.admin("password", "import", data=data, status=EX_DATAERR).errors)
        done = self.admin("password", "import", data=f"eve@example.org:{self.HASH}\n".encode(), status=EX_NOUSER)
        self.assertIn("nothing was imported", done.errors)


class Quotas(AdminCase):
    def test_sizes_as_people_write_them(self):
        self.make("ann@example.org")
        for text, size in (("500M", 500 << 20), ("2g", 2 << 30), ("1.5G", 3 << 29), ("10000", 10000), ("7KiB", 7 << 10),
                           ("none", None), ("1TB", 1 << 40)):
            with self.subTest(text=text):
                self.admin("quota", "set", "ann@example.org", text)
                self.assertEqual(self.json("quota", "show", "ann@example.org")[0]["quota_bytes"], size)
        self.admin("quota", "set", "ann@example.org", "--messages", "10")
        shown = self.json("quota", "show")[0]
        self.assertEqual((shown["quota_bytes"], shown["quota_messages"]), (1 << 40, 10))
        self.assertEqual(self.admin("quota", "show").output.splitlines()[1].split(),
                         ["ann@example.org", "0", "1T", "0", "10"])
        for text in ("-1", "5X", "1.5", "", "9999999P", "1.2345G", "5 M", "99999999999999999999"):
            with self.subTest(text=text):
                self.admin("quota", "set", "ann@example.org", "--", text, status=EX_DATAERR)


class Stores(AdminCase):
    def test_its_place(self):
        self.assertIn("posthorn domain add", self.run_program("account", "list", status=EX_NOINPUT).errors)
        self.run_program("domain", "add", "a.example")
        default = self.home / ".local/share/posthorn/posthorn.db"
        self.assertTrue(default.exists())
        self.assertEqual(default.parent.stat().st_mode & 0o777, 0o700)
        data = {"XDG_DATA_HOME": str(self.home / "data")}
        self.run_program("domain", "add", "b.example", extra=data)
        self.assertTrue((self.home / "data/posthorn/posthorn.db").exists())
        variable = {"POSTHORN_STORE": str(self.home / "c.db"), **data}
        self.run_program("domain", "add", "c.example", extra=variable)
        self.assertIn("c.example", self.run_program("domain", "list", extra=variable).output)
        done = self.run_program("domain", "list", "--store", str(default), extra=variable)
        self.assertIn("a.example", done.output)

    def test_the_configuration_names_it(self):
        self.admin("domain", "add", "example.org")
        config = self.file("posthorn.conf", f'store = "{self.store}"\n')
        config.chmod(0o600)
        self.assertIn("example.org", self.run_program("domain", "list", "-c", config).output)
        self.run_program("domain", "list", "-c", self.home / "missing.conf", status=EX_CONFIG)

    def test_info_and_migrate(self):
        self.make("ann@example.org")
        info = self.json("store", "info")
        self.assertEqual((info["domains"], info["accounts"], info["aliases"], info["messages"]), (1, 1, 0, 0))
        self.assertGreater(info["version"], 0)
        self.assertIn("newest", self.admin("store", "migrate", "--dry-run").errors)
        self.assertIn("newest", self.admin("store", "migrate").errors)

    def test_what_is_no_store(self):
        self.store.write_bytes(b"This is a letter, not a store. " * 100)
        for arguments in (["account", "list"], ["store", "check"], ["store", "migrate"]):
            with self.subTest(arguments=arguments):
                self.assertNotEqual(self.admin(*arguments, status=EX_CONFIG).errors, "")

    def test_the_check_tells(self):
        self.make("ann@example.org")
        self.assertIn("agrees", self.admin("store", "check").errors)
        with sqlite3.connect(self.store) as connection:
            connection.execute("UPDATE account SET used_messages = 3")
        connection.close()
        done = self.admin("store", "check", status=EX_SOFTWARE)
        self.assertIn("ann@example.org: counted are 3 messages", done.output)
        done = self.admin("store", "check", "--json", status=EX_SOFTWARE)
        self.assertEqual(json.loads(done.output)["problems"], 1)


class Live(AdminCase):
    """Beside a server that runs."""

    def serve(self):
        options = [word for name in ("submission", "submissions", "pop3", "pop3s", "imap", "imaps", "lmtp")
                   for word in ("-o", f"listen-{name}=")]
        if os.geteuid() == 0:
            options += ["-o", "user=root"]
        server = PosthornServer(["serve", "-o", "listen-smtp=127.0.0.1:0", *options],
                                self.environment({"POSTHORN_STORE": str(self.store)}))
        self.addCleanup(server.close)
        return server.started()

    def deliver(self, server, recipient):
        with smtplib.SMTP("127.0.0.1", server.port("smtp"), timeout=60) as client:
            client.sendmail("bob@far.example", [recipient], "Subject: x\r\n\r\nHello\r\n")

    def test_nothing_is_lost_or_stale(self):
        self.make("ann@example.org", "bob@example.org")
        server = self.serve()
        for number in range(3):
            self.deliver(server, "ann@example.org")
            # Each command opens the store and closes it again under the server.
            self.make(f"new{number}@example.org")
            self.deliver(server, f"new{number}@example.org")
            self.assertEqual(self.json("store", "check")["problems"], 0)
        self.admin("account", "disable", "bob@example.org")
        with self.assertRaises(smtplib.SMTPRecipientsRefused):
            self.deliver(server, "bob@example.org")
        self.admin("account", "remove", "new0@example.org", "-y")
        self.deliver(server, "ann@example.org")
        server.signal(signal.SIGKILL)
        server.process.wait()
        self.assertEqual(self.json("store", "check"), {"problems": 0, "sentences": []})
        self.assertEqual({a["login"]: a["messages"] for a in self.json("account", "list")},
                         {"ann@example.org": 4, "bob@example.org": 0, "new1@example.org": 1, "new2@example.org": 1})


class Usage(AdminCase):
    COMMANDS = {"domain": "add list show remove", "account": "add list show remove enable disable",
                "alias": "add list remove", "password": "set make app import", "quota": "show set",
                "queue": "list show stats retry flush hold release remove", "store": "check migrate info"}

    def test_help_teaches(self):
        for command, words in self.COMMANDS.items():
            output = self.run_program(command, "--help").output
            for word in words.split():
                self.assertRegex(output, rf"(?m)^  {word} ")
            self.assertIn("Examples:\n  posthorn " + command, output)
            for line in output.splitlines():
                self.assertLessEqual(len(line), 100, line)

    def test_the_manual_has_every_action_and_option(self):
        page = (program.Path(__file__).resolve().parents[2] / "man" / "posthorn-admin.8").read_text()
        for command, words in self.COMMANDS.items():
            for word in words.split():
                self.assertRegex(page, rf"(?m)^\.It Cm {command} {word}\b")
            for option in re.findall(r"--([a-z][a-z0-9-]+)", self.run_program(command, "--help").output):
                self.assertRegex(page, rf"Fl Fl {option}\b", option)

    def test_shells_offer_the_actions(self):
        script = self.run_program("completion", "bash").output
        for command, words in self.COMMANDS.items():
            offer = re.search(rf"    {command}\)\n +mapfile -t COMPREPLY < <\(compgen -W '([^']*)'", script).group(1).split()
            self.assertLessEqual(set(words.split()) | {"--store", "--help"}, set(offer))
        self.assertIn("'1: :(add list show remove)'", self.run_program("completion", "zsh").output)
