"""Other mail servers pass letters on to ours, by SMTP with TLS and by LMTP."""

import poplib
import smtplib

import pytest

from lab.house import House
from lab.posthorn import Posthorn
from lab.relay import EximRelay, PostfixRelay

PASSWORD = "a secret"
LETTER = ("From: <a@elsewhere.example>\r\nTo: <ann@{domain}>\r\nSubject: relayed\r\nDate: Mon, 02 Jan 2023 03:04:05 +0000\r\n"
          "Message-ID: <{name}@elsewhere.example>\r\n\r\n.\r\n..two dots\r\näöü\r\n")


@pytest.fixture(scope="module")
def server(house, posthorn_program, tmp_path_factory):
    made = Posthorn(posthorn_program, tmp_path_factory.mktemp("relay"), house.ports)
    for domain in ("smtp.test", "lmtp.test"):
        for user in ("ann", "ben"):
            made.add_account(f"{user}@{domain}", PASSWORD)
    made.start()
    yield made
    assert made.stop() == 0
    checked = made.admin("store", "check")
    assert checked.returncode == 0, checked.stdout


@pytest.fixture(scope="module", params=[PostfixRelay, EximRelay])
def relay(request, house, server):
    other = House()
    try:
        yield request.param(other, server.ports)
    finally:
        other.close()
        House.current = house


def letters(server, user):
    reader = poplib.POP3("127.0.0.1", server.ports["pop3"])
    reader.user(user)
    reader.pass_(PASSWORD)
    found = []
    for number in range(1, reader.stat()[0] + 1):
        found.append(b"\r\n".join(reader.retr(number)[1]) + b"\r\n")
        reader.dele(number)
    reader.quit()
    return found


@pytest.mark.parametrize("domain", ["smtp.test", "lmtp.test"])
def test_a_letter_is_passed_on(server, relay, domain, token):
    letter = LETTER.format(domain=domain, name=token).encode()
    users = [f"ann@{domain}", f"ben@{domain}"]
    with smtplib.SMTP("127.0.0.1", relay.port) as client:
        assert client.sendmail("a@elsewhere.example", users, letter, mail_options=["BODY=8BITMIME"]) == {}
    relay.wait_until_empty()
    for user in users:
        found = letters(server, user)
        assert len(found) == 1
        assert found[0].endswith(letter[letter.index(b"\r\n\r\n"):])
        assert b"with ESMTPS" in found[0] if domain == "smtp.test" else b"with LMTP" in found[0]


@pytest.mark.parametrize("domain", ["smtp.test", "lmtp.test"])
def test_who_is_unknown_does_not_harm_the_others(server, relay, domain, token):
    letter = LETTER.format(domain=domain, name=token).encode()
    with smtplib.SMTP("127.0.0.1", relay.port) as client:
        client.sendmail("", [f"ann@{domain}", f"nobody@{domain}"], letter, mail_options=["BODY=8BITMIME"])
    relay.wait_until_empty()
    assert len(letters(server, f"ann@{domain}")) == 1
