"""The mailboxes by imaplib and by hand: every command once, and what two sessions hear of each other."""

import hashlib
import imaplib
import poplib
import re
import smtplib
import socket
import ssl

import pytest

from lab.imap import SPECIAL, PosthornImap, Wire, quoted

LETTER = (b"From: Ann <ann@elsewhere.example>\r\nTo: <ben@posthorn.test>\r\nSubject: %b\r\n"
          b"Date: Mon, 02 Jan 2023 03:04:%02d +0000\r\nMessage-ID: <%d@elsewhere.example>\r\n\r\n%b\r\n")
DATE = '"02-Jan-2023 03:04:05 +0100"'


def letter(number, subject=b"a letter", body=b"a body"):
    return LETTER % (subject, number % 60, number, body)


def good(told):
    assert told[0] == "OK", told
    return told[1]


def words(told):
    return good(told)[0].split()


# ---- imaplib ----

def test_before_the_login(imap_server, account):
    client = imaplib.IMAP4("localhost", imap_server.ports["imap"], timeout=60)
    assert client.PROTOCOL_VERSION == "IMAP4REV1"
    good(client.noop())
    with pytest.raises(imaplib.IMAP4.error):
        client.select()
    client.starttls(imap_server.tls)
    assert "STARTTLS" not in client.capabilities
    assert {"AUTH=PLAIN", "AUTH=SCRAM-SHA-256", "SASL-IR"} <= set(client.capabilities)
    with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
        client.login(account.user, "wrong")
    good(client.login(account.user, account.password))
    assert client.logout()[0] == "BYE"


def test_a_password_is_not_taken_in_clear(house, posthorn_program, tmp_path):
    server = PosthornImap(posthorn_program, tmp_path, house.ports, allow_clear_login=())
    account = server.new_account()
    with imaplib.IMAP4("localhost", server.ports["imap"], timeout=60) as client:
        assert "LOGINDISABLED" in client.capabilities
        assert not [name for name in client.capabilities if name.startswith("AUTH=")]
        with pytest.raises(imaplib.IMAP4.error, match="PRIVACYREQUIRED"):
            client.login(account.user, account.password)
        with pytest.raises(imaplib.IMAP4.error):
            client.authenticate("PLAIN", lambda _: b"\0x\0y")
        client.starttls(server.tls)
        good(client.login(account.user, account.password))
    server.close()


def test_mailboxes_by_imaplib(imap_server, account):
    with account.imap() as client:
        listed = {re.search(rb'"?([^" ]+)"?$', line).group(1).decode(): line for line in good(client.list())}
        assert set(listed) == {"INBOX", *SPECIAL}
        assert all(b"\\" + name.encode() in listed[name] for name in SPECIAL)
        good(client.create("work/2023/done"))
        good(client.create("&AOQ-pfel"))
        assert {"work", "work/2023", "work/2023/done", "&AOQ-pfel"} <= set(account.mailboxes())
        assert b"work/2023/done" in b" ".join(good(client.list("work/", "*")))
        assert good(client.list('""', "work/%")) and b"done" not in b" ".join(good(client.list('""', "work/%")))
        assert client.create("INBOX")[0] == "NO" and client.create("work/2023/done")[0] == "NO"
        good(client.append("work/2023/done", None, None, letter(1)))
        good(client.rename("work", "play"))
        assert {"play/2023/done", "play"} <= set(account.mailboxes())
        assert b"MESSAGES 1" in good(client.status("play/2023/done", "(MESSAGES UIDNEXT UIDVALIDITY UNSEEN RECENT)"))[0]
        good(client.subscribe("play/2023/done"))
        assert b"play/2023/done" in b" ".join(good(client.lsub('""', "*")))
        good(client.unsubscribe("play/2023/done"))
        assert b"play/2023/done" not in b" ".join(line or b"" for line in good(client.lsub('""', "*")))
        good(client.delete("play/2023/done"))
        assert client.delete("play/2023/done")[0] == "NO" and client.delete("INBOX")[0] == "NO"
        assert client.status("nowhere", "(MESSAGES)")[0] == "NO"
        if imap_server.name == "dovecot":
            # It cannot rename INBOX.
            return
        # RFC 9051 6.3.6: what was in INBOX is in the new one, and INBOX is there still.
        good(client.append("INBOX", None, None, letter(2)))
        good(client.rename("INBOX", "old"))
        assert b"MESSAGES 0" in good(client.status("INBOX", "(MESSAGES)"))[0]
        assert b"MESSAGES 1" in good(client.status("old", "(MESSAGES)"))[0]
        assert b'"/"' in good(client.namespace())[0]
        assert b"STORAGE" in good(client.getquotaroot("INBOX"))[1][0]
        assert client.getacl("INBOX")[0] == "OK" if "ACL" in client.capabilities else True


def test_messages_by_imaplib(imap_server, account):
    with account.imap() as client:
        for number in range(1, 6):
            code = good(client.append("INBOX", r"(\Seen label)" if number == 1 else None, DATE, letter(number)))
            assert re.match(rb"\[APPENDUID \d+ \d+\]", code[0])
        assert words(client.select("INBOX")) == [b"5"]
        assert client.response("UIDVALIDITY")[1][0].isdigit()
        good(client.check())
        # The same moment, in the zone that the server likes.
        assert imaplib.Internaldate2tuple(good(client.fetch("1", "(INTERNALDATE)"))[0]) == \
            imaplib.Internaldate2tuple(b'1 (INTERNALDATE %b)' % DATE.encode())
        assert b"\\Seen" in good(client.fetch("1", "(FLAGS)"))[0] and b"label" in good(client.fetch("1", "(FLAGS)"))[0]
        assert good(client.fetch("2", "(RFC822)"))[0][1] == letter(2)
        assert good(client.fetch("3", "(RFC822.HEADER RFC822.TEXT)"))[0][1] == letter(3).split(b"a body")[0]
        assert good(client.partial("2", "RFC822.TEXT", "1", "4"))[0] if "PARTIAL" in client.capabilities else True
        assert good(client.fetch("2", "(BODY.PEEK[TEXT]<2.3>)"))[0][1] == b"bod"
        assert b"\\Seen" in good(client.fetch("2", "(FLAGS)"))[0] and b"\\Seen" not in good(client.fetch("4", "(FLAGS)"))[0]
        assert words(client.search(None, "UNSEEN")) == [b"4", b"5"]
        assert words(client.search("UTF-8", "SUBJECT", "letter")) == [b"1", b"2", b"3", b"4", b"5"]
        assert words(client.search(None, "KEYWORD", "label")) == [b"1"]
        assert words(client.sort("REVERSE DATE", "UTF-8", "ALL")) == [b"5", b"4", b"3", b"2", b"1"]
        assert len(re.findall(rb"\d", good(client.thread("REFERENCES", "UTF-8", "ALL"))[0])) == 5
        good(client.store("3:4", "+FLAGS", r"(\Flagged)"))
        good(client.store("3", "-FLAGS.SILENT", r"(\Flagged)"))
        good(client.store("5", "FLAGS", r"(\Draft \Answered)"))
        assert words(client.search(None, "FLAGGED")) == [b"4"]
        uids = words(client.uid("SEARCH", "ALL"))
        assert re.match(rb"\[COPYUID \d+ %b \d+\]" % uids[1], good(client.copy("2", "Archive"))[0])
        good(client.uid("COPY", uids[2], "Archive"))
        good(client.uid("STORE", uids[0], "+FLAGS", r"(\Deleted)"))
        assert words(client.uid("SORT", "(SIZE)", "US-ASCII", "ALL")) == uids
        good(client.uid("MOVE", uids[4], "Trash"))
        # imaplib shows the removal by MOVE too.
        assert good(client.expunge())[-1] == b"1"
        assert words(client.uid("SEARCH", "ALL")) == uids[1:4]
        good(client.uid("STORE", f"{int(uids[1])}:{int(uids[3])}", "+FLAGS.SILENT", r"(\Deleted)"))
        good(client.uid("EXPUNGE", uids[2]))
        assert words(client.uid("SEARCH", "ALL")) == [uids[1], uids[3]]
        good(client.unselect())
        assert words(client.select("INBOX", readonly=True)) == [b"2"]
        assert client.store("1", "+FLAGS", r"(\Seen)")[0] == client.expunge()[0] == "NO" or imap_server.name == "dovecot"
        # Nothing goes by CLOSE of what was opened to read.
        good(client.close())
        assert words(client.select("INBOX")) == [b"2"]
        good(client.close())
        assert words(client.select("INBOX")) == [b"0"]
        assert words(client.select("Trash")) == [b"1"]
        assert client.logout()[0] == "BYE"
    assert [flags for _, flags in account.letters("Archive")] == [{"\\Seen"}, set()] or \
        [flags for _, flags in account.letters("Archive")] == [{"\\Seen"}, {"\\Seen"}]


def test_names_beyond_ascii(account):
    """The same mailbox by both spellings, which a client sees by what it enabled."""
    with account.wire() as wire:
        wire.ok("CREATE", '"&AMQ-pfel &- &ZeVnLIqe-"')
        listed = b"".join(wire.ok("LIST", '""', '"*pfel*"'))
        assert b'"&AMQ-pfel &- &ZeVnLIqe-"' in listed
    with account.wire() as wire:
        capable = wire.ok("CAPABILITY")[0]
        if b"IMAP4rev2" not in capable:
            return
        assert b"ENABLED IMAP4rev2" in wire.ok("ENABLE", "IMAP4rev2")[0]
        assert '"Äpfel & 日本語"'.encode() in b"".join(wire.ok("LIST", '""', '"*pfel*"'))
        wire.ok("APPEND", '"Äpfel & 日本語"', letter(1))
        assert b"MESSAGES 1" in wire.ok("STATUS", '"Äpfel & 日本語"', "(MESSAGES)")[0]
        assert wire.command("CREATE", '"äpfel"')[1].startswith(b"OK")
    with account.wire() as wire:
        assert b"&AOQ-pfel" in b"".join(wire.ok("LIST", '""', '"*pfel"'))


def test_searches_in_other_alphabets(account):
    account.append("Subject: =?UTF-8?Q?Gr=C3=BC=C3=9Fe_aus_K=C3=B6ln?=\r\nContent-Type: text/plain; charset=iso-8859-1\r\n"
                   "Content-Transfer-Encoding: 8bit\r\n\r\nEin schöner Tag\r\n".encode("iso-8859-1"))
    account.append("Subject: =?KOI8-R?B?8NLJ18XU?=\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n"
                   "\r\n0JTQvtCx0YDRi9C5INC00LXQvdGM\r\n".encode())
    with account.wire("INBOX") as wire:
        for key, text, found in (("SUBJECT", "KÖLN", b"1"), ("BODY", "SCHÖNER", b"1"), ("SUBJECT", "привет", b"2"),
                                 ("BODY", "добрый день", b"2"), ("TEXT", "nirgends", b"")):
            told = wire.ok("SEARCH", "CHARSET UTF-8", key, text.encode())
            assert told[0].replace(b"* SEARCH", b"").strip() == found, (key, text)
        told = wire.ok("SEARCH", "CHARSET ISO-8859-1 SUBJECT", "köln".encode("iso-8859-1"))
        assert told == [b"* SEARCH 1"]
        assert wire.command("SEARCH", "CHARSET", "X-NONE", "SUBJECT", b"x")[1].startswith(b"NO [BADCHARSET")


# ---- what two sessions hear of each other ----

def test_idle_hears_of_a_delivery(account):
    with account.wire("INBOX") as wire:
        tag = wire.idle()
        for count in (1, 2, 3):
            account.deliver(letter(count))
            assert wire.hear_until(rb"EXISTS")[-1] == b"* %d EXISTS" % count
        assert wire.done(tag)[1].startswith(b"OK")
        assert len(wire.ok("FETCH", "1:*", "(UID)")) == 3


def test_idle_hears_of_flags_and_removals(account):
    for number in (1, 2, 3):
        account.append(letter(number))
    with account.wire("INBOX") as one, account.wire("INBOX") as two:
        tag = one.idle()
        two.ok("STORE", "2", r"+FLAGS (\Flagged)")
        assert b"\\Flagged" in one.hear_until(rb"^\* 2 FETCH")[-1]
        two.ok("STORE", "1", r"+FLAGS.SILENT (\Deleted)")
        two.ok("EXPUNGE")
        assert one.hear_until(rb"EXPUNGE")[-1] == b"* 1 EXPUNGE"
        two.ok("MOVE", "1", "Archive")
        assert one.hear_until(rb"EXPUNGE")[-1] == b"* 1 EXPUNGE"
        assert one.done(tag)[1].startswith(b"OK")
        assert len(one.ok("FETCH", "1:*", "(UID)")) == 1


def test_what_is_removed_elsewhere_keeps_its_number_until_it_may_go(account):
    """RFC 9051 7.5.1: no EXPUNGE while FETCH, STORE or SEARCH is in hand."""
    for number in range(1, 5):
        account.append(letter(number))
    with account.wire("INBOX") as one, account.wire("INBOX") as two:
        two.ok("STORE", "1:2", r"+FLAGS.SILENT (\Deleted)")
        two.ok("EXPUNGE")
        for words_ in (("FETCH", "4", "(FLAGS)"), ("STORE", "3", r"+FLAGS (\Seen)"), ("SEARCH", "ALL")):
            untagged = one.ok(*words_)
            assert not [line for line in untagged if b"EXPUNGE" in line]
        assert b"* 4 FETCH" in b"".join(one.ok("FETCH", "4", "(FLAGS)"))
        assert [line for line in one.ok("NOOP") if b"EXPUNGE" in line] in (
            [b"* 1 EXPUNGE", b"* 1 EXPUNGE"], [b"* 2 EXPUNGE", b"* 1 EXPUNGE"])
        assert len(one.ok("FETCH", "1:*", "(UID)")) == 2


def test_a_mailbox_that_goes_away(account):
    with account.wire() as one, account.wire() as two:
        one.ok("CREATE", "passing")
        one.ok("SELECT", "passing")
        tag = one.idle()
        two.ok("DELETE", "passing")
        # What becomes of the session is the server's choice, but it hears of it or ends it in order.
        try:
            one.say(b"DONE\r\n")
            told = one.end(tag)[1]
            assert told[:2] in (b"OK", b"NO")
        except OSError as error:
            assert "BYE" in str(error) or "went away" in str(error)
        assert b"passing" not in b"".join(two.ok("LIST", '""', "*"))


# ---- Posthorn's own ----

@pytest.fixture
def ours(imap_server):
    if imap_server.name != "posthorn":
        pytest.skip("speaks of Posthorn")
    return imap_server


def test_what_is_offered(ours, account):
    with account.wire() as wire:
        offered = set(wire.ok("CAPABILITY")[0].decode().split())
        assert {"IMAP4rev1", "IMAP4rev2", "IDLE", "MOVE", "UIDPLUS", "CONDSTORE", "QRESYNC", "ESEARCH", "SEARCHRES", "WITHIN",
                "SORT", "THREAD=REFERENCES", "THREAD=ORDEREDSUBJECT", "SPECIAL-USE", "CREATE-SPECIAL-USE", "LIST-EXTENDED",
                "LIST-STATUS", "CHILDREN", "NAMESPACE", "ID", "ENABLE", "UNSELECT", "QUOTA", "MULTIAPPEND", "BINARY",
                "COMPRESS=DEFLATE", "OBJECTID", "SAVEDATE", "PREVIEW"} <= offered
        assert "LITERAL+" in offered or "LITERAL-" in offered
        assert any(name.startswith("APPENDLIMIT") for name in offered)


def test_what_comes_behind_starttls_in_clear_is_dropped(ours):
    with socket.create_connection(("127.0.0.1", ours.ports["imap"]), timeout=60) as plain:
        with plain.makefile("rb") as lines:
            assert lines.readline().startswith(b"* OK")
            plain.sendall(b"a STARTTLS\r\nb NOOP\r\n")
            assert lines.readline().startswith(b"a OK")
        with ours.tls.wrap_socket(plain, server_hostname="localhost") as secure:
            secure.sendall(b"c NOOP\r\n")
            assert secure.recv(1000).startswith(b"c OK")


def test_wrong_passwords_and_unknown_users_look_the_same(ours, account):
    told = []
    for user, password in ((account.user, "wrong"), ("nobody@posthorn.test", account.password)):
        with Wire(ours.ports["imaps"], ours.tls) as wire:
            told.append(wire.command("LOGIN", quoted(user), quoted(password)))
    assert told[0] == told[1] and told[0][1].startswith(b"NO [AUTHENTICATIONFAILED]")


def test_letters_in_by_smtp_are_the_same_by_imap_and_pop3(ours, account):
    import poplib
    with smtplib.SMTP("localhost", ours.ports["smtp"]) as client:
        client.sendmail("someone@elsewhere.example", [account.user], letter(1, body=b".dotted\r\n..twice"))
    by_imap = account.letters()[0][0]
    reader = poplib.POP3_SSL("localhost", ours.ports["pop3s"], context=ours.tls)
    reader.user(account.user)
    reader.pass_(account.password)
    assert b"\r\n".join(reader.retr(1)[1]) + b"\r\n" == by_imap
    assert by_imap.endswith(b"\r\n.dotted\r\n..twice\r\n")
    reader.dele(1)
    with account.wire("INBOX") as wire:
        tag = wire.idle()
        reader.quit()
        assert wire.hear_until(rb"EXPUNGE")[-1] == b"* 1 EXPUNGE"
        assert wire.done(tag)[1].startswith(b"OK")


def test_a_quota_is_kept(ours, account):
    ours.posthorn.admin("quota", "set", account.user, "--messages", "1")
    account.append(letter(1))
    with account.wire("INBOX") as wire:
        for words_ in (("APPEND", "INBOX", letter(2)), ("COPY", "1", "Archive")):
            assert wire.command(*words_)[1].startswith(b"NO [OVERQUOTA]")
        # What only moves needs no room.
        wire.ok("MOVE", "1", "Archive")
        assert b"MESSAGE (MESSAGE 1 1" in b"".join(wire.ok("GETQUOTAROOT", "INBOX")) or \
            b"MESSAGE 1 1" in b"".join(wire.ok("GETQUOTAROOT", "INBOX"))
    assert len(account.letters("Archive")) == 1


def test_fifty_megabytes_pass_and_memory_does_not_grow(ours, account):
    large = letter(1) + (b"0123456789" * 7 + b"\r\n") * ((48 << 20) // 72)
    before = ours.posthorn.memory()
    account.append(large)
    with account.selected() as client:
        assert client.fetch("1", "(BODY.PEEK[])")[1][0][1] == large
    assert ours.posthorn.memory() - before < 24 << 20
    with account.wire() as wire:
        tag = wire.begin("APPEND", "INBOX", "{60000000}")
        assert re.match(rb"NO \[(TOOBIG|LIMIT)\]", wire.end(tag)[1])


def test_a_slow_reader_pins_nothing(ours, account):
    """Somebody who does not read costs no memory, and nobody else any time."""
    account.append(letter(1) + (b"0123456789" * 7 + b"\r\n") * ((16 << 20) // 72))
    before = ours.posthorn.memory()
    slow = [account.wire("INBOX") for _ in range(8)]
    for wire in slow:
        wire.begin("FETCH", "1", "(BODY.PEEK[])")
    with account.wire("INBOX") as wire:
        wire.ok("STORE", "1", r"+FLAGS (\Seen)")
        wire.ok("APPEND", "INBOX", letter(2))
        assert len(wire.ok("FETCH", "1:2", "(FLAGS)")) >= 2
    assert ours.posthorn.memory() - before < 24 << 20
    for wire in slow:
        wire.close()


def test_compressed(ours, account):
    import zlib
    with account.wire() as wire:
        wire.ok("COMPRESS", "DEFLATE")
        out, back = zlib.compressobj(wbits=-15), zlib.decompressobj(wbits=-15)

        def ask(text):
            wire.socket.sendall(out.compress(text) + out.flush(zlib.Z_SYNC_FLUSH))
            heard = b""
            while not re.search(rb"^%b [^\r]*\r\n" % text.split()[0], heard, re.MULTILINE):
                heard += back.decompress(wire.socket.recv(65536))
            return heard
        body = letter(1, body=b"again and again " * 4000)
        assert b"a OK" in ask(b"a APPEND INBOX {%d+}\r\n%b\r\n" % (len(body), body))
        assert b"b OK" in ask(b"b SELECT INBOX\r\n")
        assert body in ask(b"c FETCH 1 BODY.PEEK[]\r\n")
        assert re.match(rb"d (NO|BAD) ", ask(b"d COMPRESS DEFLATE\r\n"))
        # What hardly shrinks comes in many pieces.
        body = letter(2, body=b"".join(hashlib.sha256(b"%d" % i).hexdigest().encode() + b"\r\n"
                                       for i in range(20000)))
        assert b"e OK" in ask(b"e APPEND INBOX {%d+}\r\n%b\r\n" % (len(body), body))
        assert body in ask(b"f FETCH 2 BODY.PEEK[]\r\n")
        # So many commands in a few bytes are done in several turns.
        wire.socket.sendall(out.compress(b"g NOOP\r\n" * 100000))
        assert b"h OK" in ask(b"h NOOP\r\n")


def test_a_reload_changes_limits_and_drops_nobody(house, posthorn_program, tmp_path):
    server = PosthornImap(posthorn_program, tmp_path, house.ports)
    account = server.new_account()
    with account.wire("INBOX") as wire:
        tag = wire.idle()
        server.posthorn.configure(limit_message_size=100_000)
        server.posthorn.hang_up()
        account.deliver(letter(1))
        wire.hear_until(rb"EXISTS")
        assert wire.done(tag)[1].startswith(b"OK")
    with account.wire() as wire:
        assert b"APPENDLIMIT=100000" in wire.ok("CAPABILITY")[0]
    server.close()


def test_the_end_tells_who_waits(house, posthorn_program, tmp_path):
    server = PosthornImap(posthorn_program, tmp_path, house.ports)
    account = server.new_account()
    with account.wire("INBOX") as wire, Wire(server.ports["imap"]) as guest:
        wire.idle()
        server.close()
        assert wire.hear_until(rb"BYE")[-1].startswith(b"* BYE")
        assert guest.hear_until(rb"BYE")[-1].startswith(b"* BYE")
        with pytest.raises((OSError, ssl.SSLError)):
            wire.hear()


# ---- many in one mailbox ----

MANY = 1000
AT_ONCE = 25  # fewer than may come from one address before they have logged in


@pytest.fixture(params=["sqlite", "postgres"])
def busy_server(request, house, posthorn_program, tmp_path):
    """With the limits of connections that Posthorn has by itself."""
    store = request.getfixturevalue("postgres").new_database() if request.param == "postgres" else None
    server = PosthornImap(posthorn_program, tmp_path, house.ports, store=store, limit_connections_address=30,
                          limit_connections_prefix=100, limit_sessions_account=MANY)
    yield server
    server.close()


def test_a_thousand_sessions_hear_of_one_delivery(busy_server):
    account = busy_server.new_account()
    wires = []
    try:
        while len(wires) < MANY:
            some = [Wire(busy_server.ports["imap"]) for _ in range(AT_ONCE)]
            wires += some
            logins = [wire.begin("LOGIN", quoted(account.user), quoted(account.password)) for wire in some]
            for wire, tag in zip(some, logins):
                assert wire.end(tag)[1].startswith(b"OK")
            for wire in some:
                wire.ok("SELECT", "INBOX")
        # One more is too many for the account, and not for the address.
        with Wire(busy_server.ports["imap"]) as late:
            assert late.command("LOGIN", quoted(account.user), quoted(account.password))[1].startswith(b"NO [LIMIT]")
        tags = [wire.idle() for wire in wires]
        for count in (1, 2):
            account.deliver(letter(count))
            heard = [wire.hear_until(rb"RECENT") for wire in wires]
            assert all(b"* %d EXISTS" % count in lines for lines in heard)
            recent = [line for lines in heard for line in lines if b"RECENT" in line and line != b"* 0 RECENT"]
            assert sum(int(line.split()[1]) for line in recent) == count
        for wire, tag in zip(wires, tags):
            assert wire.done(tag)[1].startswith(b"OK")
    finally:
        for wire in wires:
            wire.close()


# ---- two servers on one PostgreSQL ----

@pytest.fixture
def two_nodes(house, posthorn_program, postgres, tmp_path):
    store = postgres.new_database()
    nodes = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        nodes.append(PosthornImap(posthorn_program, tmp_path / name, house.ports, store=store))
    yield nodes
    for node in nodes:
        node.close()


def test_two_nodes_hear_of_each_other(two_nodes):
    first, second = two_nodes
    account = first.new_account()
    there = type(account)(second, account.user)
    with account.wire("INBOX") as here, there.wire("INBOX") as far:
        tag = far.idle()
        account.deliver(letter(1))
        assert far.hear_until(rb"EXISTS")[-1] == b"* 1 EXISTS"
        here.ok("NOOP")
        here.ok("STORE", "1", r"+FLAGS (\Flagged once)")
        heard = far.hear_until(rb"^\* 1 FETCH")[-1]
        assert b"\\Flagged" in heard and b"once" in heard
        here.ok("APPEND", "INBOX", letter(2))
        assert far.hear_until(rb"EXISTS")[-1] == b"* 2 EXISTS"
        here.ok("STORE", "1", r"+FLAGS.SILENT (\Deleted)")
        here.ok("EXPUNGE")
        assert far.hear_until(rb"EXPUNGE")[-1] == b"* 1 EXPUNGE"
        assert far.done(tag)[1].startswith(b"OK")
        # And the other way round.
        tag = here.idle()
        far.ok("MOVE", "1", "Archive")
        assert here.hear_until(rb"EXPUNGE")[-1] == b"* 1 EXPUNGE"
        far.ok("CREATE", "far/away")
        assert here.done(tag)[1].startswith(b"OK")
        assert b"far/away" in b"".join(here.ok("LIST", '""', "*"))
    assert [len(who.letters("Archive")) for who in (account, there)] == [1, 1]


def test_two_nodes_end_the_sessions_of_who_is_disabled(two_nodes):
    account = two_nodes[0].new_account()
    others = [account, type(account)(two_nodes[1], account.user)]
    reader = poplib.POP3("localhost", two_nodes[1].ports["pop3"], timeout=60)
    reader.user(account.user)
    reader.pass_(account.password)
    wires = [who.wire("INBOX") for who in others]
    for wire in wires:
        wire.idle()
    two_nodes[0].posthorn.admin("account", "disable", account.user)
    for wire in wires:
        assert wire.hear_until(rb"BYE")[-1].startswith(b"* BYE [CONTACTADMIN]")
        wire.close()
    with pytest.raises((poplib.error_proto, OSError)):
        reader.noop()
        reader.noop()
    reader.close()


def test_two_nodes_give_no_uid_twice(two_nodes):
    account = two_nodes[0].new_account()
    others = [account, type(account)(two_nodes[1], account.user)]
    wires = [who.wire() for who in others]
    tags = [[wire.begin("APPEND", "INBOX", letter(number)) for number in range(50)] for wire in wires]
    uids = []
    for wire, mine in zip(wires, tags):
        for tag in mine:
            told = wire.end(tag)[1]
            uids.append(int(re.match(rb"OK \[APPENDUID \d+ (\d+)\]", told).group(1)))
        wire.close()
    assert sorted(uids) == list(range(min(uids), min(uids) + 100))
    assert [len(who.letters()) for who in others] == [100, 100]
