"""A server of the program under test: started with free ports, watched by its log, ended in order."""
import os
import signal
import socket
import subprocess
import threading
import time

import program

DEADLINE = 60


class PosthornServer:
    def __init__(self, arguments, environment):
        self.process = subprocess.Popen([program.PATH, *map(str, arguments)], env=environment, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.lines = []
        self.change = threading.Condition()
        self.is_at_end = False
        self.is_told = False
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stderr:
            with self.change:
                self.lines.append(line.decode(errors="replace").rstrip("\n"))
                self.change.notify_all()
        with self.change:
            self.is_at_end = True
            self.change.notify_all()

    def wait_for(self, words, count=1):
        """The `count`th line with the words in it."""
        end = time.monotonic() + DEADLINE
        with self.change:
            while True:
                found = [line for line in self.lines if words in line]
                if len(found) >= count:
                    return found[count - 1]
                if self.is_at_end or time.monotonic() > end:
                    raise AssertionError(f"no line with \"{words}\":\n" + "\n".join(self.lines))
                self.change.wait(timeout=1)

    def started(self):
        self.wait_for("event=server.started")
        return self

    def port(self, protocol):
        line = self.wait_for(f"event=server.listens protocol={protocol} ")
        return int(line.rsplit(":", 1)[1])

    def signal(self, number):
        self.is_told = self.is_told or number == signal.SIGTERM
        self.process.send_signal(number)

    def end(self, status=0):
        """Ends it by SIGTERM, unless it was told to end already."""
        if not self.is_told:
            self.signal(signal.SIGTERM)
        return self.ended(status)

    def ended(self, status=0):
        """It ends by itself. All that it logged."""
        self.process.wait(timeout=DEADLINE)
        self.reader.join(timeout=DEADLINE)
        if self.process.returncode != status:
            raise AssertionError(f"the server ended with {self.process.returncode}\n" + "\n".join(self.lines))
        return "\n".join(self.lines)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.reader.join(timeout=DEADLINE)
        self.process.stderr.close()


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def memory_of(process):
    """Resident kilobytes."""
    with open(f"/proc/{process}/status", encoding="ascii") as file:
        return int(next(line.split()[1] for line in file if line.startswith("VmRSS:")))


def users_of(process):
    """Real, effective, saved and file system user of every thread."""
    users = set()
    for thread in os.listdir(f"/proc/{process}/task"):
        with open(f"/proc/{process}/task/{thread}/status", encoding="ascii") as file:
            for line in file:
                if line.startswith("Uid:"):
                    users.update(map(int, line.split()[1:]))
    return users
