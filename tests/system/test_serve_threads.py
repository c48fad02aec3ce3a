"""The server under the thread sanitizer: everything that it does at once, done at once."""

import itertools
import poplib
import smtplib
import socket
import ssl
import threading
import time
from pathlib import Path

import pytest

from lab.house import wait_until
from lab.imap import Wire, quoted
from lab.load import USERS, Load, prepare

SECONDS = 10
READERS = 4
REPORT = "ThreadSanitizer"
EXIT_STATUS = 66


class Crowd:
    """Does one thing again and again in some threads, until it is over; what goes wrong is kept."""

    def __init__(self):
        self.is_over = False
        self.threads = []
        self.faults = []
        self.rounds = {}

    def start(self, act, *arguments):
        thread = threading.Thread(target=self.run, args=(act, arguments), daemon=True)
        self.threads.append(thread)
        thread.start()

    def run(self, act, arguments):
        while not self.is_over:
            try:
                act(*arguments)
                self.rounds[act.__name__] = self.rounds.get(act.__name__, 0) + 1
            except (OSError, EOFError, smtplib.SMTPException, poplib.error_proto, RuntimeError, AssertionError) as error:
                self.faults.append(f"{act.__name__}: {error!r}")
                return

    def stop(self):
        self.is_over = True
        for thread in self.threads:
            thread.join(90)
            assert not thread.is_alive()
        assert not self.faults, self.faults


def tls(server):
    return ssl.create_default_context(cafile=server.certificate)


def submit(server, user, password):
    with smtplib.SMTP("localhost", server.ports["submission"], timeout=60) as client:
        client.starttls(context=tls(server))
        client.login(user, password)
        client.sendmail(user, [user], b"Subject: to myself\r\n\r\nx\r\n")
    with smtplib.SMTP_SSL("localhost", server.ports["submissions"], timeout=60, context=tls(server)) as client:
        client.login(user, password)
        try:
            client.sendmail("somebody@else.example", [user], b"Subject: not mine\r\n\r\nx\r\n")
            raise AssertionError("a stranger's address was taken")
        except smtplib.SMTPSenderRefused:
            pass


def read(server, user, password):
    """Everything is read, half of it is removed."""
    reader = poplib.POP3_SSL("localhost", server.ports["pop3s"], context=tls(server), timeout=60)
    reader.user(user)
    reader.pass_(password)
    for number in range(1, min(20, reader.stat()[0]) + 1):
        try:
            reader.retr(number)
        except poplib.error_proto as error:
            # Somebody removed it by IMAP.
            assert b"removed meanwhile" in error.args[0], error
        reader.uidl(number)
        if number % 2 == 0:
            reader.dele(number)
    reader.quit()


def read_by_imap(server, user, password):
    """Looks at everything, changes much of it, and waits for more."""
    with Wire(server.ports["imaps"], tls(server)) as wire:
        wire.ok("LOGIN", quoted(user), quoted(password))
        wire.ok("ENABLE", "QRESYNC")
        wire.ok("SELECT", "INBOX")
        wire.ok("APPEND", "INBOX", b"Subject: appended\r\n\r\nx\r\n")
        # Who reads by POP3 may have removed some: NO [EXPUNGEISSUED] is right as well.
        wire.command("FETCH", "1:*", "(FLAGS ENVELOPE BODYSTRUCTURE BODY.PEEK[])")
        wire.command("STORE", "1:*", r"+FLAGS.SILENT (\Flagged label)")
        wire.ok("SEARCH", "RETURN (ALL SAVE)", "TEXT", '"myself"')
        wire.ok("UID COPY", "$", "Archive")
        wire.ok("SORT", "(SUBJECT)", "UTF-8", "ALL")
        wire.ok("THREAD", "REFERENCES", "UTF-8", "ALL")
        wire.ok("LIST", '""', "*", "RETURN (STATUS (MESSAGES UNSEEN))")
        # Somebody else may have been faster.
        wire.command("MOVE", "1", "Trash")
        wire.command("STORE", "*", r"+FLAGS (\Deleted)")
        wire.ok("EXPUNGE")
        wire.ok("COMPRESS", "DEFLATE")


def idle(server, user, password):
    """Hears of what comes by another connection."""
    with Wire(server.ports["imaps"], tls(server)) as wire, Wire(server.ports["imap"]) as other:
        for one in (wire, other):
            one.ok("LOGIN", quoted(user), quoted(password))
        wire.ok("SELECT", "INBOX")
        tag = wire.idle()
        other.ok("APPEND", "INBOX", b"Subject: while idle\r\n\r\nx\r\n")
        wire.hear_until(rb"EXISTS")
        wire.done(tag)


def fail_to_read(server, user):
    # From a network of its own, since such are made to wait.
    with socket.create_connection(("127.0.0.1", server.ports["pop3"]), timeout=60, source_address=("127.0.1.1", 0)) as wire:
        lines = wire.makefile("rb")
        wire.sendall(b"USER %s\r\nPASS not it\r\n" % user.encode())
        assert [lines.readline()[:1] for _ in range(3)] == [b"+", b"+", b"-"]


def leave_in_mid_letter(server):
    with smtplib.SMTP("127.0.0.1", server.ports["smtp"], timeout=60) as client:
        client.ehlo("x.example")
        client.mail("a@elsewhere.example")
        client.rcpt(USERS[0][0])
        client.putcmd("DATA")
        client.getreply()
        client.send(b"Subject: half\r\n\r\nhal")
        client.close()


def administer(server, numbers):
    user, alias = (f"{word}{next(numbers)}@posthorn.test" for word in ("passing", "all"))
    server.add_account(user, "a passing secret")
    server.admin("alias", "add", alias, USERS[0][0])
    with smtplib.SMTP("127.0.0.1", server.ports["smtp"], timeout=60) as client:
        client.sendmail("a@elsewhere.example", [user, alias], b"X-Number: -1\r\n\r\nx\r\n")
    server.admin("alias", "remove", alias, USERS[0][0])
    server.admin("account", "remove", user, "--yes")


def reload(server):
    server.hang_up()
    time.sleep(0.2)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_no_two_threads_meet(request, house, threads_program, tmp_path, kind):
    store = request.getfixturevalue("postgres").new_database() if kind == "postgres" else None
    assert b"__tsan_init" in Path(threads_program).read_bytes()
    server = prepare(house, threads_program, tmp_path, store=store, loops=4)
    server.environment["TSAN_OPTIONS"] = f"exitcode={EXIT_STATUS}:halt_on_error=0:second_deadlock_stack=1"
    for number in range(READERS):
        server.add_account(f"reader{number}@posthorn.test", f"reading{number}")
    server.start()
    load = Load(server)
    crowd = Crowd()
    for number in range(READERS):
        login = (f"reader{number}@posthorn.test", f"reading{number}")
        crowd.start(submit, server, *login)
        crowd.start(read, server, *login)
        crowd.start(read_by_imap, server, *login)
        crowd.start(read_by_imap, server, *login)
        crowd.start(idle, server, *login)
    crowd.start(leave_in_mid_letter, server)
    crowd.start(reload, server)
    crowd.start(administer, server, itertools.count())
    crowd.start(fail_to_read, server, USERS[0][0])
    end = time.monotonic() + SECONDS
    wait_until(lambda: time.monotonic() > end, "the end", SECONDS + 5)
    crowd.stop()
    load.stop()
    status = server.stop()
    words = server.log.read_text(encoding="utf-8", errors="replace")
    assert REPORT not in words, words[words.index(REPORT):][:8000]
    assert status == 0
    assert len(crowd.rounds) == 8 and min(crowd.rounds.values()) > 1, crowd.rounds
    assert len(load.taken) > 100
