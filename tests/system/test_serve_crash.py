"""What was answered with 250 or OK is there, once, whatever dies at whatever moment."""

import os
import random
import time

from lab.load import Load, assert_kept, prepare
from lab.house import wait_until
from lab.imap_writers import Writers

KILLS = 100


def wait_for_the_moment(load, moments):
    """Sometimes at the very start, sometimes under full load, never at a moment that anybody could foresee."""
    load.wait_for(moments.choice((1, 5, 50)))
    time.sleep(moments.random() * 0.05)


def assert_survives(server, seed, kill):
    """`kill` ends what is to be killed, and starts it again, a hundred times under load."""
    writers = Writers(server)
    load = Load(server)
    moments = random.Random(seed)
    for _ in range(KILLS):
        wait_for_the_moment(load, moments)
        kill()
    load.wait_for(1)
    writers.stop()
    load.stop()
    assert server.process.poll() is None
    assert_kept(server, load)
    assert server.stop() == 0


def kill_server(server):
    server.kill()
    server.start()


def test_killed_a_hundred_times(house, release_program, tmp_path):
    server = prepare(house, release_program, tmp_path).start()
    assert_survives(server, 5321, lambda: kill_server(server))


def test_killed_a_hundred_times_on_postgres(house, release_program, postgres, tmp_path):
    server = prepare(house, release_program, tmp_path, store=postgres.new_database()).start()
    assert_survives(server, 5323, lambda: kill_server(server))


def test_postgres_killed_under_the_server(house, release_program, postgres, tmp_path):
    def kill_postgres():
        postgres.kill()
        postgres.start()
    server = prepare(house, release_program, tmp_path, store=postgres.new_database()).start()
    assert_survives(server, 5322, kill_postgres)


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
