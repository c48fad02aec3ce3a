"""Two and three sessions on one mailbox, in random turns and at the same time: each keeps the picture of the mailbox that untagged
responses alone give it. No response may be impossible for that picture or forbidden at its place (RFC 9051 7.5.1), and in the end
all pictures are the same, and that of a session that has just come."""

import random
import re

import pytest

from lab.response import fetched

RUNS = 30
TURNS = 70
MESSAGES_MAX = 40
FLAGS = (r"\Seen", r"\Answered", r"\Flagged", r"\Deleted", r"\Draft", "red", "$Forwarded")
# While numbers of messages are about nobody may lose one.
BY_NUMBER = ("FETCH", "STORE", "SEARCH", "SORT")


class Message:
    def __init__(self, uid=None, flags=None):
        self.uid = uid
        self.flags = flags

    def __eq__(self, other):
        return (self.uid, self.flags) == (other.uid, other.flags)

    def __repr__(self):
        return f"{self.uid} {sorted(self.flags or ())}"


class Client:
    """What a client knows that believes what it is told."""

    def __init__(self, account, wants_vanished):
        self.wire = account.wire()
        self.wants_vanished = wants_vanished
        self.messages = []
        self.idling = None
        self.begun = None
        if wants_vanished:
            self.wire.ok("ENABLE", "QRESYNC")
        self.run("SELECT INBOX")
        self.learn()

    def run(self, text, *more):
        self.begin(text, *more)
        return self.end()

    def begin(self, text, *more):
        self.begun = (self.wire.begin(text, *more), text)

    def end(self):
        tag, text = self.begun
        self.begun = None
        untagged, told = self.wire.end(tag)
        assert told.startswith((b"OK", b"NO")), (text, told)
        self.believe_all(untagged, text)
        return told

    def idle(self):
        self.idling = self.wire.begin("IDLE")
        line = self.wire.hear()
        while not line.startswith(b"+"):
            self.believe(line, "IDLE")
            line = self.wire.hear()

    def done(self):
        untagged, told = self.wire.done(self.idling)
        self.idling = None
        assert told.startswith(b"OK"), told
        self.believe_all(untagged, "DONE")

    def learn(self):
        """Asks for what it was not told: the UIDs and flags of new messages."""
        while any(message.uid is None or message.flags is None for message in self.messages):
            self.run("FETCH 1:* (UID FLAGS)")

    def believe_all(self, untagged, text):
        for line in untagged:
            self.believe(line, text)

    def believe(self, line, text):
        words = line.split()
        if words[-1] == b"EXISTS":
            count = int(words[1])
            assert count >= len(self.messages), (text, line)
            self.messages += [Message() for _ in range(count - len(self.messages))]
        elif words[-1] == b"EXPUNGE":
            assert not self.wants_vanished and not text.startswith(BY_NUMBER), (text, line)
            del self.messages[self.index(int(words[1]), line)]
        elif words[1] == b"VANISHED":
            assert self.wants_vanished and not text.startswith(BY_NUMBER), (text, line)
            for part in words[-1].decode().split(","):
                first, _, last = part.partition(":")
                for uid in range(int(first), int(last or first) + 1):
                    del self.messages[self.place_of(uid, line)]
        elif fetched(line):
            number, items = fetched(line)
            message = self.messages[self.index(number, line)]
            if b"UID" in items:
                uid = int(items[b"UID"])
                assert message.uid in (None, uid), (text, line)
                message.uid = uid
            if b"FLAGS" in items:
                message.flags = frozenset(items[b"FLAGS"]) - {rb"\Recent"}
        else:
            assert words[0] == b"*" and not words[1].isdigit() or words[-1] == b"RECENT", (text, line)

    def index(self, number, line):
        assert 1 <= number <= len(self.messages), (line, self.messages)
        return number - 1

    def place_of(self, uid, line):
        """Of a message that EXISTS announced and whose UID was not asked for: where UIDs in order leave room for it."""
        for index, message in enumerate(self.messages):
            if message.uid == uid:
                return index
        below = max((index for index, message in enumerate(self.messages) if message.uid is not None and message.uid < uid), default=-1)
        if below + 1 < len(self.messages) and self.messages[below + 1].uid is None:
            return below + 1
        raise AssertionError((line, self.messages))

    def close(self):
        self.wire.ok("LOGOUT")
        self.wire.close()


class Play:
    def __init__(self, account, seed):
        self.account = account
        self.chance = random.Random(seed)
        self.told = []
        self.letters = 0
        first = Client(account, False)
        self.clients = [first]
        for _ in range(self.chance.randrange(8)):
            self.append(first)
        self.clients += [Client(account, self.chance.random() < 0.4) for _ in range(self.chance.choice((1, 2)))]

    def letter(self):
        self.letters += 1
        return b"Subject: %d\r\n\r\n%b\r\n" % (self.letters, b"x" * self.chance.randrange(200))

    def append(self, client):
        client.run("APPEND INBOX", f"({self.chance.choice(FLAGS)})", self.letter())

    def numbers(self, client):
        first, last = (self.chance.randint(1, len(client.messages)) for _ in range(2))
        return f"{first}:{last}" if self.chance.random() < 0.7 else str(first)

    def uids(self, client):
        first, last = (self.chance.choice(client.messages).uid for _ in range(2))
        return f"{first}:{last}" if self.chance.random() < 0.7 else str(first)

    def command(self, client):
        """A command that this client could give now. .SILENT is not among them: it makes a client guess."""
        some = self.chance.sample(FLAGS, self.chance.randint(1, 2))
        choices = ["NOOP", "CHECK"]
        if client.messages:
            sign = self.chance.choice(("", "+", "-"))
            choices += [f"STORE {self.numbers(client)} {sign}FLAGS ({' '.join(some)})",
                        f"UID STORE {self.uids(client)} {sign}FLAGS ({' '.join(some)})",
                        "EXPUNGE", f"UID EXPUNGE {self.uids(client)}", f"UID MOVE {self.uids(client)} INBOX",
                        f"FETCH {self.numbers(client)} (FLAGS)", f"UID FETCH {self.uids(client)} (FLAGS)",
                        f"FETCH {self.numbers(client)} (BODY[])", "SEARCH DELETED", "UID SEARCH UNSEEN", "SORT (ARRIVAL) UTF-8 ALL"]
            if len(client.messages) < MESSAGES_MAX:
                choices.append(f"COPY {self.numbers(client)} INBOX")
        return self.chance.choice(choices)

    def begin(self, client):
        if len(client.messages) < MESSAGES_MAX and self.chance.random() < 0.15:
            words = ("APPEND INBOX", self.letter())
        else:
            words = (self.command(client),)
        self.told.append((self.clients.index(client), words[0]))
        client.begin(*words)

    def turn(self):
        """Some clients say something at the same time; some listen, or stop listening."""
        for client in self.clients:
            if client.idling and self.chance.random() < 0.4:
                client.done()
        busy = [client for client in self.clients if not client.idling and self.chance.random() < 0.6]
        for client in busy:
            client.learn()
        for client in busy:
            self.begin(client)
        for client in busy:
            client.end()
        for client in busy:
            if self.chance.random() < 0.15:
                client.idle()

    def play(self):
        for _ in range(TURNS):
            self.turn()
        for client in self.clients:
            if client.idling:
                client.done()
        for client in self.clients:
            client.run("NOOP")
            client.learn()
        new = Client(self.account, False)
        for client in self.clients:
            assert client.messages == new.messages
        uids = [message.uid for message in new.messages]
        assert uids == sorted(set(uids))
        for client in [*self.clients, new]:
            client.close()


@pytest.mark.parametrize("seed", range(3))
def test_all_see_the_same_in_the_end(imap_server, seed):
    for run in range(RUNS // 3):
        play = Play(imap_server.new_account(), 1000 * seed + run)
        try:
            play.play()
        except Exception as error:
            raise AssertionError(f"seed {seed}, run {run}: {error}; the last commands: {play.told[-12:]}") from error


def test_a_client_that_idles_is_told_in_order(imap_server, account):
    """What one session does is told to one that idles, as it happens and completely."""
    listener, writer = Client(account, False), Client(account, False)
    listener.idle()
    writer.run("APPEND INBOX", b"Subject: one\r\n\r\nx\r\n")
    listener.believe_all(listener.wire.hear_until(rb" EXISTS$"), "IDLE")
    writer.learn()
    writer.run(r"STORE 1 +FLAGS (\Deleted)")
    listener.believe_all(listener.wire.hear_until(rb"FLAGS \([^)]*\\Deleted"), "IDLE")
    writer.run("EXPUNGE")
    listener.believe_all(listener.wire.hear_until(rb" EXPUNGE$"), "IDLE")
    assert listener.messages == writer.messages == []
    listener.done()
    assert re.match(rb"OK", listener.run("NOOP"))


def test_a_burst_leaves_nothing_untold(imap_server, account):
    """What happens while the session of one that idles reads what happened before is told as well, without being asked for."""
    listener, *writers = (Client(account, False) for _ in range(3))
    for writer in writers:
        writer.run("APPEND INBOX", b"Subject: %d\r\n\r\nx\r\n" % writers.index(writer))
    listener.run("NOOP")
    listener.learn()
    listener.idle()
    for run in range(60):
        flag = FLAGS[run % len(FLAGS)]
        for number, writer in enumerate(writers):
            writer.begin(f"UID STORE {number + 1} {'-' if run % 2 else '+'}FLAGS ({flag})")
        for writer in writers:
            writer.end()
        writers[0].run("APPEND INBOX", b"Subject: more\r\n\r\nx\r\n")
        listener.believe_all(listener.wire.hear_until(rb"^\* %d EXISTS$" % (run + 3)), "IDLE")
    listener.done()
