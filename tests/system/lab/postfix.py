"""Postfix: submission by STARTTLS and by implicit TLS, an open door for local mail, and doors with
bad certificates, all behind one queue that delivers by LMTP to Dovecot."""

import os
import signal

from . import people
from .house import VMAIL, inhabitants

SMALL_LIMIT = 10000

# Where Debian's package has everything, and no name service: what every Postfix here begins with.
COMMON = """
compatibility_level = 3.6
queue_directory = /var/spool/postfix
data_directory = /var/lib/postfix
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
shlib_directory = /usr/lib/postfix
meta_directory = /etc/postfix
mail_owner = postfix
setgid_group = postdrop
maillog_file = /var/log/postfix.log
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mydestination =
alias_maps =
alias_database =
disable_dns_lookups = yes
smtp_host_lookup = native
lmtp_host_lookup = native
biff = no
smtpd_peername_lookup = no
mailbox_size_limit = 0
virtual_mailbox_limit = 0
"""

MAIN = COMMON + """
myhostname = mail.posthorn.test
mynetworks =
local_recipient_maps =
# Letters stay as they are: no header is added.
local_header_rewrite_clients =

virtual_mailbox_domains = posthorn.test
virtual_mailbox_maps = texthash:/etc/postfix/mailboxes
virtual_mailbox_base = /var/mail
virtual_uid_maps = static:{vmail}
virtual_gid_maps = static:{vmail}
virtual_transport = lmtp:inet:127.0.0.1:{lmtp}
transport_maps = texthash:/etc/postfix/transport
recipient_delimiter = +
lmtp_destination_recipient_limit = 50
message_size_limit = 30000000

smtputf8_enable = yes
smtpd_tls_cert_file = /etc/posthorn/server.pem
smtpd_tls_key_file = /etc/posthorn/server.key
smtpd_tls_CAfile = /etc/posthorn/ca.pem
smtpd_tls_received_header = yes
smtpd_tls_session_cache_database =
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
smtpd_sasl_security_options = noanonymous
smtpd_sasl_authenticated_header = yes
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
smtpd_recipient_restrictions =
smtpd_error_sleep_time = 0
smtpd_soft_error_limit = 1000
smtpd_hard_error_limit = 1000
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
# The test programs sit on loopback and send much.
smtpd_client_event_limit_exceptions = 127.0.0.0/8
default_process_limit = 40
service_throttle_time = 1s
in_flow_delay = 0
"""

MASTER = """
postlog    unix-dgram n - n - 1 postlogd
pickup     unix n - n 60 1 pickup
cleanup    unix n - n - 0 cleanup
qmgr       unix n - n 300 1 qmgr
tlsmgr     unix - - n 1000? 1 tlsmgr
rewrite    unix - - n - - trivial-rewrite
bounce     unix - - n - 0 bounce
defer      unix - - n - 0 bounce
trace      unix - - n - 0 bounce
verify     unix - - n - 1 verify
flush      unix n - n 1000? 0 flush
proxymap   unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
relay      unix - - n - - smtp
showq      unix n - n - - showq
error      unix - - n - - error
retry      unix - - n - - error
discard    unix - - n - - discard
virtual    unix - n n - - virtual
lmtp       unix - - n - - lmtp
anvil      unix - - n - 1 anvil
scache     unix - - n - 1 scache
"""

SUBMISSION = ("smtpd_sasl_auth_enable=yes", "smtpd_tls_auth_only=yes",
              "smtpd_recipient_restrictions=permit_sasl_authenticated,reject")
STARTTLS = ("smtpd_tls_security_level=encrypt",)
WRAPPED = ("smtpd_tls_wrappermode=yes", "smtpd_tls_security_level=encrypt")


def certificate(name):
    return (f"smtpd_tls_cert_file=/etc/posthorn/{name}.pem",
            f"smtpd_tls_key_file=/etc/posthorn/{name}.key")


# Each door is one smtpd on a port of its own.
DOORS = {
    "submission": STARTTLS + SUBMISSION,
    "submissions": WRAPPED + SUBMISSION,
    # Port 25 as it is met in the wild: no login, TLS if one likes, local recipients only.
    "plain": ("smtpd_tls_security_level=may",),
    # The same without TLS, without BDAT and with a small limit.
    "small": ("smtpd_tls_security_level=none", f"message_size_limit={SMALL_LIMIT}",
              "smtpd_discard_ehlo_keywords=chunking"),
    # A server of the old kind.
    "bare": ("smtpd_tls_security_level=none",
             "smtpd_discard_ehlo_keywords=chunking,pipelining,8bitmime,smtputf8,dsn,etrn,size,"
             "enhancedstatuscodes,vrfy,silent-discard"),
    # Refusals at each step: the greeting, RCPT for a while, DATA or BDAT, after the body.
    "closed": ("smtpd_tls_security_level=none", "smtpd_delay_reject=no",
               "smtpd_client_restrictions=reject"),
    "deferring": ("smtpd_tls_security_level=none", "smtpd_recipient_restrictions=defer"),
    "no_data": ("smtpd_tls_security_level=none", "smtpd_data_restrictions=reject"),
    "no_end": ("smtpd_tls_security_level=none", "smtpd_end_of_data_restrictions=reject"),
    # AUTH in clear, as some still offer it.
    "clear_auth": ("smtpd_tls_security_level=none", "smtpd_sasl_auth_enable=yes",
                   "smtpd_recipient_restrictions=permit_sasl_authenticated,reject"),
    "wrong_name": STARTTLS + SUBMISSION + certificate("wrong_name"),
    "wrong_name_wrapped": WRAPPED + SUBMISSION + certificate("wrong_name"),
    "wildcard": STARTTLS + SUBMISSION + certificate("wildcard"),
    "common_name_only": STARTTLS + SUBMISSION + certificate("common_name_only"),
    "expired": STARTTLS + SUBMISSION + certificate("expired"),
    "self_signed": STARTTLS + SUBMISSION + certificate("self_signed"),
    "client_certificate": STARTTLS + ("smtpd_tls_req_ccert=yes", "smtpd_tls_ask_ccert=yes"),
    "tls11": ("smtpd_tls_security_level=encrypt", "smtpd_tls_mandatory_protocols=!TLSv1.2,!TLSv1.3",
              "tls_medium_cipherlist=ALL:@SECLEVEL=0",),
    "tls12": STARTTLS + SUBMISSION + ("smtpd_tls_mandatory_protocols=!TLSv1.3",),
}


def make_queue(house):
    """The directories that Debian's package makes when it is installed."""
    house.make_directory("/var/spool/postfix")
    for name in ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold",
                 "incoming", "private", "saved", "trace"):
        house.make_directory("/var/spool/postfix/" + name, owner=901, mode=0o700)
    house.make_directory("/var/spool/postfix/pid")
    house.make_directory("/var/spool/postfix/public", owner=901, mode=0o710, group=902)
    house.make_directory("/var/spool/postfix/maildrop", owner=901, mode=0o730, group=902)
    house.make_directory("/var/lib/postfix", owner=901, mode=0o700)


class Postfix:
    """`ports[door]` is where a door of DOORS listens on 127.0.0.1."""

    def __init__(self, house):
        self.house = house
        self.ports = {door: house.port() for door in DOORS}
        self.log = house.path("/var/log/postfix.log")

    def start(self, dovecot):
        house = self.house
        make_queue(house)
        mailboxes = [f"{user} {people.local_part(user)}/Maildir/" for user in people.PASSWORDS]
        mailboxes.append(f"{people.JUERGEN_ADDRESS} {people.local_part(people.JUERGEN)}/Maildir/")
        house.write("/etc/postfix/mailboxes", "\n".join(mailboxes) + "\n")
        # Dovecot's LMTP does not know SMTPUTF8, so Postfix itself puts this letter in the mailbox.
        house.write("/etc/postfix/transport", f"{people.JUERGEN_ADDRESS} virtual:\n")
        house.write("/etc/postfix/main.cf", MAIN.format(lmtp=dovecot.lmtp, vmail=VMAIL))
        house.write("/etc/postfix/master.cf", MASTER + "".join(self.doors()))
        house.start("postfix", ["/usr/lib/postfix/sbin/master", "-c", "/etc/postfix", "-d"],
                    self.ports.values(), log="/var/log/postfix.log")
        return self

    def hang_up(self, door):
        """Ends the connections of a door, as a server does with idle ones; new ones are welcome."""
        name = f"127.0.0.1:{self.ports[door]}".encode()
        for identity in inhabitants(self.house.directory):
            try:
                with open(f"/proc/{identity}/cmdline", "rb") as file:
                    if name in file.read().split(b"\0"):
                        os.kill(identity, signal.SIGTERM)
            except (FileNotFoundError, ProcessLookupError):
                continue

    def doors(self):
        for door, options in DOORS.items():
            yield f"127.0.0.1:{self.ports[door]} inet n - n - - smtpd\n"
            yield f"    -o syslog_name=postfix/{door}\n"
            for option in options:
                yield f"    -o {option}\n"
