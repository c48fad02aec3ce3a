"""Whom the library trusts: certificates good and bad, pins, modes."""

import os
import subprocess

import pytest

from lab import people
from lab.driver import Driver
from lab.mailbox import without_trace

BAD = ["wrong_name", "expired", "self_signed", "common_name_only"]


@pytest.mark.parametrize("name", BAD)
def test_a_bad_certificate_is_refused(client, postfix, name):
    driver = client(postfix.ports[name], tls="starttls")
    answer = driver.refused("certificate", "starttls")
    assert answer.error.fate == 0 and not answer.connected
    # Nothing was said behind the handshake.
    assert answer.sent()[-1].upper() == "STARTTLS"


@pytest.mark.parametrize("name", BAD)
def test_no_password_is_shown_to_a_bad_certificate(client, postfix, name):
    driver = client(postfix.ports[name], tls="starttls")
    answer = driver.refused("certificate", "login", user=people.ALICE, password="secret")
    assert not answer.sent("AUTH")


def test_a_bad_certificate_with_implicit_tls(client, postfix):
    driver = client(postfix.ports["wrong_name_wrapped"], tls="implicit", connect=False)
    driver.refused("certificate", "connect")


def test_the_error_says_what_is_wrong(client, postfix):
    sentences = {}
    for name in BAD:
        driver = client(postfix.ports[name], tls="starttls")
        sentences[name] = driver("starttls").error.message.lower()
    assert "expired" in sentences["expired"]
    assert "localhost" in sentences["wrong_name"]
    assert "self" in sentences["self_signed"]
    assert len(set(sentences.values())) >= 3


def test_an_unknown_authority_is_refused(client, postfix, authority):
    driver = client(postfix.ports["submission"], tls="starttls",
                    ca_file=authority.path("self_signed.pem"))
    driver.refused("certificate", "starttls")


def test_the_systems_trust_does_not_hold_the_laboratory(client, postfix):
    driver = client(postfix.ports["submission"], tls="starttls", ca_file=None)
    driver.refused("certificate", "starttls")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_names_and_addresses_are_in_the_certificate(client, postfix, host):
    driver = client(postfix.ports["submission"], host=host, tls="starttls")
    assert driver.well("starttls").encrypted


def test_server_name_stands_in_for_the_host(client, postfix):
    good = client(postfix.ports["wrong_name"], tls="starttls", server_name="other.posthorn.test")
    assert good.well("starttls").encrypted
    bad = client(postfix.ports["submission"], tls="starttls", server_name="other.posthorn.test")
    bad.refused("certificate", "starttls")


def test_a_wildcard_covers_one_label(client, postfix):
    for name, good in (("mail.posthorn.test", True), ("posthorn.test", False),
                       ("a.mail.posthorn.test", False)):
        driver = client(postfix.ports["wildcard"], tls="starttls", server_name=name)
        answer = driver("starttls")
        assert answer.ok == good, name
        assert good or answer.error.kind == "certificate"


def test_a_directory_of_authorities(client, postfix, authority, tmp_path):
    digest = subprocess.run(["openssl", "x509", "-in", authority.certificate, "-noout", "-hash"],
                            capture_output=True, check=True, text=True).stdout.strip()
    os.symlink(authority.certificate, tmp_path / f"{digest}.0")
    driver = client(postfix.ports["submission"], tls="starttls", ca_file=None,
                    ca_directory=str(tmp_path))
    assert driver.well("starttls").encrypted


def test_a_pin_suffices(client, postfix, authority):
    pin = authority.fingerprint("self_signed")
    driver = client(postfix.ports["self_signed"], tls="starttls", ca_file=None,
                    fingerprints=["00" * 32, pin])
    assert driver.well("starttls").encrypted


def test_a_pin_with_colons_in_capitals(client, postfix, authority):
    pin = authority.fingerprint("expired").upper()
    pin = ":".join(pin[i:i + 2] for i in range(0, len(pin), 2))
    driver = client(postfix.ports["expired"], tls="starttls", ca_file=None, fingerprints=[pin])
    assert driver.well("starttls").encrypted


def test_another_pin_is_refused_though_the_chain_is_good(client, postfix, authority):
    driver = client(postfix.ports["submission"], tls="starttls",
                    fingerprints=[authority.fingerprint("expired")])
    driver.refused("certificate", "starttls")


def test_no_verification_stands_in_the_transcript(client, postfix):
    driver = client(postfix.ports["expired"], tls="starttls", no_verification=True)
    answer = driver.well("starttls")
    assert any(line.startswith("* ") and "verif" in line for line in answer.trace)


def test_a_client_certificate_is_shown(client, postfix, authority, letter, post, token):
    port = postfix.ports["client_certificate"]
    without = client(port, tls="starttls")
    # With TLS 1.3 the refusal of the client may come with the first bytes after the handshake.
    answer = without("sendmail", sender=people.ALICE, recipients=[people.BOB], letter=letter())
    assert not answer.ok and answer.error.fate == 0
    driver = client(port, tls="starttls", certificate_file=authority.path("client.pem"),
                    key_file=authority.path("client.key"))
    driver.well("starttls")
    driver.well("sendmail", sender=people.ALICE, recipients=[people.BOB], letter=letter())
    assert without_trace(post.by_imap(people.BOB, token)) == letter.content


def test_a_client_certificate_that_is_not_there(client):
    with Driver() as driver:
        driver.refused("tls", "new", host="localhost", certificate_file="/nonexistent.pem")


def test_an_old_tls_version_is_refused(client, postfix):
    driver = client(postfix.ports["tls11"], tls="starttls")
    driver.refused("tls", "starttls")


def test_starttls_that_is_not_offered(client, postfix, letter):
    driver = client(postfix.ports["small"], tls="starttls")
    driver.refused("not supported", "starttls")
    answer = driver("sendmail", sender=people.ALICE, recipients=[people.BOB], letter=letter())
    assert not answer.ok and answer.error.kind in ("tls", "not supported")
    assert not answer.sent("MAIL")


def test_opportunistic_takes_what_there_is(client, postfix, post, letter, token):
    ports = postfix.ports
    for name, encrypted in (("plain", True), ("small", False)):
        driver = client(ports[name], tls="opportunistic", ca_file=None)
        answer = driver.well("sendmail", sender=people.ALICE, recipients=[people.BOB],
                             letter=letter())
        assert answer.encrypted == encrypted
    assert len(post.by_imap(people.BOB, token, count=2)) == 2


def test_implicit_tls_at_a_starttls_port(client, postfix):
    driver = client(postfix.ports["submission"], tls="implicit", connect=False)
    driver.refused("tls", "connect")


def test_a_clear_session_at_an_implicit_port(client, postfix):
    driver = client(postfix.ports["submissions"], tls="none", connect=False, greeting_timeout=2000,
                    host="127.0.0.1")
    answer = driver("connect")
    assert not answer.ok and answer.error.kind in ("timeout", "disconnected", "connect")
