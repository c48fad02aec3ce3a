"""Builds and runs every suite and adds up their cases. Called by script/test, which first sees to the tools.

A suite is a function that returns a Count. One that ends badly or counts nothing has failed, whatever it printed.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
LOG = BUILD / "log"

# Meson's own time limits hold for its tests; these are for whole suites, in seconds.
SUITE_LIMIT = 900

CASE = re.compile(r"^(not )?ok\b(.*)$", re.MULTILINE)
PLAN = re.compile(r"^1\.\.(\d+)", re.MULTILINE)
SKIPPED = re.compile(r"#\s*skip", re.IGNORECASE)
LAST_LINE = re.compile(r"(\d+) passed, (\d+) failed")


class Count:
    def __init__(self, passed=0, failed=0):
        self.passed = passed
        self.failed = failed

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed


def say(text):
    print(text, flush=True)


def run(log_name, command, **options):
    """Runs a command, shows and logs what it prints, and returns (exit status, output)."""
    LOG.mkdir(parents=True, exist_ok=True)
    output = []
    with open(LOG / f"{log_name}.log", "a") as log:
        log.write(f"$ {' '.join(map(str, command))}\n")
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   text=True, errors="replace", **options)
        for line in process.stdout:
            sys.stdout.write(line)
            sys.stdout.flush()
            log.write(line)
            output.append(line)
        status = process.wait()
        log.write(f"exit status {status}\n")
    return status, "".join(output)


def limited(command):
    """A suite that hangs is ended, with everything that it started."""
    return ["timeout", "--kill-after=10", str(SUITE_LIMIT)] + list(command)


def count_tap(output, is_good):
    """Counts the cases of a TAP stream. Nothing may be skipped; a program that ended badly after the last good case, bailed out
    or ran fewer cases than it planned has failed once more."""
    count = Count()
    for failed, rest in CASE.findall(output):
        if failed or SKIPPED.search(rest):
            count.failed += 1
        else:
            count.passed += 1
    plan = PLAN.search(output)
    is_whole = plan is not None and int(plan.group(1)) == count.passed + count.failed and "Bail out!" not in output
    if count.failed == 0 and not (is_good and is_whole and count.passed > 0):
        count.failed += 1
    return count


def build(name, *options, compiler=None):
    """Sets up build/<name> when it is new and builds it."""
    folder = BUILD / name
    log_name = f"build-{name}"
    if not (folder / "build.ninja").exists():
        shutil.rmtree(folder, ignore_errors=True)
        environment = {**os.environ, **({"CC": compiler} if compiler else {})}
        status, _ = run(log_name, ["meson", "setup", str(folder), *options], env=environment)
        if status != 0:
            return None
    status, _ = run(log_name, ["ninja", "-C", str(folder)])
    return folder if status == 0 else None


def run_meson(folder, name, selection):
    """Runs Meson tests and counts their cases from Meson's own record."""
    record = folder / "meson-logs" / f"testlog-{name}.json"
    record.unlink(missing_ok=True)
    status, _ = run(name, limited(["meson", "test", "-C", str(folder), "--no-rebuild", "--print-errorlogs",
                                   "--logbase", f"testlog-{name}", *selection]))
    total = Count()
    if record.exists():
        for line in record.read_text().splitlines():
            test = json.loads(line)
            is_good = test["result"] == "OK"
            output = test.get("stdout", "")
            if CASE.search(output):
                total.add(count_tap(output, is_good))
            else:
                total.add(Count(is_good, not is_good))
    if status != 0 and total.failed == 0:
        total.failed += 1
    return total


def meson_tests(folder):
    done = subprocess.run(["meson", "introspect", "--tests", str(folder)], stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(done.stdout)


def build_test():
    return build("test", "-Dtests=true", "--werror", "-Db_sanitize=address,undefined", "-Db_lundef=false")


def build_threads():
    return build("threads", "-Dtests=true", "--werror", "-Db_sanitize=thread", "-Db_lundef=false", compiler="clang")


def build_release():
    return build("release")


def in_process_suite(names):
    """Units, talks, checkers and fuzz smoke: everything that Meson knows, under the address sanitizer."""
    folder = build_test()
    if folder is None:
        return Count(0, 1)
    selection = []
    if names:
        for test in meson_tests(folder):
            suites = {suite.split(":")[-1] for suite in test["suite"]}
            if any(name in suites or name == test["name"] for name in names):
                selection.append(test["name"])
        if not selection:
            return Count()
    return run_meson(folder, "meson", selection)


def threads_suite():
    """What runs in several threads, under the thread sanitizer. By clang, so that both compilers see all of the code."""
    folder = build_threads()
    return run_meson(folder, "threads", ["--suite", "threads"]) if folder else Count(0, 1)


def install_suite():
    """What `meson install` puts in place, used as a stranger would."""
    folder = build_release()
    if folder is None:
        return Count(0, 1)
    status, output = run("install", limited(["/usr/bin/python3", "-B", "tests/install/run.py", str(folder)]))
    return count_tap(output, status == 0)


def system_suite():
    """The program and the library against real servers, by tests/system/run."""
    folders = {"POSTHORN_BUILD": build_test(), "POSTHORN_RELEASE_BUILD": build_release(),
               "POSTHORN_THREADS_BUILD": build_threads()}
    if None in folders.values():
        return Count(0, 1)
    status, output = run("system", limited(["tests/system/run"]),
                         env={**os.environ, **{name: str(folder) for name, folder in folders.items()}})
    lines = output.strip().splitlines()
    last = LAST_LINE.search(lines[-1]) if lines else None
    if last is None:
        return Count(0, 1)
    count = Count(int(last.group(1)), int(last.group(2)))
    if count.passed + count.failed == 0 or (status != 0 and count.failed == 0):
        count.failed += 1
    return count


SUITES = {"threads": threads_suite, "install": install_suite, "system": system_suite}


def main(names):
    shutil.rmtree(LOG, ignore_errors=True)
    others = [name for name in names if name not in SUITES]
    plan = []
    if others or not names:
        plan.append(("meson", lambda: in_process_suite(others)))
    plan += [(name, suite) for name, suite in SUITES.items() if not names or name in names]

    total = Count()
    results = []
    for name, suite in plan:
        say(f"==== {name}: {(suite.__doc__ or in_process_suite.__doc__).strip().splitlines()[0]}")
        start = time.monotonic()
        try:
            count = suite()
        except (OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
            say(f"{name}: {error}")
            count = Count(0, 1)
        if count.passed + count.failed == 0:
            say(f"{name}: gave no result")
            count.failed = 1
        total.add(count)
        results.append(f"{name}: {count.passed} passed, {count.failed} failed ({time.monotonic() - start:.0f} s)")
    say("==== logs are in build/log")
    for result in results:
        say(result)
    say(f"{total.passed} passed, {total.failed} failed")
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
