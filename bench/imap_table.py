"""The table "imap" of bench/serve: one mailbox after another, read and written through IMAP beside Dovecot with both of its formats."""

import contextlib
import imaplib
import json
import subprocess
import sys
from pathlib import Path

import server_peers as peers
from tables import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "system"))

from lab.postgres import Postgres  # noqa: E402

WHO = (peers.ADDRESSES[0], peers.PASSWORD)
BATCH = 100
FILLERS = 4
SHORT = 1024
ROUNDS = 5
FEW_ROUNDS = 3
SMALL = 1000  # messages of the mailbox that sessions select
LOAD_LIMIT = 300
FILL_LIMIT = 1800  # a Maildir of 100,000 is as many files, each of them made durable

OURS, MAILDIR, MDBOX = "posthorn", "Dovecot, Maildir", "Dovecot LMTP, mdbox"

# Name, command, responses that it must bring (None: one for each message), times that of the better Dovecot.
DATES = ("FETCH UID, size, date", "FETCH 1:* (UID RFC822.SIZE INTERNALDATE)", None, 2)
ENVELOPE = ("FETCH ENVELOPE", "FETCH 1:* (ENVELOPE)", None, 2)
STRUCTURE = ("FETCH BODYSTRUCTURE", "FETCH 1:* (BODYSTRUCTURE)", None, 1)
FIELDS = ("FETCH header fields", "FETCH 1:* (BODY.PEEK[HEADER.FIELDS (FROM SUBJECT DATE)])", None, 1)
SUBJECT = ("SEARCH SUBJECT", "SEARCH SUBJECT garden", 1, 1)
WARM = (
    ("FETCH FLAGS", "FETCH 1:* (FLAGS)", None, 1),
    DATES,
    ENVELOPE,
    STRUCTURE,
    FIELDS,
    ("FETCH bodies", "FETCH 1:* (BODY.PEEK[])", None, 1),
    SUBJECT,
    ("SEARCH TEXT", "SEARCH TEXT zeppelin", 1, 2),
)
STORE = ("STORE of a flag", "STORE 1:* +FLAGS (\\Flagged)", None, 1)
STORE_BACK = "STORE 1:* -FLAGS.SILENT (\\Flagged)"
COPY = ("COPY", "COPY 1:* Copies", 0, 2)
SORTED = (
    ("SORT by subject", "SORT (SUBJECT) UTF-8 ALL", 1, 1),
    ("SORT by sender", "SORT (FROM) UTF-8 ALL", 1, 1),
    ("SORT by date", "SORT (DATE) UTF-8 ALL", 1, 1),
    ("SORT by subject, latest first", "SORT (SUBJECT REVERSE DATE) UTF-8 ALL", 1, 1),
    ("THREAD=REFERENCES", "THREAD REFERENCES UTF-8 ALL", 1, 1),
    ("THREAD=ORDEREDSUBJECT", "THREAD ORDEREDSUBJECT UTF-8 ALL", 1, 1),
)
# The first time that it is asked for in a mailbox, in the order of the rows: what one has made ready serves those behind it.
FIRST_SORTED = tuple((name + ", first", *rest) for name, *rest in SORTED)
# The same before anybody has asked.
COLD = tuple((name + ", cold", command, wanted, 5) for name, command, wanted, _ in (DATES, ENVELOPE, STRUCTURE, FIELDS, SUBJECT))

APPEND, MULTIAPPEND, SESSIONS = "APPEND one by one", f"MULTIAPPEND, {BATCH} in each", "sessions"
PUSH, FAR_PUSH, SELECT = "push, ms", "push across two nodes, ms", "SELECT of the great mailbox, ms"
# What the numbers of messages cost, which SELECT of a great mailbox leaves to the first who asks.
FIRST = "the first FETCH in it, ms"
CLEAR, TLS = "idle session, KiB", "idle session under TLS, KiB"

# Times the better Dovecot, and what a figure of which less is better may be at most.
LEAST = {row[0]: row[3] for row in (*WARM, STORE, COPY, *SORTED, *FIRST_SORTED, *COLD)} | {APPEND: 2, MULTIAPPEND: 1, SESSIONS: 5}
MOST = {PUSH: 1, FAR_PUSH: 60, SELECT: 50, CLEAR: 24, TLS: 48}
MULTIAPPEND_GAIN = 5


class Counts:
    """How much work there is."""

    def __init__(self, is_quick):
        self.messages = 2000 if is_quick else 20000
        self.sorted = 2000 if is_quick else 100000
        self.appended = 100 if is_quick else 500
        self.batches = 500 if is_quick else 2000  # messages of MULTIAPPEND
        self.sessions = 50 if is_quick else 300
        self.pushes = 5 if is_quick else 20
        self.copies = 50  # of all messages, to the great mailbox
        self.idle = 500 if is_quick else 10000
        self.idle_tls = 200 if is_quick else 1000
        self.idle_dovecot = 50


class Load:
    """imap_load against one server."""

    def __init__(self, build, server):
        self.program = str(build / "bench" / "imap_load")
        self.server = server

    def call(self, mode, *words, options=(), limit=LOAD_LIMIT):
        """What imap_load tells, and how many responses and bytes the last command brought."""
        command = [self.program, mode, *map(str, options), str(self.server.imap), *WHO, *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{self.server.name}: {' '.join(command)}: {done.stderr.strip()}")
        figures = json.loads(done.stdout)
        if done.stderr:
            figures["responses"], figures["bytes"] = map(int, done.stderr.split())
        return figures

    def select_ms(self, mailbox):
        return self.call("run", f"SELECT {mailbox}", options=["--mailbox", "", "--messages", ROUNDS])["median_ms"]

    def push_ms(self, port, count):
        flags = ["--lmtp"] if self.server.is_lmtp else []
        return self.call("push", port, options=["--messages", count, "--mailbox", "INBOX", *flags])["median_ms"]

    def make(self, *mailboxes):
        with imaplib.IMAP4("127.0.0.1", self.server.imap) as client:
            client.login(*WHO)
            for mailbox in mailboxes:
                client.create(mailbox)

    def append(self, mailbox, count, each=BATCH, size=4096, connections=1):
        options = ["--mailbox", mailbox, "--messages", count, "--each", each, "--size", size, "--connections", connections]
        return self.call("append", options=options, limit=FILL_LIMIT)["rate"]

    def fill(self, mailbox, count, size=4096):
        """By many at once, who wait together for the disk."""
        self.append(mailbox, count, size=size, connections=FILLERS)

    def rate(self, row, messages, rounds=ROUNDS, mailbox="INBOX", then=None):
        """Messages a second that a command gets through in the best of some rounds: what else runs only slows them."""
        name, command, wanted, _ = row
        options = ["--messages", rounds, "--mailbox", mailbox] + (["--then", then] if then else [])
        figures = self.call("run", command, options=options)
        if wanted is None and figures["responses"] < messages or wanted is not None and figures["responses"] < wanted:
            raise RuntimeError(f"{self.server.name}: {name}: {figures['responses']} responses for {messages} messages")
        return messages * 1000 / figures["least_ms"]


def best_of_few(measured):
    return max(measured() for _ in range(FEW_ROUNDS))


class Rows:
    """What was measured: by name of the row, then by server."""

    def __init__(self):
        self.figures = {}

    def put(self, name, server, figure):
        self.figures.setdefault(name, {})[server.name] = figure


def cold_rate(load, row, messages):
    load.server.forget()
    return load.rate(row, messages, rounds=1)


def measure(load, rows, counts):
    """What all servers are asked. The mailboxes are left as they are."""
    server = load.server
    load.make("Copies", "Appended", "Small")
    load.fill("INBOX", counts.messages)
    load.fill("Small", SMALL)
    for row in WARM:
        rows.put(row[0], server, load.rate(row, counts.messages))
    rows.put(STORE[0], server, load.rate(STORE, counts.messages, then=STORE_BACK))
    rows.put(COPY[0], server, load.rate(COPY, counts.messages, rounds=FEW_ROUNDS))
    rows.put(APPEND, server, best_of_few(lambda: load.append("Appended", counts.appended, each=1)))
    rows.put(MULTIAPPEND, server, best_of_few(lambda: load.append("Appended", counts.batches)))
    sessions = load.call("sessions", options=["--connections", 10, "--messages", counts.sessions, "--mailbox", "Small"])
    rows.put(SESSIONS, server, sessions["rate"])
    for row in COLD:
        rows.put(row[0], server, best_of_few(lambda row=row: cold_rate(load, row, counts.messages)))
    rows.put(PUSH, server, load.push_ms(server.port, counts.pushes))


def measure_sorting(load, rows, counts):
    """Of messages with a short text, which has no part in it."""
    load.make("Large")
    load.fill("Large", counts.sorted, size=SHORT)
    for first, again in zip(FIRST_SORTED, SORTED):
        rows.put(first[0], load.server, load.rate(first, counts.sorted, rounds=1, mailbox="Large"))
        rows.put(again[0], load.server, load.rate(again, counts.sorted, mailbox="Large"))


def idle_kib(run, server, manner, listener, count):
    """What one of so many sessions costs us that have selected the small mailbox and said IDLE."""
    words = [run.build / "bench" / "idle_connections", server.server.process.pid, server.server.ports[listener], count, manner]
    done = subprocess.run([*map(str, words), *WHO, "Small"], capture_output=True, text=True, timeout=LOAD_LIMIT, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"idle_connections: {done.stderr.strip()}")
    return float(done.stdout.rsplit(None, 3)[1])


def idle_kib_of_processes(server, count):
    """The same of who makes a process for each."""
    with contextlib.ExitStack() as stack:

        def open_one():
            client = imaplib.IMAP4("127.0.0.1", server.imap)
            stack.callback(client.shutdown)
            client.login(*WHO)
            client.select("Small")
            client.send(client._new_tag() + b" IDLE\r\n")
            client.readline()

        open_one()
        before = server.memory()
        for _ in range(count):
            open_one()
        return (server.memory() - before) / 1024 / count


def measure_idle(run, rows, counts):
    """A server of its own for each: what is free of one manner's memory would serve the other."""
    for name, manner, listener, count in ((CLEAR, "clear", "imap", counts.idle), (TLS, "tls", "imaps", counts.idle_tls)):
        for server in run.servers(run.new_posthorn):
            load = Load(run.build, server)
            load.make("Small")
            load.fill("Small", SMALL)
            rows.put(name, server, idle_kib(run, server, manner, listener, count))


def measure_far_push(run, rows, counts):
    """One node takes the message, the other tells of it."""
    database = Postgres().start()
    try:
        place = database.new_database()
        for near in run.servers(lambda: peers.Posthorn(run.posthorn, store=place)):
            for far in run.servers(lambda: peers.Posthorn(run.posthorn, store=place, has_accounts=True)):
                rows.put(FAR_PUSH, far, Load(run.build, far).push_ms(near.port, counts.pushes))
    finally:
        database.close()


def measure_great(load, rows, counts):
    load.make("Great")
    load.call("run", "COPY 1:* Great", options=["--messages", counts.copies])
    rows.put(SELECT, load.server, load.select_ms("Great"))
    options = ["--mailbox", "Great", "--messages", FEW_ROUNDS, "--then", "SELECT Great"]
    rows.put(FIRST, load.server, load.call("run", "FETCH 1 (FLAGS)", options=options)["median_ms"])


def goals_of(figures, name, at_least, at_most):
    """One row's, and what is shown of it as times."""
    if name == FIRST:
        return "", []
    others = [figures[server] for server in (MAILDIR, MDBOX) if server in figures]
    if name in MOST:
        # A push that overtakes the reply takes no time at all.
        times = f"{min(others) / figures[OURS]:.2f}" if others and figures[OURS] > 0 else ""
        return times, [at_most(name, figures[OURS], MOST[name])]
    ratio = figures[OURS] / max(others)
    return f"{ratio:.2f}", [at_least(f"{name}, times the better Dovecot's", ratio, LEAST[name])]


def table_imap(run, at_least, at_most):
    counts = Counts(run.is_quick)
    rows = Rows()
    for server in run.servers(run.new_posthorn, peers.DovecotMaildir, peers.DovecotLmtp):
        load = Load(run.build, server)
        measure(load, rows, counts)
        measure_sorting(load, rows, counts)
        if server.name == OURS:
            measure_great(load, rows, counts)
        else:
            rows.put(CLEAR, server, idle_kib_of_processes(server, counts.idle_dovecot))
    measure_far_push(run, rows, counts)
    measure_idle(run, rows, counts)
    table = Table("IMAP, messages of 4 KiB, a second where nothing else is said", [OURS, MAILDIR, MDBOX, "times"])
    table.notes = [
        f"The mailbox has {counts.messages} messages, that of SORT and THREAD {counts.sorted}, the great one "
        f"{counts.messages * counts.copies}; idle are {counts.idle} sessions in clear, {counts.idle_tls} under TLS."
    ]
    goals = []
    for name, figures in rows.figures.items():
        times, more = goals_of(figures, name, at_least, at_most)
        digits = 2 if name in MOST or name == FIRST else 0
        cells = [f"{figures[server]:.{digits}f}" if server in figures else "-" for server in (OURS, MAILDIR, MDBOX)]
        table.add(name, [*cells, times], figures)
        goals += more
    gain = rows.figures[MULTIAPPEND][OURS] / rows.figures[APPEND][OURS]
    goals.append(at_least("MULTIAPPEND, times our APPEND one by one", gain, MULTIAPPEND_GAIN))
    return table, goals
