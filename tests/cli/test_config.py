"""config check, show and explain."""
from pathlib import Path

from program import EX_CONFIG, EX_UNAVAILABLE, EX_USAGE, ProgramCase


class ConfigTest(ProgramCase):
    def names(self):
        lines = self.run_program("config", "explain").output.splitlines()
        return [line.split()[0] for line in lines if line.startswith("  ")]

    def test_every_option_is_explained(self):
        names = self.names()
        self.assertGreater(len(names), 30)
        for name in names:
            explained = self.run_program("config", "explain", name).output
            self.assertIn(name, explained.splitlines()[0])
            self.assertIn("A change holds from the next", " ".join(explained.split()))
        self.assertIn("did you mean limit-hops", self.run_program("config", "explain", "limit-hosp",
                                                                   status=EX_USAGE).errors)

    def test_the_example_is_right_and_names_everything(self):
        example = self.run_program("config", "show", "--defaults").output
        path = self.file("posthorn.conf", example)
        path.chmod(0o600)
        self.run_program("config", "check", "-c", path)
        # Without its comments it is the defaults, so that whoever edits it may begin anywhere.
        lines = [line[2:] for line in example.splitlines() if line.startswith("# ") and " = " in line]
        for name in self.names():
            self.assertTrue(any(line.startswith(f"{name} =") for line in lines) or f"# {name} =\n" in example, name)
        settings = [line for line in lines if line.split(" = ")[0] in self.names()]
        path.write_text("\n".join(settings) + "\n", encoding="utf-8")
        shown = self.run_program("config", "show", "-c", path).output.splitlines()[1:]
        self.assertEqual(shown, self.run_program("config", "show").output.splitlines()[1:])

    def test_the_packaged_file_is_right(self):
        path = Path(__file__).resolve().parents[2] / "packaging" / "posthorn.conf"
        copy = self.file("posthorn.conf", path.read_text(encoding="utf-8"))
        copy.chmod(0o600)
        self.run_program("config", "check", "-c", copy)

    def test_show_is_a_file_that_says_the_same(self):
        path = self.file("posthorn.conf", "store = 'host=/run/pg user=\\'x\\''\nlisten-pop3 = {}\n"
                         "listen-lmtp = {\"unix:/run/lmtp\", 'unix:/run/two'}\nlimit-idle-time = 90s\n")
        path.chmod(0o600)
        shown = self.run_program("config", "show", "-c", path).output
        for words in ("limit-idle-time = 90s", "listen-lmtp = {'unix:/run/lmtp', 'unix:/run/two'}", "listen-pop3 = {}",
                      "store = 'host=/run/pg user=\\'x\\''"):
            self.assertIn(words, shown)
        again = self.file("again.conf", shown)
        again.chmod(0o600)
        self.assertEqual(self.run_program("config", "show", "-c", again).output.splitlines()[1:], shown.splitlines()[1:])

    def test_check_names_file_and_line(self):
        for text, line, words in (("# one\nno-such = 1\n", 2, "posthorn config explain"),
                                  ("user = a\n\nuser = b\n", 3, "line 1 already"),
                                  ("limit-idle-time = 5\n", 1, "has no unit"),
                                  ("listen-smtp = {'*:25', '*:25'}\n", 1, "another listener"),
                                  ("host-name = 'unfinished\n", None, "")):
            path = self.file("posthorn.conf", text)
            path.chmod(0o600)
            errors = self.run_program("config", "check", "-c", path, status=EX_CONFIG).errors
            self.assertIn(f"{path}:{line}: " if line else str(path), errors)
            self.assertIn(words, errors)

    def test_wrong_usage(self):
        for arguments in ([], ["chekc"], ["check", "extra"], ["show", "--defaults", "-c", "x"], ["--no-such"]):
            self.run_program("config", *arguments, status=EX_USAGE)
        self.run_program("config", "check", "-c", self.home / "no-such.conf", status=EX_UNAVAILABLE)
        self.assertIn("check", self.run_program("config", "--help").output)
