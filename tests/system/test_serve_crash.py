"""What was answered with 250 is there, once, whatever dies at whatever moment; and what is short comes back by itself."""

import collections
import os
import poplib
import random
import re
import resource
import signal
import smtplib
import socket
import subprocess
import threading
import time

import pytest

from lab.house import die_with_parent, wait_until
from lab.posthorn import Posthorn

CONNECTIONS = 50
KILLS = 100
USERS = [(f"user{number}@posthorn.test", f"secret{number}") for number in range(4)]


def prepare(house, program, directory, store=None, **settings):
    made = Posthorn(program, directory, house.ports, store=store, **settings)
    if store is not None:
        made.admin("store", "migrate")
    for address, password in USERS:
        made.add_account(address, password)
    return made


class Load:
    """Clients that send letters with numbers, as long as they are let, and note which were taken."""

    def __init__(self, port, connections=CONNECTIONS):
        self.port = port
        self.numbers = iter(range(1 << 40))
        self.lock = threading.Lock()
        self.taken = set()
        self.refused = collections.Counter()
        self.is_over = False
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(connections)]
        for thread in self.threads:
            thread.start()

    def run(self):
        while not self.is_over:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=30) as wire:
                    self.send_letters(wire, wire.makefile("rb"))
            except OSError:
                time.sleep(0.01)

    def send_letters(self, wire, lines):
        def hear():
            while True:
                line = lines.readline()
                if not line.endswith(b"\r\n"):
                    raise OSError("the server went away")
                if line[3:4] != b"-":
                    return line
        hear()
        wire.sendall(b"EHLO load.example\r\n")
        hear()
        for _ in range(50):
            if self.is_over:
                return
            with self.lock:
                number = next(self.numbers)
            recipients = random.sample(USERS, random.choice((1, 1, 1, 3)))
            body = b"x" * random.choice((10, 3000, 300000 if number % 50 == 0 else 100)) + b"\r\n"
            wire.sendall(b"MAIL FROM:<load@elsewhere.example>\r\n" +
                         b"".join(b"RCPT TO:<%s>\r\n" % user.encode() for user, _ in recipients) + b"DATA\r\n")
            replies = [hear() for _ in range(2 + len(recipients))]
            if not replies[-1].startswith(b"354"):
                self.note(replies[-1])
                wire.sendall(b"RSET\r\n")
                hear()
                continue
            wire.sendall(b"X-Number: %d\r\nSubject: a letter\r\n\r\n" % number + body + b".\r\n")
            reply = hear()
            if reply.startswith(b"250"):
                with self.lock:
                    self.taken.update((user, number) for user, _ in recipients)
            else:
                self.note(reply)

    def note(self, reply):
        with self.lock:
            self.refused[reply[:9]] += 1

    def wait_for(self, count):
        """Until so many more copies were taken."""
        goal = len(self.taken) + count
        wait_until(lambda: len(self.taken) >= goal, f"{count} letters more ({dict(self.refused)})", 60)

    def stop(self):
        self.is_over = True
        for thread in self.threads:
            thread.join(60)
            assert not thread.is_alive()


def read_numbers(server):
    """(user, number) of every letter in every mailbox, and how often it is there."""
    found = collections.Counter()
    for user, password in USERS:
        reader = poplib.POP3("127.0.0.1", server.ports["pop3"])
        reader.user(user)
        reader.pass_(password)
        count = reader.stat()[0]
        for number in range(1, count + 1):
            head = b"\n".join(reader.top(number, 0)[1])
            found[user, int(re.search(rb"^X-Number: (\d+)$", head, re.MULTILINE).group(1))] += 1
        reader.quit()
    return found


def assert_kept(server, load):
    found = read_numbers(server)
    assert load.taken, "nothing was ever taken"
    lost = [letter for letter in load.taken if found[letter] == 0]
    double = [letter for letter, count in found.items() if count > 1]
    assert not lost and not double, f"{len(lost)} lost, {len(double)} double of {len(load.taken)}"
    checked = server.admin("store", "check", check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_killed_a_hundred_times(house, posthorn_program, tmp_path):
    server = prepare(house, posthorn_program, tmp_path).start()
    load = Load(server.ports["smtp"])
    moments = random.Random(5321)
    for _ in range(KILLS):
        load.wait_for(moments.choice((1, 5, 50)))
        time.sleep(moments.random() * 0.05)
        server.kill()
        server.start()
    load.stop()
    assert_kept(server, load)
    assert server.stop() == 0


def test_postgres_killed_under_the_server(house, posthorn_program, postgres, tmp_path):
    server = prepare(house, posthorn_program, tmp_path, store=postgres.new_database()).start()
    load = Load(server.ports["smtp"])
    moments = random.Random(5322)
    for _ in range(KILLS):
        load.wait_for(moments.choice((1, 5, 50)))
        time.sleep(moments.random() * 0.05)
        postgres.kill()
        postgres.start()
    load.wait_for(1)
    load.stop()
    assert server.process.poll() is None
    assert_kept(server, load)
    assert server.stop() == 0


def test_a_full_disk_is_a_temporary_refusal(house, posthorn_program, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)], check=True)
    try:
        server = prepare(house, posthorn_program, disk).start()
        load = Load(server.ports["smtp"], connections=8)
        filler = disk / "filler"
        load.wait_for(20)
        with open(filler, "wb") as file:
            try:
                while True:
                    file.write(b"\0" * 65536)
                    file.flush()
            except OSError:
                pass
        wait_until(lambda: sum(load.refused.values()) > 20, "refusals on a full disk")
        assert all(reply.startswith(b"4") for reply in load.refused), load.refused
        assert server.process.poll() is None
        filler.unlink()
        load.wait_for(20)
        load.stop()
        assert_kept(server, load)
        assert server.stop() == 0
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_lost_file_of_the_store_is_noticed(house, posthorn_program, tmp_path):
    server = prepare(house, posthorn_program, tmp_path).start()
    load = Load(server.ports["smtp"], connections=4)
    load.wait_for(10)
    before = os.path.exists(server.store)
    assert before
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    for name in os.listdir(tmp_path):
        if name.startswith("posthorn.db"):
            os.rename(tmp_path / name, hidden / name)
    # What lies in a file without a name is lost when the server ends: it must not say 250 any more.
    wait_until(lambda: sum(load.refused.values()) > 4, "refusals without a store")
    taken = set(load.taken)
    for name in os.listdir(hidden):
        os.rename(hidden / name, tmp_path / name)
    wait_until(lambda: len(load.taken) > len(taken), "the store's coming back")
    load.stop()
    server.stop()
    server.start()
    assert_kept(server, load)
    assert server.stop() == 0


def limited(kind, value):
    def set_limit():
        die_with_parent()
        resource.setrlimit(kind, (value, value))
    return set_limit


def test_few_descriptors_starve_nobody_for_ever(house, posthorn_program, tmp_path):
    server = prepare(house, posthorn_program, tmp_path)
    server.start(preexec_fn=limited(resource.RLIMIT_NOFILE, 96))
    held = []
    for _ in range(150):
        wire = socket.create_connection(("127.0.0.1", server.ports["smtp"]), timeout=10)
        held.append(wire)
    # Those that were taken in are served, whoever comes too late is turned away or waits; nothing dies.
    held[0].settimeout(10)
    assert held[0].recv(100).startswith(b"220")
    for wire in held:
        wire.close()

    def is_served():
        try:
            with smtplib.SMTP("127.0.0.1", server.ports["smtp"], timeout=5) as client:
                client.sendmail("a@elsewhere.example", [USERS[0][0]], b"X-Number: 1\r\n\r\nx\r\n")
            return True
        except (OSError, smtplib.SMTPException):
            return False
    wait_until(is_served, "service after the flood")
    assert server.process.poll() is None
    assert server.stop() == 0


def test_one_address_does_not_starve_others(house, posthorn_program, tmp_path):
    server = prepare(house, posthorn_program, tmp_path, limit_connections_address=10, limit_connections_prefix=40)
    server.start()
    held = []
    try:
        for _ in range(30):
            wire = socket.create_connection(("127.0.0.1", server.ports["smtp"]), timeout=10)
            held.append(wire)
        greetings = [wire.recv(100)[:3] for wire in held]
        assert greetings[:10] == [b"220"] * 10 and greetings[10:] == [b"421"] * 20
        other = socket.socket()
        other.bind(("127.0.0.2", 0))
        other.settimeout(10)
        other.connect(("127.0.0.1", server.ports["smtp"]))
        held.append(other)
        assert other.recv(100).startswith(b"220")
    finally:
        for wire in held:
            wire.close()
    assert server.stop() == 0


def test_sigterm_finishes_what_is_in_hand(house, posthorn_program, tmp_path):
    server = prepare(house, posthorn_program, tmp_path).start()
    with socket.create_connection(("127.0.0.1", server.ports["smtp"]), timeout=30) as wire:
        lines = wire.makefile("rb")
        lines.readline()
        wire.sendall(b"HELO x.example\r\nMAIL FROM:<a@elsewhere.example>\r\nRCPT TO:<user0@posthorn.test>\r\nDATA\r\n")
        assert [lines.readline()[:3] for _ in range(4)][3] == b"354"
        wire.sendall(b"X-Number: 7\r\n\r\nhalf")
        server.process.send_signal(signal.SIGTERM)

        def is_closed():
            try:
                socket.create_connection(("127.0.0.1", server.ports["smtp"]), timeout=1).close()
                return False
            except ConnectionRefusedError:
                return True
        wait_until(is_closed, "the end of listening")
        wire.sendall(b" and half\r\n.\r\n")
        assert lines.readline().startswith(b"250")
        assert lines.readline().startswith(b"421")
    assert server.process.wait(60) == 0
    server.start()
    assert read_numbers(server) == {(USERS[0][0], 7): 1}
    assert server.stop() == 0


def test_a_reload_drops_no_connection(house, posthorn_program, tmp_path):
    server = prepare(house, posthorn_program, tmp_path).start()
    with smtplib.SMTP("127.0.0.1", server.ports["smtp"]) as client:
        client.ehlo("x.example")
        assert client.esmtp_features["size"] != "12345678"
        server.configure(limit_message_size=12345678)
        server.hang_up()

        def is_changed():
            with smtplib.SMTP("127.0.0.1", server.ports["smtp"]) as other:
                other.ehlo("x.example")
                return other.esmtp_features["size"] == "12345678"
        wait_until(is_changed, "the new limit")
        assert client.noop()[0] == 250
        # A broken file changes nothing.
        server.configure(limit_message_size="a lot")
        server.hang_up()
        wait_until(lambda: "limit-message-size" in server.tail(), "word of the broken file")
        assert is_changed()
        assert client.noop()[0] == 250
    assert server.stop() == 0
