"""Mail that goes out: through the queue of the real program to real and to broken hosts, and back as a report."""

import base64
import email
import email.policy
import glob
import json
import poplib
import shutil
import smtplib
import tempfile
import time
import uuid

import pytest

from lab.ca import Authority
from lab.far_host import DROP, EXTENSIONS, SILENCE, certificate
from lab.far_world import LIMIT, OURSELVES, FarWorld
from lab.house import House, wait_until
from lab.posthorn import Posthorn

PASSWORD = "a secret"
ANN = "ann@posthorn.test"
PATIENCE = 60

HEADER = ("From: Ann <ann@posthorn.test>\r\nTo: <somebody@elsewhere.example>\r\nSubject: far away\r\n"
          "Date: Mon, 02 Jan 2023 03:04:05 +0000\r\nMessage-ID: <{token}@posthorn.test>\r\nMIME-Version: 1.0\r\n"
          "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n")
BODY = ".\r\n..two dots\r\n" + "x" * 990 + "\r\n\r\nlast line\r\n"
EIGHT = "Grüße aus der Ferne\r\n" + BODY


@pytest.fixture(scope="module")
def world(house):
    other = House()
    made = None
    try:
        made = FarWorld(other)
        made.authority = Authority(other.make_directory("/etc/posthorn"))
        yield made
    finally:
        if made is not None:
            made.close()
        other.close()
        House.current = house


@pytest.fixture(scope="module")
def far_servers(world):
    world.start_postfix()
    world.start_exim()
    world.start_opensmtpd()


def prepare(house, program, world, directory, store=None, **settings):
    options = {**world.options(), "allow_clear_login": ("submission", "pop3"), "queue_retry_time": "1s", **settings}
    made = Posthorn(program, directory, house.ports, store=store, **options)
    if store is not None:
        made.admin("store", "migrate")
    made.add_account(ANN, PASSWORD)
    return made


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def running(request, house, world, posthorn_program, tmp_path_factory):
    store = request.getfixturevalue("postgres").new_database() if request.param == "postgres" else None
    made = prepare(house, posthorn_program, world, tmp_path_factory.mktemp("queue"), store)
    # The address at which the world finds us.
    made.configure(listen_smtp=(*made.settings["listen-smtp"], f"{OURSELVES}:{world.port}"))
    made.start()
    yield made
    assert made.stop() == 0
    checked = made.admin("store", "check")
    assert checked.returncode == 0, checked.stdout


@pytest.fixture
def server(running):
    """The same for all tests; what a failed one has left is taken away."""
    yield running
    if queue(running):
        running.admin("queue", "remove", "--all", "--yes")
    inbox(running)


@pytest.fixture
def impatient(house, world, posthorn_program, tmp_path):
    """Warns after a second and gives up after four."""
    made = prepare(house, posthorn_program, world, tmp_path, queue_warning_time="1s", queue_lifetime="4s")
    made.start()
    yield made
    assert made.stop() == 0


def compose(body=BODY, encoding="7bit", token=None):
    return (HEADER.format(token=token or uuid.uuid4().hex, encoding=encoding) + body).encode()


def submit(server, recipients, letter=None, mail_options=(), recipient_options=(), sender=ANN):
    """Gives a letter to the submission port; what was given."""
    letter = compose() if letter is None else letter
    recipients = [recipients] if isinstance(recipients, str) else recipients
    with smtplib.SMTP("127.0.0.1", server.ports["submission"], local_hostname="desk.posthorn.test", timeout=30) as client:
        client.ehlo()
        client.user, client.password = ANN, PASSWORD
        client.auth("PLAIN", client.auth_plain)
        assert client.sendmail(sender, recipients, letter, mail_options, recipient_options) == {}
    return letter


def inbox(server):
    """All that has come, taken out."""
    reader = poplib.POP3("127.0.0.1", server.ports["pop3"], timeout=30)
    reader.user(ANN)
    reader.pass_(PASSWORD)
    found = []
    for number in range(1, reader.stat()[0] + 1):
        found.append(b"\r\n".join(reader.retr(number)[1]) + b"\r\n")
        reader.dele(number)
    reader.quit()
    return found


def queue(server, *words):
    """What `posthorn queue list` shows."""
    return json.loads(server.admin("queue", "list", "--json", *words).stdout)


def reasons(server):
    """Those of the queue that were tried, as text: why they wait is in there."""
    return [json.dumps(entry) for entry in queue(server) if entry["last_failure"]]


def wait_for_reason(server):
    found = wait_until(lambda: reasons(server), "a reason", PATIENCE)
    assert len(found) == 1
    return found[0]


def arrived(host, count=1):
    """The letters of a host, once so many are there."""
    try:
        wait_until(lambda: len(host.letters) >= count, f"{count} letters at {host.address}", PATIENCE)
    except TimeoutError as error:
        raise AssertionError(f"{error}; it heard {host.dialogue}") from None
    return list(host.letters)


def assert_same(letter, original):
    """Nothing but trace fields were added."""
    assert letter.text == original


class Report:
    """A bounce as Python's email package reads it."""

    def __init__(self, content):
        self.content = content
        self.message = email.message_from_bytes(content, policy=email.policy.default)
        assert self.message.get_content_type() == "multipart/report"
        assert self.message.get_param("report-type") in ("delivery-status", "global-delivery-status")
        self.parts = list(self.message.iter_parts())
        self.words = self.parts[0].get_content()
        status = self.parts[1].get_payload()
        self.fields, self.recipients = status[0], status[1:]
        assert not self.message.defects
        for part in self.parts:
            assert not part.defects

    def recipient(self, address):
        for fields in self.recipients:
            if fields["Final-Recipient"].partition(";")[2].strip() == address:
                return fields
        raise AssertionError(f"nothing of {address} in {self.content}")


def report_of(server):
    """The one report that comes."""
    found = wait_until(lambda: inbox(server), "a report", PATIENCE)
    assert len(found) == 1
    return Report(found[0])


def assert_failed(report, address, status, code=None):
    fields = report.recipient(address)
    assert fields["Action"] == "failed"
    assert fields["Status"] == status
    if code is not None:
        assert fields["Diagnostic-Code"].startswith(f"smtp; {code}")
    assert address in report.words
    return fields


def wait_until_gone(server):
    wait_until(lambda: queue(server) == [], "an empty queue", PATIENCE)


# ---- good hosts ----


@pytest.mark.parametrize("domain", ["postfix.test", "exim.test", "opensmtpd.test"])
def test_a_letter_arrives(server, world, far_servers, domain):
    letter = submit(server, f"alice@{domain}", compose(EIGHT, "8bit"), ["BODY=8BITMIME"])
    found = arrived(world.sink)
    world.sink.letters.clear()
    assert len(found) == 1
    assert found[0].sender == ANN
    assert found[0].recipients == [f"alice@{domain}"]
    assert_same(found[0], letter)
    received = found[0].content[:found[0].content.index(b"Subject:")].decode()
    # Opportunistic TLS was had; the submission's own trace field is there too.
    assert "esmtps" in received.lower()
    assert "by mail.posthorn.test" in received and "mail.posthorn.test" in received
    wait_until_gone(server)


@pytest.mark.parametrize("domain, status", [("postfix.test", "5.1.1"), ("exim.test", "5.1.1"), ("opensmtpd.test", None)])
def test_who_is_unknown_comes_back(server, world, far_servers, domain, status):
    letter = submit(server, [f"unknown@{domain}", f"bob@{domain}"])
    report = report_of(server)
    assert len(report.recipients) == 1
    fields = report.recipient(f"unknown@{domain}")
    assert fields["Action"] == "failed"
    assert fields["Status"] == status or status is None and fields["Status"].startswith("5.")
    assert fields["Diagnostic-Code"].startswith("smtp; 550")
    assert fields["Remote-MTA"] == f"dns; mx.{domain}"
    assert report.fields["Reporting-MTA"] == "dns; mail.posthorn.test"
    assert report.message["To"] == ANN
    assert letter[:letter.index(b"\r\n\r\n")].split(b"Message-ID")[1] in report.content
    assert arrived(world.sink)[0].recipients == [f"bob@{domain}"]
    world.sink.letters.clear()
    wait_until_gone(server)


def test_what_is_put_off_stays_and_says_why(server, world, far_servers):
    submit(server, "later@postfix.test")
    waiting = wait_for_reason(server)
    assert "later@postfix.test" in waiting and "come again" in waiting
    server.admin("queue", "remove", "--yes", "--recipient", "later@postfix.test")
    wait_until_gone(server)


# ---- which host ----


@pytest.mark.parametrize("domain, number", [("preferences.test", 1), ("firstdead.test", 1), ("halfhomeless.test", 1),
                                            ("noexchanger.test", 1), ("manyaddresses.test", 1), ("mxalias.test", 1),
                                            ("alias.test", 1), ("loopsecond.test", 1), ("bothfamilies.test", 1)])
def test_the_host_that_the_names_say(server, world, domain, number):
    hosts = {at: world.host(at) for at in (1, 2, 3)}
    try:
        letter = submit(server, f"somebody@{domain}")
        assert_same(arrived(hosts[number])[0], letter)
        assert hosts[number].letters[0].recipients == [f"somebody@{domain}"]
        wait_until_gone(server)
        assert sum(len(host.letters) for host in hosts.values()) == 1
    finally:
        for host in hosts.values():
            host.close()


def test_ipv6_comes_first(server, world):
    good, other = world.host_at("::1"), world.host(1)
    try:
        submit(server, "somebody@ipv6first.test")
        arrived(good)
        assert not other.letters
        wait_until_gone(server)
    finally:
        good.close()
        other.close()


def test_an_address_literal(server, world):
    host = world.host()
    submit(server, f"somebody@[{host.address}]")
    assert arrived(host)[0].recipients == [f"somebody@[{host.address}]"]


@pytest.mark.parametrize("domain, status", [
    ("null.test", "5.1.10"), ("nothing.test", "5.1.2"), ("homeless.test", "5.4.4"), ("literal.test", "5.4.4"),
    ("loop.test", "5.4.6"), ("loopbyaddress.test", "5.4.6"),
])
def test_a_domain_that_takes_no_mail(server, domain, status):
    submit(server, f"somebody@{domain}")
    report = report_of(server)
    fields = assert_failed(report, f"somebody@{domain}", status)
    assert fields["Remote-MTA"] is None
    wait_until_gone(server)


@pytest.mark.parametrize("domain", ["broken.test", "brokenhost.test", "nobody.test"])
def test_what_may_be_mended_waits(server, domain):
    submit(server, f"somebody@{domain}")
    assert domain in wait_for_reason(server)
    assert not inbox(server)
    server.admin("queue", "remove", "--yes", "--recipient", f"somebody@{domain}")
    wait_until_gone(server)


# ---- hosts of every manner ----


def first_times(count, reply):
    """The first so many times this, then what the host says by itself."""
    left = [count]

    def answer(_session, _line):
        left[0] -= 1
        return reply if left[0] >= 0 else None
    return answer


@pytest.mark.parametrize("verb, reply", [
    ("GREETING", "421 4.3.2 too busy"), ("GREETING", b"junk\r\n"),
    ("GREETING", b"220-" + b"x" * 100000), ("GREETING", b"\0\xff\xfe220\r\n"), ("EHLO", "421 4.3.2 too busy"),
    ("MAIL", "451 4.3.0 later"), ("MAIL", "421 4.7.0 too many messages"), ("RCPT", "450 4.7.1 greylisted, come again"),
    ("RCPT", "451 4.7.1 greylisted"), ("RCPT", "452 4.5.3 too many recipients"), ("DATA", "451 4.3.0 later"),
    ("DOT", "451 4.3.0 later"), ("DOT", "452 4.3.1 the disk is full"), ("RCPT", "999 what is this\r\n"), ("MAIL", b"junk\r\n"),
    ("RCPT", b"250-never\r\n250-ending\r\n" * 2000),
], ids=lambda value: repr(value)[:30])
def test_who_refuses_for_the_moment_gets_it_later(server, world, verb, reply):
    host = world.host(replies={verb: first_times(1, reply)}, extensions=tuple(set(EXTENSIONS) - {"CHUNKING"}))
    letter = submit(server, f"somebody@{host.domain}")
    retried(server, host)
    assert_same(host.letters[0], letter)
    wait_until_gone(server)
    assert len(host.letters) == 1
    assert not inbox(server)


def retried(server, host, count=1):
    """The letters of a host that failed as a whole, which rests for a minute unless one asks for another try."""
    def is_there():
        if len(host.letters) >= count:
            return True
        if reasons(server):
            server.admin("queue", "retry", "--route", host.domain)
        return False
    try:
        wait_until(is_there, f"a letter at {host.address}", PATIENCE)
    except TimeoutError as error:
        raise AssertionError(f"{error}; it heard {host.dialogue}; the queue has {queue(server)}") from None


@pytest.mark.parametrize("verb", ["GREETING", "EHLO", "MAIL", "RCPT", "DATA", "BDAT", "DOT"])
@pytest.mark.parametrize("has_chunking", [False, True])
def test_who_hangs_up_gets_it_later(server, world, verb, has_chunking):
    extensions = EXTENSIONS if has_chunking else tuple(set(EXTENSIONS) - {"CHUNKING"})
    host = world.host(replies={verb: first_times(1, DROP)}, extensions=extensions)
    letter = submit(server, f"somebody@{host.domain}")
    retried(server, host)
    assert_same(host.letters[0], letter)
    wait_until_gone(server)
    assert len(host.letters) == 1
    # A letter whose last answer was lost may have been kept: nobody can know, and it is sent again.
    assert len(host.attempts) == (2 if verb == "DOT" and len(host.attempts) > 1 else 1)


def test_who_hangs_up_within_the_body_gets_it_later(server, world):
    host = world.host(extensions=tuple(set(EXTENSIONS) - {"CHUNKING"}), body_limit=50000)
    letter = submit(server, f"somebody@{host.domain}", compose(BODY * 2000))
    wait_for_reason(server)
    host.body_limit = None
    retried(server, host)
    assert_same(host.letters[0], letter)
    wait_until_gone(server)


def test_who_is_slow_holds_nobody_up(server, world):
    slow, quick = world.host(delay=0.7), world.host()
    submit(server, [f"somebody@{slow.domain}"])
    began = time.monotonic()
    submit(server, [f"somebody@{quick.domain}"])
    arrived(quick)
    assert time.monotonic() - began < 2.5 and not slow.letters
    arrived(slow)
    wait_until_gone(server)


@pytest.mark.parametrize("verb, reply", [("GREETING", "554 5.3.2 no mail here"), ("MAIL", "550 5.7.1 not from you"), ("RCPT", "550 5.1.1 no such user"),
                                         ("DATA", "554 5.6.0 no"), ("DOT", "554 5.7.1 this is spam"), ("MAIL", "552 5.3.4 too large")])
def test_who_refuses_for_good_is_heard(server, world, verb, reply):
    host = world.host(replies={verb: reply}, extensions=tuple(set(EXTENSIONS) - {"CHUNKING"}))
    letter = submit(server, f"somebody@{host.domain}")
    report = report_of(server)
    fields = assert_failed(report, f"somebody@{host.domain}", reply[4:9], int(reply[:3]))
    assert reply[10:] in " ".join(fields["Diagnostic-Code"].split())
    assert fields["Remote-MTA"] == f"dns; mx{host.domain[1:]}"
    # RFC 3461 4.3: small letters come back whole.
    assert report.parts[2].get_content_type() == "message/rfc822"
    assert letter.split(b"\r\n\r\n", 1)[1] in report.content
    wait_until_gone(server)
    assert report.message["Auto-Submitted"].startswith("auto-")
    assert report.content.startswith(b"Return-Path: <>\r\n")


def test_each_recipient_has_his_own_fate(server, world):
    again = first_times(1, "450 4.2.1 busy")

    def choose(session, line):
        if "<gone@" in line:
            return "550 5.1.1 gone"
        return again(session, line) if "<later@" in line else None
    host = world.host(replies={"RCPT": choose})
    letter = submit(server, [f"{user}@{host.domain}" for user in ("good", "gone", "later", "fine")])
    report = report_of(server)
    assert len(report.recipients) == 1
    assert_failed(report, f"gone@{host.domain}", "5.1.1", 550)
    retried(server, host, 2)
    wait_until_gone(server)
    assert [sorted(letter.recipients) for letter in host.letters] == [[f"fine@{host.domain}", f"good@{host.domain}"],
                                                                      [f"later@{host.domain}"]]
    for found in host.letters:
        assert_same(found, letter)


def without(*names):
    return tuple(name for name in EXTENSIONS if name.split()[0] not in names)


def test_eight_bits_become_seven(server, world):
    host = world.host(extensions=without("8BITMIME", "SMTPUTF8"))
    submit(server, f"somebody@{host.domain}", compose(EIGHT, "8bit"), ["BODY=8BITMIME"])
    found = arrived(host)[0]
    assert found.content.isascii()
    assert "BODY=8BITMIME" not in found.parameters
    message = email.message_from_bytes(found.content, policy=email.policy.default)
    assert message["Content-Transfer-Encoding"] in ("quoted-printable", "base64")
    assert message.get_content().replace("\n", "\r\n").replace("\r\r", "\r") == EIGHT
    assert message["Message-ID"] and message["Subject"] == "far away"
    wait_until_gone(server)


def test_an_international_address_needs_its_extension(server, world):
    able, unable = world.host(), world.host(extensions=without("SMTPUTF8"))
    letter = compose(EIGHT, "8bit").replace(b"To: <somebody@", "To: <jürgen@".encode())
    submit(server, [f"jürgen@{able.domain}", f"jürgen@{unable.domain}"], letter, ["SMTPUTF8", "BODY=8BITMIME"])
    found = arrived(able)[0]
    assert_same(found, letter)
    assert "SMTPUTF8" in found.parameters and found.recipients == [f"jürgen@{able.domain}"]
    report = report_of(server)
    assert "5.6.7" in report.content.decode()
    assert not unable.attempts
    wait_until_gone(server)


def test_a_letter_too_large_is_not_sent(server, world):
    host = world.host(extensions=without("SIZE") + ("SIZE 10000",))
    submit(server, f"somebody@{host.domain}", compose(BODY * 20))
    assert_failed(report_of(server), f"somebody@{host.domain}", "5.3.4")
    assert not host.heard("DATA") and not host.heard("BDAT")
    wait_until_gone(server)


def test_a_host_of_the_old_kind(server, world):
    host = world.host(replies={"EHLO": "502 5.5.1 what?"}, extensions=())
    letter = submit(server, f"somebody@{host.domain}")
    assert_same(arrived(host)[0], letter)
    assert host.heard("HELO") == ["HELO mail.posthorn.test"]
    assert host.letters[0].parameters == []
    wait_until_gone(server)


# ---- TLS ----


@pytest.mark.parametrize("name", ["server", "expired", "wrong_name", "self_signed"])
def test_whatever_certificate_is_better_than_none(server, world, name):
    host = world.host(context=certificate(world.authority.pair(name)))
    letter = submit(server, f"somebody@{host.domain}")
    assert_same(arrived(host)[0], letter)
    assert host.letters[0].is_encrypted
    wait_until_gone(server)


@pytest.mark.parametrize("reply", ["454 4.7.0 not now", DROP, b"220 go on\r\nthis is no TLS\r\n", "500 what?"],
                         ids=["refused", "hung up", "clear text", "unknown"])
def test_broken_tls_is_done_without(server, world, reply):
    host = world.host(offers_tls=True, replies={"STARTTLS": reply})
    letter = submit(server, f"somebody@{host.domain}")
    retried(server, host)
    assert_same(host.letters[0], letter)
    assert not host.letters[0].is_encrypted
    assert host.heard("STARTTLS")
    wait_until_gone(server)


# ---- reports as the sender wishes them ----


def test_notify_is_kept(server, world):
    host = world.host(extensions=without("DSN"), replies={"RCPT": lambda _session, line: "550 5.1.1 no" if "<no" in line else None})
    submit(server, f"no-never@{host.domain}", recipient_options=["NOTIFY=NEVER"])
    submit(server, f"yes-quiet@{host.domain}", recipient_options=["NOTIFY=FAILURE"])
    wait_until_gone(server)
    assert not inbox(server)
    # The far end makes no reports itself: its word is passed on (RFC 3461 5.2.2).
    submit(server, f"yes@{host.domain}", mail_options=["ENVID=an+2Bid", "RET=HDRS"],
           recipient_options=["NOTIFY=SUCCESS", "ORCPT=rfc822;first@elsewhere.example"])
    report = report_of(server)
    fields = report.recipient(f"yes@{host.domain}")
    assert fields["Action"] == "relayed"
    assert fields["Original-Recipient"] == "rfc822; first@elsewhere.example"
    assert report.fields["Original-Envelope-Id"] == "an+id"
    assert report.parts[2].get_content_type() == "text/rfc822-headers"
    wait_until_gone(server)


def test_wishes_travel(server, world):
    host = world.host()
    submit(server, f"yes@{host.domain}", mail_options=["ENVID=an+2Bid", "RET=HDRS"],
           recipient_options=["NOTIFY=SUCCESS,DELAY", "ORCPT=rfc822;first@elsewhere.example"])
    found = arrived(host)[0]
    assert {"ENVID=an+2Bid", "RET=HDRS"} <= set(found.parameters)
    parameters = found.recipient_parameters[f"yes@{host.domain}"]
    assert set(parameters) == {"NOTIFY=SUCCESS,DELAY", "ORCPT=rfc822;first@elsewhere.example"}
    wait_until_gone(server)
    assert not inbox(server)


def test_late_letters_are_told_of_and_given_back(impatient, world):
    host = world.host(replies={"RCPT": "450 4.2.1 busy for ever"})
    letter = submit(impatient, f"somebody@{host.domain}")
    warned = report_of(impatient)
    fields = warned.recipient(f"somebody@{host.domain}")
    assert fields["Action"] == "delayed" and fields["Status"].startswith("4.")
    assert fields["Will-Retry-Until"]
    report = report_of(impatient)
    fields = report.recipient(f"somebody@{host.domain}")
    assert fields["Action"] == "failed"
    assert fields["Diagnostic-Code"].startswith("smtp; 450")
    assert letter.split(b"\r\n\r\n", 1)[1] in report.content
    wait_until_gone(impatient)


def test_a_report_has_no_report(server, world):
    """A letter from the null sender that an alias sends on is dropped where it is refused."""
    host = world.host(replies={"RCPT": "550 5.1.1 no such user"})
    server.admin("alias", "add", "onward@posthorn.test", f"somebody@{host.domain}")
    with smtplib.SMTP("127.0.0.1", server.ports["smtp"], timeout=30) as client:
        assert client.sendmail("", ["onward@posthorn.test"], compose()) == {}
    wait_until(lambda: host.heard("RCPT"), "the refusal", PATIENCE)
    wait_until_gone(server)
    assert not inbox(server)
    assert host.heard("MAIL")[0].startswith("MAIL FROM:<>")


def test_an_alias_leads_out(server, world):
    host = world.host()
    server.admin("alias", "add", "away@posthorn.test", f"somebody@{host.domain}")
    letter = compose()
    with smtplib.SMTP("127.0.0.1", server.ports["smtp"], timeout=30) as client:
        assert client.sendmail("far@elsewhere.example", ["away@posthorn.test"], letter) == {}
    found = arrived(host)[0]
    assert_same(found, letter)
    assert found.sender == "far@elsewhere.example"
    wait_until_gone(server)


# ---- much at once, and again after an end ----


def test_many_letters_to_many_hosts(server, world):
    hosts = [world.host() for _ in range(5)]
    tokens = {host.domain: {uuid.uuid4().hex for _ in range(40)} for host in hosts}
    for host in hosts:
        for token in tokens[host.domain]:
            submit(server, f"somebody@{host.domain}", compose(token=token))
    for host in hosts:
        arrived(host, 40)
    wait_until_gone(server)
    for host in hosts:
        assert len(host.letters) == 40
        found = {letter.content.partition(b"Message-ID: <")[2][:32].decode() for letter in host.letters}
        assert found == tokens[host.domain]
        # Connections are kept for the next letter.
        assert host.connections < 40


def test_a_large_letter(server, world, far_servers):
    letter = submit(server, "alice@exim.test", compose(BODY * 5000))
    assert_same(arrived(world.sink)[0], letter)
    world.sink.letters.clear()
    submit(server, "alice@exim.test", compose(BODY * (LIMIT // len(BODY) + 10)))
    assert_failed(report_of(server), "alice@exim.test", "5.3.4")
    wait_until_gone(server)


def test_the_queue_survives(house, world, posthorn_program, tmp_path):
    made = prepare(house, posthorn_program, world, tmp_path)
    made.start()
    host = world.host(replies={"RCPT": "450 4.2.1 not yet"})
    letters = [submit(made, f"somebody@{host.domain}") for _ in range(10)]
    wait_until(lambda: host.heard("RCPT"), "a try", PATIENCE)
    made.kill()
    made.start()
    assert len(queue(made)) == 10
    assert made.stop() == 0
    host.replies = {}
    made.start()
    retried(made, host, 10)
    wait_until_gone(made)
    assert sorted(letter.text for letter in host.letters) == sorted(letters)
    assert made.stop() == 0


# ---- relays ----


def test_a_relay_with_login(house, world, posthorn_program, tmp_path):
    context = certificate(world.authority.pair("server"))
    relay = world.host(context=context, extensions=EXTENSIONS + ("AUTH PLAIN",))
    direct = world.host()
    secrets = tmp_path / "secrets"
    secrets.write_text(f"{relay.address}:{relay.port} ann@relay.example its-password\n")
    secrets.chmod(0o600)
    made = prepare(house, posthorn_program, world, tmp_path, relay_secrets=str(secrets), relays=(
        f"to={direct.domain} host=mx",
        f"from=@posthorn.test host={relay.address}:{relay.port} user=ann@relay.example tls=required"))
    made.start()
    letter = submit(made, ["somebody@nothing.test", f"somebody@{direct.domain}"])
    found = arrived(relay)[0]
    assert_same(found, letter)
    assert found.is_encrypted and found.recipients == ["somebody@nothing.test"]
    login = relay.heard("AUTH PLAIN")[0].split()[2]
    assert base64.b64decode(login) == b"\0ann@relay.example\0its-password"
    assert arrived(direct)[0].recipients == [f"somebody@{direct.domain}"]
    wait_until_gone(made)
    assert made.stop() == 0


def test_a_relay_that_must_have_tls(house, world, posthorn_program, tmp_path):
    relay = world.host()
    made = prepare(house, posthorn_program, world, tmp_path, relays=(f"host={relay.address}:{relay.port} tls=required",))
    made.start()
    submit(made, "somebody@nothing.test")
    assert "TLS" in wait_for_reason(made)
    assert not relay.heard("MAIL")
    assert made.stop() == 0


def test_who_says_nothing_is_left(house, world, posthorn_program, tmp_path):
    """A host that takes the connection and is silent does not hold up the end of the server."""
    made = prepare(house, posthorn_program, world, tmp_path)
    made.start()
    silent = world.host(replies={"GREETING": SILENCE})
    submit(made, f"somebody@{silent.domain}")
    wait_until(lambda: silent.connections == 1, "a connection", PATIENCE)
    assert made.stop(20) == 0


def test_a_user_of_no_importance_sends(house, world, posthorn_program, tmp_path):
    """Names are looked up and mail is sent when root was given up."""
    with tempfile.TemporaryDirectory(prefix="phqueue", dir="/var/tmp") as directory:
        made = prepare(house, posthorn_program, world, directory, user="nobody")
        # Root reads its configuration in a place of its own.
        made.file = tmp_path / "posthorn.conf"
        made.configure()
        for path in (directory, *glob.glob(directory + "/*.db*")):
            shutil.chown(path, "nobody", "nogroup")
        made.start()
        host = world.host()
        letter = submit(made, f"somebody@{host.domain}")
        assert_same(arrived(host)[0], letter)
        assert made.stop() == 0
