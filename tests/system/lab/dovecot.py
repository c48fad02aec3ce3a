"""Dovecot: LMTP on TCP and on a unix socket, IMAP, POP3, submission, and SASL for Postfix."""

import base64
import hashlib
import hmac
import json
import time

from . import people
from .house import VMAIL

TOKEN_SECRET = b"the secret that signs the tokens of this laboratory"

CONFIGURATION = """
protocols = imap pop3 lmtp submission
listen = 127.0.0.1
base_dir = /run/dovecot
log_path = /var/log/dovecot.log
auth_verbose = yes
hostname = mail.posthorn.test
postmaster_address = postmaster@posthorn.test

ssl = yes
ssl_cert = </etc/posthorn/server.pem
ssl_key = </etc/posthorn/server.key
ssl_ca = </etc/posthorn/ca.pem
ssl_verify_client_cert = yes
ssl_require_crl = no
auth_ssl_username_from_cert = no
ssl_dh =

disable_plaintext_auth = yes
auth_mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256 external oauthbearer xoauth2
auth_failure_delay = 0
auth_username_chars =

passdb {{
    driver = passwd-file
    mechanisms = external
    args = /etc/posthorn/users
    override_fields = nopassword
}}
passdb {{
    driver = oauth2
    mechanisms = oauthbearer xoauth2
    args = /etc/posthorn/oauth2.conf
}}
passdb {{
    driver = passwd-file
    mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256 lookup none
    args = /etc/posthorn/users
}}
userdb {{
    driver = passwd-file
    args = /etc/posthorn/users
}}

mail_location = maildir:~/Maildir
mail_fsync = never
maildir_very_dirty_syncs = no
mail_plugins = quota
recipient_delimiter = +
plugin {{
    quota = count:User quota
    quota_vsizes = yes
    quota_rule = *:storage=1G
}}
namespace inbox {{
    inbox = yes
}}

submission_relay_host = 127.0.0.1
submission_relay_port = {relay}
submission_relay_trusted = no
submission_max_mail_size = 20M

service imap-login {{
    inet_listener imap {{
        port = {imap}
    }}
    inet_listener imaps {{
        port = {imaps}
        ssl = yes
    }}
}}
service pop3-login {{
    inet_listener pop3 {{
        port = {pop3}
    }}
    inet_listener pop3s {{
        port = {pop3s}
        ssl = yes
    }}
}}
service submission-login {{
    inet_listener submission {{
        port = {submission}
    }}
}}
service lmtp {{
    inet_listener lmtp {{
        address = 127.0.0.1
        port = {lmtp}
    }}
    unix_listener lmtp {{
        mode = 0666
    }}
}}
# Wrong passwords are not answered more slowly each time.
service anvil {{
    unix_listener anvil-auth-penalty {{
        mode = 0
    }}
}}
service auth {{
    unix_listener /var/spool/postfix/private/auth {{
        mode = 0660
        user = postfix
        group = postfix
    }}
    inet_listener {{
        port = {sasl}
    }}
}}
"""

OAUTH2 = """
introspection_mode = local
local_validation_key_dict = fs:posix:prefix=/etc/posthorn/tokens/
username_attribute = email
force_introspection = no
"""


def segment(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def access_token(user, padding=0):
    """A bearer token (RFC 7519) for a user; `padding` makes it as long as some providers' are."""
    now = int(time.time())
    header = segment(json.dumps({"alg": "HS256", "typ": "JWT", "kid": "lab"}).encode())
    claims = {"email": user, "sub": user, "iat": now - 60, "exp": now + 3600, "pad": "x" * padding}
    signed = header + b"." + segment(json.dumps(claims).encode())
    signature = hmac.new(TOKEN_SECRET, signed, hashlib.sha256).digest()
    return (signed + b"." + segment(signature)).decode()


class Dovecot:
    """All ports listen on 127.0.0.1."""

    def __init__(self, house, relay):
        self.house = house
        names = ("imap", "imaps", "pop3", "pop3s", "lmtp", "submission", "sasl")
        ports = {name: house.port() for name in names}
        vars(self).update(ports)
        self.relay = relay
        self.lmtp_socket = house.socket_path("/run/dovecot/lmtp")

    def start(self):
        house = self.house
        users = []
        for user, password in people.PASSWORDS.items():
            home = "/var/mail/" + people.local_part(user)
            house.make_directory(home, owner=VMAIL, mode=0o700)
            extra = "userdb_quota_rule=*:storage=1B" if user == people.FULL else ""
            users.append(f"{user}:{{PLAIN}}{password}:{VMAIL}:{VMAIL}::{home}::{extra}\n")
        house.write("/etc/posthorn/users", "".join(users), mode=0o640, owner=903)
        house.write("/etc/posthorn/oauth2.conf", OAUTH2)
        house.write("/etc/posthorn/tokens/default/HS256/lab", base64.b64encode(TOKEN_SECRET))
        house.make_directory("/var/spool/postfix/private", owner=901, mode=0o700)
        ports = {name: value for name, value in vars(self).items() if isinstance(value, int)}
        house.write("/etc/dovecot/dovecot.conf", CONFIGURATION.format(**ports))
        listening = [port for name, port in ports.items() if name != "relay"]
        house.start("dovecot", ["/usr/sbin/dovecot", "-F"], listening, log="/var/log/dovecot.log")
        return self
