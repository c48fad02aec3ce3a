"""Messages that the library builds, sent and read back with Python's email package."""

import email
import email.policy

import pytest

from lab import people
from lab.house import wait_until
from lab.mailbox import without_trace
from test_submission import sign_in


@pytest.fixture
def session(client, postfix):
    driver = client(postfix.ports["submission"], tls="starttls")
    sign_in(driver)
    return driver


def parse(content):
    return email.message_from_bytes(content, policy=email.policy.default)


TEXT = "Grüße aus Zürich ☃\n.leading dot\n" + "long " * 400 + "\nlast line\n"
HTML = "<p>Grüße <img src='cid:logo'></p>\n"


def test_text_html_image_and_attachments(session, post, token, tmp_path):
    binary = bytes(range(256)) * 500 + b"\r\n.\r\n\n\r"
    (tmp_path / "data").write_bytes(binary)
    (tmp_path / "logo").write_bytes(b"\x89PNG\r\n\x1a\n" + binary)
    (tmp_path / "note").write_text("plain text\nwith lines\n", encoding="utf-8")
    subject = "Ein sehr langer Betreff mit Umlauten äöü und noch viel mehr Text, der gefaltet wird ☃"
    answer = session.well("send_message", parts={
        "From": "Älice Wönder <alice@posthorn.test>",
        "To": 'Bob "the great" <bob@posthorn.test>, Friends: carol@posthorn.test;',
        "Subject": subject,
        "Message-ID": f"<{token}@posthorn.test>",
        "X-Plain": "kept as it is",
        "text": TEXT,
        "html": HTML,
        "attach": [
            {"path": str(tmp_path / "logo"), "type": "image/png", "content_id": "logo"},
            {"path": str(tmp_path / "data"), "filename": "Rechnung für März.bin"},
            {"path": str(tmp_path / "note"), "filename": "note.txt"},
        ]})
    assert answer.result.accepted == 2
    content = post.by_imap(people.BOB, token)
    assert post.by_pop3(people.BOB, token) == content
    assert max(map(len, content.split(b"\r\n"))) <= 998
    message = parse(content)
    assert not message.defects
    assert message["Subject"] == subject
    assert message["From"].addresses[0].display_name == "Älice Wönder"
    assert message["From"].addresses[0].addr_spec == people.ALICE
    assert [one.addr_spec for one in message["To"].addresses] == [people.BOB, people.CAROL]
    assert message["X-Plain"] == "kept as it is"
    assert message["Date"].datetime is not None
    assert message["MIME-Version"] == "1.0"
    assert message.get_body(("plain",)).get_content().replace("\r\n", "\n") == TEXT
    assert message.get_body(("html",)).get_content().replace("\r\n", "\n") == HTML
    parts = {part.get_filename() or part["Content-ID"]: part for part in message.walk()
             if not part.is_multipart()}
    assert parts["Rechnung für März.bin"].get_content() == binary
    assert parts["Rechnung für März.bin"].get_content_type() == "application/octet-stream"
    note = parts["note.txt"].get_content()
    note = note.decode() if isinstance(note, bytes) else note
    assert note.replace("\r\n", "\n") == "plain text\nwith lines\n"
    (logo,) = [part for part in message.walk() if part["Content-ID"]]
    assert logo["Content-ID"] == "<logo>" and logo.get_content_type() == "image/png"
    assert logo.get_content() == b"\x89PNG\r\n\x1a\n" + binary
    for part in message.walk():
        assert not part.defects, part.defects


def test_a_simple_text(session, post, token):
    session.well("send_message", parts={
        "From": people.ALICE, "To": people.BOB, "Subject": "plain",
        "Message-ID": f"<{token}@posthorn.test>", "text": "Just ASCII\n.dot\n"})
    message = parse(post.by_imap(people.BOB, token))
    assert message.get_content_type() == "text/plain"
    assert message.get_content().replace("\r\n", "\n") == "Just ASCII\n.dot\n"


def test_date_and_message_id_are_made(session, post, token):
    session.well("send_message", parts={"From": people.ALICE, "To": people.CAROL,
                                        "Subject": "made " + token, "text": "x\n"})
    with post.imap(people.CAROL) as box:
        def look():
            box.noop()
            return box.search(None, "SUBJECT", token)[1][0].split()
        (number,) = wait_until(look, "the letter")
        message = parse(box.fetch(number, "(BODY.PEEK[])")[1][0][1])
    assert message["Date"].datetime is not None
    assert message["Message-ID"].strip().endswith("@posthorn.test>")


def test_bcc_gets_it_and_nobody_sees_it(session, post, token):
    session.well("send_message", parts={
        "From": people.ALICE, "To": people.BOB, "Bcc": people.CAROL, "Subject": "secret",
        "Message-ID": f"<{token}@posthorn.test>", "text": "x\n"})
    for user in (people.BOB, people.CAROL):
        content = post.by_imap(user, token)
        assert "Bcc" not in parse(content) and b"carol" not in content.split(b"Subject:")[-1]


def test_an_existing_message(session, post, letter, token):
    """All To, Cc and Bcc fields count, groups too; Bcc is taken out; the rest stays as it was."""
    head = (f"Bcc: {people.CAROL},\r\n umlaut@posthorn.test\r\nFrom: Alice <{people.ALICE}>\r\n"
            f"To: Undisclosed:;\r\nTo: \"x, y\" <{people.BOB}>\r\nbcc: {people.ALICE}\r\n"
            f"Message-ID: <{token}@posthorn.test>\r\n").encode()
    rest = b"Subject:  odd   spacing \r\nX-Raw: =?utf-8?q?kept?=\r\n\r\nFrom the body\r\n.\r\n"
    path = letter.raw(head + rest)
    answer = session.well("send_message", letter=path)
    assert answer.result.accepted == 4
    expected = (f"From: Alice <{people.ALICE}>\r\nTo: Undisclosed:;\r\n"
                f"To: \"x, y\" <{people.BOB}>\r\nMessage-ID: <{token}@posthorn.test>\r\n").encode()
    for user in (people.BOB, people.CAROL, people.UMLAUT, people.ALICE):
        assert without_trace(post.by_imap(user, token)) == expected + rest
    with open(path, "rb") as file:
        assert file.read() == head + rest


def test_a_resent_message(session, post, letter, token):
    path = letter(extra=b"", recipient=people.ALICE)
    resent = (f"Resent-From: {people.ALICE}\r\nResent-To: {people.CAROL}\r\n"
              f"Resent-Bcc: {people.BOB}\r\n"
              "Resent-Date: Tue, 03 Jan 2023 03:04:05 +0000\r\n").encode()
    path = letter.raw(resent + letter.content)
    assert session.well("send_message", letter=path).result.accepted == 2
    fetched = without_trace(post.by_imap(people.BOB, token))
    assert fetched == (resent + letter.content).replace(
        f"Resent-Bcc: {people.BOB}\r\n".encode(), b"")


def test_two_resent_blocks_are_an_error(session, letter):
    block = (f"Resent-From: {people.ALICE}\r\nResent-To: {people.BOB}\r\n"
             "Resent-Date: Tue, 03 Jan 2023 03:04:05 +0000\r\n").encode()
    letter()
    path = letter.raw(block + block + letter.content)
    answer = session.refused("argument", "send_message", letter=path)
    assert not answer.sent("MAIL")


@pytest.mark.parametrize("value", ["x\r\nBcc: eve@posthorn.test", "x\ny", "x\ry", "x\x0by"])
def test_no_header_can_be_added_by_a_value(session, value):
    for name in ("Subject", "X-Other", "To"):
        session.refused("argument", "send_message",
                        parts={"From": people.ALICE, "To": people.BOB, name: value, "text": "x\n"})


def test_international_headers(client, postfix, post, token):
    driver = client(postfix.ports["plain"], tls="none")
    answer = driver.well("send_message", parts={
        "From": people.ALICE, "To": people.JUERGEN_ADDRESS, "Subject": "Grüße",
        "Message-ID": f"<{token}@posthorn.test>", "text": "x\n"})
    assert any("SMTPUTF8" in line for line in answer.sent("MAIL"))
    content = post.by_imap(people.JUERGEN, token)
    assert people.JUERGEN_ADDRESS.encode() in content


def test_an_encoding_for_a_server_without_8bitmime(client, postfix, post, token):
    driver = client(postfix.ports["bare"], tls="none")
    driver.well("send_message", parts={
        "From": people.ALICE, "To": people.BOB, "Subject": "7 bits",
        "Message-ID": f"<{token}@posthorn.test>", "text": TEXT})
    content = post.by_imap(people.BOB, token)
    assert all(byte < 128 for byte in content)
    assert parse(content).get_content().replace("\r\n", "\n") == TEXT
