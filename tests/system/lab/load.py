"""Many clients at once, whose letters bear numbers: what the server took must be in its mailboxes, once."""

import collections
import itertools
import poplib
import random
import re
import socket
import threading
import time

from .house import wait_until
from .posthorn import Posthorn

CONNECTIONS = 50
USERS = [(f"user{number}@posthorn.test", f"secret{number}") for number in range(4)]
LETTERS_EACH = 50
LINE = b"x" * 76 + b"\r\n"
LARGE_LINES = 4000
PAUSE = 0.1


def prepare(house, program, directory, store=None, **settings):
    """A server with the accounts that letters go to, not yet started."""
    made = Posthorn(program, directory, house.ports, store=store, **settings)
    if store is not None:
        made.admin("store", "migrate")
    for address, password in USERS:
        made.add_account(address, password)
    return made


class Client:
    """One connection, by SMTP or LMTP."""

    def __init__(self, port, is_lmtp):
        self.is_lmtp = is_lmtp
        self.wire = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.lines = self.wire.makefile("rb")

    def __enter__(self):
        self.hear()
        self.say(b"%s load.example\r\n" % (b"LHLO" if self.is_lmtp else b"EHLO"))
        self.hear()
        return self

    def __exit__(self, *_):
        self.lines.close()
        self.wire.close()

    def say(self, data):
        self.wire.sendall(data)

    def hear(self):
        while True:
            line = self.lines.readline()
            if not line.endswith(b"\n"):
                raise OSError("the server went away")
            if line[3:4] != b"-":
                return line

    def reset(self):
        self.say(b"RSET\r\n")
        self.hear()

    def announce(self, recipients):
        """The reply to DATA, or the first refusal."""
        self.say(b"MAIL FROM:<load@elsewhere.example>\r\n" +
                 b"".join(b"RCPT TO:<%s>\r\n" % recipient.encode() for recipient in recipients) + b"DATA\r\n")
        replies = [self.hear() for _ in range(2 + len(recipients))]
        if replies[-1].startswith(b"354") and not all(reply.startswith(b"250") for reply in replies[:-1]):
            # Some were refused: the letter goes to nobody, so that one answer is an answer for all.
            self.wire.close()
            raise OSError("part of the recipients")
        return next((reply for reply in replies if not reply.startswith(b"250")), replies[-1])

    def send(self, recipients, letter):
        """For each recipient the reply to the letter."""
        self.say(letter + b".\r\n")
        if self.is_lmtp:
            return [self.hear() for _ in recipients]
        return [self.hear()] * len(recipients)


class Load:
    """Clients that send letters as long as they are let, and note which were taken and which refused."""

    def __init__(self, server, connections=CONNECTIONS):
        self.server = server
        self.numbers = itertools.count()
        self.lock = threading.Lock()
        self.taken = set()
        self.denied = set()
        self.refused = collections.Counter()
        self.is_over = False
        self.threads = [threading.Thread(target=self.run, args=(number % 4 == 3,), daemon=True)
                        for number in range(connections)]
        for thread in self.threads:
            thread.start()

    def run(self, is_lmtp):
        while not self.is_over:
            try:
                with Client(self.server.ports["lmtp" if is_lmtp else "smtp"], is_lmtp) as client:
                    self.send_letters(client)
            except OSError:
                time.sleep(0.01)

    def send_letters(self, client):
        for _ in range(LETTERS_EACH):
            if self.is_over:
                return
            with self.lock:
                number = next(self.numbers)
            recipients = [user for user, _ in random.sample(USERS, random.choice((1, 1, 1, 3)))]
            reply = client.announce(recipients)
            if not reply.startswith(b"354"):
                client.reset()
                self.note(reply)
                continue
            lines = random.choice((1, 40, LARGE_LINES if number % 50 == 0 else 2))
            replies = client.send(recipients, b"X-Number: %d\r\nSubject: a letter\r\n\r\n" % number + LINE * lines)
            for recipient, reply in zip(recipients, replies):
                with self.lock:
                    (self.taken if reply.startswith(b"250") else self.denied).add((recipient, number))
                if not reply.startswith(b"250"):
                    self.note(reply)

    def note(self, reply):
        with self.lock:
            self.refused[reply[:9].decode()] += 1
        # Whoever is to recover needs the processor more than whoever asks again.
        time.sleep(PAUSE)

    def refusals(self):
        with self.lock:
            return sum(self.refused.values())

    def wait_for(self, count, deadline=60):
        """Until so many more copies were taken."""
        goal = len(self.taken) + count
        wait_until(lambda: len(self.taken) >= goal, f"{count} letters more ({dict(self.refused)})", deadline)

    def stop(self):
        self.is_over = True
        for thread in self.threads:
            thread.join(90)
            assert not thread.is_alive()


def read_numbers(server):
    """(user, number) of every letter in every mailbox, and how often it is there."""
    found = collections.Counter()
    for user, password in USERS:
        reader = poplib.POP3("127.0.0.1", server.ports["pop3"], timeout=60)
        reader.user(user)
        reader.pass_(password)
        for number in range(1, reader.stat()[0] + 1):
            head = b"\n".join(reader.top(number, 0)[1])
            found[user, int(re.search(rb"^X-Number: (\d+)$", head, re.MULTILINE).group(1))] += 1
        reader.quit()
    return found


def assert_kept(server, load):
    """Every letter that was taken is there, none is there twice, none that was refused (its sender brings it again)."""
    found = read_numbers(server)
    assert load.taken, "nothing was ever taken"
    assert all(reply.startswith("4") for reply in load.refused), f"refused for good: {dict(load.refused)}"
    lost = [letter for letter in load.taken if found[letter] == 0]
    double = [letter for letter, count in found.items() if count > 1]
    kept = [letter for letter in load.denied if found[letter] > 0]
    assert not lost and not double and not kept, (
        f"of {len(load.taken)} taken {len(lost)} are lost and {len(double)} double; "
        f"{len(kept)} of {len(load.denied)} refused are kept")
    checked = server.admin("store", "check", check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
