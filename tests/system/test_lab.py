"""Proves the laboratory itself, without Posthorn: Python's own clients send, fetch and compare."""

import base64
import smtplib
import ssl

import pytest

from lab import people
from lab.mailbox import without_trace


def letter(token, sender=people.ALICE, recipient=people.BOB):
    lines = [f"From: <{sender}>", f"To: <{recipient}>", "Subject: proof of the laboratory",
             f"Message-ID: <{token}@posthorn.test>", "Date: Mon, 02 Jan 2023 03:04:05 +0000",
             "MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8",
             "Content-Transfer-Encoding: 8bit", "", ".leading dot", "..two", ".", "", "Grüße", ""]
    return "\r\n".join(lines).encode()


def submission_port(request, server):
    name, door = server.split(".")
    lab = request.getfixturevalue(name)
    return lab.ports[door] if name == "postfix" else getattr(lab, door)


SERVERS = ["postfix.submission", "postfix.submissions", "exim.submission", "exim.submissions",
           "opensmtpd.submission", "opensmtpd.submissions", "dovecot.submission"]


@pytest.mark.parametrize("user", [people.ALICE, people.UMLAUT])
@pytest.mark.parametrize("server", SERVERS)
def test_a_letter_arrives_byte_for_byte(request, post, authority, token, server, user):
    port = submission_port(request, server)
    context = ssl.create_default_context(cafile=authority.certificate)
    sent = letter(token, user)
    if server.endswith("submissions"):
        client = smtplib.SMTP_SSL("localhost", port, context=context)
    else:
        client = smtplib.SMTP("localhost", port)
        client.starttls(context=context)
    with client:
        client.ehlo()
        secret = "\0" + user + "\0" + people.PASSWORDS[user]
        code, text = client.docmd("AUTH", "PLAIN " + base64.b64encode(secret.encode()).decode())
        assert code == 235, text
        options = ["BODY=8BITMIME"] if client.has_extn("8bitmime") else []
        assert client.sendmail(user, [people.BOB], sent, options) == {}
    fetched = post.by_imap(people.BOB, token)
    assert without_trace(fetched) == sent
    assert post.by_pop3(people.BOB, token) == fetched


@pytest.mark.parametrize("server", SERVERS)
def test_an_unknown_recipient_is_refused(request, authority, server):
    port = submission_port(request, server)
    context = ssl.create_default_context(cafile=authority.certificate)
    if server.endswith("submissions"):
        client = smtplib.SMTP_SSL("localhost", port, context=context)
    else:
        client = smtplib.SMTP("localhost", port)
        client.starttls(context=context)
    with client:
        client.login(people.ALICE, people.PASSWORDS[people.ALICE])
        with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
            client.sendmail(people.ALICE, [people.UNKNOWN], b"Subject: x\r\n\r\n")
        # OpenSMTPD has a code of its own.
        expected = 524 if server.startswith("opensmtpd") else 550
        assert refused.value.recipients[people.UNKNOWN][0] == expected


def test_lmtp_answers_for_each_recipient(dovecot, post, token):
    for place in (("127.0.0.1", dovecot.lmtp), (dovecot.lmtp_socket, 0)):
        client = smtplib.LMTP(*place)
        client.ehlo("test")
        assert client.mail(people.ALICE)[0] == 250
        assert client.rcpt(people.BOB)[0] == 250
        assert client.rcpt(people.UNKNOWN)[0] == 550
        assert client.rcpt(people.FULL)[0] == 250
        assert client.rcpt(people.CAROL)[0] == 250
        assert client.docmd("DATA")[0] == 354
        client.send(letter(token) + b".\r\n")
        assert [client.getreply()[0] for _ in range(3)] == [250, 552, 250]
        client.quit()
    assert len(post.by_imap(people.CAROL, token, count=2)) == 2


def test_what_the_servers_offer(postfix, exim, opensmtpd, dovecot, authority):
    """The servers differ where the tests need them to differ."""
    offers = {}
    context = ssl.create_default_context(cafile=authority.certificate)
    for name, port in (("postfix", postfix.ports["submission"]), ("exim", exim.submission),
                       ("opensmtpd", opensmtpd.submission), ("dovecot", dovecot.submission)):
        with smtplib.SMTP("localhost", port) as client:
            client.starttls(context=context)
            client.ehlo()
            offers[name] = client.esmtp_features
    for name in offers:
        assert {"size", "8bitmime", "auth"} <= set(offers[name]), name
    assert {"chunking", "pipelining", "smtputf8", "dsn"} <= set(offers["postfix"])
    assert {"chunking", "pipelining", "smtputf8", "dsn"} <= set(offers["exim"])
    assert not {"chunking", "pipelining", "smtputf8"} & set(offers["opensmtpd"])
    assert {"chunking", "pipelining"} <= set(offers["dovecot"])
    assert set(offers["postfix"]["auth"].split()) >= {
        "PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "OAUTHBEARER", "XOAUTH2"}
    assert set(offers["exim"]["auth"].split()) == {"PLAIN", "LOGIN", "CRAM-MD5"}
