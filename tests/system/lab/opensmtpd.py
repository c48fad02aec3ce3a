"""OpenSMTPD: submission by STARTTLS and by implicit TLS, delivering by LMTP to Dovecot."""

from . import people

CONFIGURATION = """
pki posthorn cert "/etc/posthorn/rsa.pem"
pki posthorn key "/etc/posthorn/rsa.key"
table logins file:/etc/opensmtpd/logins
table mailboxes file:/etc/opensmtpd/mailboxes
queue ttl 10m
smtp max-message-size "30M"
listen on 127.0.0.1 port {submission} tls-require pki posthorn auth <logins> hostname mail.posthorn.test
listen on 127.0.0.1 port {submissions} smtps pki posthorn auth <logins> hostname mail.posthorn.test
action "deliver" lmtp "127.0.0.1:{lmtp}" rcpt-to virtual <mailboxes>
match auth from any for domain "posthorn.test" action "deliver"
"""


class OpenSmtpd:
    """`submission` and `submissions` are ports on 127.0.0.1."""

    def __init__(self, house):
        self.house = house
        self.submission = house.port()
        self.submissions = house.port()

    def start(self, dovecot, crypted):
        house = self.house
        house.make_directory("/var/lib/opensmtpd/empty", mode=0o711)
        house.make_directory("/var/spool", mode=0o755)
        house.make_directory("/var/mail", mode=0o755)
        house.write("/etc/opensmtpd/logins", "".join(f"{user} {crypted[user]}\n" for user in crypted))
        house.write("/etc/opensmtpd/mailboxes",
                    "".join(f"{user} vmail\n" for user in people.PASSWORDS))
        house.write("/etc/smtpd.conf", CONFIGURATION.format(
            submission=self.submission, submissions=self.submissions, lmtp=dovecot.lmtp))
        house.start("opensmtpd", ["/usr/sbin/smtpd", "-d", "-v"],
                    (self.submission, self.submissions),
                    environment={"LD_PRELOAD": "/usr/lib/opensmtpd_key.so"})
        return self
