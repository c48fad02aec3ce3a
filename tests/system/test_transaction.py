"""Envelopes, limits, extensions and bodies."""

import pytest

from lab import driver as ph
from lab import people
from lab.house import wait_until
from lab.mailbox import without_trace
from lab.postfix import SMALL_LIMIT
from test_submission import sign_in


@pytest.fixture
def plain(client, postfix):
    """A session at the open door: no TLS, no login."""
    return client(postfix.ports["plain"], tls="none")


def send(driver, letter, recipients=(people.BOB,), **members):
    return driver("send", sender=people.ALICE, recipients=list(recipients), letter=letter,
                  **members)


def test_one_recipient_of_three_is_refused(plain, post, letter, token):
    path = letter()
    answer = plain.well("sendmail", sender=people.ALICE, letter=path,
                        recipients=[people.BOB, people.UNKNOWN, people.CAROL])
    result = answer.result
    assert [one.accepted for one in result.recipients] == [True, False, True]
    assert result.recipients[1].reply.code == 550
    assert result.recipients[1].reply.enhanced == "5.1.1"
    assert people.UNKNOWN in result.recipients[1].reply.text
    assert result.accepted == 2
    for user in (people.BOB, people.CAROL):
        assert without_trace(post.by_imap(user, token)) == letter.content


def test_a_refused_recipient_at_every_server(client, exim, opensmtpd, dovecot, post, letter, token):
    path = letter(recipient=people.CAROL)
    for port in (exim.submission, opensmtpd.submission, dovecot.submission):
        driver = client(port, tls="starttls")
        sign_in(driver)
        answer = driver.well("sendmail", sender=people.ALICE, letter=path,
                             recipients=[people.UNKNOWN, people.CAROL])
        assert [one.accepted for one in answer.result.recipients] == [False, True]
    assert len(post.by_imap(people.CAROL, token, count=3)) == 3


@pytest.mark.parametrize("way", ["chunking", "data"])
def test_all_recipients_are_refused(client, postfix, letter, way):
    plain = client(postfix.ports["plain"], tls="none", no_chunking=way == "data")
    path = letter()
    others = ["nobody@posthorn.test", "none@posthorn.test", "far@elsewhere.example"]
    answer = plain.refused("recipients refused", "sendmail", sender=people.ALICE, letter=path,
                           recipients=others)
    assert [one.reply.code for one in answer.result.recipients] == [550, 550, 554]
    assert answer.error.fate == ph.NOT_SENT and not answer.error.retry
    # With BDAT the body rides in the same flight; with DATA none is sent.
    assert way == "chunking" or not any(line.startswith("~") for line in answer.trace)
    # The session is good for the next letter.
    plain.well("sendmail", sender=people.ALICE, recipients=[people.BOB], letter=path)


def test_duplicates_are_kept(plain, letter):
    answer = plain.well("sendmail", sender=people.ALICE, letter=letter(),
                        recipients=[people.BOB, people.UNKNOWN, people.BOB, people.UNKNOWN])
    assert [one.accepted for one in answer.result.recipients] == [True, False, True, False]


def test_a_refused_sender(client, postfix, letter):
    """A server that knows no SMTPUTF8 cannot be asked; one with a bad parameter says no to MAIL."""
    driver = client(postfix.ports["plain"], tls="none")
    answer = send(driver, letter(), parameters="NONSENSE=1")
    assert not answer.ok and answer.error.kind == "sender refused"
    assert answer.error.code == 555 and answer.error.verb == "MAIL"
    assert send(driver, letter()).ok


def test_a_greeting_that_refuses(client, postfix):
    driver = client(postfix.ports["closed"], tls="none", connect=False)
    error = driver.refused("connect", "connect").error
    assert error.code == 554 and not error.retry and error.fate == ph.NOT_SENT


def test_not_now(client, postfix, letter):
    """Every recipient is told to come back later: worth a second try."""
    driver = client(postfix.ports["deferring"], tls="none")
    answer = driver.refused("recipients refused", "sendmail", sender=people.ALICE, letter=letter(),
                            recipients=[people.BOB, people.CAROL])
    assert answer.error.code == 450 and answer.error.retry and answer.error.fate == ph.NOT_SENT
    assert driver.well("noop").code == 250


@pytest.mark.parametrize("way", ["chunking", "data"])
@pytest.mark.parametrize("door", ["no_data", "no_end"])
def test_the_letter_itself_is_refused(client, postfix, post, letter, token, door, way):
    driver = client(postfix.ports[door], tls="none", no_chunking=way == "data")
    path = letter(b"x\r\n" * 1000)
    for _ in range(2):
        answer = driver.refused("data refused", "sendmail", sender=people.ALICE, letter=path,
                                recipients=[people.BOB, people.UNKNOWN])
        assert answer.error.code == 554 and answer.error.enhanced == "5.7.1"
        assert answer.error.fate == ph.NOT_SENT and not answer.error.retry
        assert [one.accepted for one in answer.result.recipients] == [False, False]
        # What was pipelined behind is settled: replies and commands still belong together.
        assert driver.well("docmd", verb="VRFY", argument=people.BOB).code == 252
    assert post.all_by_imap(people.BOB, token) == []


@pytest.mark.parametrize("way", ["chunking", "data"])
def test_refused_letters_do_not_harm_each_other(client, postfix, letter, way):
    """Postfix keeps the envelope of a letter that it refused at its end until RSET."""
    driver = client(postfix.ports["no_end"], tls="none", no_chunking=way == "data")
    path = letter()
    answer = driver("send_all", transactions=[
        {"sender": people.ALICE, "letter": path, "recipients": [people.BOB]} for _ in range(5)])
    assert not answer.ok
    for result in answer.results:
        assert result.error.kind == "data refused" and result.error.code == 554, result.error
        assert result.recipients[0].reply.code == 250


def test_too_large_is_known_before_a_byte_is_sent(client, postfix, letter):
    driver = client(postfix.ports["small"], tls="none")
    driver.well("ehlo")
    path = letter(b"x" * 78 + b"\r\n" + b"y" * SMALL_LIMIT + b"\r\n")
    for do in ("sendmail", "send"):
        answer = driver.refused("too large", do, sender=people.ALICE, recipients=[people.BOB],
                                letter=path)
        assert not answer.sent()
    driver.well("sendmail", sender=people.ALICE, recipients=[people.BOB], letter=letter())


def test_too_large_where_the_size_is_not_known(client, postfix, letter):
    """A callback that gives more than the server takes: the server's own refusal counts."""
    driver = client(postfix.ports["small"], tls="none")
    path = letter(b"x" * 78 + b"\r\n" + (b"y" * 78 + b"\r\n") * 500)
    answer = send(driver, path, body="callback")
    assert not answer.ok
    assert answer.error.kind in ("too large", "data refused") and answer.error.code == 552
    assert answer.error.fate == ph.NOT_SENT
    assert send(driver, letter()).ok


def test_international_addresses(plain, post, token, letter):
    path = letter(recipient=people.JUERGEN_ADDRESS, extra="X-Greeting: ümlaut\r\n".encode())
    answer = send(plain, path, [people.JUERGEN_ADDRESS, people.BOB], utf8_headers=True)
    # Dovecot's LMTP cannot take the second one, which is Postfix's to report; here the first counts.
    assert answer.ok, answer.error
    assert any("SMTPUTF8" in line for line in answer.sent("MAIL"))
    assert without_trace(post.by_imap(people.JUERGEN, token)) == letter.content


def test_smtputf8_is_not_asked_for_without_need(plain, letter):
    assert not any("SMTPUTF8" in line for line in send(plain, letter()).sent("MAIL"))


def test_an_international_domain_goes_as_a_label(plain, letter):
    answer = send(plain, letter(), [people.BOB, "someone@bücher.example"])
    assert answer.ok
    assert any("xn--bcher-kva.example" in line for line in answer.sent("RCPT"))
    assert not any("SMTPUTF8" in line for line in answer.sent("MAIL"))


def test_international_addresses_where_they_cannot_go(client, opensmtpd, postfix, letter):
    driver = client(opensmtpd.submission, tls="starttls")
    sign_in(driver)
    answer = send(driver, letter(), [people.JUERGEN_ADDRESS])
    assert not answer.ok and answer.error.kind == "not supported"
    assert not answer.sent("MAIL")


def test_a_success_notification_comes_back(plain, post, letter, token):
    """ENVID, ORCPT, NOTIFY and RET reach Postfix, whose notice quotes them (RFC 3461, 3464)."""
    answer = send(plain, letter(), [{"address": people.BOB, "notify": ph.NOTIFY_SUCCESS,
                                     "original_recipient": "Bob+the=great@posthorn.test"}],
                  envelope_id="id + = " + token, **{"return": "headers"})
    assert answer.ok, answer.error
    (mail,), (rcpt,) = answer.sent("MAIL"), answer.sent("RCPT")
    assert "RET=HDRS" in mail and f"ENVID=id+20+2B+20+3D+20{token}" in mail
    assert "NOTIFY=SUCCESS" in rcpt and "ORCPT=rfc822;Bob+2Bthe+3Dgreat@posthorn.test" in rcpt
    with post.imap(people.ALICE) as box:
        def notice():
            box.noop()
            numbers = box.search(None, "TEXT", token)[1][0].split()
            return [box.fetch(n, "(BODY.PEEK[])")[1][0][1] for n in numbers] or None
        text = wait_until(notice, "the notice of delivery")[0].decode()
    assert "Original-Envelope-Id: id + = " + token in text
    assert "Original-Recipient: rfc822;Bob+the=great@posthorn.test" in text
    assert "Action: relayed" in text
    # RET=HDRS: the letter's text is not in the notice.
    assert "One line." not in text


def test_dsn_is_dropped_where_it_is_a_wish(client, opensmtpd, postfix, letter):
    driver = client(postfix.ports["bare"], tls="none")
    recipient = {"address": people.BOB, "notify": ph.NOTIFY_SUCCESS}
    answer = send(driver, letter(), [recipient], envelope_id="x")
    assert answer.ok and answer.result.dropped & ph.EXTENSION_DSN
    assert not any("NOTIFY" in line for line in answer.sent("RCPT"))
    answer = send(driver, letter(), [recipient], demands=ph.EXTENSION_DSN)
    assert not answer.ok and answer.error.kind == "not supported"
    assert not answer.sent("MAIL")


def test_demands_that_no_server_here_meets(plain, letter):
    for members in ({"require_tls": True}, {"hold_for": 60, "demands": ph.EXTENSION_FUTURERELEASE},
                    {"deliver_by": 600, "demands": ph.EXTENSION_DELIVERBY},
                    {"priority": 3, "demands": ph.EXTENSION_MT_PRIORITY}):
        answer = send(plain, letter(), **members)
        assert not answer.ok and answer.error.kind == "not supported", members
        assert not answer.sent("MAIL")


BODIES = {
    "empty": b"",
    "no last line end": b"no end",
    "dot at byte 0": b".\r\n",
    "dots": b".\r\n..\r\n...x\r\n.x.\r\n\r\n.\r\n",
    "ends with dot": b"text\r\n.",
    "from": b"From here\r\n>From there\r\n",
    "8-bit": "Grüße\r\n".encode() + b"\xff\xfe\x80\r\n",
    "long lines": b"a" * 990 + b"\r\n" + b"." + b"b" * 980 + b"\r\n",
    "tabs and blanks": b"\t \r\n  \r\n \t.\r\n",
    "only line ends": b"\r\n" * 50,
}


def at_rest(content):
    """A message as a mailbox holds it: the last line is whole."""
    return content if content.endswith(b"\r\n") else content + b"\r\n"


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("way", ["chunking", "data"])
def test_bodies_arrive_as_they_are(client, postfix, post, letter, token, way, name):
    driver = client(postfix.ports["plain"], tls="none", no_chunking=way == "data")
    path = letter(BODIES[name])
    answer = send(driver, path)
    assert answer.ok, answer.error
    assert bool(answer.sent("BDAT")) == (way == "chunking")
    assert bool(answer.sent("DATA")) == (way == "data")
    fetched = post.by_imap(people.BOB, token)
    assert without_trace(fetched) == at_rest(letter.content)
    assert post.by_pop3(people.BOB, token) == fetched


@pytest.mark.parametrize("way", ["chunking", "data"])
@pytest.mark.parametrize("kind", ["memory", "file", "callback"])
def test_bodies_from_everywhere(client, exim, dovecot, post, letter, token, kind, way):
    driver = client(exim.submission, tls="starttls", no_chunking=way == "data")
    sign_in(driver)
    path = letter(b"".join(b"." * (n % 5) + b"line %d\r\n" % n for n in range(3000)))
    answer = send(driver, path, body=kind)
    assert answer.ok, answer.error
    assert without_trace(post.by_imap(people.BOB, token)) == letter.content


@pytest.mark.parametrize("kind", ["memory", "callback"])
@pytest.mark.parametrize("way", ["chunking", "data"])
def test_lone_line_ends_become_whole(client, postfix, post, token, letter, way, kind):
    head = f"Message-ID: <{token}@posthorn.test>\nSubject: x\r\n\n".encode()
    path = letter.raw(head + b"bare LF\n.dot\nbare CR\r.dot\r\nboth\n\r\nend")
    driver = client(postfix.ports["plain"], tls="none", no_chunking=way == "data")
    answer = send(driver, path, body=kind)
    assert answer.ok, answer.error
    expected = head.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") + \
        b"bare LF\r\n.dot\r\nbare CR\r\n.dot\r\nboth\r\n\r\nend\r\n"
    assert without_trace(post.by_imap(people.BOB, token)) == expected


@pytest.mark.parametrize("kind", ["memory", "callback"])
@pytest.mark.parametrize("way", ["chunking", "data"])
def test_lone_line_ends_are_refused_on_request(client, postfix, post, letter, token, way, kind):
    driver = client(postfix.ports["plain"], tls="none", no_chunking=way == "data")
    for bad in (b"bare\nLF\r\n", b"bare\rCR\r\n", b"last\r"):
        answer = send(driver, letter(bad), body=kind, refuse_line_ends=True)
        assert not answer.ok and answer.error.kind == "body", answer
        assert answer.error.fate == ph.NOT_SENT
        if not answer.connected:
            driver.well("connect")
    assert post.all_by_imap(people.BOB, token) == []


@pytest.mark.parametrize("way", ["chunking", "data"])
def test_five_megabytes(client, postfix, post, letter, token, way):
    driver = client(postfix.ports["submission"], tls="starttls", no_chunking=way == "data")
    sign_in(driver)
    line = bytes(range(33, 127)).replace(b".", b"-")[:76] + b"\r\n"
    path = letter((line * 99 + b"." + line) * 640)
    answer = send(driver, path, body="file")
    assert answer.ok, answer.error
    assert len(letter.content) > 4_900_000
    assert without_trace(post.by_imap(people.BOB, token)) == letter.content


def test_binary_needs_binarymime(plain, letter):
    answer = send(plain, letter(b"\0\n\r"), content="binary")
    assert not answer.ok and answer.error.kind == "not supported"
    assert not answer.sent("MAIL")


@pytest.mark.parametrize("in_flight", [False, True])
def test_many_messages_on_one_connection(client, postfix, exim, opensmtpd, dovecot, post, letter,
                                         token, in_flight):
    count = 30
    for port, mode in ((postfix.ports["plain"], "none"), (exim.submission, "starttls"),
                       (opensmtpd.submission, "starttls"), (dovecot.submission, "starttls")):
        driver = client(port, tls=mode, bodies_in_flight=in_flight)
        if mode != "none":
            sign_in(driver)
        name = f"{token}{port}"
        paths = [(letter(b".%d\r\n" % n, name=name), letter.content) for n in range(count)]
        answer = driver("send_all", transactions=[
            {"sender": people.ALICE, "letter": path,
             "recipients": [people.BOB, people.UNKNOWN][:1 + n % 2]}
            for n, (path, _) in enumerate(paths)])
        assert answer.ok, answer.error
        assert [result.accepted for result in answer.results] == [1] * count
        assert all(result.reply.code == 250 for result in answer.results)
        fetched = post.by_imap(people.BOB, name, count=count)
        assert sorted(map(without_trace, fetched)) == sorted(content for _, content in paths)


def test_one_bad_message_among_many(plain, post, letter, token):
    orders = [{"sender": people.ALICE, "letter": letter(b"%d\r\n" % n), "recipients": [user]}
              for n, user in enumerate([people.BOB, people.UNKNOWN, people.BOB])]
    answer = plain("send_all", transactions=orders)
    assert not answer.ok and answer.error.kind == "recipients refused"
    assert [result.accepted for result in answer.results] == [1, 0, 1]
    assert len(post.by_imap(people.BOB, token, count=2)) == 2


def test_a_hundred_recipients(plain, letter):
    answer = plain.well("sendmail", sender=people.ALICE, letter=letter(),
                        recipients=[f"bob+{n}@posthorn.test" for n in range(90)] +
                        [f"nobody{n}@posthorn.test" for n in range(10)])
    assert [one.accepted for one in answer.result.recipients] == [True] * 90 + [False] * 10


@pytest.mark.parametrize("way", ["chunking", "data"])
def test_a_server_that_has_had_enough(client, postfix, letter, way):
    """Postfix hangs up after 1000 errors, in the middle of many commands that are on their way."""
    driver = client(postfix.ports["plain"], tls="none", no_chunking=way == "data")
    answer = driver("sendmail", sender=people.ALICE, letter=letter(),
                    recipients=[people.BOB] + [f"nobody{n}@posthorn.test" for n in range(1500)])
    assert not answer.ok
    assert answer.error.kind == "disconnected"
    # The system may throw away what was still to be read, the 421 among it.
    assert answer.error.code in (0, 421)
    results = answer.result.recipients
    assert len(results) == 1501 and not any(one.accepted for one in results)
    assert results[500].reply.code == 550
    # With BDAT the body is on its way already, so that nobody can be sure without the 421.
    assert answer.error.fate == ph.NOT_SENT or (way == "chunking" and answer.error.code == 0)
    driver.well("connect")
    driver.well("sendmail", sender=people.ALICE, recipients=[people.BOB], letter=letter())


def test_a_server_of_the_old_kind(client, postfix, post, letter, token):
    """No extension at all: one command at a time, and the letter is 7-bit."""
    driver = client(postfix.ports["bare"], tls="none")
    answer = send(driver, letter(b".plain\r\n"))
    assert answer.ok, answer.error
    assert without_trace(post.by_imap(people.BOB, token)) == letter.content


def test_without_pipelining_the_same_arrives(client, postfix, post, letter, token):
    driver = client(postfix.ports["plain"], tls="none", no_pipelining=True)
    assert send(driver, letter(b".x\r\n")).ok
    assert without_trace(post.by_imap(people.BOB, token)) == letter.content


def test_the_null_sender(plain, post, letter, token):
    plain.well("sendmail", sender="", recipients=[people.BOB], letter=letter())
    assert b"Return-Path: <>" in post.by_imap(people.BOB, token)


def test_nothing_can_be_smuggled_into_a_command(plain, letter):
    for sender, recipient in ((people.ALICE, "a@b.example>\r\nRCPT TO:<bob@posthorn.test"),
                              ("x@y.example> SIZE=1", people.BOB),
                              (people.ALICE, "<a@b.example> NOTIFY=NEVER"),
                              (people.ALICE, "a@b.example\n"), (people.ALICE, "")):
        answer = plain.refused("argument", "sendmail", sender=sender, recipients=[recipient],
                               letter=letter())
        assert not answer.sent("MAIL") and not answer.sent("RCPT")
    answer = plain.refused("argument", "docmd", verb="NOOP", argument="x\r\nQUIT")
    assert not answer.sent()
