"""An SMTP and LMTP server for tests: takes letters, says what it is told to say, and remembers every command."""
import base64
import re
import socketserver
import threading


SILENCE = object()


class Letter:
    def __init__(self, sender, recipients, content):
        self.sender = sender
        self.recipients = recipients
        self.content = content


class Server(socketserver.ThreadingTCPServer):
    """replies: {"RCPT TO:<nobody@": "550 5.1.1 No such user"}: the first whose key begins the command, in any case, is
    said instead of yes. "CONTENT" is what follows the last dot; "GREETING" the first line. A reply None hangs up, "" is
    none at all, SILENCE waits until the client is gone."""
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, features=("PIPELINING", "8BITMIME", "SIZE 50000000", "ENHANCEDSTATUSCODES", "AUTH PLAIN LOGIN"),
                 replies=None, password="secret", lmtp=False):
        super().__init__(("127.0.0.1", 0), Handler)
        self.features = features
        self.replies = replies or {}
        self.password = password
        self.lmtp = lmtp
        self.letters = []
        self.commands = []
        self.connections = 0
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def address(self):
        return f"127.0.0.1:{self.server_address[1]}"

    def close(self):
        self.shutdown()
        self.server_close()

    def handle_error(self, request, client_address):
        """A client that goes away is part of the tests."""


class Gone(Exception):
    pass


class Handler(socketserver.StreamRequestHandler):
    def say(self, text):
        self.wfile.write(text.encode("utf-8", "surrogateescape") + b"\r\n")

    def say_or(self, key, usual):
        """Says what the test has planned for the command, else what is usual. True when it was a yes."""
        for start, reply in self.server.replies.items():
            if key.upper().startswith(start.upper()):
                if reply is SILENCE:
                    self.rfile.read()
                if reply in (None, SILENCE):
                    raise Gone
                if reply:
                    self.say(reply)
                return reply[:1] in ("2", "3")
        self.say(usual)
        return True

    def line(self):
        line = self.rfile.readline()
        if not line.endswith(b"\r\n"):
            raise Gone
        return line[:-2].decode("utf-8", "surrogateescape")

    def handle(self):
        self.server.connections += 1
        self.sender, self.recipients, self.chunks = None, [], []
        try:
            if not self.say_or("GREETING", "220 test.example ESMTP"):
                return
            while self.obey(self.line()):
                pass
        except (Gone, ConnectionError):
            pass

    def obey(self, command):
        self.server.commands.append(command)
        verb = command.split(" ")[0].upper()
        method = getattr(self, f"on_{verb.lower()}", None)
        if method is None:
            self.say_or(command, "500 5.5.1 What?")
            return True
        return method(command) is not False

    def on_ehlo(self, command):
        lines = ["test.example", *self.server.features]
        text = "\r\n".join(f"250{' ' if number == len(lines) else '-'}{line}" for number, line in enumerate(lines, 1))
        self.say_or(command, text)

    on_lhlo = on_ehlo

    def on_helo(self, command):
        self.say_or(command, "250 test.example")

    def on_noop(self, command):
        self.say_or(command, "250 2.0.0 Yes")

    def on_rset(self, command):
        self.sender, self.recipients, self.chunks = None, [], []
        self.say_or(command, "250 2.0.0 Forgotten")

    def on_mail(self, command):
        if self.say_or(command, "250 2.1.0 Sender ok"):
            self.sender = re.match(r"MAIL FROM:<([^>]*)>", command)[1]
            self.recipients = []

    def on_rcpt(self, command):
        if self.say_or(command, "250 2.1.5 Recipient ok"):
            self.recipients.append(re.match(r"RCPT TO:<([^>]*)>", command)[1])

    def on_data(self, command):
        if not self.recipients:
            self.say("554 5.5.1 No recipients")
            return
        if not self.say_or(command, "354 Go ahead"):
            return
        content = b""
        while True:
            line = self.rfile.readline()
            if not line:
                raise Gone
            if line == b".\r\n":
                break
            content += line[1:] if line.startswith(b".") else line
        self.keep(content)

    def on_bdat(self, command):
        words = command.split()
        self.chunks.append(self.rfile.read(int(words[1])))
        if len(words) > 2:
            self.keep(b"".join(self.chunks))
        else:
            self.say("250 2.0.0 More")

    def keep(self, content):
        verdicts = self.recipients if self.server.lmtp else [""]
        taken = [recipient for recipient in verdicts
                 if self.say_or(f"CONTENT {recipient}".rstrip(), "250 2.0.0 Kept as 4711")]
        if taken:
            self.server.letters.append(Letter(self.sender, taken if self.server.lmtp else self.recipients, content))
        self.sender, self.recipients, self.chunks = None, [], []

    def on_auth(self, command):
        words = command.split()
        mechanism = words[1].upper()
        if mechanism == "PLAIN":
            if len(words) < 3:
                self.say("334 ")
                words.append(self.line())
            _, user, password = base64.b64decode(words[2]).decode().split("\0")
        elif mechanism == "XOAUTH2":
            match = re.match("user=(.*)\1auth=Bearer (.*)\1\1", base64.b64decode(words[2]).decode())
            user, password = match[1], match[2]
        else:
            self.say("504 5.5.4 Not this one")
            return
        if password == self.server.password:
            self.say_or(command, f"235 2.7.0 Welcome {user}")
        else:
            self.say("535 5.7.8 Not with this password")

    def on_quit(self, command):
        if "QUIT" in self.server.replies:
            self.rfile.read()
        self.say_or(command, "221 2.0.0 Bye")
        return False
