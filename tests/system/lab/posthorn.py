"""posthorn serve as a process: with a configuration of its own, on high ports of the loopback interface."""

import os
import signal
import socket
import subprocess
from pathlib import Path

from .house import House, answers, die_with_parent, wait_until

LISTENERS = ("smtp", "submission", "submissions", "lmtp", "pop3", "pop3s", "imap", "imaps")

# Root is kept: the directories of a test belong to it. Many connections come from one address.
DEFAULTS = {
    "host-name": "mail.posthorn.test",
    "user": "root",
    "allow-clear-login": ("pop3", "imap"),
    "limit-connections-address": 20000,
    "limit-connections-prefix": 20000,
    "limit-sessions-account": 20000,
}

# Under the address sanitizer memory that was given back would be kept, and measured.
ENVIRONMENT = {**os.environ, "ASAN_OPTIONS": "quarantine_size_mb=1:malloc_context_size=5:" + os.environ.get("ASAN_OPTIONS", "")}


def in_quotes(value):
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def configuration(settings):
    """The text of a posthorn.conf: lists are tuples."""
    lines = []
    for name, value in settings.items():
        if isinstance(value, tuple):
            lines.append(f"{name} = {{ {', '.join(in_quotes(item) for item in value)} }}")
        else:
            lines.append(f"{name} = {value if isinstance(value, int) else in_quotes(value)}")
    return "\n".join(lines) + "\n"


def greets(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=20) as wire:
            return wire.recv(3) == b"220"
    except OSError:
        return False


class Posthorn:
    """`ports[listener]` is where it listens on 127.0.0.1; `settings` change and add to the configuration."""

    def __init__(self, program, directory, ports, store=None, wrapper=(), **settings):
        self.program = str(program)
        self.directory = Path(directory)
        self.ports = {listener: next(ports) for listener in LISTENERS}
        self.store = str(store or self.directory / "posthorn.db")
        self.wrapper = list(wrapper)
        self.log = self.directory / "posthorn.log"
        self.file = self.directory / "posthorn.conf"
        self.process = None
        self.environment = dict(ENVIRONMENT)
        if House.current is not None:
            House.current.logs.append(str(self.log))
        self.settings = {**DEFAULTS, "store": self.store, "data-directory": str(self.directory)}
        for listener, port in self.ports.items():
            self.settings[f"listen-{listener}"] = (f"127.0.0.1:{port}",)
        for name, value in settings.items():
            self.settings[name.replace("_", "-")] = value
        self.configure()

    def configure(self, **settings):
        """Writes the configuration anew; hang_up makes a running server read it."""
        for name, value in settings.items():
            self.settings[name.replace("_", "-")] = value
        self.file.write_text(configuration(self.settings), encoding="utf-8")
        self.file.chmod(0o600)

    @property
    def certificate(self):
        """What the server made for itself; clients take it as their authority."""
        return str(self.directory / "certificate.pem")

    def admin(self, *words, text=None, check=True):
        """An admin command on the server's store."""
        done = subprocess.run([self.program, *words, "--store", self.store], input=text, text=True, capture_output=True,
                              env=self.environment, check=False)
        if check and done.returncode != 0:
            raise RuntimeError(f"posthorn {' '.join(words)}: {done.returncode}: {done.stderr}{done.stdout}")
        return done

    def add_account(self, address, password):
        self.admin("account", "add", address, "--create-domain", "--stdin", text=password + "\n")

    def launch(self, **options):
        """Starts the process and does not wait until it answers."""
        with open(self.log, "ab") as sink:
            self.process = subprocess.Popen(
                [*self.wrapper, self.program, "serve", "-c", str(self.file)], stdin=subprocess.DEVNULL, stdout=sink,
                stderr=sink, preexec_fn=options.pop("preexec_fn", die_with_parent), env=self.environment, **options)
        return self.process

    def start(self, **options):
        process = self.launch(**options)
        try:
            for port in self.ports.values():
                wait_until(lambda port=port: answers(process, port), f"posthorn on port {port}")
            # It listens before it has made itself a certificate, and greets when all is there.
            wait_until(lambda: greets(self.ports["smtp"]), "posthorn's greeting")
        except (TimeoutError, RuntimeError) as error:
            raise RuntimeError(f"{error}\n{self.tail()}") from None
        return self

    def tail(self, lines=40):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return "".join(list(file)[-lines:])

    def hang_up(self):
        """SIGHUP: read the configuration again."""
        self.process.send_signal(signal.SIGHUP)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self, limit=60):
        """SIGTERM; the exit status."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(limit)

    def memory(self):
        """Resident bytes that belong to it alone or in part (proportional set size)."""
        for line in Path(f"/proc/{self.process.pid}/smaps_rollup").read_text(encoding="utf-8").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError("no Pss in smaps_rollup")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))
