"""Exim: submission by STARTTLS and by implicit TLS, delivering by LMTP to Dovecot."""

from . import people

CONFIGURATION = """
primary_hostname = mail.posthorn.test
exim_user = Debian-exim
exim_group = Debian-exim
never_users =
keep_environment =
spool_directory = /var/spool/exim4
log_file_path = /var/log/exim4/%slog
pid_file_path = /run/exim4/exim.pid
log_selector = +smtp_protocol_error +smtp_syntax_error
local_interfaces = <; 127.0.0.1.{submission} ; 127.0.0.1.{submissions}
tls_on_connect_ports = {submissions}
domainlist local_domains = posthorn.test
acl_smtp_rcpt = acl_rcpt
acl_smtp_mail = acl_mail
host_lookup =
rfc1413_query_timeout = 0s
smtp_accept_max = 100
smtp_accept_max_per_connection = 5000
smtp_accept_queue_per_connection = 0
message_size_limit = 30M
smtp_enforce_sync = true
tls_advertise_hosts = *
tls_certificate = /etc/posthorn/server.pem
tls_privatekey = /etc/exim4/server.key
tls_verify_certificates = /etc/posthorn/ca.pem
tls_try_verify_hosts = *
auth_advertise_hosts = ${{if eq{{$tls_in_cipher}}{{}}{{}}{{*}}}}
chunking_advertise_hosts = *
pipelining_advertise_hosts = *
dsn_advertise_hosts = *
prdr_enable = true
accept_8bitmime = true
smtputf8_advertise_hosts = *
bounce_return_message = true
trusted_users = root
disable_ipv6 = true
received_header_text =

begin acl
acl_mail:
    accept
acl_rcpt:
    deny    !authenticated = *
            message = Log in first
    require domains = +local_domains
            message = No relaying here
    require verify = recipient
    accept

begin routers
mailbox:
    driver = accept
    domains = +local_domains
    condition = ${{lookup{{$local_part@$domain}}lsearch{{/etc/exim4/mailboxes}}{{yes}}{{no}}}}
    transport = dovecot
    cannot_route_message = Unknown user

begin transports
dovecot:
    driver = smtp
    protocol = lmtp
    hosts = 127.0.0.1
    port = {lmtp}
    hosts_override = true
    allow_localhost
    hosts_avoid_tls = *
    max_rcpt = 50

begin retry
* * F,10m,1s

begin authenticators
plain:
    driver = plaintext
    public_name = PLAIN
    server_prompts = :
    server_condition = ${{if crypteq{{$auth3}}{{\\{{crypt\\}}${{lookup{{$auth2}}lsearch{{/etc/exim4/crypted}}{{$value}}fail}}}}}}
    server_set_id = $auth2
login:
    driver = plaintext
    public_name = LOGIN
    server_prompts = Username:: : Password::
    server_condition = ${{if crypteq{{$auth2}}{{\\{{crypt\\}}${{lookup{{$auth1}}lsearch{{/etc/exim4/crypted}}{{$value}}fail}}}}}}
    server_set_id = $auth1
cram:
    driver = cram_md5
    public_name = CRAM-MD5
    server_secret = ${{lookup{{$auth1}}lsearch{{/etc/exim4/secrets}}{{$value}}fail}}
    server_set_id = $auth1
external:
    driver = external
    public_name = EXTERNAL
    server_advertise_condition = ${{if eq{{$tls_in_certificate_verified}}{{1}}{{yes}}{{no}}}}
    server_param2 = ${{certextract {{subj_altname,mail,>:}}{{$tls_in_peercert}}}}
    server_condition = ${{if or{{{{eq{{$auth1}}{{}}}}{{forany{{$auth2}}{{eq{{$item}}{{$auth1}}}}}}}}}}
    server_set_id = $auth2
"""


class Exim:
    """`submission` and `submissions` are ports on 127.0.0.1."""

    def __init__(self, house):
        self.house = house
        self.submission = house.port()
        self.submissions = house.port()

    def start(self, dovecot, crypted):
        house = self.house
        exim = 905
        for name in ("/var/spool/exim4", "/var/log/exim4", "/run/exim4"):
            house.make_directory(name, owner=exim, mode=0o750)
        # Exim reads the key when it is no longer root.
        with open(house.path("/etc/posthorn/server.key"), "rb") as key:
            house.write("/etc/exim4/server.key", key.read(), mode=0o400, owner=exim)
        house.write("/etc/exim4/mailboxes", "".join(f"{user}: yes\n" for user in people.PASSWORDS))
        house.write("/etc/exim4/crypted", "".join(f"{user}: {crypted[user]}\n" for user in crypted),
                    mode=0o640, owner=exim)
        # lsearch strips white space around a value, and a quoted one is read with its escapes.
        house.write("/etc/exim4/secrets", "".join(
            f"{user}: {password}\n" for user, password in people.PASSWORDS.items()),
            mode=0o640, owner=exim)
        house.write("/etc/exim4/exim4.conf", CONFIGURATION.format(
            submission=self.submission, submissions=self.submissions, lmtp=dovecot.lmtp),
            mode=0o640, owner=0)
        house.start("exim", ["/usr/sbin/exim4", "-bdf", "-q10m"],
                    (self.submission, self.submissions), log="/var/log/exim4/mainlog")
        return self
