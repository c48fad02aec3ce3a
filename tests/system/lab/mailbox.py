"""Reads a mailbox as its owner would, by IMAP and by POP3, byte for byte."""

import imaplib
import poplib
import re
import ssl

from . import people
from .house import wait_until

DELIVERY_DEADLINE = 20.0

TRACE = re.compile(rb"(?:(?:Return-Path|Delivered-To|X-Original-To|Received|Authentication-Results|"
                   rb"X-SPF|Received-SPF):[^\r]*\r\n(?:[ \t][^\r]*\r\n)*)*")

# A mailbox filled by many tests is more than Python's default line limits like.
imaplib._MAXLINE = 20_000_000
poplib._MAXLINE = 20_000_000


class Post:
    """Fetches letters from Dovecot. A letter is named by a token that stands in its Message-ID."""

    def __init__(self, dovecot, authority):
        self.dovecot = dovecot
        self.context = ssl.create_default_context(cafile=authority.certificate)

    def imap(self, user):
        box = imaplib.IMAP4_SSL("localhost", self.dovecot.imaps, ssl_context=self.context)
        secret = people.PASSWORDS[user].encode()
        box.authenticate("PLAIN", lambda _: b"\0" + user.encode() + b"\0" + secret)
        box.select("INBOX")
        return box

    def pop3(self, user):
        box = poplib.POP3_SSL("localhost", self.dovecot.pop3s, context=self.context)
        box.encoding = "utf-8"
        box.user(user)
        box.pass_(people.PASSWORDS[user])
        return box

    def all_by_imap(self, user, token):
        """Every letter with this token that is there now, oldest first."""
        with self.imap(user) as box:
            return self._search(box, token)

    def by_imap(self, user, token, count=1):
        """Waits for the letter (or `count` of them, then a list) and gives all its bytes."""
        with self.imap(user) as box:
            def look():
                box.noop()
                found = self._search(box, token)
                return found if len(found) >= count else None
            found = wait_until(look, f"a letter {token} for {user}", DELIVERY_DEADLINE)
        assert len(found) == count, f"{len(found)} letters with {token}, {count} were sent"
        return found[0] if count == 1 else found

    def by_pop3(self, user, token):
        """Gives all bytes of the newest letter with this token. It must be there."""
        box = self.pop3(user)
        try:
            for number in range(box.stat()[0], 0, -1):
                if token.encode() in b"\n".join(box.top(number, 0)[1]):
                    return b"".join(line + b"\r\n" for line in box.retr(number)[1])
        finally:
            box.quit()
        raise AssertionError(f"no letter {token} for {user} by POP3")

    def count_by_imap(self, user, token):
        with self.imap(user) as box:
            return len(box.search(None, "HEADER", "Message-ID", token)[1][0].split())

    @staticmethod
    def _search(box, token):
        numbers = box.search(None, "HEADER", "Message-ID", token)[1][0].split()
        return [box.fetch(number, "(BODY.PEEK[])")[1][0][1] for number in numbers]


def without_trace(letter):
    """The letter as it was handed in: the lines that servers put on top are taken off."""
    return letter[TRACE.match(letter).end():]
