"""The single verbs, and sessions in unusual surroundings: descriptors, transports, proxies, pools."""

import socket

import pytest

from lab import driver as ph
from lab import people
from lab.driver import Driver
from lab.mailbox import without_trace
from lab.proxy import PASSWORD, USER


@pytest.fixture
def plain(client, postfix):
    return client(postfix.ports["plain"], tls="none")


def test_the_single_verbs(plain, post, letter, token):
    assert plain.well("ehlo", argument="tester.example").code == 250
    assert plain.well("noop").code == 250
    assert plain.well("verify", argument=people.BOB).code in (250, 252)
    assert plain.well("expn", argument="list").code in (500, 502)
    assert plain.well("help").code in (214, 500, 502)
    assert plain.well("mail", argument=people.ALICE, parameters="BODY=8BITMIME").code == 250
    assert plain.well("rcpt", argument=people.BOB).code == 250
    assert plain.well("rcpt", argument=people.UNKNOWN).code == 550
    assert plain.well("data", letter=letter(b".x\r\n")).code == 250
    assert plain.well("mail", argument=people.ALICE).code == 250
    assert plain.well("rset").code == 250
    assert plain.well("docmd", verb="NOOP", argument="hello").code == 250
    assert plain.well("docmd", verb="NONSENSE").code == 500
    quit_answer = plain.well("quit")
    assert quit_answer.code == 221 and not quit_answer.connected
    plain.refused("disconnected", "noop")
    assert without_trace(post.by_imap(people.BOB, token)) == letter.content


def test_what_ehlo_said(plain, client, postfix):
    plain.well("ehlo")
    answer = plain.well("features", keyword="pipelining")
    assert answer.has and answer.features.is_extended
    assert answer.features.size_limit == 30_000_000
    assert "CHUNKING" in answer.features.text
    assert not plain.well("features", keyword="X-NOT-THERE").has


def test_helo(plain):
    assert plain.well("helo", argument="tester.example").code == 250
    assert not plain.well("features").features.is_extended


def test_nobody_listens(client, house):
    driver = client(house.port(), connect=False)
    error = driver.refused("connect", "connect").error
    assert error.system_error and error.retry and error.fate == 0


def test_a_name_that_does_not_exist(client):
    driver = client(25, host="no-such-host.invalid", connect=False)
    driver.refused("resolve", "connect")


def test_a_session_connects_again(plain, letter, post, token):
    for _ in range(3):
        plain.well("sendmail", sender=people.ALICE, recipients=[people.BOB], letter=letter())
        plain.well("quit")
        plain.well("connect")
    assert len(post.by_imap(people.BOB, token, count=3)) == 3


def test_host_and_port_in_one(client, postfix):
    driver = client(0, host=f"127.0.0.1:{postfix.ports['plain']}", tls="none")
    assert driver.well("ehlo").code == 250


def test_a_source_address(client, postfix):
    driver = client(postfix.ports["plain"], host="127.0.0.1", tls="none",
                    source_address="127.0.0.9")
    answer = driver.well("ehlo", argument="x.example")
    assert answer.code == 250


@pytest.mark.parametrize("kind", ["connect_descriptor", "connect_transport"])
def test_a_connection_of_the_callers(client, postfix, post, letter, token, kind):
    with socket.create_connection(("127.0.0.1", postfix.ports["plain"])) as connection:
        connection.setblocking(True)
        driver = client(0, connect=False, descriptors=[connection.fileno()], tls="none")
        driver.well(kind, descriptor=connection.fileno(), host="localhost")
    driver.well("sendmail", sender=people.ALICE, recipients=[people.BOB], letter=letter(b".x\r\n"))
    driver.well("quit")
    assert without_trace(post.by_imap(people.BOB, token)) == letter.content


def test_a_descriptor_with_starttls(client, postfix):
    with socket.create_connection(("127.0.0.1", postfix.ports["submission"])) as connection:
        driver = client(0, connect=False, descriptors=[connection.fileno()], tls="starttls")
        driver.well("connect_descriptor", descriptor=connection.fileno(), host="localhost")
    assert driver.well("starttls").encrypted


def test_a_transport_without_tls(client, postfix):
    with socket.create_connection(("127.0.0.1", postfix.ports["submission"])) as connection:
        driver = client(0, connect=False, descriptors=[connection.fileno()], tls="starttls")
        driver.well("connect_transport", descriptor=connection.fileno(), host="localhost")
    answer = driver("starttls")
    assert not answer.ok and answer.error.kind in ("tls", "not supported")


PROXIES = [("socks5", "socks", None), ("socks5", "socks_login", USER), ("http", "http", None),
           ("http", "http_login", USER)]


@pytest.mark.parametrize("kind,name,user", PROXIES)
def test_through_a_proxy(client, proxies, postfix, post, letter, token, kind, name, user):
    login = {"proxy_user": user, "proxy_password": PASSWORD} if user else {}
    driver = client(postfix.ports["submission"], tls="starttls", proxy=kind,
                    proxy_address=f"127.0.0.1:{getattr(proxies, name)}", **login)
    driver.well("starttls")
    driver.well("login", user=people.ALICE, password=people.PASSWORDS[people.ALICE])
    driver.well("sendmail", sender=people.ALICE, recipients=[people.BOB], letter=letter(b".x\r\n"))
    assert without_trace(post.by_imap(people.BOB, token)) == letter.content


@pytest.mark.parametrize("kind,name,user", [case for case in PROXIES if case[2]])
def test_a_proxy_that_wants_a_login(client, proxies, postfix, kind, name, user):
    for login in ({}, {"proxy_user": user, "proxy_password": "wrong"}):
        driver = client(postfix.ports["plain"], tls="none", proxy=kind, connect=False,
                        proxy_address=f"127.0.0.1:{getattr(proxies, name)}", **login)
        driver.refused("proxy", "connect")


@pytest.mark.parametrize("kind,name", [("socks5", "socks"), ("http", "http")])
def test_nobody_behind_the_proxy(client, proxies, house, kind, name):
    driver = client(house.port(), host="127.0.0.1", proxy=kind, connect=False,
                    proxy_address=f"127.0.0.1:{getattr(proxies, name)}")
    driver.refused("proxy", "connect")


def test_the_pool_uses_a_connection_again(client, postfix, authority, letter, post, token):
    options = {"host": "localhost", "port": postfix.ports["submission"], "tls": "starttls",
               "ca_file": authority.certificate, "user": people.ALICE,
               "password": people.PASSWORDS[people.ALICE]}
    with Driver() as driver:
        first = driver.well("pool_get", **options)
        assert first.encrypted and first.sent("AUTH")
        driver.well("sendmail", sender=people.ALICE, recipients=[people.BOB], letter=letter())
        driver.well("pool_put")
        second = driver.well("pool_get", **options)
        assert not second.sent("AUTH") and not second.sent("EHLO")
        driver.well("sendmail", sender=people.ALICE, recipients=[people.BOB], letter=letter())
        driver.well("pool_put")
        # Another identity gets a connection of its own.
        other = driver.well("pool_get", **{**options, "user": people.BOB,
                                           "password": people.PASSWORDS[people.BOB]})
        assert other.sent("AUTH")
        driver.well("pool_put")
    assert len(post.by_imap(people.BOB, token, count=2)) == 2


def test_the_pool_hands_out_no_dead_connection(client, postfix, letter, post, token):
    """Twice: a connection that the server has closed meanwhile is replaced, not given out."""
    options = {"host": "localhost", "port": postfix.ports["plain"], "tls": "none"}
    with Driver() as driver:
        for _ in range(3):
            driver.well("pool_get", **options)
            driver.well("sendmail", sender=people.ALICE, recipients=[people.BOB], letter=letter())
            driver.well("pool_put")
            postfix.hang_up("plain")
    assert len(post.by_imap(people.BOB, token, count=3)) == 3


def test_a_server_that_hangs_up(plain, postfix, letter, post, token):
    """An idle connection that is gone: where the body was in the first flight the fate is not known.
    The next connect helps."""
    plain.well("ehlo")
    postfix.hang_up("plain")
    answer = plain.refused("disconnected", "sendmail", sender=people.ALICE,
                           recipients=[people.BOB], letter=letter())
    assert answer.error.fate != ph.ACCEPTED
    assert answer.error.retry == (answer.error.fate == ph.NOT_SENT)
    assert not answer.connected
    plain.well("connect")
    plain.well("sendmail", sender=people.ALICE, recipients=[people.BOB], letter=letter())
    assert without_trace(post.by_imap(people.BOB, token)) == letter.content
