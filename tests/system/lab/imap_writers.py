"""Clients that change mailboxes by IMAP while the server dies again and again, each beside a model of its own mailboxes.

What got OK is there; what got NO is not; of the one command without an answer either all was done or nothing. No UID is given twice, and
no modseq goes back.
"""

import random
import re
import threading
import time

from .house import wait_until
from .imap import Wire, quoted
from .response import fetched

PLACES = ("INBOX", "Work")
MESSAGES_MAX = 25
PAUSE = 0.1
LINE = b"y" * 70 + b"\r\n"


class Refused(Exception):
    """The server said NO for the moment."""


class Writer:
    def __init__(self, server, number):
        self.server = server
        self.user = f"writer{number}@posthorn.test"
        self.password = "writing"
        self.chance = random.Random(number)
        server.add_account(self.user, self.password)
        # {mailbox: {number of the letter: (uid, flags)}}; a uid that nobody told is None.
        self.state = {place: {} for place in PLACES}
        self.doubt = None
        self.given = {place: {} for place in PLACES}
        self.modseq = dict.fromkeys(PLACES, 0)
        self.validity = {}
        self.selected = None
        self.last = 0
        self.done = 0
        self.refused = 0
        self.fault = None
        self.is_over = False
        self.thread = threading.Thread(target=self.run, daemon=True)

    # ---- the life of a client ----

    def run(self):
        while not self.is_over and self.fault is None:
            try:
                self.live()
            except Refused:
                self.refused += 1
                time.sleep(PAUSE)
            except OSError:
                time.sleep(0.01)
            except AssertionError as error:
                self.fault = f"{self.user}: {error}"

    def live(self):
        with Wire(self.server.ports["imap"]) as wire:
            self.open(wire)
            while not self.is_over:
                self.act(wire)

    def open(self, wire):
        """Logs in, and looks whether all is as it must be."""
        self.selected = None
        self.must(wire, "LOGIN", quoted(self.user), quoted(self.password))
        self.must(wire, "ENABLE", "CONDSTORE")
        if "Work" not in self.validity:
            wire.command("CREATE", "Work")
        actual = {place: self.look(wire, place) for place in PLACES}
        candidates = [self.state] if self.doubt is None else [self.state, self.doubt]
        assert any(agrees(actual, candidate) for candidate in candidates), f"there is {actual}, but it must be one of {candidates}"
        self.state, self.doubt = actual, None

    def must(self, wire, *words):
        untagged, told = wire.command(*words)
        if told.startswith(b"NO"):
            assert b"[UNAVAILABLE]" in told or b"[SERVERBUG]" in told or b"[INUSE]" in told, told
            raise Refused
        assert told.startswith(b"OK"), told
        return untagged, told

    def look(self, wire, place):
        untagged, _ = self.must(wire, "SELECT", place)
        self.selected = place
        text = b"\n".join(untagged)
        modseq = int(re.search(rb"HIGHESTMODSEQ (\d+)", text).group(1))
        validity = int(re.search(rb"UIDVALIDITY (\d+)", text).group(1))
        following = int(re.search(rb"UIDNEXT (\d+)", text).group(1))
        assert modseq >= self.modseq[place], f"HIGHESTMODSEQ of {place} was {self.modseq[place]}, and is {modseq}"
        assert validity == self.validity.setdefault(place, validity), f"UIDVALIDITY of {place} changed"
        assert following > max(self.given[place], default=0), f"UIDNEXT of {place} went back"
        self.modseq[place] = modseq
        found = {}
        for line in self.must(wire, "UID FETCH", "1:*", "(UID FLAGS MODSEQ BODY.PEEK[HEADER.FIELDS (X-NUMBER)])")[0]:
            _, items = fetched(line) or (None, {})
            if b"UID" not in items:
                continue
            number = int(re.search(rb"X-Number: (\d+)", items[b"BODY[HEADER.FIELDS (X-NUMBER)]"]).group(1))
            assert number not in found, f"letter {number} is twice in {place}"
            assert int(items[b"MODSEQ"][0]) <= modseq
            flags = frozenset(flag.decode() for flag in items[b"FLAGS"]) - {"\\Recent"}
            found[number] = (int(items[b"UID"]), flags)
            self.note(place, int(items[b"UID"]), number)
        return found

    def note(self, place, uid, number):
        """A UID belongs to one letter for ever, and a new one is larger than all before."""
        given = self.given[place]
        if uid in given:
            assert given[uid] == number, f"uid {uid} of {place} was letter {given[uid]}, and is {number}"
        else:
            assert uid > max(given, default=0), f"uid {uid} of {place} comes behind {max(given)}"
            given[uid] = number

    # ---- what it does ----

    def act(self, wire):
        here = [(place, number) for place in PLACES for number in self.state[place]]
        kind = self.chance.random()
        if not here or (kind < 0.4 and len(here) < MESSAGES_MAX):
            self.append(wire)
        else:
            place, number = self.chance.choice(here)
            if self.selected != place:
                self.must(wire, "SELECT", place)
                self.selected = place
            (self.store if kind < 0.6 else self.move if kind < 0.8 else self.expunge)(wire, place, number)
        self.done += 1

    def attempt(self, wire, after, *words):
        """A command that leads to the state `after`; its answer."""
        self.doubt = after
        _, told = self.must(wire, *words)
        self.state, self.doubt = after, None
        return told

    def with_letter(self, place, number, value):
        after = {name: dict(letters) for name, letters in self.state.items()}
        after[place][number] = value
        return after

    def without(self, place, number):
        after = {name: dict(letters) for name, letters in self.state.items()}
        del after[place][number]
        return after

    def append(self, wire):
        place = self.chance.choice(PLACES)
        self.last += 1
        letter = b"X-Number: %d\r\nSubject: written\r\n\r\n" % self.last + LINE * self.chance.choice((1, 1, 20, 3000))
        after = self.with_letter(place, self.last, (None, frozenset(["\\Seen"])))
        told = self.attempt(wire, after, "APPEND", place, r"(\Seen)", letter)
        uid = int(re.match(rb"OK \[APPENDUID \d+ (\d+)\]", told).group(1))
        self.note(place, uid, self.last)
        self.state[place][self.last] = (uid, frozenset(["\\Seen"]))

    def store(self, wire, place, number):
        uid, flags = self.state[place][number]
        flag = self.chance.choice(("\\Flagged", "\\Answered", "label1", "label2"))
        sign, changed = ("-", flags - {flag}) if flag in flags else ("+", flags | {flag})
        self.attempt(wire, self.with_letter(place, number, (uid, changed)), "UID STORE", str(uid), f"{sign}FLAGS ({flag})")

    def move(self, wire, place, number):
        uid, flags = self.state[place][number]
        other = PLACES[1 - PLACES.index(place)]
        after = self.without(place, number)
        after[other][number] = (None, flags)
        self.doubt = after
        untagged, told = self.must(wire, "UID MOVE", str(uid), other)
        self.state, self.doubt = after, None
        code = re.search(rb"\[COPYUID \d+ (\d+) (\d+)\]", b"\n".join([*untagged, told]))
        assert int(code.group(1)) == uid
        self.note(other, int(code.group(2)), number)
        self.state[other][number] = (int(code.group(2)), flags)

    def expunge(self, wire, place, number):
        uid, flags = self.state[place][number]
        self.attempt(wire, self.with_letter(place, number, (uid, flags | {"\\Deleted"})), "UID STORE", str(uid), r"+FLAGS.SILENT (\Deleted)")
        self.attempt(wire, self.without(place, number), "UID EXPUNGE", str(uid))


def agrees(actual, wanted):
    """A uid that nobody told may be any."""
    for place in PLACES:
        if set(actual[place]) != set(wanted[place]):
            return False
        for number, (uid, flags) in wanted[place].items():
            if actual[place][number][1] != flags or uid not in (None, actual[place][number][0]):
                return False
    return True


class Writers:
    """Several of them, who begin at once."""

    def __init__(self, server, count=4):
        self.writers = [Writer(server, number) for number in range(count)]
        for writer in self.writers:
            writer.thread.start()

    def stop(self):
        """They end, and look a last time."""
        for writer in self.writers:
            writer.is_over = True
        for writer in self.writers:
            writer.thread.join(90)
            assert not writer.thread.is_alive()
            assert writer.fault is None, writer.fault
        for writer in self.writers:
            writer.is_over = False
            wait_until(lambda writer=writer: looks(writer), "a last look", 60)
            assert writer.done > 10, f"{writer.user} did {writer.done} things only"


def looks(writer):
    try:
        with Wire(writer.server.ports["imap"]) as wire:
            writer.open(wire)
        return True
    except (OSError, Refused):
        time.sleep(PAUSE)
        return False
