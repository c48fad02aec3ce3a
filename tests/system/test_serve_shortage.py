"""What is short (disk, memory, descriptors, patience) is refused for the moment, and comes back by itself."""

import itertools
import resource
import signal
import smtplib
import socket
import subprocess
from pathlib import Path

from lab.house import die_with_parent, wait_until
from lab.load import LINE, USERS, Client, Load, assert_kept, prepare, read_numbers

# Bytes of memory that are left, and letters that together want more: at most 6 MiB of them would lie in memory, and
# the store would keep 8 MiB of its pages.
ROOM = 4 << 20
HELD = 80
HELD_LINES = 2500


def fill(path):
    with open(path, "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 65536)
        except OSError:
            pass


def test_a_full_disk_is_a_temporary_refusal(house, posthorn_program, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=192m", "tmpfs", str(disk)], check=True)
    try:
        server = prepare(house, posthorn_program, disk).start()
        load = Load(server, connections=8)
        for _ in range(3):
            load.wait_for(20)
            before = load.refusals()
            fill(disk / "filler")
            wait_until(lambda: load.refusals() > before + 20, "refusals on a full disk")
            assert server.process.poll() is None
            (disk / "filler").unlink()
        load.wait_for(20)
        load.stop()
        assert_kept(server, load)
        assert server.stop() == 0
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


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


def connect_from(address, port):
    return socket.create_connection(("127.0.0.1", port), timeout=10, source_address=(address, 0))


def data_size(server):
    for line in Path(f"/proc/{server.process.pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no VmData in status")


def begin_letter(server, number, lines):
    """A client with a letter of which all is sent but the end. None: it was not taken in."""
    try:
        client = Client(server.ports["smtp"], False)
        client.__enter__()
        if not client.announce([USERS[0][0]]).startswith(b"354"):
            return None
        client.say(b"X-Number: %d\r\n\r\n" % number + LINE * lines)
        return client
    except OSError:
        return None


def end_letter(client):
    try:
        return client.send([USERS[0][0]], b"")[0]
    except OSError:
        return b"4 (closed)"
    finally:
        client.__exit__()


def test_little_memory_is_a_temporary_refusal(house, release_program, tmp_path):
    server = prepare(house, release_program, tmp_path).start()
    load = Load(server, connections=8)
    load.wait_for(20)
    limit = data_size(server) + ROOM
    resource.prlimit(server.process.pid, resource.RLIMIT_DATA, (limit, resource.RLIM_INFINITY))
    for _ in range(3):
        numbers = range(next(load.numbers) + (1 << 30), 1 << 60)
        held = [(number, begin_letter(server, number, HELD_LINES)) for number in itertools.islice(numbers, HELD)]
        replies = [(number, end_letter(client)) for number, client in held if client is not None]
        assert server.process.poll() is None
        load.taken.update((USERS[0][0], number) for number, reply in replies if reply.startswith(b"250"))
        load.denied.update((USERS[0][0], number) for number, reply in replies if reply.startswith(b"4") and len(reply) > 12)
        assert all(reply[:1] in (b"2", b"4") for _, reply in replies), replies
        load.wait_for(20)
    load.stop()
    assert load.denied, "it had room for all"
    resource.prlimit(server.process.pid, resource.RLIMIT_DATA, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert_kept(server, load)
    assert server.stop() == 0


def test_one_address_does_not_starve_others(house, posthorn_program, tmp_path):
    server = prepare(house, posthorn_program, tmp_path, limit_connections_address=10, limit_connections_prefix=40)
    server.start()
    held = []
    try:
        # Not from where `start` knocked: the server may not yet have seen these connections end.
        for _ in range(30):
            held.append(connect_from("127.0.0.2", server.ports["smtp"]))
        greetings = [wire.recv(100)[:3] for wire in held]
        assert greetings == [b"220"] * 10 + [b"421"] * 20
        held.append(connect_from("127.0.0.3", server.ports["smtp"]))
        assert held[-1].recv(100).startswith(b"220")
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
