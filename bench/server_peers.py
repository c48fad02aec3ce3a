"""The servers that are measured, each in a private root of its own, with the durability that it ships with."""

import glob
import os
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "system"))

from lab import posthorn  # noqa: E402
from lab.house import VMAIL, House, block_of_ports, inhabitants, wait_until  # noqa: E402
from lab.postfix import COMMON, MASTER, make_queue  # noqa: E402

DOMAIN = "bench.test"
USERS = [f"u{number}" for number in range(10)]
PASSWORD = "bench-password"
ADDRESSES = [f"{user}@{DOMAIN}" for user in USERS]

TICKS = os.sysconf("SC_CLK_TCK")
DELIVERY_DEADLINE = 600

DOVECOT = """
protocols = imap pop3 lmtp
listen = 127.0.0.1
base_dir = /run/dovecot
log_path = /var/log/dovecot.log
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain
passdb {{
    driver = passwd-file
    args = /etc/bench/users
}}
userdb {{
    driver = passwd-file
    args = /etc/bench/users
}}
mail_location = {location}
namespace inbox {{
    inbox = yes
}}
service pop3-login {{
    inet_listener pop3 {{
        port = {pop3}
    }}
    inet_listener pop3s {{
        port = 0
    }}
}}
service imap-login {{
    inet_listener imap {{
        port = {imap}
    }}
    inet_listener imaps {{
        port = 0
    }}
}}
service lmtp {{
    inet_listener lmtp {{
        address = 127.0.0.1
        port = {lmtp}
    }}
}}
mail_max_userip_connections = 0
"""

POSTFIX = COMMON + """
myhostname = mail.bench.test
mynetworks = 127.0.0.0/8
local_recipient_maps =
virtual_mailbox_domains = bench.test
virtual_mailbox_maps = texthash:/etc/postfix/mailboxes
virtual_mailbox_base = /var/mail
virtual_uid_maps = static:{vmail}
virtual_gid_maps = static:{vmail}
virtual_transport = {transport}
message_size_limit = 60000000
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
"""

EXIM = """
primary_hostname = mail.bench.test
exim_user = Debian-exim
exim_group = Debian-exim
never_users =
keep_environment =
spool_directory = /var/spool/exim4
log_file_path = /var/log/exim4/%slog
pid_file_path = /run/exim4/exim.pid
local_interfaces = 127.0.0.1.{port}
domainlist local_domains = bench.test
acl_smtp_rcpt = acl_rcpt
host_lookup =
rfc1413_query_timeout = 0s
smtp_accept_max = 200
smtp_connect_backlog = 200
smtp_accept_queue_per_connection = 0
smtp_accept_max_per_connection = 100000
pipelining_advertise_hosts = *
tls_advertise_hosts =
disable_ipv6 = true

begin acl
acl_rcpt:
    accept domains = +local_domains

begin routers
mailbox:
    driver = accept
    domains = +local_domains
    local_parts = {users}
    transport = maildir

begin transports
maildir:
    driver = appendfile
    directory = /var/mail/$local_part_data/Maildir
    maildir_format
    create_directory
    user = {vmail}
    group = {vmail}
    mode = 0600
"""

OPENSMTPD = """
queue ttl 10m
smtp max-message-size "60M"
table mailboxes file:/etc/opensmtpd/mailboxes
listen on 127.0.0.1 port {port} hostname mail.bench.test
action "deliver" maildir "/var/mail/%{{rcpt.user}}/Maildir" virtual <mailboxes>
match from any for domain "bench.test" action "deliver"
"""

def processor_seconds(processes):
    """What these processes, and their children that have ended, have used of the processors."""
    total = 0
    for process in processes:
        try:
            fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += sum(int(field) for field in fields[11:15])
    return total / TICKS


class Server:
    """What all have in common. `port` takes deliveries, `pop3` and `imap` serve mailboxes (None: does not)."""

    name = ""
    is_lmtp = False
    pop3 = None
    imap = None
    share = 1  # it gets this part of the messages, where all of them would take minutes

    def processes(self):
        return inhabitants(self.house.directory)

    def processor_seconds(self):
        return processor_seconds(self.processes())

    def memory(self):
        """Proportional set size of all its processes, in bytes."""
        total = 0
        for process in self.processes():
            try:
                for line in Path(f"/proc/{process}/smaps_rollup").read_text(encoding="utf-8").splitlines():
                    if line.startswith("Pss:"):
                        total += int(line.split()[1]) * 1024
            except OSError:
                continue
        return total

    def wait_for(self, count):
        """Until so many copies lie in the mailboxes."""
        wait_until(lambda: self.delivered() >= count, f"{self.name}: {count} copies", DELIVERY_DEADLINE)

    def delivered(self):
        return sum(len(os.listdir(new)) for new in glob.glob(self.house.path("/var/mail/*/Maildir/new")))

    def make_homes(self):
        for user in USERS:
            self.house.make_directory(f"/var/mail/{user}", owner=VMAIL, mode=0o700)

    def close(self):
        self.house.close()


def start_dovecot(house, location):
    ports = {"pop3": house.port()}
    ports["lmtp"] = next(house.ports)
    ports["imap"] = next(house.ports)
    users = "".join(f"{user}@{DOMAIN}:{{PLAIN}}{PASSWORD}:{VMAIL}:{VMAIL}::/var/mail/{user}::\n" for user in USERS)
    house.write("/etc/bench/users", users, mode=0o644)
    house.write("/etc/dovecot/dovecot.conf", DOVECOT.format(location=location, **ports))
    house.start("dovecot", ["/usr/sbin/dovecot", "-F"], ports.values(), log="/var/log/dovecot.log")
    return ports


class DovecotLmtp(Server):
    """Dovecot alone, its LMTP and its densest mailbox format."""

    name = "Dovecot LMTP, mdbox"
    is_lmtp = True

    def __init__(self, location="mdbox:~/mdbox"):
        self.house = House()
        self.make_homes()
        ports = start_dovecot(self.house, location)
        self.port, self.pop3, self.imap = ports["lmtp"], ports["pop3"], ports["imap"]

    def wait_for(self, count):
        """LMTP says 250 when it lies in the mailbox."""

    def forget(self):
        """The next who reads finds no cache of Dovecot's; the system has the files in memory still."""
        for path in glob.glob(self.house.path("/var/mail/**/dovecot.index.cache"), recursive=True):
            os.unlink(path)


class DovecotMaildir(DovecotLmtp):
    name = "Dovecot, Maildir"

    def __init__(self):
        super().__init__("maildir:~/Maildir")


class Postfix(Server):
    """Postfix with its own delivery to Maildir."""

    name = "Postfix"
    transport = "virtual"

    def __init__(self):
        self.house = house = House()
        self.make_homes()
        transport = self.start_behind()
        make_queue(house)
        self.port = next(house.ports)
        house.write("/etc/postfix/mailboxes", "".join(f"{user}@{DOMAIN} {user}/Maildir/\n" for user in USERS))
        house.write("/etc/postfix/main.cf", POSTFIX.format(vmail=VMAIL, transport=transport))
        house.write("/etc/postfix/master.cf", MASTER + f"{self.port} inet n - n - - smtpd\n")
        house.start("postfix", ["/usr/lib/postfix/sbin/master", "-c", "/etc/postfix", "-d"], [self.port],
                    log="/var/log/postfix.log")

    def start_behind(self):
        return "virtual"


class PostfixDovecot(Postfix):
    name = "Postfix -> Dovecot LMTP"

    def start_behind(self):
        ports = start_dovecot(self.house, "maildir:~/Maildir")
        self.pop3 = ports["pop3"]
        return f"lmtp:inet:127.0.0.1:{ports['lmtp']}"


class Exim(Server):
    name = "Exim"
    share = 5

    def __init__(self):
        self.house = house = House()
        self.make_homes()
        self.port = next(house.ports)
        for name in ("/var/spool/exim4", "/var/log/exim4", "/run/exim4"):
            house.make_directory(name, owner=905, mode=0o750)
        house.write("/etc/exim4/exim4.conf", EXIM.format(port=self.port, vmail=VMAIL, users=" : ".join(USERS)), mode=0o640)
        house.start("exim", ["/usr/sbin/exim4", "-bdf", "-q1m"], [self.port], log="/var/log/exim4/mainlog")


class OpenSmtpd(Server):
    name = "OpenSMTPD"

    def __init__(self):
        self.house = house = House()
        self.make_homes()
        self.port = next(house.ports)
        house.make_directory("/var/lib/opensmtpd/empty", mode=0o711)
        house.make_directory("/var/spool")
        house.write("/etc/opensmtpd/mailboxes", "".join(f"{user}@{DOMAIN} vmail\n" for user in USERS))
        house.write("/etc/smtpd.conf", OPENSMTPD.format(port=self.port))
        house.start("opensmtpd", ["/usr/sbin/smtpd", "-d"], [self.port])


class Posthorn(Server):
    """`store` is where its mail is kept: None = a SQLite file; has_accounts: another node has made the accounts there."""

    name = "posthorn"

    def __init__(self, program, store=None, is_lmtp=False, has_accounts=False):
        self.is_lmtp = is_lmtp
        self.directory = tempfile.TemporaryDirectory(prefix="ph-bench", dir="/var/tmp")
        self.block, ports = block_of_ports()
        self.server = posthorn.Posthorn(program, self.directory.name, ports, store=store)
        for address in () if has_accounts else ADDRESSES:
            self.server.add_account(address, PASSWORD)
        self.server.start()
        self.port = self.server.ports["lmtp" if is_lmtp else "smtp"]
        self.pop3 = self.server.ports["pop3"]
        self.imap = self.server.ports["imap"]

    def processes(self):
        return [self.server.process.pid]

    def wait_for(self, count):
        """250 means that it lies in the mailbox."""

    def delivered(self):
        return 0

    def forget(self):
        """A server that has just begun; the system has the files in memory still."""
        self.server.stop()
        self.server.start()

    def close(self):
        self.server.stop()
        self.block.close()
        self.directory.cleanup()
