"""One measurement: a sink, a client, and what both say about it."""

import json
import os
import random
import shutil
import statistics
import subprocess
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
PYTHON = "/usr/bin/python3"

# What the sink offers beside PIPELINING and CHUNKING; "SIZE 0" sets no limit (RFC 1870).
ALWAYS_OFFERED = ["SIZE 0", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES"]

# A run that takes longer hangs.
LIMIT_SECONDS = 300

# Where client and sink run. On one core nothing is lost to waking another core, which on a virtual
# machine costs several times what the client itself does, and the figures repeat well. "Free" is what
# the scheduler makes of it.
ONE_CORE = "one core"
FREE = "free"


class Failure(Exception):
    """A client or the sink did not do its work."""


@dataclass(frozen=True)
class Peer:
    """A client under test; `variant` is one of the ways of use it offers."""

    name: str
    program: str
    variant: str = ""

    def command(self, build):
        if self.program.endswith(".py"):
            return [PYTHON, str(HERE / self.program)]
        return [str(build / self.program)]


POSTHORN = Peer("posthorn", "peer_posthorn")
POSTHORN_EACH = Peer("posthorn, one by one", "peer_posthorn", "each")
POSTHORN_IN_FLIGHT = Peer("posthorn, bodies in flight", "peer_posthorn", "in-flight")
POSTHORN_MEMORY = Peer("posthorn, from memory", "peer_posthorn", "memory")
POSTHORN_CALLBACK = Peer("posthorn, from a callback", "peer_posthorn", "callback")
SMTPLIB = Peer("smtplib", "peer_smtplib.py")
LIBCURL = Peer("libcurl", "peer_libcurl")
LIBESMTP = Peer("libESMTP", "peer_libesmtp")
LIBETPAN = Peer("libetpan", "peer_libetpan")
MSMTP = Peer("msmtp", "peer_msmtp")
BARE = Peer("(a bare loop)", "peer_bare")


@dataclass(frozen=True)
class Work:
    """What a client has to send, and to what kind of server."""

    body: Path
    messages: int = 1
    recipients: int = 1
    mode: str = "data"
    round_trip: float = 0
    placement: str = FREE


def body_make(path, size, has_prose=False):
    """Writes a message of about `size` bytes, always the same, 1% of its lines beginning with a dot.

    Its lines are 76 base64 letters, as in an attachment; with has_prose, words and sentences, so that dots stand
    in the middle of lines too.
    """
    source = random.Random(5321)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    if has_prose:
        letters = "etaoinshrdlu      etaoinshrdlu etaoin.,"
    lines = []
    for number in range(2000):
        line = "".join(source.choices(letters, k=76))
        start = "." if number % 100 == 50 else "x" if line[0] == "." else line[0]
        lines.append(start + line[1:] + "\r\n")
    pattern = "".join(lines).encode("ascii")
    header = (
        b"From: Sender <sender@client.example>\r\nTo: Recipients <recipient0@sink.example>\r\n"
        b"Subject: A letter for measuring\r\nDate: Mon, 23 Nov 2026 12:00:00 +0000\r\n"
        b"Message-ID: <1@client.example>\r\nMIME-Version: 1.0\r\n\r\n"
    )
    length = (size - len(header)) // 78 * 78
    with open(path, "wb") as file:
        file.write(header)
        while length > 0:
            file.write(pattern[:length])
            length -= len(pattern)
    return path


def dots_count(body):
    return body.read_bytes().count(b"\n.")


class Bench:
    """The built programs and a place for files."""

    def __init__(self, build, scratch):
        self.build = build
        self.scratch = scratch
        self.core = str(max(os.sched_getaffinity(0)))
        self.dots = {}

    def placed(self, work, command):
        return ["taskset", "-c", self.core, *command] if work.placement == ONE_CORE else command

    def sink_start(self, work):
        offered = ["PIPELINING"] + (["CHUNKING"] if work.mode == "bdat" else []) + ALWAYS_OFFERED
        command = [self.build / "sink", "--rtt", str(work.round_trip), "--offer", ",".join(offered)]
        sink = subprocess.Popen(
            self.placed(work, command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return sink, json.loads(sink.stdout.readline())["port"]

    def run(self, peer, work, before=()):
        """Runs the client once, `before` in front of its command line; returns client's and sink's report as one."""
        sink, port = self.sink_start(work)
        command = [*before, *peer.command(self.build), "127.0.0.1", str(port), str(work.messages)]
        command += [str(work.recipients), str(work.body), work.mode]
        command += [peer.variant] if peer.variant else []
        try:
            client = subprocess.run(
                self.placed(work, command), capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False
            )
            reports, _ = sink.communicate(timeout=10)
        except subprocess.TimeoutExpired as hang:
            raise Failure(f"{peer.name} hangs: {' '.join(map(str, command))}") from hang
        finally:
            sink.kill()
        if client.returncode != 0:
            raise Failure(f"{peer.name}: {client.stderr.strip()}")
        return self.joined(peer, work, json.loads(client.stdout), reports)

    def joined(self, peer, work, client, reports):
        connections = [json.loads(line) for line in reports.splitlines()]
        total = {key: sum(c[key] for c in connections) for key in ("messages", "recipients", "bytes")}
        wanted = work.messages, work.messages * work.recipients
        if (total["messages"], total["recipients"]) != wanted:
            raise Failure(f"{peer.name}: the sink has {total}, not {wanted}")
        dots = self.dots.setdefault(work.body, dots_count(work.body)) if work.mode == "data" else 0
        surplus = total["bytes"] - work.messages * (work.body.stat().st_size + dots)
        # libetpan adds a line; nobody may lose any.
        if surplus < 0 or (peer.program == POSTHORN.program and surplus != 0):
            raise Failure(f"{peer.name}: {surplus:+} bytes arrived")
        return {**connections[-1], **client, **total, "cpu": client["user"] + client["system"]}

    def repeat(self, cases, count):
        """Runs all (peer, work) cases `count` times, by turns, so that a busy moment hits all alike.

        Returns {case: [report, ...]}.
        """
        reports = {case: [] for case in cases}
        for _ in range(count):
            for case in cases:
                reports[case].append(self.run(*case))
        return reports

    def system_calls(self, peer, work):
        """Counts the client's system calls by name with strace."""
        if shutil.which("strace") is None:
            raise Failure("strace is not installed")
        table = self.scratch / "strace.txt"
        self.run(peer, work, ["strace", "-f", "-c", "-U", "name,calls", "-o", str(table)])
        calls = {}
        for line in table.read_text(encoding="ascii").splitlines():
            words = line.split()
            if len(words) == 2 and words[1].isdigit() and words[0] != "total":
                calls[words[0]] = int(words[1])
        return calls


def median(reports, key):
    return statistics.median(report[key] for report in reports)
