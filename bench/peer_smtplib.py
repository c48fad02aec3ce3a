#!/usr/bin/python3
"""Benchmark client: Python's smtplib, one session for all messages."""

import json
import resource
import smtplib
import sys
import time


def peak_kib():
    # ru_maxrss outlives exec and would show the parent's size.
    with open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    return 0


def main():
    host, port, messages, recipients, body_path, mode = sys.argv[1:]
    if mode == "bdat":
        sys.exit("smtplib has no BDAT")
    to = [f"recipient{i}@sink.example" for i in range(int(recipients))]
    before = resource.getrusage(resource.RUSAGE_SELF)
    started = time.monotonic()
    with open(body_path, "rb") as file:
        body = file.read()
    session = smtplib.SMTP(host, int(port), local_hostname="client.example")
    for _ in range(int(messages)):
        if session.sendmail("sender@client.example", to, body):
            sys.exit("a recipient was refused")
    session.quit()
    wall = time.monotonic() - started
    after = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({
        "user": after.ru_utime - before.ru_utime,
        "system": after.ru_stime - before.ru_stime,
        "wall": wall,
        "peak_kib": peak_kib(),
        "startup_cpu": before.ru_utime + before.ru_stime,
    }))


main()
