"""Accounts in send.conf."""
import os

from program import EX_CONFIG, EX_NOUSER, EX_USAGE, LETTER, ProgramCase

TO_BOB = ["--to", "bob@y.example"]


class Profiles(ProgramCase):
    def account(self, server, name="home", more=""):
        return f'account {name} {{\n    server = "{server.address}"\n    from = "Ann <ann@x.example>"\n{more}\n}}\n'

    def test_all_comes_from_the_profile(self):
        server = self.serve()
        self.configure(self.account(server, more="user = ann\nmechanism = plain\ncleartext-login = true\n"
                                                 "password-command = 'printf %s secret'\nlocal-hostname = me.example\n"
                                                 "timeout = 30"))
        self.send(*TO_BOB, "--subject", "x", "--body", "y")
        (letter,) = server.letters
        self.assertEqual(letter.sender, "ann@x.example")
        self.assertIn(b"From: Ann <ann@x.example>", letter.content)
        self.assertEqual(server.commands[0], "EHLO me.example")
        self.assertIn("AUTH PLAIN AGFubgBzZWNyZXQ=", server.commands)

    def test_the_only_account_and_the_default(self):
        home, work = self.serve(), self.serve()
        self.configure(self.account(home))
        self.send(*TO_BOB, data=LETTER)
        two = self.account(home) + self.account(work, "work")
        self.configure("default-account = work\n" + two)
        self.send(*TO_BOB, data=LETTER)
        self.send("--account", "home", *TO_BOB, data=LETTER)
        self.assertEqual((len(home.letters), len(work.letters)), (2, 1))
        self.configure(two)
        self.assertIn("--server", self.send(*TO_BOB, data=LETTER, status=64).errors)

    def test_the_command_line_goes_over_the_profile(self):
        server = self.serve()
        self.configure(self.account(server, more="local-hostname = me.example\npassword = secret\nuser = ann\n"
                                                 "mechanism = PLAIN\ncleartext-login = yes"))
        self.send("--from", "office@x.example", "--local-hostname", "you.example", "--password-command", "echo secret",
                  *TO_BOB, "--body", "x", extra={"POSTHORN_PASSWORD": "wrong"})
        self.assertEqual(server.letters[0].sender, "office@x.example")
        self.assertEqual(server.commands[0], "EHLO you.example")

    def test_a_server_by_name_gets_nobodys_password(self):
        home, other = self.serve(), self.serve()
        self.configure(self.account(home, more="user = ann\npassword = secret\nmechanism = PLAIN\ncleartext-login = on"))
        self.send("--server", other.address, "--from", "a@x.example", *TO_BOB, "--body", "x")
        self.assertEqual(len(other.letters), 1)
        self.assertFalse([command for command in other.commands if command.startswith("AUTH")])

        path = self.configure(self.account(home, more="user = ann\npassword = secret\nmechanism = PLAIN\n"
                                                      "cleartext-login = on"))
        done = self.send("-C", path, "--server", other.address, "--from", "a@x.example", *TO_BOB, "--body", "x")
        self.assertIn("is not read", done.errors)
        self.assertFalse([command for command in other.commands if command.startswith("AUTH")])
        self.send("-C", path, "-A", "home", "--server", other.address, *TO_BOB, "--body", "x")
        self.assertTrue([command for command in other.commands if command.startswith("AUTH")])
        self.assertEqual((len(other.letters), home.connections), (3, 0))

    def test_a_file_that_others_write(self):
        server = self.serve()
        text = self.account(server)
        for mode in (0o620, 0o602, 0o666):
            path = self.configure(text, mode)
            for arguments in ([], ["-C", path]):
                self.assertIn("chmod go-w", self.send(*arguments, *TO_BOB, data=LETTER, status=EX_CONFIG).errors)
                self.sendmail(*arguments, "-i", "bob@y.example", data=LETTER, status=EX_CONFIG)
        self.assertEqual(server.connections, 0)

    def test_a_file_of_another_user(self):
        """Only root can give a file away."""
        path = self.configure("")
        if os.getuid() == 0:
            os.chown(path, 65534, 65534)
            self.assertIn("another user", self.send(*TO_BOB, data=LETTER, status=EX_CONFIG).errors)
            os.chown(path, 0, 0)
        done = self.send(*TO_BOB, data=LETTER, status=EX_USAGE)
        self.assertIn("--server", done.errors)

    def test_places(self):
        server = self.serve()
        elsewhere = self.home / "elsewhere"
        (elsewhere / "posthorn").mkdir(parents=True)
        (elsewhere / "posthorn" / "send.conf").write_text(self.account(server))
        (elsewhere / "posthorn" / "send.conf").chmod(0o600)
        self.send(*TO_BOB, data=LETTER, extra={"XDG_CONFIG_HOME": str(elsewhere)})
        self.send("--config", elsewhere / "posthorn" / "send.conf", *TO_BOB, data=LETTER)
        self.assertEqual(len(server.letters), 2)
        self.assertIn("cannot read", self.send("--config", self.home / "no", *TO_BOB, data=LETTER, status=EX_CONFIG).errors)
        self.assertIn("\"no\"", self.send("--account", "no", *TO_BOB, data=LETTER, status=EX_CONFIG).errors)

    def test_home_in_paths(self):
        server = self.serve()
        self.file("secret", "secret\n")
        self.configure(self.account(server, more="user = ann\nmechanism = PLAIN\ncleartext-login = yes\n"
                                                 "password-file = ~/secret"))
        self.send(*TO_BOB, data=LETTER)
        self.assertEqual(len(server.letters), 1)

    def test_mistakes_are_told_with_file_and_line(self):
        for text, line, words in (
                ("account a {\n  server = x\n  sever = y\n}\n", 3, "sever"),
                ("account a {\n  server = x\n  tls = maybe\n}\n", 3, "starttls"),
                ("\n\naccount a {\n  timeout = soon\n}\n", 4, "seconds"),
                ("account a {\n  proxy = \"ftp://x\"\n}\n", 2, "socks5://"),
                ("account a {\n  pin = {\"abc\"}\n}\n", 2, "64"),
                ("account a {\n  insecure = perhaps\n}\n", 2, "insecure"),
                ("account a {\n  server = x\n}\naccount a {\n}\n", 4, "a"),
                ("account a {\n  server = \"\"\n}\n", 2, "empty"),
                ("colour = red\n", 1, "colour"),
                ("account a {\n  server = x }}\n", 2, "")):
            with self.subTest(text=text):
                path = self.configure(text)
                errors = self.send(*TO_BOB, data=LETTER, status=EX_CONFIG).errors
                self.assertIn(f"{path}:{line}: ", errors)
                self.assertIn(words, errors)

    def test_a_default_that_is_not_there(self):
        self.configure("default-account = work\naccount home { server = x }\n")
        self.assertIn("work", self.send(*TO_BOB, data=LETTER, status=EX_CONFIG).errors)

    def test_a_password_that_others_can_read(self):
        server = self.serve()
        text = self.account(server, more="user = ann\npassword = secret\nmechanism = PLAIN\ncleartext-login = yes")
        for mode in (0o644, 0o640, 0o604):
            self.configure(text, mode)
            errors = self.send(*TO_BOB, data=LETTER, status=EX_CONFIG).errors
            self.assertIn("chmod 600", errors)
            self.assertNotIn("secret", errors)
        self.configure(text)
        self.send(*TO_BOB, data=LETTER)
        self.configure(self.account(server), 0o644)
        self.send(*TO_BOB, data=LETTER)
        self.assertEqual(len(server.letters), 2)
        self.configure(self.account(server, more='proxy = "socks5://ann:secret@127.0.0.1:1"'), 0o644)
        errors = self.send(*TO_BOB, data=LETTER, status=EX_CONFIG).errors
        self.assertIn("chmod 600", errors)
        self.assertNotIn("secret", errors)

    def test_sendmail_uses_them_by_sender(self):
        home, work = self.serve(), self.serve(replies={"RCPT": "550 5.1.1 No such user"})
        self.configure("default-account = home\n" + self.account(home) +
                       self.account(work, "work").replace("ann@x.example", "Ann@Work.example"))
        self.sendmail("-i", "bob@y.example", data=LETTER)
        self.sendmail("-i", "-f", "ann@work.example", "bob@y.example", data=LETTER, status=EX_NOUSER)
        self.sendmail("-i", "--account", "home", "-f", "ann@work.example", "bob@y.example", data=LETTER)
        self.assertEqual((len(home.letters), work.connections), (2, 1))
