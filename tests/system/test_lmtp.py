"""LMTP to Dovecot: a verdict for each recipient, by TCP and by a unix socket."""

import pytest

from lab import driver as ph
from lab import people
from lab.mailbox import without_trace


@pytest.fixture(params=["tcp-bdat", "tcp-data", "unix-bdat", "unix-data"])
def lmtp(request, client, dovecot):
    place, way = request.param.split("-")
    if place == "tcp":
        return client(dovecot.lmtp, lmtp=True, no_chunking=way == "data")
    return client(0, host=dovecot.lmtp_socket, lmtp=True, no_chunking=way == "data")


def test_each_recipient_has_its_own_verdict(lmtp, post, letter, token):
    users = [people.BOB, people.UNKNOWN, people.FULL, people.CAROL]
    path = letter(b".dot\r\n")
    answer = lmtp.well("sendmail", sender=people.ALICE, recipients=users, letter=path)
    result = answer.result
    assert [one.reply.code for one in result.recipients] == [250, 550, 552, 250]
    assert [one.accepted for one in result.recipients] == [True, False, False, True]
    assert [one.fate for one in result.recipients] == [ph.ACCEPTED, ph.NOT_SENT, ph.NOT_SENT,
                                                       ph.ACCEPTED]
    assert result.accepted == 2
    assert result.recipients[2].reply.enhanced == "5.2.2"
    for user in (people.BOB, people.CAROL):
        fetched = post.by_imap(user, token)
        assert without_trace(fetched) == letter.content
        assert post.by_pop3(user, token) == fetched
    # Every verdict was read: the next reply belongs to the next command.
    assert lmtp.well("noop").reply.text.upper().startswith("OK")


def test_refused_by_all_after_the_body(lmtp, letter):
    answer = lmtp("sendmail", sender=people.ALICE, recipients=[people.FULL], letter=letter())
    assert not answer.ok
    assert answer.error.code == 552 and answer.error.fate == ph.NOT_SENT
    assert lmtp.well("noop").code == 250


def test_many_letters(lmtp, post, letter, token):
    orders = [{"sender": people.ALICE, "letter": letter(b"%d\r\n" % n),
               "recipients": [people.FULL, people.BOB, people.UNKNOWN]} for n in range(10)]
    answer = lmtp("send_all", transactions=orders)
    assert answer.ok, answer.error
    for result in answer.results:
        assert [one.accepted for one in result.recipients] == [False, True, False]
    assert len(post.by_imap(people.BOB, token, count=10)) == 10


def test_lhlo_is_said(lmtp):
    answer = lmtp.well("lhlo", argument="tester.example")
    assert answer.sent() == ["LHLO tester.example"]
    assert answer.code == 250


def test_a_socket_that_is_not_there(client, tmp_path):
    driver = client(0, host=str(tmp_path / "nothing"), lmtp=True, connect=False)
    driver.refused("connect", "connect")
