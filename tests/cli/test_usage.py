"""Help, versions, mistakes on the command line, and completion."""
import os
import re
import subprocess
from pathlib import Path

import program
from program import EX_IOERR, EX_USAGE, ProgramCase


class Usage(ProgramCase):
    def test_help_teaches(self):
        for arguments in (["--help"], ["-h"]):
            self.assertIn("posthorn send --server", self.run_program(*arguments).output)
        output = self.send("--help").output
        for word in ("--attach", "posthorn send -t <", "send.conf", "79", "POSTHORN_PASSWORD"):
            self.assertIn(word, output)
        self.assertIn("sendmail -t <", self.run_program("sendmail", "--help").output)

    def test_help_lines_fit_a_terminal(self):
        for command in ("send", "sendmail", "completion"):
            for line in self.run_program(command, "--help").output.splitlines():
                self.assertLessEqual(len(line), 100, line)

    def test_version(self):
        for arguments in (["--version"], ["-V"], ["send", "--version"], ["sendmail", "--version"]):
            self.assertRegex(self.run_program(*arguments).output, r"^posthorn \d+\.\d+\.\d+\n$")

    def test_no_command_shows_help_as_an_error(self):
        done = self.run_program(status=EX_USAGE)
        self.assertIn("Commands:", done.errors)
        self.assertEqual(done.output, "")

    def test_unknown_words_bring_the_near_one(self):
        self.assertIn("did you mean send?", self.run_program("sned", status=EX_USAGE).errors)
        self.assertIn("did you mean --subject?", self.send("--subjct", "x", status=EX_USAGE).errors)
        self.assertIn("did you mean --transcript?", self.send("--trans", status=EX_USAGE).errors)
        far = self.send("--xyzzy", status=EX_USAGE).errors
        self.assertIn("--xyzzy", far)
        self.assertNotIn("did you mean", far)

    def test_mistakes_are_told_with_their_place(self):
        for arguments, words in (
                (["--to"], "--to needs a value"),
                (["--json=yes"], "--json takes no value"),
                (["-Z"], "unknown option -Z"),
                (["bob@y.example"], "--to"),
                (["--tls", "maybe"], "starttls, implicit, opportunistic or none"),
                (["--timeout", "soon"], "seconds"),
                (["--timeout", "0"], "seconds"),
                (["--total-timeout", "0"], "total-timeout"),
                (["--proxy", "socks5://ann@proxy.example"], "no password"),
                (["--priority", "10"], "-9 to 9"),
                (["--dsn-notify", "never,success"], "never, or some of"),
                (["--dsn-return", "half"], "full or headers"),
                (["--deliver-by", "x"], "--deliver-by"),
                (["--hold-for", "9999999999"], "--hold-for"),
                (["--proxy", "ftp://x"], "socks5://"),
                (["--eml", "x", "--body", "y"], "--eml"),
                (["--hold-for", "9", "--hold-until", "2030-01-31T12:00:00Z"], "give one")):
            with self.subTest(arguments=arguments):
                errors = self.send(*arguments, status=EX_USAGE).errors
                self.assertIn(words, errors)
                self.assertIn("--help", errors)

    def test_a_password_is_no_option(self):
        self.send("--password", "x", status=EX_USAGE)

    def test_output_that_cannot_be_written_is_an_error(self):
        with open("/dev/full", "wb") as full:
            self.run_program("--help", stdout=full, status=EX_IOERR)
        closed = subprocess.run([program.PATH, "--version"], env=self.environment(), check=False,
                                stderr=subprocess.PIPE, preexec_fn=lambda: os.close(1))
        self.assertEqual(closed.returncode, EX_IOERR)


class Manual(ProgramCase):
    PAGE = (Path(__file__).resolve().parents[2] / "man" / "posthorn-send.1").read_text()

    def test_every_option_is_in_the_manual(self):
        for name in re.findall(r"--([a-z][a-z-]+)", self.send("--help").output.split("The message:")[1]):
            self.assertRegex(self.PAGE, rf"Fl Fl {name}\b", name)

    def test_every_flag_of_sendmail_is_in_the_manual(self):
        part = self.PAGE.split(".Sh AS SENDMAIL")[1].split(".Sh ENVIRONMENT")[0]
        for letter in re.findall(r"^  -(\w)", self.run_program("sendmail", "--help").output, re.MULTILINE):
            self.assertRegex(part, rf"Fl {letter}", letter)


class Completion(ProgramCase):
    def complete(self, *words):
        """What bash would offer for the last word."""
        script = ('. <("$1" completion bash); shift; COMP_WORDS=("$@"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); '
                  '_posthorn; printf "%s\\n" "${COMPREPLY[@]}"')
        done = subprocess.run(["bash", "-c", script, "bash", program.PATH, "posthorn", *words], cwd=self.home,
                              capture_output=True, check=True, env=self.environment())
        self.assertEqual(done.stderr, b"")
        return sorted(done.stdout.decode().split())

    def test_bash_offers_commands_options_words_and_files(self):
        self.file("letter.eml", "x")
        (self.home / "folder").mkdir()
        self.assertEqual(self.complete("sen"), ["send", "sendmail"])
        self.assertEqual(self.complete("send", "--dsn"), ["--dsn-notify", "--dsn-return"])
        self.assertEqual(self.complete("send", "--tls", "i"), ["implicit"])
        self.assertEqual(self.complete("send", "--tls", "=", "n"), ["none"])
        self.assertEqual(self.complete("send", "--eml", "let"), ["letter.eml"])
        self.assertEqual(self.complete("send", "-a", "let"), ["letter.eml"])
        self.assertEqual(self.complete("send", "--ca-dir", ""), ["folder"])
        self.assertEqual(self.complete("send", "--subject", ""), [])
        self.assertEqual(self.complete("completion", "z"), ["zsh"])

    def test_every_option_of_the_help_is_completed(self):
        shown = set(re.findall(r"--[a-z][a-z-]+", self.send("--help").output.split("The message:")[1]))
        self.assertLessEqual(shown, set(self.complete("send", "--")))

    def test_zsh_reads_it(self):
        script = self.run_program("completion", "zsh").output
        self.assertTrue(script.startswith("#compdef posthorn\n"))
        path = self.file("_posthorn", script)
        subprocess.run(["zsh", "-n", path], check=True)

    def test_unknown_shell(self):
        self.run_program("completion", "fish", status=EX_USAGE)
        self.run_program("completion", status=EX_USAGE)
