"""posthorn serve, as the programs of others meet it: they send by SMTP and read by POP3, on both stores."""

import email.utils
import poplib
import re
import smtplib
import socket
import ssl

import pytest

from lab.posthorn import Posthorn
from lab.program import run, run_on_terminal

ANN, ANN_PASSWORD = "ann@posthorn.test", "ann's secret, with spaces"
BEN, BEN_PASSWORD = "ben@posthorn.test", "ben-secret"
PLAIN_USER, PLAIN_PASSWORD = "carl@posthorn.test", "carl-secret"


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def server(request, house, posthorn_program, tmp_path_factory):
    store = request.getfixturevalue("postgres").new_database() if request.param == "postgres" else None
    # What goes out waits for a host that is never there: nothing of it comes back.
    made = Posthorn(posthorn_program, tmp_path_factory.mktemp("serve"), house.ports, store=store,
                    relays=(f"host=127.0.0.1:{next(house.ports)}",))
    if store is not None:
        made.admin("store", "migrate")
    for address, password in ((ANN, ANN_PASSWORD), (BEN, BEN_PASSWORD), (PLAIN_USER, PLAIN_PASSWORD)):
        made.add_account(address, password)
    made.admin("alias", "add", "team@posthorn.test", ANN)
    made.admin("alias", "add", "team@posthorn.test", BEN)
    made.start()
    yield made
    assert made.stop() == 0, made.tail()
    checked = made.admin("store", "check")
    assert checked.returncode == 0, checked.stdout


def tls(server):
    return ssl.create_default_context(cafile=server.certificate)


def empty(server, user, password):
    """Reads and removes everything that lies in a mailbox."""
    reader = poplib.POP3_SSL("localhost", server.ports["pop3s"], context=tls(server))
    reader.user(user)
    reader.pass_(password)
    letters = []
    for number in range(1, reader.stat()[0] + 1):
        letters.append(b"\r\n".join(reader.retr(number)[1]) + b"\r\n")
        reader.dele(number)
    reader.quit()
    return letters


def without_trace(letter):
    """Without the fields that the server put in front."""
    names = (b"return-path:", b"delivered-to:", b"received:")
    lines = letter.split(b"\r\n")
    at = 0
    while lines[at].lower().startswith(names) or (at > 0 and lines[at][:1] in (b" ", b"\t")):
        at += 1
    return b"\r\n".join(lines[at:])


def submit(server, letter, sender=ANN, recipients=(BEN,), login=(ANN, ANN_PASSWORD)):
    with smtplib.SMTP("localhost", server.ports["submission"]) as client:
        client.starttls(context=tls(server))
        if login:
            client.login(*login)
        return client.sendmail(sender, list(recipients), letter)


LETTER = (b"From: <ann@posthorn.test>\r\nTo: <ben@posthorn.test>\r\nSubject: hello\r\n"
          b"Date: Mon, 02 Jan 2023 03:04:05 +0000\r\nMessage-ID: <1@posthorn.test>\r\n\r\n")

DIFFICULT = {
    "empty body": LETTER,
    "no header": b"\r\nonly a body\r\n",
    "dots": LETTER + b".\r\n..\r\n...\r\n.x\r\n" + b"a\r\n.\r\n" * 100,
    "eight bits": LETTER + bytes(range(128, 256)) * 20 + b"\r\n",
    "long lines": LETTER + b"x" * 64000 + b"\r\n" + b"." * 64000 + b"\r\n",
    "many short lines": LETTER + b"\r\n" * 50000,
    "a large header": LETTER[:-2] + b"".join(b"X-%d: %s\r\n" % (n, b"y" * 900) for n in range(800)) + b"\r\nbody\r\n",
    "broken MIME": LETTER[:-2] + b"Content-Type: multipart/mixed; boundary=\"a b\"\r\n\r\n--a b\r\n\r\n--a\r\n--a b-\r\n",
    "5 MB": LETTER + (b"0123456789" * 7 + b"\r\n") * 70000,
}


@pytest.mark.parametrize("name", DIFFICULT)
def test_a_letter_comes_back_byte_for_byte(server, name):
    with smtplib.SMTP("localhost", server.ports["smtp"]) as client:
        client.sendmail("someone@elsewhere.example", [BEN], DIFFICULT[name], mail_options=["BODY=8BITMIME"])
    letters = empty(server, BEN, BEN_PASSWORD)
    assert len(letters) == 1
    assert without_trace(letters[0]) == DIFFICULT[name]
    head = letters[0][:2000]
    assert head.startswith(b"Return-Path: <someone@elsewhere.example>\r\n")
    assert b"Delivered-To: ben@posthorn.test\r\n" in head
    assert re.search(rb"^Received: from .*\r\n(\s.*\r\n)*", head, re.MULTILINE)


def test_fifty_megabytes_pass_and_memory_does_not_grow(server):
    large = LETTER + (b"0123456789" * 7 + b"\r\n") * ((50 * 1024 * 1024 - 1000) // 72)
    before = server.memory()
    most = before
    with smtplib.SMTP("localhost", server.ports["smtp"]) as client:
        client.ehlo("load.example")
        client.mail("a@elsewhere.example", [f"SIZE={len(large)}"])
        client.rcpt(BEN)
        client.docmd("DATA")
        for at in range(0, len(large), 10 << 20):
            client.send(large[at:at + (10 << 20)])
            most = max(most, server.memory())
        client.send(b".\r\n")
        assert client.getreply()[0] == 250
    most = max(most, server.memory())
    letters = empty(server, BEN, BEN_PASSWORD)
    assert without_trace(letters[0]) == large
    assert most - before < 24 << 20


def refused_data(server, body):
    """The reply to a body that must not be taken."""
    with socket.create_connection(("127.0.0.1", server.ports["smtp"]), timeout=20) as wire:
        lines = wire.makefile("rb")
        lines.readline()
        wire.sendall(b"HELO x.example\r\nMAIL FROM:<a@elsewhere.example>\r\nRCPT TO:<ben@posthorn.test>\r\nDATA\r\n")
        replies = [lines.readline() for _ in range(4)]
        assert replies[3].startswith(b"354"), replies
        wire.sendall(body + b"\r\n.\r\n")
        answer = lines.readline()
        wire.sendall(b"NOOP\r\n")
        assert lines.readline().startswith(b"250")
        return answer


@pytest.mark.parametrize("body, code", [
    (b"Subject: x\r\n\r\nbare\nfeed", b"550 5.6.11"),
    (b"Subject: x\r\n\r\nbare\rreturn", b"550 5.6.11"),
    (b"Subject: x\r\n\r\nsmuggled\n.\nMAIL FROM:<x@y.example>", b"550 5.6.11"),
    (b"Subject: x\r\n\r\nsmuggled\n.\r\nMAIL FROM:<x@y.example>", b"550 5.6.11"),
    (b"Subject: x\r\n\r\nsmuggled\r.\r\nMAIL FROM:<x@y.example>", b"550 5.6.11"),
    (b"Subject: x\r\n\r\nsmuggled\r\n.\rMAIL FROM:<x@y.example>", b"550 5.6.11"),
    (b"Subject: x\r\n\r\nnul \0 byte", b"550"),
    (b"Subject: x\r\n\r\n" + b"x" * 70000, b"5"),
])
def test_what_is_no_text_is_refused_and_ends_nothing(server, body, code):
    assert refused_data(server, body).startswith(code)
    assert empty(server, BEN, BEN_PASSWORD) == []


def test_a_submission_gets_what_it_lacks(server):
    submit(server, b"From: ann@posthorn.test\r\nSubject: bare\r\n\r\nx\r\n")
    letter = empty(server, BEN, BEN_PASSWORD)[0]
    assert re.search(rb"^Message-ID: <[^>\s]+@[^>\s]+>\r$", letter, re.MULTILINE | re.IGNORECASE)
    date = re.search(rb"^Date: (.*)\r$", letter, re.MULTILINE).group(1)
    assert email.utils.parsedate_to_datetime(date.decode()) is not None
    assert re.search(rb"with ESMTPSA", letter)
    # From outside nothing is added.
    with smtplib.SMTP("localhost", server.ports["smtp"]) as client:
        client.sendmail("a@elsewhere.example", [BEN], b"Subject: bare\r\n\r\nx\r\n")
    letter = empty(server, BEN, BEN_PASSWORD)[0]
    assert b"Message-ID" not in letter and b"\nDate:" not in letter


def refusal(server, **what):
    with pytest.raises(smtplib.SMTPException) as caught:
        submit(server, LETTER, **what)
    error = caught.value
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return next(iter(error.recipients.values()))
    return error.smtp_code, error.smtp_error


def test_who_may_send_what(server):
    assert refusal(server, login=None)[0] == 530
    assert refusal(server, sender="ben@posthorn.test")[0] in (550, 553)
    assert refusal(server, sender="team2@posthorn.test")[0] in (550, 553)
    assert submit(server, LETTER, sender="ann+tag@posthorn.test") == {}
    assert submit(server, LETTER, sender="team@posthorn.test") == {}
    assert submit(server, LETTER, recipients=["someone@elsewhere.example"]) == {}
    assert "someone@elsewhere.example" in server.admin("queue", "list").stdout
    code, text = refusal(server, recipients=["nobody@posthorn.test"])
    assert code == 550 and text.startswith(b"5.1.1")
    empty(server, BEN, BEN_PASSWORD)


@pytest.mark.parametrize("recipient", [
    "someone@elsewhere.example", "ben%elsewhere.example@posthorn.test", "elsewhere.example!ben@posthorn.test",
    '"someone@elsewhere.example"', '"ben@elsewhere.example"@posthorn.test', "@posthorn.test:someone@elsewhere.example",
    "someone@[127.0.0.1]", "someone@[192.0.2.1]",
])
def test_never_a_relay(server, recipient):
    with smtplib.SMTP("localhost", server.ports["smtp"]) as client:
        client.ehlo("x.example")
        client.mail("a@elsewhere.example")
        code, _ = client.docmd("RCPT", f"TO:<{recipient}>")
        assert 500 <= code < 560


def test_one_letter_to_many(server):
    with smtplib.SMTP("localhost", server.ports["smtp"]) as client:
        client.sendmail("a@elsewhere.example", ["team@posthorn.test", BEN, "Ben+x@POSTHORN.test"], LETTER)
    assert len(empty(server, ANN, ANN_PASSWORD)) == 1
    assert len(empty(server, BEN, BEN_PASSWORD)) == 1


def test_wrong_passwords_and_unknown_users_look_the_same(server):
    answers = []
    for user, password in ((BEN, "wrong"), ("nobody@posthorn.test", "wrong")):
        with smtplib.SMTP("localhost", server.ports["submission"]) as client:
            client.starttls(context=tls(server))
            client.ehlo()
            client.user, client.password = user, password
            with pytest.raises(smtplib.SMTPAuthenticationError) as caught:
                client.auth("PLAIN", client.auth_plain)
            answers.append((caught.value.smtp_code, caught.value.smtp_error))
    assert answers[0] == answers[1] and answers[0][0] == 535


def test_no_login_in_clear(server):
    with smtplib.SMTP("localhost", server.ports["submission"]) as client:
        client.ehlo()
        assert not client.has_extn("auth")
        assert client.docmd("AUTH", "PLAIN AGJlbkBwb3N0aG9ybi50ZXN0AGJlbi1zZWNyZXQ=")[0] in (530, 538, 502, 503, 504)


# ---- programs of others ----

@pytest.mark.parametrize("way", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("door", ["submission", "submissions"])
def test_swaks(server, way, door):
    security = "--tls" if door == "submission" else "--tls-on-connect"
    run(["swaks", "--server", "localhost", "--port", str(server.ports[door]), security, "--tls-verify",
         "--tls-ca-path", server.certificate, "--auth", way, "--auth-user", BEN, "--auth-password", BEN_PASSWORD,
         "--from", BEN, "--to", ANN, "--body", "from swaks"])
    assert b"from swaks" in empty(server, ANN, ANN_PASSWORD)[0]


def test_swaks_by_lmtp(server):
    run(["swaks", "--protocol", "LMTP", "--server", "127.0.0.1", "--port", str(server.ports["lmtp"]),
         "--from", "a@elsewhere.example", "--to", ANN, "--body", "by LMTP"])
    letter = empty(server, ANN, ANN_PASSWORD)[0]
    assert b"by LMTP" in letter and b"with LMTP" in letter


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_curl_sends_and_reads(server, mechanism, tmp_path):
    letter = tmp_path / "letter"
    letter.write_bytes(LETTER + b"from curl\r\n")
    common = ["curl", "--silent", "--show-error", "--fail", "--ssl-reqd", "--cacert", server.certificate,
              "--login-options", f"AUTH={mechanism}"]
    run([*common, "--url", f"smtp://localhost:{server.ports['submission']}/x.example", "--user", f"{BEN}:{BEN_PASSWORD}",
         "--mail-from", BEN, "--mail-rcpt", BEN, "--upload-file", str(letter)])
    got = run([*common, "--url", f"pop3://localhost:{server.ports['pop3']}/1", "--user", f"{BEN}:{BEN_PASSWORD}"])
    assert without_trace(got.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")).endswith(b"from curl\r\n")
    empty(server, BEN, BEN_PASSWORD)


@pytest.mark.parametrize("way", ["on", "plain", "login", "scram-sha-256", "scram-sha-1"])
def test_msmtp(server, way):
    if way == "scram-sha-1":
        server.admin("password", "set", PLAIN_USER, "--stdin", "--scram-sha-1", text=PLAIN_PASSWORD + "\n")
    run(["msmtp", "--host=localhost", f"--port={server.ports['submission']}", "--tls=on", f"--auth={way}",
         f"--tls-trust-file={server.certificate}", f"--user={PLAIN_USER}", f"--passwordeval=echo {PLAIN_PASSWORD}",
         f"--from={PLAIN_USER}", ANN], text=b"Subject: x\n\nfrom msmtp\n")
    assert b"from msmtp" in empty(server, ANN, ANN_PASSWORD)[0]


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN"])
def test_our_own_client(server, client, letter, mechanism):
    session = client(server.ports["submission"], ca_file=server.certificate)
    session.well("starttls")
    session.well("login", user=BEN, password=BEN_PASSWORD, mechanisms=mechanism)
    session.well("sendmail", sender=BEN, recipients=[ANN], letter=letter(b"by our own\r\n", sender=BEN))
    assert b"by our own" in empty(server, ANN, ANN_PASSWORD)[0]


def mbox_setup(tmp_path):
    box = tmp_path / "inbox"
    box.touch()
    return box


def deliver(server, body, recipient=PLAIN_USER):
    with smtplib.SMTP("localhost", server.ports["smtp"]) as client:
        client.sendmail("a@elsewhere.example", [recipient], LETTER + body)


def test_fetchmail(server, tmp_path):
    deliver(server, b"for fetchmail\r\n")
    box = mbox_setup(tmp_path)
    rc = tmp_path / "fetchmailrc"
    rc.write_text(f"poll localhost service {server.ports['pop3s']} protocol pop3\n"
                  f"  user \"{PLAIN_USER}\" password \"{PLAIN_PASSWORD}\" ssl sslcertfile \"{server.certificate}\" sslcertck\n"
                  f"  mda \"cat >> {box}\"\n")
    rc.chmod(0o600)
    run(["fetchmail", "--fetchmailrc", str(rc), "--nosyslog", "--pidfile", str(tmp_path / "pid"), "--idfile", str(tmp_path / "ids")],
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "USER": "root"})
    assert b"for fetchmail" in box.read_bytes()
    assert empty(server, PLAIN_USER, PLAIN_PASSWORD) == []


def test_getmail(server, tmp_path):
    deliver(server, b"for getmail\r\n")
    box = mbox_setup(tmp_path)
    (tmp_path / "getmailrc").write_text(
        "[retriever]\ntype = SimplePOP3SSLRetriever\nserver = localhost\n"
        f"port = {server.ports['pop3s']}\nusername = {PLAIN_USER}\npassword = {PLAIN_PASSWORD}\n"
        f"ca_certs = {server.certificate}\n[destination]\ntype = MDA_external\npath = /bin/sh\n"
        f"arguments = ('-c', 'cat >> {box}')\nallow_root_commands = true\n[options]\ndelete = true\n")
    run(["getmail", "--getmaildir", str(tmp_path), "--rcfile", "getmailrc"], env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"})
    assert b"for getmail" in box.read_bytes()
    assert empty(server, PLAIN_USER, PLAIN_PASSWORD) == []


def test_mutt(server, tmp_path):
    deliver(server, b"for mutt\r\n")
    box = mbox_setup(tmp_path)
    rc = tmp_path / "muttrc"
    # Debian's mutt takes -PLUS where it is offered, and cannot bind with TLS 1.3.
    rc.write_text(f"set certificate_file={server.certificate}\nset pop_user=\"{PLAIN_USER}\"\nset pop_pass=\"{PLAIN_PASSWORD}\"\n"
                  "set pop_authenticators=\"scram-sha-256\"\nset mbox_type=mbox\nset quit=yes\nset confirmappend=no\n"
                  f"set folder={tmp_path}\nset wait_key=no\nset delete=yes\npush \"<save-message><kill-line>{box}<enter><quit>\"\n")
    run_on_terminal(["mutt", "-n", "-F", str(rc), "-f", f"pops://localhost:{server.ports['pop3s']}"],
                    env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "TERM": "xterm"})
    assert b"for mutt" in box.read_bytes()
    assert empty(server, PLAIN_USER, PLAIN_PASSWORD) == []


def test_poplib_in_every_state(server):
    for number in range(3):
        deliver(server, b"letter %d\r\n.dot\r\n" % number, BEN)
    reader = poplib.POP3("localhost", server.ports["pop3"])
    assert "STLS" in reader.capa()
    reader.stls(context=tls(server))
    reader.utf8()
    reader.user(BEN)
    reader.pass_(BEN_PASSWORD)
    count, size = reader.stat()
    assert count == 3 and size == sum(int(line.split()[1]) for line in reader.list()[1])
    identities = [line.split()[1] for line in reader.uidl()[1]]
    assert len(set(identities)) == 3
    assert reader.top(1, 1)[1][-1] == b"letter 0"
    assert reader.retr(3)[1][-1] == b".dot"
    reader.dele(2)
    with pytest.raises(poplib.error_proto):
        reader.retr(2)
    # One at a time.
    second = poplib.POP3_SSL("localhost", server.ports["pop3s"], context=tls(server))
    second.user(BEN)
    with pytest.raises(poplib.error_proto, match=r"IN-USE"):
        second.pass_(BEN_PASSWORD)
    second.close()
    # A connection that is lost deletes nothing.
    reader.sock.shutdown(socket.SHUT_RDWR)
    reader.close()
    third = poplib.POP3_SSL("localhost", server.ports["pop3s"], context=tls(server))
    third.user(BEN)
    third.pass_(BEN_PASSWORD)
    assert [line.split()[1] for line in third.uidl()[1]] == identities
    third.dele(1)
    third.rset()
    third.dele(3)
    third.quit()
    letters = empty(server, BEN, BEN_PASSWORD)
    assert [letter.split(b"\r\n")[-3] for letter in letters] == [b"letter 0", b"letter 1"]


def test_a_quota_is_kept(server):
    empty(server, PLAIN_USER, PLAIN_PASSWORD)
    server.admin("quota", "set", PLAIN_USER, "--messages", "1")
    try:
        deliver(server, b"fits\r\n")
        # At RCPT, or where that knew the mailbox from before, at the end of the body.
        with pytest.raises((smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError)) as caught:
            deliver(server, b"does not\r\n")
        error = caught.value
        code, text = (error.recipients[PLAIN_USER] if isinstance(error, smtplib.SMTPRecipientsRefused)
                      else (error.smtp_code, error.smtp_error))
        assert (code, text[:5]) in ((552, b"5.2.2"), (452, b"4.2.2"))
        assert len(empty(server, PLAIN_USER, PLAIN_PASSWORD)) == 1
        deliver(server, b"fits again\r\n")
    finally:
        server.admin("quota", "set", PLAIN_USER, "--messages", "none")
    empty(server, PLAIN_USER, PLAIN_PASSWORD)
