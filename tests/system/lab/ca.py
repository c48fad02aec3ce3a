"""A certificate authority for one test run, made with the openssl program."""

import os
import subprocess

NAME = "mail.posthorn.test"
RSA = ("RSA", "rsa_keygen_bits:2048")
ELLIPTIC = ("EC", "ec_paramgen_curve:P-256")
GOOD_NAMES = f"DNS:localhost,DNS:{NAME},IP:127.0.0.1,IP:::1"


class Authority:
    """Holds the paths of what it issued; `pair(x)` is the certificate with its key in one file."""

    def __init__(self, directory):
        self.directory = directory
        os.makedirs(directory, exist_ok=True)
        self.certificate = self.path("ca.pem")
        self._key("ca")
        self._run("req", "-x509", "-new", "-key", self.path("ca.key"), "-out", self.certificate,
                  "-subj", "/CN=Posthorn test authority", "-days", "30",
                  "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        self.issue("server", GOOD_NAMES)
        # OpenSMTPD 6.8 cannot sign with another kind of key under OpenSSL 3.
        self.issue("rsa", GOOD_NAMES, key=RSA)
        self.issue("wrong_name", "DNS:other.posthorn.test")
        self.issue("wildcard", "DNS:*.posthorn.test")
        # A common name is no name: only the alternative names count (RFC 9525).
        self.issue("common_name_only", None, subject=f"/CN={NAME}")
        self.issue("expired", GOOD_NAMES, days=-1)
        self.issue("client", "email:alice@posthorn.test", subject="/CN=alice@posthorn.test",
                   usage="clientAuth")
        self._key("self_signed")
        self._run("req", "-x509", "-new", "-key", self.path("self_signed.key"),
                  "-out", self.path("self_signed.pem"), "-subj", f"/CN={NAME}", "-days", "30",
                  "-addext", f"subjectAltName={GOOD_NAMES}")
        self._join("self_signed")

    def path(self, name):
        return os.path.join(self.directory, name)

    def pair(self, name):
        return self.path(name + ".both")

    def fingerprint(self, name, digest="sha256"):
        """The digest of a whole certificate as lower-case hexadecimal digits."""
        text = self._run("x509", "-in", self.path(name + ".pem"), "-noout", "-fingerprint",
                         "-" + digest)
        return text.split("=", 1)[1].strip().replace(":", "").lower()

    def issue(self, name, names, days=30, subject="/O=Posthorn test", usage="serverAuth",
              key=ELLIPTIC):
        self._key(name, key)
        request, extensions = self.path(name + ".csr"), self.path(name + ".ext")
        self._run("req", "-new", "-key", self.path(name + ".key"), "-subj", subject,
                  "-out", request)
        with open(extensions, "w", encoding="ascii") as file:
            file.write(f"basicConstraints=CA:false\nextendedKeyUsage={usage}\n")
            if names:
                file.write(f"subjectAltName={names}\n")
        self._run("x509", "-req", "-in", request, "-CA", self.certificate,
                  "-CAkey", self.path("ca.key"), "-CAcreateserial", "-days", str(days),
                  "-extfile", extensions, "-out", self.path(name + ".pem"))
        self._join(name)

    def _key(self, name, key=ELLIPTIC):
        self._run("genpkey", "-algorithm", key[0], "-pkeyopt", key[1],
                  "-out", self.path(name + ".key"))

    def _join(self, name):
        with open(self.pair(name), "wb") as both:
            for part in (".key", ".pem"):
                with open(self.path(name + part), "rb") as file:
                    both.write(file.read())

    def _run(self, *arguments):
        done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"openssl {' '.join(arguments)}: {done.stderr}")
        return done.stdout
