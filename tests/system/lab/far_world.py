"""The rest of the world: a name server that knows all names, and mail hosts on loopback addresses, all at one port."""

import contextlib
import itertools

from . import people
from .far_host import FarHost
from .postfix import COMMON, MASTER, make_queue

# Where Postfix, Exim and OpenSMTPD listen, and where nobody does.
POSTFIX, EXIM, OPENSMTPD, NOBODY = "127.0.0.11", "127.0.0.12", "127.0.0.13", "127.0.0.14"
# Scripted hosts have the addresses 127.0.1.N and the domains hN.far.test.
FIRST_HOST, LAST_HOST = 1, 200
# The address beside its usual ones at which the server under test is found by the names of the world.
OURSELVES = "127.0.0.9"

ZONE = """
$TTL 60
. IN SOA names.test. admin.test. 1 3600 600 86400 1
. IN NS names.test.
names.test. IN A 127.0.0.1

postfix.test. IN MX 10 mx.postfix.test.
mx.postfix.test. IN A {postfix}
exim.test. IN MX 10 mx.exim.test.
mx.exim.test. IN A {exim}
opensmtpd.test. IN MX 10 mx.opensmtpd.test.
mx.opensmtpd.test. IN A {opensmtpd}
nobody.test. IN MX 10 mx.nobody.test.
mx.nobody.test. IN A {nobody}

; Our own domain, as others see it.
posthorn.test. IN MX 10 mail.posthorn.test.
mail.posthorn.test. IN A 127.0.0.1

; RFC 7505; an alias; hosts without address; a name server that fails is broken.test.
null.test. IN MX 0 .
homeless.test. IN MX 10 nowhere.homeless.test.
alias.test. IN CNAME h1.far.test.
brokenhost.test. IN MX 10 host.broken.test.
literal.test. IN MX 10 127.0.1.1.

; Mail that would come back: the best, the only, the second, by name and by address.
loop.test. IN MX 10 mail.posthorn.test.
loopbyaddress.test. IN MX 10 other.loop.test.
other.loop.test. IN A {ourselves}
loopsecond.test. IN MX 10 mx1.far.test.
loopsecond.test. IN MX 20 mail.posthorn.test.
loopsecond.test. IN MX 30 mx2.far.test.
"""

# Trees of the first hosts: who is tried first, what comes when he is dead.
TREES = """
preferences.test. IN MX 20 mx2.far.test.
preferences.test. IN MX 10 mx1.far.test.
preferences.test. IN MX 30 mx3.far.test.
firstdead.test. IN MX 10 mx.nobody.test.
firstdead.test. IN MX 20 mx1.far.test.
equal.test. IN MX 10 mx1.far.test.
equal.test. IN MX 10 mx2.far.test.
equal.test. IN MX 10 mx3.far.test.
halfhomeless.test. IN MX 10 nowhere.homeless.test.
halfhomeless.test. IN MX 20 mx1.far.test.
noexchanger.test. IN A 127.0.1.1
bothfamilies.test. IN MX 10 both.far.test.
ipv6first.test. IN MX 10 both.far.test.
both.far.test. IN AAAA ::1
both.far.test. IN A 127.0.1.1
manyaddresses.test. IN A {nobody}
manyaddresses.test. IN A 127.0.0.15
manyaddresses.test. IN A 127.0.1.1
mxalias.test. IN MX 10 www.far.test.
www.far.test. IN CNAME mx1.far.test.
"""

SETTINGS = """
server:
  ip-address: 127.0.0.1@{port}
  username: ""
  zonesdir: "/etc/nsd"
  database: ""
  server-count: 1
  rrl-ratelimit: 0
  pidfile: "/tmp/nsd.pid"
  xfrdfile: "/tmp/nsd.xfrd"
  xfrdir: "/tmp"
  zonelistfile: "/tmp/nsd.list"
remote-control:
  control-enable: no
zone:
  name: "."
  zonefile: "world.zone"
zone:
  name: "broken.test"
  zonefile: "there-is-none"
"""

POSTFIX_SETTINGS = COMMON + """
myhostname = mx.postfix.test
mynetworks =
smtputf8_enable = yes
relay_domains = postfix.test
relay_recipient_maps =
transport_maps = inline:{{ {{ postfix.test = lmtp:inet:{sink_address}:{sink_port} }} }}
smtpd_relay_restrictions = reject_unauth_destination
smtpd_recipient_restrictions = check_recipient_access inline:{{ {{ unknown@postfix.test = 550 5.1.1 nobody of this name }}, {{ later@postfix.test = 450 4.2.0 come again }} }}
smtpd_tls_security_level = may
smtpd_tls_cert_file = /etc/posthorn/server.pem
smtpd_tls_key_file = /etc/posthorn/server.key
smtpd_tls_session_cache_database =
message_size_limit = {limit}
lmtp_tls_security_level = none
"""

EXIM_SETTINGS = """
primary_hostname = mx.exim.test
exim_user = Debian-exim
exim_group = Debian-exim
never_users =
keep_environment =
spool_directory = /var/spool/exim4
log_file_path = /var/log/exim4/%slog
pid_file_path = /run/exim4/exim.pid
local_interfaces = {exim}.{port}
acl_smtp_rcpt = acl_rcpt
host_lookup =
rfc1413_query_timeout = 0s
message_size_limit = {limit}
disable_ipv6 = true
smtputf8_advertise_hosts = *
chunking_advertise_hosts = *
dsn_advertise_hosts = *
tls_advertise_hosts = *
tls_certificate = /etc/posthorn/server.pem
tls_privatekey = /etc/exim4/server.key
accept_8bitmime = true
smtp_accept_max_per_host = 100

begin acl
acl_rcpt:
    deny local_parts = unknown
         message = 5.1.1 nobody of this name
    defer local_parts = later
          message = 4.2.0 come again
    accept domains = exim.test

begin routers
all:
    driver = manualroute
    transport = sink
    route_list = * {sink_address}
    self = send

begin transports
sink:
    driver = smtp
    protocol = lmtp
    port = {sink_port}
    allow_localhost
    hosts_avoid_tls = *

begin retry
* * F,10m,1s
"""

OPENSMTPD_SETTINGS = """
pki posthorn cert "/etc/posthorn/rsa.pem"
pki posthorn key "/etc/posthorn/rsa.key"
queue ttl 10m
smtp max-message-size "{limit}"
table known file:/etc/opensmtpd/known
listen on {opensmtpd} port {port} tls pki posthorn hostname mx.opensmtpd.test
action "keep" relay host "lmtp://{sink_address}:{sink_port}"
match from any for rcpt-to <known> action "keep"
"""

LIMIT = 20000000


class FarWorld:
    """`port` is that of all mail hosts, `names` where the name server is, as the option dns-servers has it."""

    def __init__(self, house):
        self.house = house
        self.port = house.port()
        self.hosts = contextlib.ExitStack()
        self.numbers = itertools.count(FIRST_HOST + 10)
        port = house.port()
        self.names = f"127.0.0.1@{port}"
        house.make_directory("/etc/nsd")
        house.write("/etc/nsd/world.zone", self.zone())
        house.write("/etc/nsd/nsd.conf", SETTINGS.format(port=port))
        house.start("nsd", ["/usr/sbin/nsd", "-d", "-c", "/etc/nsd/nsd.conf"], [port])
        # What the three real servers take comes here, by LMTP.
        self.sink = FarHost("127.0.0.1", house.port(), "sink", is_lmtp=True,
                            extensions=("PIPELINING", "SIZE", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"))
        self.hosts.callback(self.sink.close)

    def zone(self):
        addresses = {"postfix": POSTFIX, "exim": EXIM, "opensmtpd": OPENSMTPD, "nobody": NOBODY, "ourselves": OURSELVES}
        text = (ZONE + TREES).format(**addresses)
        for number in range(FIRST_HOST, LAST_HOST + 1):
            text += (f"h{number}.far.test. IN MX 10 mx{number}.far.test.\n"
                     f"mx{number}.far.test. IN A {self.address(number)}\n")
        return text

    @staticmethod
    def address(number):
        return f"127.0.1.{number}"

    def options(self):
        """What the server under test is told of this world."""
        return {"dns_servers": (self.names,), "dns_authoritative": "yes", "outgoing_port": self.port}

    def host(self, number=None, **manner):
        """A scripted host, which is the only MX of its own domain; the first ten are in the trees."""
        number = next(self.numbers) if number is None else number
        made = FarHost(self.address(number), self.port, f"h{number}.far.test", **manner)
        self.hosts.callback(made.close)
        return made

    def host_at(self, address, **manner):
        made = FarHost(address, self.port, None, **manner)
        self.hosts.callback(made.close)
        return made

    def places(self):
        return {"port": self.port, "exim": EXIM, "opensmtpd": OPENSMTPD, "sink_address": self.sink.address,
                "sink_port": self.sink.port, "limit": LIMIT}

    def start_postfix(self):
        house = self.house
        make_queue(house)
        house.write("/etc/postfix/main.cf", POSTFIX_SETTINGS.format(**self.places()))
        house.write("/etc/postfix/master.cf", MASTER + f"{POSTFIX}:{self.port} inet n - n - - smtpd\n")
        house.start("postfix", ["/usr/lib/postfix/sbin/master", "-c", "/etc/postfix", "-d"], [self.port],
                    log="/var/log/postfix.log", address=POSTFIX)

    def start_exim(self):
        house = self.house
        for name in ("/var/spool/exim4", "/var/log/exim4", "/run/exim4"):
            house.make_directory(name, owner=905, mode=0o750)
        with open(house.path("/etc/posthorn/server.key"), "rb") as key:
            house.write("/etc/exim4/server.key", key.read(), mode=0o400, owner=905)
        house.write("/etc/exim4/exim4.conf", EXIM_SETTINGS.format(**self.places()), mode=0o640)
        house.start("exim", ["/usr/sbin/exim4", "-bdf", "-q10m"], [self.port], log="/var/log/exim4/mainlog", address=EXIM)

    def start_opensmtpd(self):
        house = self.house
        house.make_directory("/var/lib/opensmtpd/empty", mode=0o711)
        house.make_directory("/var/spool", mode=0o755)
        house.write("/etc/opensmtpd/known", "".join(f"{people.local_part(user)}@opensmtpd.test\n" for user in people.PASSWORDS))
        house.write("/etc/smtpd.conf", OPENSMTPD_SETTINGS.format(**self.places()))
        house.start("opensmtpd", ["/usr/sbin/smtpd", "-d", "-v"], [self.port], address=OPENSMTPD,
                    environment={"LD_PRELOAD": "/usr/lib/opensmtpd_key.so"})

    def close(self):
        self.hosts.close()
