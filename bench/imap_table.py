"""The table "imap" of bench/serve: one mailbox after another, read and written through IMAP beside Dovecot with both of its formats."""

import imaplib
import json
import subprocess

import server_peers as peers
from tables import Table

WHO = (peers.ADDRESSES[0], peers.PASSWORD)
BATCH = 100
ROUNDS = 5
LOAD_LIMIT = 300

MAILDIR, MDBOX, OURS = "Dovecot, Maildir", "Dovecot LMTP, mdbox", "posthorn"

# Name, command, responses that it must bring (None: one for each message), times that of the better Dovecot.
COMMANDS = [
    ("FETCH FLAGS", "FETCH 1:* (FLAGS)", None, 1),
    ("FETCH UID, size, date", "FETCH 1:* (UID RFC822.SIZE INTERNALDATE)", None, 2),
    ("FETCH ENVELOPE", "FETCH 1:* (ENVELOPE)", None, 2),
    ("FETCH BODYSTRUCTURE", "FETCH 1:* (BODYSTRUCTURE)", None, 1),
    ("FETCH header fields", "FETCH 1:* (BODY.PEEK[HEADER.FIELDS (FROM SUBJECT DATE)])", None, 1),
    ("FETCH bodies", "FETCH 1:* (BODY.PEEK[])", None, 1),
    ("SEARCH SUBJECT", "SEARCH SUBJECT garden", 1, 1),
    ("SEARCH TEXT", "SEARCH TEXT zeppelin", 1, 2),
]
STORE = ("STORE of a flag", "STORE 1:* +FLAGS (\\Flagged)", None, 1)
STORE_BACK = "STORE 1:* -FLAGS.SILENT (\\Flagged)"
COPY = ("COPY", "COPY 1:* Copies", 0, 2)


class Load:
    """imap_load against one server."""

    def __init__(self, build, server):
        self.program = str(build / "bench" / "imap_load")
        self.server = server

    def call(self, mode, *words, options=()):
        """What imap_load tells, and how many responses and bytes the last command brought."""
        command = [self.program, mode, *map(str, options), str(self.server.imap), *WHO, *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LOAD_LIMIT, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{self.server.name}: {' '.join(command)}: {done.stderr.strip()}")
        figures = json.loads(done.stdout)
        if done.stderr:
            figures["responses"], figures["bytes"] = map(int, done.stderr.split())
        return figures

    def make(self, *mailboxes):
        with imaplib.IMAP4("127.0.0.1", self.server.imap) as client:
            client.login(*WHO)
            for mailbox in mailboxes:
                client.create(mailbox)

    def append(self, mailbox, count, each=BATCH, first=0, flags=()):
        options = ["--mailbox", mailbox, "--messages", count, "--each", each, "--first", first, *flags]
        return self.call("append", options=options)["rate"]

    def rate(self, row, messages, rounds=ROUNDS, mailbox="INBOX", then=None):
        """Messages a second that a command gets through, at the median of some rounds."""
        name, command, wanted, _ = row
        options = ["--messages", rounds, "--mailbox", mailbox] + (["--then", then] if then else [])
        figures = self.call("run", command, options=options)
        if wanted is None and figures["responses"] < messages or wanted is not None and figures["responses"] < wanted:
            raise RuntimeError(f"{self.server.name}: {name}: {figures['responses']} responses for {messages} messages")
        return messages * 1000 / figures["median_ms"]


class Rows:
    """What was measured: by name of the row, then by server."""

    def __init__(self):
        self.figures = {}

    def put(self, name, server, figure):
        self.figures.setdefault(name, {})[server.name] = figure


def measure(run, server, rows, count):
    """Everything on a mailbox of `count` messages."""
    load = Load(run.build, server)
    load.make("Copies", "Appended", "Small")
    load.append("INBOX", count)
    load.append("Small", 1000)
    for row in COMMANDS:
        rows.put(row[0], server, load.rate(row, count))
    rows.put(STORE[0], server, load.rate(STORE, count, then=STORE_BACK))
    rows.put(COPY[0], server, load.rate(COPY, count, rounds=2))
    rows.put("APPEND one by one", server, load.append("Appended", count // 10, each=1))
    sessions = load.call("sessions", options=["--connections", 10, "--messages", max(count // 40, 50), "--mailbox", "Small"])
    rows.put("sessions", server, sessions["rate"])


def goals_of(rows):
    """Name of a row and how many times the better Dovecot is wanted."""
    wanted = {row[0]: row[3] for row in (*COMMANDS, STORE, COPY)}
    wanted |= {"APPEND one by one": 2, "sessions": 5}
    return {name: wanted[name] for name in rows.figures}


def table_imap(run, at_least):
    count = 2000 if run.is_quick else 20000
    rows = Rows()
    for server in run.servers(run.new_posthorn, peers.DovecotMaildir, peers.DovecotLmtp):
        measure(run, server, rows, count)
    table = Table(f"IMAP, {count} messages of 4 KiB, caches warm, messages a second", [OURS, MAILDIR, MDBOX, "times"])
    goals = []
    for name, least in goals_of(rows).items():
        figures = rows.figures[name]
        ratio = figures[OURS] / max(figures[MAILDIR], figures[MDBOX])
        table.add(name, [f"{figures[server]:.0f}" for server in (OURS, MAILDIR, MDBOX)] + [f"{ratio:.2f}"], figures)
        goals.append(at_least(f"{name}, times the better Dovecot's", ratio, least))
    return table, goals
