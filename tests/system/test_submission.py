"""Logging in and sending, at every server, by every mechanism."""

import base64
import unicodedata

import pytest

from lab import people
from lab.dovecot import access_token
from lab.mailbox import without_trace

BODY = b".a dot\r\n..two dots\r\n.\r\n\r\nFrom the start\r\n" + "Grüße ☃\r\n".encode()

DOORS = ["postfix.submission", "postfix.submissions", "postfix.tls12", "exim.submission",
         "exim.submissions", "opensmtpd.submission", "opensmtpd.submissions", "dovecot.submission"]
MECHANISMS = ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"]


def door(request, name):
    """The port of a door, and the TLS mode that it wants."""
    server, port = name.split(".")
    lab = request.getfixturevalue(server)
    port_number = lab.ports[port] if server == "postfix" else getattr(lab, port)
    return port_number, "implicit" if port == "submissions" else "starttls"


def sign_in(driver, user=people.ALICE, **members):
    driver.well("ehlo")
    driver.well("starttls")
    if members:
        return driver.well("auth", user=user, password=people.PASSWORDS[user], **members)
    return driver.well("login", user=user, password=people.PASSWORDS[user])


@pytest.mark.parametrize("name", DOORS)
def test_a_letter_arrives_byte_for_byte(request, client, post, letter, token, name):
    port, mode = door(request, name)
    driver = client(port, tls=mode)
    assert sign_in(driver).encrypted
    answer = driver.well("sendmail", sender=people.ALICE, recipients=[people.BOB],
                         letter=letter(BODY))
    assert answer.result.accepted == 1
    assert answer.result.reply.code == 250 and answer.result.reply.text
    assert driver.well("quit").code == 221
    fetched = post.by_imap(people.BOB, token)
    assert without_trace(fetched) == letter.content
    assert post.by_pop3(people.BOB, token) == fetched


@pytest.mark.parametrize("name", ["postfix.submission", "opensmtpd.submissions"])
def test_login_alone_brings_ehlo_and_starttls(request, client, post, letter, token, name):
    port, mode = door(request, name)
    driver = client(port, tls=mode)
    driver.well("login", user=people.ALICE, password=people.PASSWORDS[people.ALICE])
    driver.well("sendmail", sender=people.ALICE, recipients=[people.BOB], letter=letter())
    assert without_trace(post.by_imap(people.BOB, token)) == letter.content


@pytest.mark.parametrize("user", [people.BOB, people.UMLAUT])
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_postfix_with_dovecot_knows_each_mechanism(client, postfix, mechanism, user):
    driver = client(postfix.ports["submission"], tls="starttls")
    answer = sign_in(driver, user, mechanisms=mechanism)
    assert answer.sent("AUTH " + mechanism)
    assert answer.reply.code == 235


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_dovecot_submission_knows_each_mechanism(client, dovecot, postfix, mechanism):
    driver = client(dovecot.submission, tls="starttls")
    assert sign_in(driver, people.UMLAUT, mechanisms=mechanism).sent("AUTH " + mechanism)


@pytest.mark.parametrize("user", [people.BOB, people.UMLAUT])
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_exim_knows_each_mechanism(client, exim, mechanism, user):
    driver = client(exim.submissions, tls="implicit")
    assert sign_in(driver, user, mechanisms=mechanism).sent("AUTH " + mechanism)


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_opensmtpd_knows_each_mechanism(client, opensmtpd, mechanism):
    driver = client(opensmtpd.submission, tls="starttls")
    assert sign_in(driver, people.UMLAUT, mechanisms=mechanism).sent("AUTH " + mechanism)


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1", "SCRAM-SHA-256"])
def test_a_password_in_another_normal_form(client, postfix, mechanism):
    """Typed with combining marks, kept composed: SASLprep makes them one (RFC 4013, RFC 5802)."""
    password = unicodedata.normalize("NFD", people.PASSWORDS[people.UMLAUT])
    assert password != people.PASSWORDS[people.UMLAUT]
    driver = client(postfix.ports["submission"], tls="starttls")
    driver.well("starttls")
    driver.well("auth", user=people.UMLAUT, password=password, mechanisms=mechanism)


@pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "XOAUTH2"])
# The longer token does not fit in a command line, so it follows the server's 334.
@pytest.mark.parametrize("padding", [0, 1500])
def test_bearer_tokens(client, postfix, mechanism, padding):
    driver = client(postfix.ports["submission"], tls="starttls")
    driver.well("starttls")
    answer = driver.well("auth", user=people.ALICE, mechanisms=mechanism,
                         access_token=access_token(people.ALICE, padding))
    assert answer.reply.code == 235
    wrong = client(postfix.ports["submission"], tls="starttls")
    wrong.well("starttls")
    assert wrong.refused("authentication", "auth", user=people.ALICE, mechanisms=mechanism,
                         access_token="not.a.token").error.code == 535
    assert wrong.well("noop").code == 250


def test_the_strongest_mechanism_comes_first(client, postfix, exim, opensmtpd):
    for port, mechanism in ((postfix.ports["submission"], "SCRAM-SHA-256"),
                            (exim.submission, "PLAIN"), (opensmtpd.submission, "PLAIN")):
        driver = client(port, tls="starttls")
        driver.well("starttls")
        answer = driver.well("login", user=people.ALICE, password=people.PASSWORDS[people.ALICE])
        assert answer.sent("AUTH")[0].split()[1] == mechanism


def test_without_an_initial_response(client, postfix, exim):
    for port in (postfix.ports["submission"], exim.submission):
        driver = client(port, tls="starttls")
        answer = sign_in(driver, mechanisms="PLAIN", no_initial_response=True)
        assert answer.sent("AUTH")[0] == "AUTH PLAIN"


@pytest.mark.parametrize("name", DOORS)
@pytest.mark.parametrize("mechanisms", [None, "PLAIN", "LOGIN"])
def test_a_wrong_password_is_an_authentication_error(request, client, name, mechanisms):
    port, mode = door(request, name)
    driver = client(port, tls=mode)
    driver.well("starttls")
    members = {"mechanisms": mechanisms} if mechanisms else {}
    error = driver.refused("authentication", "auth", user=people.ALICE, password="wrong",
                           **members).error
    assert error.code == 535
    assert error.fate == 0
    # The connection is still good, and the right password still opens.
    driver.well("auth", user=people.ALICE, password=people.PASSWORDS[people.ALICE], **members)


@pytest.mark.parametrize("mechanism", ["CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"])
def test_a_wrong_password_by_challenge(client, postfix, mechanism):
    driver = client(postfix.ports["submission"], tls="starttls")
    driver.well("starttls")
    driver.refused("authentication", "auth", user=people.ALICE, password="wrong",
                   mechanisms=mechanism)
    assert driver.well("noop").code == 250


def test_secrets_are_not_in_the_transcript(client, postfix):
    driver = client(postfix.ports["submission"], tls="starttls")
    driver.well("starttls")
    password = people.PASSWORDS[people.UMLAUT]
    for mechanism in MECHANISMS:
        other = client(postfix.ports["submission"], tls="starttls")
        other.well("starttls")
        answer = other.well("auth", user=people.UMLAUT, password=password, mechanisms=mechanism)
        text = "\n".join(answer.trace)
        plain = "\0" + people.UMLAUT + "\0" + password
        for secret in (password, base64.b64encode(password.encode()).decode(),
                       base64.b64encode(plain.encode()).decode()):
            assert secret not in text
        assert "****" in text


def test_a_mechanism_that_is_not_offered(client, exim):
    driver = client(exim.submission, tls="starttls")
    driver.well("starttls")
    answer = driver("auth", user=people.ALICE, password="x", mechanisms="SCRAM-SHA-256")
    assert not answer.ok
    assert answer.error.kind in ("authentication", "not supported")
    assert not answer.sent("AUTH")


def test_login_in_clear_needs_the_loopback_or_a_word(client, postfix):
    """The laboratory is on the loopback, where clear text is allowed by default."""
    driver = client(postfix.ports["clear_auth"], host="127.0.0.1")
    answer = driver.well("login", user=people.ALICE, password=people.PASSWORDS[people.ALICE])
    assert not answer.encrypted
    strict = client(postfix.ports["clear_auth"], tls="starttls")
    answer = strict("login", user=people.ALICE, password=people.PASSWORDS[people.ALICE])
    assert not answer.ok and answer.error.kind in ("tls", "not supported")
    assert not answer.sent("AUTH")


def test_a_refused_sender_before_login(client, postfix, letter):
    driver = client(postfix.ports["submission"], tls="starttls")
    driver.well("starttls")
    answer = driver.refused("recipients refused", "sendmail", sender=people.ALICE,
                            recipients=[people.BOB], letter=letter())
    assert answer.error.code == 554
    assert answer.error.fate == 0


@pytest.mark.parametrize("who", [{}, {"user": people.ALICE},
                                 {"authorization_id": people.ALICE}])
def test_exim_lets_in_by_certificate(client, exim, authority, post, letter, token, who):
    driver = client(exim.submission, tls="starttls", certificate_file=authority.pair("client"))
    driver.well("starttls")
    answer = driver.well("auth", mechanisms="EXTERNAL", **who)
    assert answer.sent("AUTH EXTERNAL")
    driver.well("sendmail", sender=people.ALICE, recipients=[people.BOB], letter=letter())
    assert without_trace(post.by_imap(people.BOB, token)) == letter.content
