"""A private root for one test run, and the processes that live in it.

script/lab unpacks the servers once. Every run takes a copy made of hard links, so that runs do not
meet, and whatever a server compiled into itself (paths, users, sockets) exists there and nowhere else.
"""

import ctypes
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

START_DEADLINE = 20.0
STOP_DEADLINE = 5.0
POLL = 0.01

FIRST_PORT, BLOCK_SIZE, BLOCKS = 12000, 400, 50

VMAIL = 908

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


def wait_until(question, what, deadline=START_DEADLINE):
    """Asks until the answer is true, and gives it back; fails loudly at the deadline."""
    end = time.monotonic() + deadline
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {deadline:g} s")
        time.sleep(POLL)


def die_with_parent():
    """A test run that is killed takes its servers along."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class House:
    """The root of one run: files, ports, processes."""

    current = None

    def __init__(self):
        project = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(__file__))))
        lab = os.environ.get("POSTHORN_LAB", os.path.join(project, "build", "lab"))
        source = os.path.join(lab, "root")
        if not os.path.exists(os.path.join(source, ".stamp")):
            raise RuntimeError(f"{source} does not hold the mail servers: run script/lab")
        sessions = os.path.join(lab, "sessions")
        os.makedirs(sessions, exist_ok=True)
        # One run at a time comes through here: none sweeps what another is just making.
        door = os.open(sessions, os.O_RDONLY)
        fcntl.flock(door, fcntl.LOCK_EX)
        sweep(sessions)
        self.directory = tempfile.mkdtemp(dir=sessions)
        self.lock = lock(self.directory)
        os.close(door)
        self.root = os.path.join(self.directory, "root")
        subprocess.run(["cp", "-al", source, self.root], check=True)
        os.chmod(self.directory, 0o755)
        # A short name: the path of a unix socket may have 107 bytes.
        self.short = tempfile.mkdtemp(prefix="ph")
        os.symlink(self.root, os.path.join(self.short, "r"))
        self.processes = []
        self.logs = []
        self.block, self.ports = block_of_ports()
        House.current = self

    def path(self, name):
        """Where a file of the house lies for those outside of it."""
        return os.path.join(self.root, name.lstrip("/"))

    def socket_path(self, name):
        """The same for a unix socket, by a path that is short enough."""
        return os.path.join(self.short, "r", name.lstrip("/"))

    def write(self, name, text, mode=0o644, owner=0):
        """Puts a file there. Never written in place: the old one may be shared by hard links."""
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if os.path.lexists(path):
            os.unlink(path)
        data = text if isinstance(text, bytes) else text.encode()
        with open(path, "wb") as file:
            file.write(data)
        os.chown(path, owner, owner)
        os.chmod(path, mode)
        return path

    def make_directory(self, name, owner=0, mode=0o755, group=None):
        path = self.path(name)
        os.makedirs(path, exist_ok=True)
        os.chown(path, owner, owner if group is None else group)
        os.chmod(path, mode)
        return path

    def port(self):
        """A port of the loopback interface that nobody listens on."""
        for port in self.ports:
            with socket.socket() as probe:
                # As the servers do: connections that an earlier run had there do not matter.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", port))
                    return port
                except OSError:
                    continue
        raise RuntimeError("the run has used up its ports")

    def run(self, *command):
        """Runs a program of the house to its end."""
        return subprocess.run(["chroot", self.root, *command], check=True, capture_output=True)

    def start(self, name, command, ports, log=None, environment=None, address="127.0.0.1"):
        """Starts a server of the house and waits until it answers on all its ports."""
        output = os.path.join(self.directory, name + ".out")
        with open(output, "wb") as sink:
            process = subprocess.Popen(
                ["chroot", self.root, *command],
                stdin=subprocess.DEVNULL, stdout=sink, stderr=sink,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **(environment or {})},
                start_new_session=True, preexec_fn=die_with_parent)
        self.processes.append(process)
        self.logs += [output] + ([self.path(log)] if log else [])
        for port in ports:
            try:
                wait_until(lambda: answers(process, port, address), f"{name} on port {port}")
            except (TimeoutError, RuntimeError) as error:
                raise RuntimeError(f"{error}\n{self.tail()}") from None
        return process

    def tail(self, lines=25):
        """The last words of every server."""
        text = []
        for path in self.logs:
            if os.path.exists(path):
                with open(path, encoding="utf-8", errors="replace") as file:
                    text += [f"{os.path.basename(path)}: {line}" for line in file][-lines:]
        return "".join(text)

    def close(self):
        """Stops every server with all its children and removes the root."""
        for process in reversed(self.processes):
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            try:
                process.wait(STOP_DEADLINE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        House.current = None
        shutil.rmtree(self.short)
        tear_down(self.directory)
        os.close(self.lock)
        self.block.close()


def block_of_ports():
    """Ports for one run alone, below those that the system gives to outgoing connections: nobody can
    take one between its choice and the start of its server. The name of an abstract socket is the
    mark, since it belongs to the same network namespace as the ports."""
    for number in range(BLOCKS):
        mark = socket.socket(socket.AF_UNIX)
        try:
            mark.bind(f"\0posthorn-ports-{number}")
            first = FIRST_PORT + number * BLOCK_SIZE
            return mark, iter(range(first, first + BLOCK_SIZE))
        except OSError:
            mark.close()
    raise RuntimeError("too many runs at once: every block of ports is taken")


def answers(process, port, address="127.0.0.1"):
    if process.poll() is not None:
        raise RuntimeError(f"the server ended at once with status {process.returncode}")
    try:
        socket.create_connection((address, port), timeout=1).close()
        return True
    except OSError:
        return False


def lock(directory):
    """Marks a session as one whose run is alive: the lock falls when the run ends, however it ends.
    None: it is locked."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return descriptor
    except BlockingIOError:
        os.close(descriptor)
        return None


def sweep(sessions):
    """Removes what runs that were killed have left behind."""
    for entry in os.listdir(sessions):
        directory = os.path.join(sessions, entry)
        try:
            descriptor = lock(directory)
            if descriptor is not None:
                tear_down(directory)
                os.close(descriptor)
        except FileNotFoundError:
            # Another run was faster.
            continue


def inhabitants(directory):
    """The ids of the processes whose root lies in this session."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                root = os.readlink(f"/proc/{entry}/root")
            except OSError:
                continue
            if root.startswith(directory + "/"):
                found.append(int(entry))
    return found


def tear_down(directory):
    """Kills whoever still lives in a session, and removes it."""
    def is_empty():
        left = inhabitants(directory)
        for identity in left:
            try:
                os.kill(identity, signal.SIGKILL)
            except ProcessLookupError:
                pass
        return not left
    wait_until(is_empty, "the end of the last server", STOP_DEADLINE)
    shutil.rmtree(directory)
