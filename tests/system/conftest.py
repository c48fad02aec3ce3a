"""Fixtures: the laboratory's servers, each started when the first test asks for it."""

import contextlib
import os
import subprocess
import sys
import uuid

import pytest

sys.path.insert(0, os.path.dirname(__file__))

from lab import people  # noqa: E402
from lab.ca import Authority  # noqa: E402
from lab.driver import Driver  # noqa: E402
from lab.dovecot import Dovecot  # noqa: E402
from lab.exim import Exim  # noqa: E402
from lab.house import House  # noqa: E402
from lab.imap import DovecotImap, PosthornImap  # noqa: E402
from lab.mailbox import Post  # noqa: E402
from lab.opensmtpd import OpenSmtpd  # noqa: E402
from lab.postfix import Postfix  # noqa: E402
from lab.postgres import Postgres  # noqa: E402
from lab.proxy import Proxies  # noqa: E402


@pytest.fixture(scope="session")
def house():
    built = House()
    try:
        yield built
    finally:
        built.close()


@pytest.fixture(scope="session")
def posthorn_program():
    """The program under test."""
    return os.path.join(os.environ["POSTHORN_BUILD"], "src", "posthorn")


@pytest.fixture(scope="session")
def release_program():
    """The same as people get it: as quick, and without what the address sanitizer takes of memory."""
    return program_of("POSTHORN_RELEASE_BUILD", "release")


@pytest.fixture(scope="session")
def threads_program():
    """The same under the thread sanitizer."""
    return program_of("POSTHORN_THREADS_BUILD", "threads")


def program_of(variable, build):
    project = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    program = os.path.join(os.environ.get(variable, os.path.join(project, "build", build)), "src", "posthorn")
    if not os.path.exists(program):
        pytest.fail(f"{program} is not there: script/test builds it, or ${variable} names another build directory")
    return program


@pytest.fixture(scope="session")
def postgres():
    made = Postgres()
    try:
        yield made.start()
    finally:
        made.close()


@pytest.fixture(scope="session")
def authority(house):
    return Authority(house.make_directory("/etc/posthorn"))


@pytest.fixture(scope="session")
def crypted():
    """Password hashes for the servers that keep such."""
    hashes = {}
    for user, password in people.PASSWORDS.items():
        done = subprocess.run(["openssl", "passwd", "-6", "-stdin"], input=password.encode(),
                              capture_output=True, check=True)
        hashes[user] = done.stdout.decode().strip()
    return hashes


@pytest.fixture(scope="session")
def mail(house, authority):
    """Postfix and Dovecot lean on each other: Postfix asks Dovecot who someone is and gives it the
    letters, and Dovecot's submission hands its letters to Postfix."""
    postfix = Postfix(house)
    dovecot = Dovecot(house, postfix.ports["plain"]).start()
    return postfix.start(dovecot), dovecot


@pytest.fixture(scope="session")
def postfix(mail):
    return mail[0]


@pytest.fixture(scope="session")
def dovecot(mail):
    return mail[1]


@pytest.fixture(scope="session")
def exim(house, dovecot, crypted):
    return Exim(house).start(dovecot, crypted)


@pytest.fixture(scope="session")
def opensmtpd(house, dovecot, crypted):
    return OpenSmtpd(house).start(dovecot, crypted)


# The tests of IMAP clients speak of no server: $POSTHORN_IMAP_SERVERS may name dovecot too, which proves the tests.
IMAP_SERVERS = os.environ.get("POSTHORN_IMAP_SERVERS", "sqlite postgres").split()


@pytest.fixture(scope="module", params=IMAP_SERVERS)
def imap_server(request, house, posthorn_program, tmp_path_factory):
    if request.param == "dovecot":
        made = DovecotImap(house, request.getfixturevalue("authority"))
    else:
        store = request.getfixturevalue("postgres").new_database() if request.param == "postgres" else None
        made = PosthornImap(posthorn_program, tmp_path_factory.mktemp("imap"), house.ports, store=store)
    yield made
    made.close()


@pytest.fixture
def account(imap_server):
    """Somebody new, with the mailboxes that everybody has."""
    return imap_server.new_account()


@pytest.fixture(scope="session")
def proxies(house):
    return Proxies(house).start()


@pytest.fixture(scope="session")
def post(dovecot, authority):
    return Post(dovecot, authority)


@pytest.fixture
def client(authority):
    """Makes sessions: client(port, option=...) is a driver with a session that is connected."""
    with contextlib.ExitStack() as stack:
        def make(port, host="localhost", connect=True, descriptors=(), **options):
            driver = stack.enter_context(Driver(descriptors))
            options.setdefault("ca_file", authority.certificate)
            driver.well("new", host=host, port=port, **options)
            if connect:
                driver.well("connect")
            return driver
        yield make


@pytest.fixture
def letter(tmp_path, token):
    """Writes letters to files: letter(body) gives the path; .content holds the bytes of the last."""
    class Writer:
        def __call__(self, body=b"One line.\r\n", sender=people.ALICE, recipient=people.BOB,
                     extra=b"", name=token):
            self.content = (
                f"From: <{sender}>\r\nTo: <{recipient}>\r\nSubject: a letter\r\n"
                f"Message-ID: <{name}@posthorn.test>\r\n"
                "Date: Mon, 02 Jan 2023 03:04:05 +0000\r\n").encode() + extra + b"\r\n" + body
            return self.raw(self.content)

        def raw(self, content):
            path = tmp_path / uuid.uuid4().hex
            path.write_bytes(content)
            return str(path)

    return Writer()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows what the servers said last."""
    outcome = yield
    report = outcome.get_result()
    started = House.current
    if report.failed and started:
        report.sections.append(("the servers' last words", started.tail()))


@pytest.fixture
def token():
    """A name for one letter, for its Message-ID."""
    return uuid.uuid4().hex
