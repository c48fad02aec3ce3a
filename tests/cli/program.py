"""The program under test in a home of its own, and what the tests expect of it."""
import email
import email.policy
import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from server import Server

PATH = None  # set by run.py

EX_OK, EX_USAGE, EX_DATAERR, EX_NOINPUT, EX_NOUSER, EX_NOHOST = 0, 64, 65, 66, 67, 68
EX_UNAVAILABLE, EX_OSERR, EX_CANTCREAT, EX_IOERR, EX_TEMPFAIL = 69, 71, 73, 74, 75
EX_PROTOCOL, EX_NOPERM, EX_CONFIG, PARTIAL, MAYBE = 76, 77, 78, 79, 80

LETTER = b"From: ann@x.example\nTo: bob@y.example\nSubject: Test\n\nHello.\n"


class Done:
    """What became of a run."""

    def __init__(self, process):
        self.status = process.returncode
        self.output = process.stdout.decode()
        self.errors = process.stderr.decode()

    def __str__(self):
        return f"status {self.status}\n--- stdout\n{self.output}\n--- stderr\n{self.errors}"


class ProgramCase(unittest.TestCase):
    """A test with a home, a server when it asks for one, and the program."""

    def setUp(self):
        self.home = Path(tempfile.mkdtemp(prefix="posthorn-cli-"))
        self.addCleanup(shutil.rmtree, self.home)

    def serve(self, **behaviour):
        server = Server(**behaviour)
        self.addCleanup(server.close)
        return server

    def environment(self, extra=None):
        return {"HOME": str(self.home), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TMPDIR": str(self.home),
                **(extra or {})}

    def call(self, command, data, extra, options):
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        if "stdin" not in options:
            options["input"] = data
        process = subprocess.run(command, env=self.environment(extra), timeout=60, check=False, **options)
        process.stdout = process.stdout or b""
        process.stderr = process.stderr or b""
        return Done(process)

    def run_program(self, *arguments, status=EX_OK, data=b"", extra=None, **options):
        done = self.call([PATH, *map(str, arguments)], data, extra, options)
        self.assertEqual(done.status, status, f"{arguments}: {done}")
        return done

    def send(self, *arguments, **options):
        return self.run_program("send", *arguments, **options)

    def sendmail(self, *arguments, status=EX_OK, data=b"", extra=None, **options):
        """The program under the name sendmail."""
        link = self.home / "sendmail"
        if not link.exists():
            link.symlink_to(PATH)
        done = self.call([str(link), *map(str, arguments)], data, extra, options)
        self.assertEqual(done.status, status, f"{arguments}: {done}")
        return done

    def configure(self, text, mode=0o600):
        path = self.home / ".config" / "posthorn" / "send.conf"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    def file(self, name, content):
        path = self.home / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def dry_run(self, *arguments, **options):
        """The envelope's lines and the message that would be sent."""
        done = self.send("--dry-run", *arguments, **options)
        envelope, _, message = done.output.partition("\n\n")
        return envelope.splitlines(), email.message_from_string(message, policy=email.policy.default)


def parsed(content):
    return email.message_from_bytes(content, policy=email.policy.default)
