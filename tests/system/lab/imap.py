"""IMAP servers for the tests of clients: Posthorn, and Dovecot as the oracle, behind one face.

Both have an account for everybody whom a test makes up, the mailboxes of RFC 6154, IMAP with STARTTLS and under TLS, and LMTP to bring
letters by.
"""

import contextlib
import imaplib
import itertools
import re
import smtplib
import socket
import ssl

from .ca import GOOD_NAMES
from .house import VMAIL
from .posthorn import Posthorn

DOMAIN = "posthorn.test"
PASSWORD = "reader-secret"
SPECIAL = ("Drafts", "Sent", "Junk", "Trash", "Archive")

# A mailbox filled by many tests is more than Python's default line limit likes.
imaplib._MAXLINE = 50_000_000
imaplib.Commands.update({name: ("AUTH", "SELECTED") for name in ("GETQUOTAROOT", "IDLE", "COMPRESS", "ID", "ENABLE")})
imaplib.Commands["UNSELECT"] = ("SELECTED",)

DOVECOT = """
protocols = imap lmtp
listen = 127.0.0.1
base_dir = /run/dovecot-imap
log_path = /var/log/dovecot-imap.log
hostname = mail.posthorn.test
ssl = yes
ssl_cert = </etc/posthorn/imap.pem
ssl_key = </etc/posthorn/imap.key
ssl_dh =
auth_mechanisms = plain login scram-sha-1 scram-sha-256
auth_failure_delay = 0
auth_username_chars =
passdb {{
    driver = static
    args = password={password}
}}
userdb {{
    driver = static
    args = uid={vmail} gid={vmail} home=/var/mail/%n
}}
mail_location = {location}
mail_fsync = never
mail_max_userip_connections = 0
maildir_very_dirty_syncs = no
mail_plugins = quota
recipient_delimiter = +
protocol imap {{
    mail_plugins = quota imap_quota
    imap_literal_minus = no
}}
plugin {{
    quota = count:User quota
    quota_vsizes = yes
    quota_rule = *:storage=1G
}}
namespace inbox {{
    inbox = yes
    separator = /
{special}
}}
service imap-login {{
    process_limit = 1000
    inet_listener imap {{
        port = {imap}
    }}
    inet_listener imaps {{
        port = {imaps}
        ssl = yes
    }}
}}
service imap {{
    process_limit = 2000
}}
service lmtp {{
    inet_listener lmtp {{
        address = 127.0.0.1
        port = {lmtp}
    }}
}}
service anvil {{
    unix_listener anvil-auth-penalty {{
        mode = 0
    }}
}}
"""

SPECIAL_MAILBOX = """    mailbox {name} {{
        auto = subscribe
        special_use = \\{name}
    }}"""

LITERAL = re.compile(rb"\{(\d+)\}\r\n$")
LITERAL_MINUS_MAX = 4096


class Account:
    """Who reads: on which server, under which name."""

    def __init__(self, server, user):
        self.server = server
        self.user = user
        self.password = PASSWORD

    def deliver(self, letter):
        self.server.deliver(self.user, letter)

    def imap(self, is_implicit=False):
        """imaplib, logged in under TLS."""
        context = self.server.tls
        if is_implicit:
            client = imaplib.IMAP4_SSL("localhost", self.server.ports["imaps"], ssl_context=context, timeout=60)
        else:
            client = imaplib.IMAP4("localhost", self.server.ports["imap"], timeout=60)
            client.starttls(context)
        client.authenticate("PLAIN", lambda _: b"\0" + self.user.encode() + b"\0" + self.password.encode())
        return client

    @contextlib.contextmanager
    def selected(self, mailbox="INBOX"):
        with self.imap(is_implicit=True) as client:
            assert client.select(quoted(mailbox))[0] == "OK"
            yield client

    def wire(self, selects=None):
        """Bytes by hand, logged in."""
        made = Wire(self.server.ports["imaps"], self.server.tls)
        made.ok("LOGIN", quoted(self.user), quoted(self.password))
        if selects is not None:
            made.ok("SELECT", quoted(selects))
        return made

    def letters(self, mailbox="INBOX"):
        """Every message as (its bytes, its flags but \\Recent), in the order of the UIDs."""
        with self.selected(mailbox) as client:
            # imaplib keeps what SELECT told beside it; UID FETCH of nothing is an error to nobody.
            found = client.uid("FETCH", "1:*", "(FLAGS BODY.PEEK[])")[1]
        letters = []
        for item, after in zip(found, found[1:] + [b""]):
            if isinstance(item, tuple):
                words = item[0] + (after if isinstance(after, bytes) else b"")
                flags = re.search(rb"FLAGS \(([^)]*)\)", words).group(1).decode().split()
                letters.append((item[1], frozenset(flags) - {"\\Recent"}))
        return letters

    def bodies(self, mailbox="INBOX"):
        return [letter.split(b"\r\n\r\n", 1)[1] for letter, _ in self.letters(mailbox)]

    def append(self, letter, mailbox="INBOX", flags=None):
        with self.imap(is_implicit=True) as client:
            kind, told = client.append(quoted(mailbox), flags, None, letter)
            assert kind == "OK", told

    def mailboxes(self):
        with self.imap() as client:
            return sorted(name_of(line) for line in client.list()[1])


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def name_of(line):
    """The mailbox of a LIST response as imaplib gives it."""
    return re.search(rb'\) (?:"[^"]*"|NIL) "?(.*?)"?$', line).group(1).decode()


class Wire:
    """A connection on which tests say and hear bytes. Responses are kept as lines with their literals in them."""

    def __init__(self, port, context=None):
        plain = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket = context.wrap_socket(plain, server_hostname="localhost") if context else plain
        self.lines = self.socket.makefile("rb")
        self.tags = itertools.count(1)
        self.unread = []
        self.greeting = self.hear()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.lines.close()
        self.socket.close()

    def say(self, data):
        self.socket.sendall(data)

    def hear(self):
        """One response, with what its literals hold."""
        if self.unread:
            return self.unread.pop()
        whole = b""
        while True:
            line = self.lines.readline()
            if not line.endswith(b"\n"):
                raise OSError(f"the server went away behind {whole + line!r}")
            whole += line
            found = LITERAL.search(line)
            if found is None:
                return whole[:-2]
            whole += self.lines.read(int(found.group(1)))

    def begin(self, *words):
        """Says a command and does not wait; its tag. Bytes among the words go as literals, the larger when they are asked for."""
        tag = b"T%d" % next(self.tags)
        line = tag
        for word in words:
            if not isinstance(word, bytes):
                line += b" " + word.encode()
            elif len(word) <= LITERAL_MINUS_MAX:
                line += b" {%d+}\r\n" % len(word) + word
            else:
                self.say(line + b" {%d}\r\n" % len(word))
                told = self.hear()
                if not told.startswith(b"+"):
                    self.unread.append(told)
                    return tag
                line = word
        self.say(line + b"\r\n")
        return tag

    def end(self, tag):
        """The untagged responses until the tagged one, and that, without its tag."""
        untagged = []
        while True:
            line = self.hear()
            if line.startswith(tag + b" "):
                return untagged, line[len(tag) + 1:]
            untagged.append(line)

    def command(self, *words):
        return self.end(self.begin(*words))

    def ok(self, *words):
        """A command that must succeed; its untagged responses."""
        untagged, told = self.command(*words)
        assert told.startswith(b"OK"), (words, told, untagged)
        return untagged

    def code(self, *words):
        """What stands in brackets behind the OK of a command."""
        _, told = self.command(*words)
        found = re.match(rb"OK \[([^]]*)\]", told)
        assert found, (words, told)
        return found.group(1)

    def idle(self):
        """IDLE is on when this is back."""
        tag = self.begin("IDLE")
        line = self.hear()
        while not line.startswith(b"+"):
            line = self.hear()
        return tag

    def hear_until(self, pattern):
        """Reads on until a response that has the pattern in it."""
        heard = []
        while True:
            heard.append(self.hear())
            if re.search(pattern, heard[-1]):
                return heard

    def done(self, tag):
        self.say(b"DONE\r\n")
        return self.end(tag)


class Server:
    """What both have: `ports` (imap, imaps, lmtp), `certificate` (what clients trust)."""

    def __init__(self):
        self.numbers = itertools.count(1)

    @property
    def tls(self):
        return ssl.create_default_context(cafile=self.certificate)

    def new_account(self):
        user = f"reader{next(self.numbers)}@{DOMAIN}"
        self.add(user)
        return Account(self, user)

    def deliver(self, user, letter):
        with smtplib.LMTP("127.0.0.1", self.ports["lmtp"]) as client:
            assert client.sendmail("someone@elsewhere.example", [user], letter) == {}


class PosthornImap(Server):
    """Posthorn, on the store that is named: None = SQLite."""

    name = "posthorn"

    def __init__(self, program, directory, ports, store=None, **settings):
        super().__init__()
        self.posthorn = Posthorn(program, directory, ports, store=store, **settings)
        self.ports = self.posthorn.ports
        if store is not None:
            self.posthorn.admin("store", "migrate")
        self.posthorn.start()
        self.certificate = self.posthorn.certificate

    def add(self, user):
        self.posthorn.add_account(user, PASSWORD)
        self.posthorn.admin("quota", "set", user, "1G")

    def close(self):
        """It ends in order, and nothing is wrong with what it kept."""
        assert self.posthorn.stop() == 0, self.posthorn.tail()
        checked = self.posthorn.admin("store", "check", check=False)
        assert checked.returncode == 0, checked.stdout + checked.stderr


class DovecotImap(Server):
    """Debian's Dovecot, in a house of the laboratory. Everybody has an account."""

    name = "dovecot"

    def __init__(self, house, authority, location="maildir:~/Maildir"):
        super().__init__()
        self.house = house
        self.ports = {name: house.port() for name in ("imap", "imaps", "lmtp")}
        self.certificate = authority.certificate
        # Some clients look at the common name only.
        authority.issue("imap", GOOD_NAMES, subject="/CN=localhost")
        special = "\n".join(SPECIAL_MAILBOX.format(name=name) for name in SPECIAL)
        house.make_directory("/var/mail", owner=VMAIL, mode=0o755)
        # Beside the one that the laboratory may have running already.
        house.make_directory("/etc/dovecot-imap")
        house.write("/etc/dovecot-imap/dovecot.conf", DOVECOT.format(
            vmail=VMAIL, password=PASSWORD, location=location, special=special, **self.ports))
        house.start("dovecot-imap", ["/usr/sbin/dovecot", "-F", "-c", "/etc/dovecot-imap/dovecot.conf"], self.ports.values(),
                    log="/var/log/dovecot-imap.log")

    def add(self, user):
        self.house.make_directory(f"/var/mail/{user.split('@')[0]}", owner=VMAIL, mode=0o700)

    def close(self):
        """It goes with its house."""
