"""The other end of driver.c: calls functions of libposthorn from a test."""

import json
import os
import select
import subprocess

ANSWER_DEADLINE = 60.0

NOTIFY_NEVER, NOTIFY_SUCCESS, NOTIFY_FAILURE, NOTIFY_DELAY = 1, 2, 4, 8
EXTENSION_DSN, EXTENSION_DELIVERBY, EXTENSION_FUTURERELEASE, EXTENSION_MT_PRIORITY = 4, 16, 32, 64
NOT_SENT, MAYBE_SENT, ACCEPTED = 0, 1, 2


def built(name):
    """A program of the build directory."""
    path = os.path.join(os.environ["POSTHORN_BUILD"], name)
    assert os.access(path, os.X_OK), f"{path} is not built"
    return path


class Answer(dict):
    """What a call said; its members are attributes, at every depth."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"{name} is not in {dict(self)}") from None

    def sent(self, start=""):
        """The lines that the client said in this call and that start so."""
        return [line[2:] for line in self.trace if line.startswith("> " + start)]

    def heard(self, start=""):
        return [line[2:] for line in self.trace if line.startswith("< " + start)]


class Driver:
    """One process with one session. Used with `with`; descriptors are handed to the process."""

    def __init__(self, descriptors=()):
        self.process = subprocess.Popen([built("tests/system/driver")], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, pass_fds=descriptors)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        try:
            self.process.stdin.close()
            status = self.process.wait(ANSWER_DEADLINE)
            assert status == 0, f"the driver ended with {status}"
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.process.stdout.close()

    def __call__(self, do, **members):
        """Makes a call and gives the answer, well or not."""
        request = json.dumps({"do": do, **members}).encode() + b"\n"
        self.process.stdin.write(request)
        self.process.stdin.flush()
        ready, _, _ = select.select([self.process.stdout], [], [], ANSWER_DEADLINE)
        assert ready, f"{do} took more than {ANSWER_DEADLINE:g} s"
        line = self.process.stdout.readline()
        assert line, f"the driver died of {do}: status {self.process.wait()}"
        return json.loads(line, object_hook=Answer)

    def well(self, do, **members):
        """Makes a call that must succeed."""
        answer = self(do, **members)
        assert answer.ok, f"{do}: {answer.error.kind}: {answer.error.message}\n" + "\n".join(
            answer.trace)
        return answer

    def refused(self, kind, do, **members):
        """Makes a call that must fail with an error of this kind, which it gives back."""
        answer = self(do, **members)
        assert not answer.ok, f"{do} should have failed\n" + "\n".join(answer.trace)
        assert answer.error.kind == kind, answer.error
        assert answer.error.message, "an error without a sentence"
        return answer
