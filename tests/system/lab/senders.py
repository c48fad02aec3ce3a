"""People who write to far recipients while the server dies again and again, and the far end, which takes some, puts off some and refuses some.

What was taken for a far recipient is at the far end, or came back as a report, or waits; and a second copy comes only
where the server died before it could note that the first was taken.
"""

import collections
import itertools
import json
import poplib
import random
import re
import smtplib
import threading
import time

from .far_host import FarHost
from .house import wait_until

PASSWORD = "sending"
PAUSE = 0.03
WRITERS = 3
# Letters that the far end puts off for ever: they are tried again and again, and wait to the end.
NEVER_MAX = 15
LINE = "z" * 70 + "\r\n"
ALIAS, ALIAS_TARGET = "onward@posthorn.test", "onward@far.test"
# Kinds of far recipients, by the first word of their address.
KINDS = ("good", "good", "good", "later", "gone", "never")


def number_of(content):
    return int(re.search(rb"^X-Number: (\d+)\r?$", content, re.MULTILINE).group(1))


class Sink(FarHost):
    """The far end. `taken` has for each (address, number of the letter) the times at which it was about to say 250, which
    it says once the `gate` is open; `waiting` counts those who stand before it."""

    def __init__(self, port, **manner):
        self.taken = collections.defaultdict(list)
        self.put_off = set()
        self.gate = threading.Event()
        self.gate.set()
        self.waiting = 0
        self.lock = threading.Lock()
        super().__init__("127.0.0.1", port, "far.test", replies={"RCPT": self.choose, "DOT": self.take}, **manner)

    @property
    def relay(self):
        return f"to=far.test host={self.address}:{self.port}"

    def choose(self, _session, line):
        address = line.partition("<")[2].partition(">")[0]
        kind = address.partition("-")[0]
        if kind == "gone":
            return "550 5.1.1 nobody of this name"
        with self.lock:
            if kind == "never" or kind == "later" and address not in self.put_off:
                self.put_off.add(address)
                return "450 4.2.1 come again"
        return None

    def take(self, session, _line):
        number = number_of(session.content)
        with self.lock:
            for address, _ in session.recipients:
                self.taken[address, number].append(time.monotonic())
            self.waiting += 1
        self.gate.wait()
        with self.lock:
            self.waiting -= 1

    def delivered(self):
        """Those for which 250 was said."""
        return {(address, number_of(letter.content)) for letter in list(self.letters) for address in letter.recipients}


class Senders:
    """Writers with an account each, who write as long as they are let; `taken` has (address, number of the letter)."""

    def __init__(self, server, sink, count=WRITERS, letters_each=None):
        self.server = server
        self.sink = sink
        self.numbers = itertools.count()
        self.lock = threading.Lock()
        self.taken = set()
        self.denied = set()
        self.refused = collections.Counter()
        self.never = 0
        self.kills = []
        self.is_over = False
        self.users = [f"sender{number}@posthorn.test" for number in range(count)]
        for user in self.users:
            server.add_account(user, PASSWORD)
        server.admin("alias", "add", ALIAS, ALIAS_TARGET)
        self.threads = [threading.Thread(target=self.run, args=(user, letters_each), daemon=True) for user in self.users]
        for thread in self.threads:
            thread.start()

    # ---- what they do ----

    def run(self, user, letters_each):
        left = itertools.count() if letters_each is None else iter(range(letters_each))
        while not self.is_over:
            try:
                with smtplib.SMTP("127.0.0.1", self.server.ports["submission"], timeout=60) as client:
                    client.ehlo()
                    client.user, client.password = user, PASSWORD
                    client.auth("PLAIN", client.auth_plain)
                    while not self.is_over:
                        if next(left, None) is None:
                            return
                        self.write(client, user)
            except OSError:
                time.sleep(PAUSE)

    def invent(self, number, user):
        """Recipients of a letter, the writer himself among them at times."""
        found = []
        for place in range(random.choice((1, 1, 1, 4))):
            kind = random.choice(KINDS)
            if kind == "never":
                self.never += 1
                kind = kind if self.never <= NEVER_MAX else "good"
            found.append(f"{kind}-{number}-{place}@far.test")
        return found + random.choice(([], [], [ALIAS], [user]))

    def write(self, client, user):
        with self.lock:
            number = next(self.numbers)
            recipients = self.invent(number, user)
        keys = {(ALIAS_TARGET if recipient == ALIAS else recipient, number) for recipient in recipients}
        letter = f"X-Number: {number}\r\nFrom: <{user}>\r\nSubject: far away\r\n\r\n" + LINE * random.choice((1, 1, 50, 5000))
        try:
            refused = client.sendmail(user, recipients, letter)
        except smtplib.SMTPResponseException as error:
            self.note(keys, error.smtp_code)
            raise
        except smtplib.SMTPRecipientsRefused as error:
            self.note(keys, *(code for code, _ in error.recipients.values()))
            raise
        denied = {key for key in keys if (ALIAS if key[0] == ALIAS_TARGET else key[0]) in refused}
        self.note(denied, *(code for code, _ in refused.values()))
        with self.lock:
            self.taken |= keys - denied
        time.sleep(PAUSE)

    def note(self, keys, *codes):
        with self.lock:
            self.denied |= keys
            self.refused.update(codes)

    def note_kill(self, kill):
        """Somebody dies, and is there again."""
        began = time.monotonic()
        kill()
        self.kills.append((began, time.monotonic()))

    def stop(self):
        self.is_over = True
        for thread in self.threads:
            thread.join(90)
            assert not thread.is_alive()

    # ---- what became of it ----

    def far(self, keys):
        return {key for key in keys if key[0].endswith("@far.test")}

    def queued(self):
        """The addresses that still wait."""
        return [entry["recipient"] for entry in json.loads(self.server.admin("queue", "list", "--json", "--limit", "none").stdout)]

    def wait_until_done(self, deadline=60):
        """Nobody waits but those who are put off for ever."""
        try:
            wait_until(lambda: all(address.startswith("never-") for address in self.queued()), "the end of the queue", deadline)
        except TimeoutError as error:
            left = collections.Counter(address.partition("-")[0] for address in self.queued())
            raise AssertionError(f"{error}: {dict(left)} wait") from None

    def read(self):
        """How often each was reported as failed, and how often a writer has his own copy."""
        reported, copies = collections.Counter(), collections.Counter()
        for user in self.users:
            reader = poplib.POP3("127.0.0.1", self.server.ports["pop3"], timeout=60)
            reader.user(user)
            reader.pass_(PASSWORD)
            for place in range(1, reader.stat()[0] + 1):
                content = b"\n".join(reader.top(place, 1000)[1])
                failed = re.findall(rb"^Final-Recipient: rfc822; ?(\S+)\r?\n(?:.+\n)*?Action: failed", content, re.MULTILINE)
                if b"multipart/report" not in content:
                    copies[user, number_of(content)] += 1
                for address in failed:
                    reported[address.decode(), number_of(content)] += 1
            reader.quit()
        return reported, copies

    def doubles(self):
        """Counted; and each must have a death between itself and the copy before."""
        count = 0
        for key, times in self.sink.taken.items():
            for before, after in zip(times, times[1:]):
                assert any(before <= ended and began <= after for began, ended in self.kills), f"{key} came twice, and nobody had died"
                count += 1
        return count

    def assert_kept(self):
        """Nothing is lost, nothing that was denied went out, and what was reported is at its end."""
        # In this order: what leaves the queue while we look is then seen where it has gone.
        queued = self.queued()
        reported, copies = self.read()
        delivered = self.sink.delivered()
        later = set(self.queued())
        assert self.taken and delivered, "too little happened"
        assert all(400 <= code < 500 for code in self.refused), f"refused for good: {self.refused}"
        assert len({address for address in queued if address != ALIAS_TARGET}) == sum(address != ALIAS_TARGET for address in queued)
        lost = [key for key in self.far(self.taken)
                if key not in delivered and not reported[key] and key[0] not in queued]
        assert not lost, f"of {len(self.taken)} {len(lost)} are lost: {lost[:5]}"
        assert {key for key in self.taken - self.far(self.taken) if copies[key] != 1} == set()
        assert not [key for key in self.denied if key in delivered or reported[key] or copies[key]]
        assert not [key for key, times in reported.items() if times > 1 or not key[0].startswith("gone-")]
        assert not [key for key in reported if key[0] in later], "reported, and waits all the same"
        assert not [key for key in delivered if key[0].startswith(("gone-", "never-"))]
        doubles = self.doubles()
        print(f"{len(self.taken)} taken, {len(delivered)} delivered, {len(reported)} reported, {len(queued)} wait, "
              f"{doubles} doubles of {len(self.kills)} deaths")
        return doubles
