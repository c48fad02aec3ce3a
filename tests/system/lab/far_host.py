"""Mail hosts of other people, good and bad, as scripts: what each of them heard is kept."""

import socket
import ssl
import threading
import time

# What a reply may be instead of text: the connection ends without one.
DROP = object()
# Neither a reply nor an end: the host is silent until the other side has gone.
SILENCE = object()

EXTENSIONS = ("PIPELINING", "SIZE 50000000", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES", "CHUNKING")
LINE_MAX = 100000


class Letter:
    """What came for a transaction that was ended by the last dot or chunk."""

    def __init__(self, session):
        self.hello = session.hello
        self.is_encrypted = session.is_encrypted
        self.peer = session.peer
        self.sender, self.parameters = session.sender
        self.recipients = [address for address, _ in session.recipients]
        self.recipient_parameters = dict(session.recipients)
        self.content = session.content
        self.connection = session.number

    @property
    def text(self):
        """Without the Received fields that were put in front."""
        head = self.content
        while head.startswith(b"Received:"):
            end = head.index(b"\r\n") + 2
            while head[end:end + 1] in (b" ", b"\t"):
                end = head.index(b"\r\n", end) + 2
            head = head[end:]
        return head


def split_path(words):
    """<address> and the parameters behind it."""
    path, _, rest = words.partition(">")
    return path.partition("<")[2], rest.split()


class Session(threading.Thread):
    """One connection. `host.replies` changes what is said: a verb (or GREETING, END, DOT) leads to a text, to DROP, to
    SILENCE, or to a function of (session, line) that gives one of these."""

    def __init__(self, host, wire, peer, number):
        super().__init__(daemon=True)
        self.host = host
        self.wire = wire
        self.peer = peer[0]
        self.number = number
        self.hello = None
        self.is_encrypted = False
        self.input = b""
        self.reset()

    def reset(self):
        self.sender = None
        self.recipients = []
        self.content = b""

    def run(self):
        try:
            if self.host.context is not None and self.host.is_implicit:
                self.encrypt()
            if self.say("GREETING", "220 far.example ESMTP"):
                while self.turn(self.read_line()):
                    pass
        except (OSError, EOFError, ValueError):
            # Whatever the other side does: the tests look at what was heard.
            pass
        finally:
            self.wire.close()

    def read_line(self):
        while b"\n" not in self.input:
            self.receive()
        line, _, self.input = self.input.partition(b"\n")
        text = line.rstrip(b"\r").decode("utf-8", "surrogateescape")
        self.host.dialogue.append((self.number, text))
        return text

    def receive(self):
        piece = self.wire.recv(65536)
        if not piece:
            raise EOFError
        self.input += piece

    def say(self, verb, usual, line=""):
        """False: the connection ends."""
        reply = self.host.replies.get(verb, usual)
        if callable(reply):
            reply = reply(self, line) or usual
        if reply is DROP:
                return False
        if reply is SILENCE:
            while self.wire.recv(65536):
                pass
            return False
        if self.host.delay:
            time.sleep(self.host.delay)
        data = reply if isinstance(reply, bytes) else (reply + "\r\n").encode()
        self.wire.sendall(data)
        self.is_good = data[:1] in b"23"
        return data[:3] != b"421" and verb != "QUIT"

    def turn(self, line):
        verb = line.split(" ")[0].split(":")[0].upper()
        handle = getattr(self, "do_" + verb.lower(), None)
        if handle is None:
            return self.say(verb, "502 5.5.1 what?", line)
        return handle(line)

    def do_ehlo(self, line):
        self.hello = line[5:]
        extensions = self.host.extensions + (("STARTTLS",) if self.can_encrypt() else ())
        reply = "\r\n".join(f"250{'-' if at < len(extensions) else ' '}{text}"
                            for at, text in enumerate(("far.example",) + extensions))
        self.reset()
        return self.say("EHLO", reply, line)

    do_lhlo = do_ehlo

    def can_encrypt(self):
        return not self.is_encrypted and (self.host.context is not None or self.host.offers_tls)

    def do_helo(self, line):
        self.hello = line[5:]
        self.reset()
        return self.say("HELO", "250 far.example", line)

    def do_starttls(self, line):
        if not self.say("STARTTLS", "220 2.0.0 go on", line):
            return False
        if self.is_good:
            self.encrypt()
        return True

    def encrypt(self):
        if self.host.context is None:
            raise OSError("only in words")
        self.wire = self.host.context.wrap_socket(self.wire, server_side=True)
        self.is_encrypted = True
        self.input = b""

    def do_mail(self, line):
        if not self.say("MAIL", "250 2.1.0 fine", line):
            return False
        if self.is_good:
            self.sender = split_path(line)
        return True

    def do_rcpt(self, line):
        if not self.say("RCPT", "250 2.1.5 fine", line):
            return False
        if self.is_good:
            self.recipients.append(split_path(line))
        return True

    def do_data(self, line):
        if not self.recipients:
            return self.say("NOBODY", "554 5.5.1 for whom?", line)
        if not self.say("DATA", "354 go on", line):
            return False
        if not self.is_good:
            return True
        if self.host.body_limit is not None:
            while len(self.input) < self.host.body_limit:
                self.receive()
            return False
        while not (self.input.startswith(b".\r\n") or b"\r\n.\r\n" in self.input):
            self.receive()
        body, _, self.input = (b"\r\n" + self.input).partition(b"\r\n.\r\n")
        self.content = (body + b"\r\n").replace(b"\r\n.", b"\r\n")[2:]
        return self.end(line)

    def do_bdat(self, line):
        words = line.split(" ")
        while len(self.input) < int(words[1]):
            self.receive()
        self.content += self.input[:int(words[1])]
        self.input = self.input[int(words[1]):]
        if not self.recipients:
            return self.say("NOBODY", "554 5.5.1 for whom?", line)
        if words[-1].upper() == "LAST":
            return self.end(line)
        return self.say("BDAT", "250 2.0.0 more", line)

    def end(self, line):
        letter = Letter(self)
        self.host.attempts.append(letter)
        if self.host.is_lmtp:
            for address, _ in self.recipients:
                if not self.say("DOT", f"250 2.0.0 kept for {address}", address):
                    return False
        elif not self.say("DOT", "250 2.0.0 kept", line):
            # It may have been kept all the same: who hears no answer does not know.
            return False
        if self.is_good:
            self.host.letters.append(letter)
        self.reset()
        return True

    def do_rset(self, line):
        self.reset()
        return self.say("RSET", "250 2.0.0 fine", line)

    def do_noop(self, line):
        return self.say("NOOP", "250 2.0.0 fine", line)

    def do_auth(self, line):
        return self.say("AUTH", "235 2.7.0 welcome", line)

    def do_quit(self, line):
        return self.say("QUIT", "221 2.0.0 bye", line)


class FarHost:
    """Listens on an address of its own. `letters` are those that it took, `attempts` all that were sent to the end,
    `dialogue` every line that it heard with the number of the connection, from 1."""

    def __init__(self, address, port, domain, replies=None, extensions=EXTENSIONS, context=None, is_implicit=False,
                 offers_tls=False, is_lmtp=False, delay=0, body_limit=None):
        self.address = address
        self.port = port
        self.domain = domain
        self.replies = replies or {}
        self.extensions = extensions
        self.context = context
        self.is_implicit = is_implicit
        self.offers_tls = offers_tls
        self.is_lmtp = is_lmtp
        self.delay = delay
        self.body_limit = body_limit
        self.letters = []
        self.attempts = []
        self.dialogue = []
        self.connections = 0
        self.listener = socket.create_server((address, port), family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                                             backlog=128)
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            try:
                wire, peer = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            Session(self, wire, peer, self.connections).start()

    def heard(self, verb):
        """The lines that began with this."""
        return [line for _, line in list(self.dialogue) if line.upper().startswith(verb)]

    def close(self):
        """Nobody listens there any more; may come twice."""
        if self.listener.fileno() >= 0:
            # A thread in accept() would keep the socket open.
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()


def certificate(path, **options):
    """A server's side of TLS with this certificate and key in one file."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    for name, value in options.items():
        setattr(context, name, value)
    return context
