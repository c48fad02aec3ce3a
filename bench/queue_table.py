"""The queue beside Postfix and OpenSMTPD: letters come in, are kept, and go out to a sink; one route or a thousand, a quick far
end or a slow one. And a queue of a million: how soon it is there, what it takes, and whether dead routes hold up a live one."""

import os
import socket
import sqlite3
import subprocess
import tempfile
import time
from pathlib import Path

import server_peers as peers
from lab import posthorn
from lab.house import House, block_of_ports, wait_until
from lab.postfix import COMMON, MASTER, make_queue
from tables import Table

ROUTES = 1000
DEADLINE = 900
SIZE = 4096
SLOW = 100  # milliseconds of each reply

POSTFIX = COMMON + """
myhostname = mail.bench.test
mynetworks = 127.0.0.0/8
local_recipient_maps =
virtual_alias_domains = bench.test
virtual_alias_maps = texthash:/etc/postfix/aliases
transport_maps = texthash:/etc/postfix/transport
message_size_limit = 60000000
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
"""

OPENSMTPD = """
queue ttl 10m
smtp max-message-size "60M"
listen on 127.0.0.1 port {port} hostname mail.bench.test
action "out" relay host smtp://127.0.0.1:{far}
match from any for any action "out"
"""


def far_address(number):
    """The loopback network has as many addresses as one likes."""
    return f"127.1.{number // 250}.{number % 250 + 1}"


def recipients(routes):
    return [f"r{number}@bench.test" for number in range(routes)]


class Sink:
    """Where everything goes."""

    def __init__(self, build, port, delay=0):
        self.port = port
        self.process = subprocess.Popen([str(build / "bench" / "far_sink"), str(port), str(delay)])
        wait_until(self.answers, "the sink")

    def answers(self):
        try:
            self.ask()
            return True
        except OSError:
            return False

    def ask(self):
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as wire:
            file = wire.makefile("rb")
            file.readline()
            wire.sendall(b"COUNT\r\n")
            return [int(word) for word in file.readline().split()[1:]]

    def count(self):
        return self.ask()[0]

    def close(self):
        self.process.kill()
        self.process.wait()


class Posthorn(peers.Server):
    name = "posthorn"

    def __init__(self, program, far, routes):
        self.directory = tempfile.TemporaryDirectory(prefix="ph-bench", dir="/var/tmp")
        self.block, ports = block_of_ports()
        self.server = posthorn.Posthorn(program, self.directory.name, ports, outgoing_port=far, limit_messages=1000000,
                                        limit_commands=100000000, log_file="/dev/null")
        self.server.admin("domain", "add", "bench.test")
        for number in range(routes):
            self.server.admin("alias", "add", f"r{number}@bench.test", f"u@[{far_address(number)}]")
        self.server.start()
        self.port = self.server.ports["smtp"]

    def processes(self):
        return [self.server.process.pid]

    def close(self):
        self.server.stop()
        self.block.close()
        self.directory.cleanup()


class Postfix(peers.Server):
    name = "Postfix"
    share = 5

    def __init__(self, far, routes):
        self.house = house = House()
        make_queue(house)
        self.port = next(house.ports)
        house.write("/etc/postfix/aliases", "".join(f"r{n}@bench.test u@d{n}.far.test\n" for n in range(routes)))
        house.write("/etc/postfix/transport", "".join(f"d{n}.far.test smtp:[{far_address(n)}]:{far}\n" for n in range(routes)))
        house.write("/etc/postfix/main.cf", POSTFIX)
        house.write("/etc/postfix/master.cf", MASTER + f"smtp unix - - n - - smtp\n{self.port} inet n - n - - smtpd\n")
        house.start("postfix", ["/usr/lib/postfix/sbin/master", "-c", "/etc/postfix", "-d"], [self.port],
                    log="/var/log/postfix.log")


class OpenSmtpd(peers.Server):
    name = "OpenSMTPD"
    share = 10

    def __init__(self, far):
        self.house = house = House()
        self.port = next(house.ports)
        house.make_directory("/var/lib/opensmtpd/empty", mode=0o711)
        house.make_directory("/var/spool")
        house.write("/etc/smtpd.conf", OPENSMTPD.format(port=self.port, far=far))
        house.start("opensmtpd", ["/usr/sbin/smtpd", "-d"], [self.port])


def send(run, server, sink, messages, routes):
    """From the first letter that comes in until the last has gone out."""
    lying = sink.count()
    before = server.processor_seconds()
    began = time.monotonic()
    run.call("deliver", "--connections", 20, "--messages", messages, "--size", SIZE, server.port, *recipients(routes))
    accepted = time.monotonic() - began
    wait_until(lambda: sink.count() >= lying + messages, f"{server.name}: {messages} letters at the sink", DEADLINE)
    span = time.monotonic() - began
    return {"rate": messages / span, "in": messages / accepted, "cpu_ms": (server.processor_seconds() - before) * 1000 / messages,
            "connections": sink.ask()[1]}


def rate_table(run, title, messages, routes, delay, with_opensmtpd):
    table = Table(title, ["letters/s", "taken in/s", "CPU ms", "connections"])
    block, ports = block_of_ports()
    with block:
        far = next(ports)
        makers = [lambda: Posthorn(run.posthorn, far, routes), lambda: Postfix(far, routes)]
        if with_opensmtpd:
            makers.append(lambda: OpenSmtpd(far))
        for make in makers:
            sink = Sink(run.build, far, delay)
            server = make()
            try:
                send(run, server, sink, 50, routes)
                figures = send(run, server, sink, messages // server.share, routes)
            finally:
                server.close()
                sink.close()
            table.add(server.name, [f"{figures['rate']:.0f}", f"{figures['in']:.0f}", f"{figures['cpu_ms']:.3f}",
                                    str(figures["connections"])], figures)
    return table


def table_queue(run, at_least, at_most):
    messages = 2000 if run.is_quick else 50000
    texts, goals = [], []
    for routes in (1, ROUTES):
        table = rate_table(run, f"Relayed, 4 KiB, {messages} letters (Postfix a fifth, OpenSMTPD a tenth), {routes} route(s)",
                           messages, routes, 0, routes == 1)
        texts.append(table.text())
        ours, theirs = table.values["posthorn"], table.values["Postfix"]
        goals.append(at_least(f"{routes} route(s): times Postfix", ours["rate"] / theirs["rate"], 3))
        goals.append(at_most(f"{routes} route(s): CPU, of Postfix's", ours["cpu_ms"] / theirs["cpu_ms"], 1 / 3))
    slow = rate_table(run, f"{messages // 50} letters to a far end that takes {SLOW} ms a reply", messages // 50, 1, SLOW, False)
    texts.append(slow.text())
    goals.append(at_least("slow far end: times Postfix", slow.values["posthorn"]["rate"] / slow.values["Postfix"]["rate"], 1))
    goals.append(at_most("slow far end: connections, of Postfix's",
                         slow.values["posthorn"]["connections"] / slow.values["Postfix"]["connections"], 1))
    return "\n\n".join(texts), goals


# ---- a large queue ----


def fill(store, count, due):
    """A million letters to ten thousand routes, as if they had come in over some days."""
    base = sqlite3.connect(store)
    now = time.time_ns() // 1000
    body = base.execute("SELECT id FROM body LIMIT 1").fetchone()
    first = (body[0] if body else 1 << 40) - count - 1
    base.execute("PRAGMA synchronous = OFF")
    base.executemany(
        "INSERT INTO outbound_message(id, account, sender, envelope_id, return_content, body_kind, is_utf8, prefix, owner, created) "
        "VALUES(?, 0, 'ann@bench.test', '', 0, 0, 0, x'', 0, ?)", ((first + n, now) for n in range(count)))
    base.executemany(
        "INSERT INTO outbound_recipient(message, number, recipient, route, original_recipient, notify, due) "
        "VALUES(?, 0, ?, ?, '', 0, ?)",
        ((first + n, f"u{n}@[127.2.{n % 10000 // 100}.{n % 100 + 1}]", f"[127.2.{n % 10000 // 100}.{n % 100 + 1}]", due)
         for n in range(count)))
    base.commit()
    base.close()


class Scale:
    """posthorn with a queue that was filled before it began."""

    def __init__(self, run, count, due, dead_port, live):
        self.directory = tempfile.TemporaryDirectory(prefix="ph-bench", dir="/var/tmp")
        self.block, ports = block_of_ports()
        self.server = posthorn.Posthorn(run.posthorn, self.directory.name, ports, outgoing_port=dead_port,
                                        relays=(f"to=live.test host=127.0.0.1:{live}",))
        self.server.admin("domain", "add", "bench.test")
        self.server.admin("alias", "add", "live@bench.test", "u@live.test")
        fill(self.server.store, count, due)
        began = time.monotonic()
        self.server.start()
        self.answering = time.monotonic() - began
        wait_until(lambda: "event=queue.loaded" in self.server.tail(100000), "the queue in memory", 120)
        self.loaded = time.monotonic() - began

    def memory(self):
        text = Path(f"/proc/{self.server.process.pid}/smaps_rollup").read_text(encoding="utf-8")
        return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) / 1024

    def stats(self):
        began = time.monotonic()
        self.server.admin("queue", "stats")
        return time.monotonic() - began

    def close(self):
        self.server.stop()
        self.block.close()
        self.directory.cleanup()


def live_letter(run, scale, sink):
    before = sink.count()
    began = time.monotonic()
    run.call("deliver", "--connections", 1, "--messages", 1, "--size", SIZE, scale.server.ports["smtp"], "live@bench.test")
    while sink.count() == before:
        if time.monotonic() - began > 120:
            break
        time.sleep(0.005)
    return time.monotonic() - began


def table_great(run, at_least, at_most):
    count = 100000 if run.is_quick else 1000000
    goals = []
    table = Table(f"A queue of {count} recipients, and one of 10000 dead routes", ["seconds"])
    block, ports = block_of_ports()
    with block:
        live, dead = next(ports), next(ports)
        sink = Sink(run.build, live)
        hour = time.time_ns() // 1000 + 3600 * 1000 * 1000
        scale = Scale(run, count, hour, dead, live)
        try:
            letter = live_letter(run, scale, sink)
            figures = (("start, until it answers", scale.answering, 5), ("start, until all is in memory", scale.loaded, 5),
                       ("a letter beside it", letter, 1), ("queue stats", scale.stats(), 1))
            memory = scale.memory()
        finally:
            scale.close()
        for name, value, most in figures:
            table.add(name, [f"{value:.3f}"], {})
            goals.append(at_most(name + ", s", value, most))
        goals.append(at_most("memory, MiB", memory, 200))
        scale = Scale(run, 10000, 1, dead, live)
        try:
            times = [live_letter(run, scale, sink) for _ in range(5)]
        finally:
            scale.close()
            sink.close()
        table.add("a letter beside 10000 dead routes, the slowest of 5", [f"{max(times):.3f}"], {})
        goals.append(at_most("letter beside 10000 dead routes, s", max(times), 1))
    return table.text(), goals
