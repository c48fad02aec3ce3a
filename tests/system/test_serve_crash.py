"""What was answered with 250 or OK is there, once, whatever dies at whatever moment."""

import os
import random
import time

import pytest

from lab.load import Load, assert_kept, prepare
from lab.house import wait_until
from lab.imap_writers import Writers
from lab.posthorn import Posthorn
from lab.senders import Senders, Sink

KILLS = 100
# What may be under way at one instant, told by the far end and not yet noted.
DOUBLES_A_KILL = 40
# On the average of many.
DOUBLES_MEAN = 10
# A node that is dead is missed after a minute.
LEASE_ENDS = 100


def wait_for_the_moment(load, moments):
    """Sometimes at the very start, sometimes under full load, never at a moment that anybody could foresee."""
    load.wait_for(moments.choice((1, 5, 50)))
    time.sleep(moments.random() * 0.05)


def far_settings(sink):
    return {"relays": (sink.relay,), "limit_sending_messages": 0, "limit_sending_recipients": 0, "queue_retry_time": "1s",
            "allow_clear_login": ("submission", "pop3", "imap")}


@pytest.fixture
def sink(house):
    made = Sink(next(house.ports))
    yield made
    made.close()


def assert_survives(server, sink, seed, kill, outlives_lease=True):
    """`kill` ends what is to be killed, and starts it again, a hundred times under load."""
    writers = Writers(server)
    senders = Senders(server, sink)
    load = Load(server)
    moments = random.Random(seed)
    for _ in range(KILLS):
        wait_for_the_moment(load, moments)
        senders.note_kill(kill)
    load.wait_for(1)
    writers.stop()
    load.stop()
    senders.stop()
    assert server.process.poll() is None
    if outlives_lease:
        senders.wait_until_done()
    assert senders.assert_kept() <= KILLS * DOUBLES_MEAN
    assert_kept(server, load)
    assert server.stop() == 0


def kill_server(server):
    server.kill()
    server.start()


def test_killed_a_hundred_times(house, release_program, sink, tmp_path):
    server = prepare(house, release_program, tmp_path, **far_settings(sink)).start()
    assert_survives(server, sink, 5321, lambda: kill_server(server))


def test_killed_a_hundred_times_on_postgres(house, release_program, postgres, sink, tmp_path):
    server = prepare(house, release_program, tmp_path, store=postgres.new_database(), **far_settings(sink)).start()
    # What a dead process had waits until its lease ends: here it may wait beyond the end of the test.
    assert_survives(server, sink, 5323, lambda: kill_server(server), outlives_lease=False)


def test_postgres_killed_under_the_server(house, release_program, postgres, sink, tmp_path):
    def kill_postgres():
        postgres.kill()
        postgres.start()
    server = prepare(house, release_program, tmp_path, store=postgres.new_database(), **far_settings(sink)).start()
    assert_survives(server, sink, 5322, kill_postgres)


def test_another_node_takes_over(house, release_program, postgres, sink, tmp_path):
    """What waits and what is under way on a node that dies goes out from another, once the lease has ended."""
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    store = postgres.new_database()
    sink.delay = 0.01
    second = prepare(house, release_program, tmp_path / "second", store=store, host_name="second.posthorn.test", **far_settings(sink))
    first = Posthorn(release_program, tmp_path / "first", house.ports, store=store, host_name="first.posthorn.test", **far_settings(sink))
    second.start()
    first.start()
    senders = Senders(first, sink, letters_each=60)
    wait_until(lambda: len(sink.letters) > 20, "letters of the first node")
    sink.gate.clear()
    for thread in senders.threads:
        thread.join(60)
    wait_until(lambda: sink.waiting > 0, "a letter that is kept, but not yet answered")
    senders.note_kill(first.kill)
    sink.gate.set()
    early = {letter.hello for letter in list(sink.letters)}
    waiting = [address for address in senders.queued() if not address.startswith("never-")]
    assert early == {"first.posthorn.test"}
    assert waiting, "nothing was left to take over"
    senders.server = second
    senders.wait_until_done(LEASE_ENDS)
    doubles = senders.assert_kept()
    # Nobody can know that a letter without an answer was kept.
    assert 0 < doubles <= DOUBLES_A_KILL
    assert {letter.hello for letter in sink.letters} == {"first.posthorn.test", "second.posthorn.test"}
    assert second.stop() == 0
    checked = second.admin("store", "check", check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_lost_file_of_the_store_is_noticed(house, posthorn_program, tmp_path):
    directory = tmp_path / "store"
    hidden = tmp_path / "hidden"
    directory.mkdir()
    hidden.mkdir()
    server = prepare(house, posthorn_program, directory).start()
    load = Load(server, connections=8)
    load.wait_for(10)
    names = sorted(name for name in os.listdir(directory) if name.startswith("posthorn.db"))
    # The log goes after the file it belongs to, and comes back before it.
    for name in names:
        os.rename(directory / name, hidden / name)
    # What lies in a file without a name is lost when the server ends: it must not say 250 any more.
    wait_until(lambda: load.refusals() > 16, "refusals without a store")
    for name in reversed(names):
        if os.path.exists(hidden / name):
            os.rename(hidden / name, directory / name)
    load.wait_for(20)
    load.stop()
    assert server.stop() == 0
    server.start()
    assert_kept(server, load)
    assert server.stop() == 0
