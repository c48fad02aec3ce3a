"""Installs the project into an empty place and uses it from there as a stranger would. Usage: run.py BUILD-FOLDER; prints TAP."""
import os
import re
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
LETTER = ROOT / "tests" / "install" / "letter.c"

# What the library may need at run time: what it is made for, and the C library.
ALLOWED = re.compile(r"(libssl|libcrypto|libgsasl|libidn2|libunbound|libc|libresolv|ld-linux[-\w]*|libpthread)\.so\.\d+")


class SmallServer(socketserver.ThreadingTCPServer):
    """Takes one kind of letter and says so: enough to see the installed library send."""
    daemon_threads = True
    allow_reuse_address = True

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            self.say("220 small.example ESMTP")
            for line in self.rfile:
                verb = line.split()[0].upper() if line.split() else b""
                if verb == b"DATA":
                    self.say("354 go ahead")
                    letter = []
                    for text in self.rfile:
                        if text == b".\r\n":
                            break
                        letter.append(text)
                    self.server.letters.append(b"".join(letter))
                    self.say("250 kept")
                elif verb == b"QUIT":
                    self.say("221 bye")
                    return
                else:
                    self.say("250 small.example")

        def say(self, text):
            self.wfile.write(text.encode() + b"\r\n")

    def __init__(self):
        super().__init__(("127.0.0.1", 0), self.Handler)
        self.letters = []


class Failure(Exception):
    pass


def command(*arguments, status=0, **options):
    done = subprocess.run([str(argument) for argument in arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=300, **options)
    if done.returncode != status:
        raise Failure(f"{' '.join(map(str, arguments))} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def expect(is_so, what):
    if not is_so:
        raise Failure(what)


class Installation:
    def __init__(self, build, place):
        self.build = build
        self.place = place
        command("meson", "install", "-C", build, "--no-rebuild", env={**os.environ, "DESTDIR": str(place)})
        prefix = [path for path in place.rglob("include/posthorn")]
        expect(len(prefix) == 1, "there is no include/posthorn")
        self.prefix = prefix[0].parent.parent
        [self.package] = list(self.prefix.rglob("posthorn.pc"))
        self.libraries = self.package.parent.parent
        self.shared = self.libraries / "libposthorn.so"
        self.static = self.libraries / "libposthorn.a"
        self.environment = {
            **os.environ,
            "PKG_CONFIG_PATH": str(self.package.parent),
            "LD_LIBRARY_PATH": str(self.libraries),
        }

    def flags(self, *wanted):
        prefix = f"--define-variable=prefix={self.prefix}"
        return command("pkg-config", prefix, *wanted, "posthorn", env=self.environment).split()

    def compile(self, compiler, is_static):
        program = self.place / f"letter-{compiler[0]}-{'static' if is_static else 'shared'}"
        if is_static:
            # What it rests on stays shared: distributions do not ship all of that as static libraries.
            rests_on = [line.split()[0] for line in command("pkg-config", "--print-requires-private", "posthorn",
                                                            env=self.environment).splitlines()]
            libraries = [str(self.static), "-pthread"] + command("pkg-config", "--libs", *rests_on).split()
        else:
            libraries = self.flags("--libs")
        command(*compiler, "-Wall", "-Wextra", "-Werror", "-pedantic", *self.flags("--cflags"), "-x",
                "c++" if compiler[0] == "g++" else "c", LETTER, "-x", "none", "-o", program, *libraries)
        needs = "libposthorn.so" in command("ldd", program, env=self.environment)
        expect(needs != is_static, "the program took the other kind of library")
        return program


def public_functions():
    found = set()
    for header in (ROOT / "include" / "posthorn").glob("*.h"):
        text = re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.DOTALL)
        for declaration in re.findall(r"PH_API([^;]*);", text):
            found.add(re.search(r"\b(ph_\w+)\s*\(", declaration).group(1))
    return found


def everything_is_in_place(installation):
    prefix = installation.prefix
    for name in ["bin/posthorn", "share/man/man1/posthorn-send.1", "share/man/man3/libposthorn.3",
                 "share/bash-completion/completions/posthorn", "share/zsh/site-functions/_posthorn"]:
        expect((prefix / name).exists() or (prefix / f"{name}.gz").exists(), f"there is no {name}")
    expect(installation.shared.is_symlink() and installation.static.is_file(), "a library is missing")
    headers = {path.name for path in (ROOT / "include" / "posthorn").glob("*.h")}
    installed = {path.name for path in (prefix / "include" / "posthorn").iterdir()}
    expect(headers == installed, f"headers differ: {sorted(headers ^ installed)}")
    version = command(prefix / "bin" / "posthorn", "--version", env=installation.environment)
    expect(installation.flags("--modversion")[0] in version, f"the program calls itself {version}")


def every_function_has_a_page(installation):
    pages = {path.name.removesuffix(".gz").removesuffix(".3") for path in (installation.prefix / "share/man/man3").iterdir()}
    missing = sorted(public_functions() - pages)
    expect(not missing, f"no manual page: {' '.join(missing)}")


def pages_are_well_formed(installation):
    pages = sorted((installation.prefix / "share" / "man").rglob("*.[0-9]"))
    expect(pages, "there are no manual pages")
    for page in pages:
        said = command("groff", "-mandoc", "-Tutf8", "-z", "-wmac", "-wsyntax", page, cwd=page.parent.parent)
        expect(said == "", f"{page.name}: {said}")


def completions_are_well_formed(installation):
    command("bash", "-n", installation.prefix / "share/bash-completion/completions/posthorn")
    command("zsh", "-n", installation.prefix / "share/zsh/site-functions/_posthorn")


def names_that_are_seen(*arguments):
    return {line.split()[-1].split("@")[0] for line in command("nm", "--defined-only", *arguments).splitlines()
            if len(line.split()) >= 3}


def only_the_front_door_is_seen(installation):
    wanted = public_functions()
    for what in [("--dynamic", installation.shared), ("--extern-only", installation.static)]:
        seen = names_that_are_seen(*what) - {"POSTHORN_0"}
        expect(all(name.startswith("ph_") for name in seen), f"also seen: {sorted(n for n in seen if n[:3] != 'ph_')[:9]}")
        expect(seen == wanted, f"{what[1].name}: declared or defined, but not both: {sorted(seen ^ wanted)}")


def little_is_needed(installation):
    needed = re.findall(r"NEEDED.*\[(.*)\]", command("readelf", "-d", installation.shared))
    expect(needed and all(ALLOWED.fullmatch(name) for name in needed), f"the library needs {needed}")
    soname = re.search(r"SONAME.*\[(.*)\]", command("readelf", "-d", installation.shared)).group(1)
    expect(re.fullmatch(r"libposthorn\.so\.\d+", soname), f"the library is called {soname}")


def strangers_program(compiler, is_static):
    def case(installation):
        program = installation.compile(compiler, is_static)
        with SmallServer() as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            said = command(program, "127.0.0.1", server.server_address[1], env=installation.environment)
            expect(said == "sent\n", f"the program said {said}")
            expect(len(server.letters) == 1 and server.letters[0].endswith(b"\r\n\r\nInstalled.\r\n"),
                   f"the server got {server.letters}")
            server.shutdown()
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            said = command(program, "127.0.0.1", closed.getsockname()[1], env=installation.environment, status=1)
            expect(said.startswith("cannot connect"), f"without a server the program said {said}")
    return case


CASES = {
    "everything is in place": everything_is_in_place,
    "every public function has a manual page": every_function_has_a_page,
    "the manual pages are well formed": pages_are_well_formed,
    "the completions are well formed": completions_are_well_formed,
    "only ph_ symbols are seen, and all of them": only_the_front_door_is_seen,
    "the library needs little": little_is_needed,
    "a C99 program, shared": strangers_program(["gcc", "-std=c99"], False),
    "a C99 program, static": strangers_program(["gcc", "-std=c99"], True),
    "a C++17 program, shared": strangers_program(["g++", "-std=c++17"], False),
    "a C++17 program, static": strangers_program(["g++", "-std=c++17"], True),
}


def main(build):
    print(f"1..{len(CASES)}")
    failed = 0
    with tempfile.TemporaryDirectory() as place:
        try:
            installation = Installation(build, Path(place))
        except (Failure, ValueError) as failure:
            print(f"Bail out! {failure}")
            return 1
        for number, (title, case) in enumerate(CASES.items(), start=1):
            try:
                case(installation)
                print(f"ok {number} - {title}", flush=True)
            except (Failure, OSError, subprocess.SubprocessError, AttributeError) as failure:
                failed += 1
                print(f"not ok {number} - {title}")
                print("".join(f"# {line}\n" for line in str(failure).splitlines()), end="", flush=True)
    return 1 if failed else 0


sys.exit(main(Path(sys.argv[1]).resolve()))
