"""Mail servers in front of ours: what they take on their port they pass on by SMTP or LMTP."""

from .house import wait_until
from .postfix import COMMON, MASTER, make_queue

# Letters to smtp.test go on by SMTP, with TLS where it is offered; those to lmtp.test by LMTP.
POSTFIX = COMMON + """
myhostname = relay.elsewhere.example
mynetworks = 127.0.0.0/8
smtputf8_enable = yes
smtp_tls_security_level = may
relay_domains = smtp.test lmtp.test
relay_recipient_maps =
transport_maps = inline:{{ {{ smtp.test = relay:[127.0.0.1]:{smtp} }}, {{ lmtp.test = lmtp:inet:127.0.0.1:{lmtp} }} }}
minimal_backoff_time = 1s
queue_run_delay = 1s
message_size_limit = 60000000
"""

EXIM = """
primary_hostname = relay.elsewhere.example
exim_user = Debian-exim
exim_group = Debian-exim
never_users =
keep_environment =
spool_directory = /var/spool/exim4
log_file_path = /var/log/exim4/%slog
pid_file_path = /run/exim4/exim.pid
local_interfaces = 127.0.0.1.{port}
domainlist relayed = smtp.test : lmtp.test
acl_smtp_rcpt = acl_rcpt
host_lookup =
rfc1413_query_timeout = 0s
message_size_limit = 60M
disable_ipv6 = true
smtputf8_advertise_hosts = *
tls_advertise_hosts =
accept_8bitmime = true
ignore_bounce_errors_after = 0s

begin acl
acl_rcpt:
    accept domains = +relayed

begin routers
by_lmtp:
    driver = manualroute
    domains = lmtp.test
    transport = lmtp
    route_list = * 127.0.0.1
    self = send
by_smtp:
    driver = manualroute
    domains = smtp.test
    transport = smtp
    route_list = * 127.0.0.1
    self = send

begin transports
smtp:
    driver = smtp
    port = {smtp}
    allow_localhost
    tls_tempfail_tryclear = false
lmtp:
    driver = smtp
    protocol = lmtp
    port = {lmtp}
    allow_localhost

begin retry
* * F,10m,1s
"""


class Relay:
    """`port` takes letters; `is_empty` once all of them have gone."""

    def __init__(self, house, ports):
        self.house = house
        self.port = house.port()
        self.start(ports)

    def wait_until_empty(self):
        wait_until(self.is_empty, f"the queue of {type(self).__name__}", 60)


class PostfixRelay(Relay):
    def start(self, ports):
        house = self.house
        make_queue(house)
        house.write("/etc/postfix/main.cf", POSTFIX.format(smtp=ports["smtp"], lmtp=ports["lmtp"]))
        house.write("/etc/postfix/master.cf", MASTER + f"{self.port} inet n - n - - smtpd\n")
        house.start("postfix", ["/usr/lib/postfix/sbin/master", "-c", "/etc/postfix", "-d"], [self.port],
                    log="/var/log/postfix.log")

    def is_empty(self):
        return "queue is empty" in self.house.run("/usr/sbin/postqueue", "-p").stdout.decode()


class EximRelay(Relay):
    def start(self, ports):
        house = self.house
        for name in ("/var/spool/exim4", "/var/log/exim4", "/run/exim4"):
            house.make_directory(name, owner=905, mode=0o750)
        house.write("/etc/exim4/exim4.conf", EXIM.format(port=self.port, smtp=ports["smtp"], lmtp=ports["lmtp"]), mode=0o640)
        house.start("exim", ["/usr/sbin/exim4", "-bdf", "-q1s"], [self.port], log="/var/log/exim4/mainlog")

    def is_empty(self):
        return self.house.run("/usr/sbin/exim4", "-bpc").stdout.strip() == b"0"
