"""A PostgreSQL cluster of our own, reached by a Unix socket only."""

import glob
import os
import pwd
import shutil
import subprocess
import tempfile

from .house import START_DEADLINE, die_with_parent, wait_until


def programs():
    """Where Debian puts the programs of the newest version."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: int(path.split("/")[4]))
    if not found:
        raise RuntimeError("PostgreSQL is not installed: script/bootstrap test")
    return found[-1]


class Postgres:
    """`place(database)` is what posthorn's option store takes."""

    def __init__(self):
        self.bin = programs()
        # Short, since the path of a socket may have 107 bytes; and open to the user who runs the server.
        self.directory = tempfile.mkdtemp(prefix="phpg", dir="/var/tmp")
        self.data = os.path.join(self.directory, "data")
        self.log = os.path.join(self.directory, "log")
        self.process = None
        self.user = pwd.getpwnam("postgres") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        os.chmod(self.directory, 0o755)
        os.chown(self.directory, self.user.pw_uid, self.user.pw_gid)
        self.run("initdb", "--pgdata", self.data, "--username", "posthorn", "--auth", "trust", "--encoding", "UTF8",
                 "--locale", "C", "--no-sync")
        self.databases = 0

    def become(self):
        """PostgreSQL refuses to run as root."""
        die_with_parent()
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(self.user.pw_gid)
            os.setuid(self.user.pw_uid)

    def run(self, program, *words):
        done = subprocess.run([os.path.join(self.bin, program), *words], preexec_fn=self.become, capture_output=True,
                              text=True, cwd=self.directory, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{program}: {done.stderr}{done.stdout}")
        return done.stdout

    def start(self):
        """As it ships: fsync and synchronous_commit are on."""
        with open(self.log, "ab") as sink:
            self.process = subprocess.Popen(
                [os.path.join(self.bin, "postgres"), "-D", self.data, "-k", self.directory, "-h", ""],
                preexec_fn=self.become, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, cwd=self.directory)
        wait_until(self.is_ready, "PostgreSQL", START_DEADLINE)
        return self

    def is_ready(self):
        return subprocess.run([os.path.join(self.bin, "pg_isready"), "-q", "-h", self.directory], check=False).returncode == 0

    def new_database(self):
        self.databases += 1
        name = f"posthorn{self.databases}"
        self.run("createdb", "-h", self.directory, "-U", "posthorn", name)
        return f"host={self.directory} user=posthorn dbname={name}"

    def kill(self):
        """The server process and its children are gone at once, without any farewell."""
        subprocess.run([os.path.join(self.bin, "pg_ctl"), "-D", self.data, "-m", "immediate", "stop"],
                       preexec_fn=self.become, capture_output=True, cwd=self.directory, check=True)
        self.process.wait()

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.directory)
