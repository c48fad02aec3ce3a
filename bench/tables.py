"""The tables of the benchmark: what is measured, and how it is shown."""

from dataclasses import replace

from measure import (
    BARE,
    FREE,
    LIBCURL,
    LIBESMTP,
    LIBETPAN,
    MSMTP,
    ONE_CORE,
    POSTHORN,
    POSTHORN_CALLBACK,
    POSTHORN_EACH,
    POSTHORN_IN_FLIGHT,
    POSTHORN_MEMORY,
    SMTPLIB,
    Failure,
    Work,
    body_make,
    median,
)

ROUND_TRIP = 20  # milliseconds

# Flights without and with QUIT that others are known to need (DATA, PIPELINING offered), by recipients: whoever
# counts other figures counts wrong. libESMTP pays one flight for MAIL going out alone.
KNOWN_FLIGHTS = {
    ("smtplib", 1): (6, 7),
    ("smtplib", 20): (25, 26),
    ("smtplib", 250): (255, 256),
    ("libcurl", 1): (6, 7),
    ("libcurl", 20): (25, 26),
    ("libcurl", 250): (255, 256),
    ("libESMTP", 1): (5, 6),
    ("libESMTP", 20): (5, 6),
    ("libESMTP", 250): (6, 7),
}


class Table:
    """Rows of text cells for people, values by (row, column) for goals and JSON."""

    def __init__(self, title, columns):
        self.title = title
        self.columns = columns
        self.rows = []
        self.values = {}
        self.notes = []

    def add(self, name, cells, values):
        self.rows.append([name, *cells])
        self.values[name] = values

    def text(self):
        lines = [["", *self.columns], *self.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
        out = [self.title, ""]
        for line in lines:
            cells = [line[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(line[1:], widths[1:])]
            out.append("  " + "  ".join(cells).rstrip())
        return "\n".join(out + ["  " + note for note in self.notes]) + "\n"

    def json(self):
        return {"title": self.title, "rows": self.values, "notes": self.notes}


def shape_name(work):
    return f"{work.messages} x {work.recipients} {work.mode.upper()}"


def flights(bench, is_quick):
    """(a) How often a client waits for the server."""
    body = body_make(bench.scratch / "small.eml", 4096)
    many = 20 if is_quick else 250
    shapes = [(1, 1), (1, 20), (10, 3)] + ([] if is_quick else [(1, many)])
    works = [
        Work(body, messages, recipients, mode, ROUND_TRIP)
        for mode in ("data", "bdat")
        for messages, recipients in sorted(shapes)
    ]
    table = Table(
        f"Flights from greeting to the last 250 (in brackets with QUIT), round trip {ROUND_TRIP} ms; "
        "messages x recipients",
        [shape_name(work) for work in works],
    )
    for peer in (POSTHORN, POSTHORN_IN_FLIGHT, SMTPLIB, LIBCURL, LIBESMTP, LIBETPAN, MSMTP, BARE):
        cells, values = [], {}
        for work in works:
            if not flights_possible(peer, work):
                cells.append("-")
                continue
            report = bench.run(peer, work)
            values[shape_name(work)] = {
                key: report[key] for key in ("flights", "flights_with_quit", "seconds")
            }
            cells.append(f"{report['flights']} ({report['flights_with_quit']})")
            flights_check(peer, work, report)
        table.add(peer.name, cells, values)
    table.notes = [
        "The sink's counts of smtplib, libcurl and libESMTP are the known ones.",
        "libetpan closes without waiting for the reply to QUIT.",
    ]
    return table


def flights_possible(peer, work):
    if work.mode == "bdat":
        return peer.program in (POSTHORN.program, LIBESMTP.program)
    return peer != MSMTP or work.messages == 1


def flights_check(peer, work, report):
    known = KNOWN_FLIGHTS.get((peer.name, work.recipients))
    found = report["flights"], report["flights_with_quit"]
    if known and work.messages == 1 and work.mode == "data" and found != known:
        raise Failure(f"the sink counts {found} flights for {peer.name}, known are {known}")


def large(bench, is_quick):
    """(b) A large body by DATA."""
    size = 5_000_000 if is_quick else 50_000_000
    letter = Work(body_make(bench.scratch / "large.eml", size))
    prose = replace(letter, body=body_make(bench.scratch / "prose.eml", size, has_prose=True))
    peers = [POSTHORN, POSTHORN_MEMORY, POSTHORN_CALLBACK, LIBCURL, LIBETPAN, LIBESMTP, SMTPLIB, MSMTP, BARE]
    cases = [(peer, replace(letter, placement=p)) for p in (ONE_CORE, FREE) for peer in peers]
    cases += [(peer, replace(prose, placement=ONE_CORE)) for peer in (POSTHORN, LIBCURL)]
    cases += [(POSTHORN, replace(letter, mode="bdat", placement=ONE_CORE))]
    table = Table(
        f"A body of {size / 1e6:.0f} MB, 1% of its lines beginning with a dot",
        ["MB/CPU-second", "of libcurl's", "CPU ms", "user", "system", "wall ms", "peak MB", "sink CPU ms"],
    )
    reports = bench.repeat(cases, 1 if is_quick else 7)
    for (peer, work), runs in reports.items():
        rate = size / 1e6 / median(runs, "cpu")
        reference = (LIBCURL, replace(work, mode="data"))
        ratio = rate / (size / 1e6 / median(reports[reference], "cpu"))
        name = f"{peer.name}, {work.placement}"
        name += ", prose" if work.body == prose.body else ""
        name += ", BDAT" if work.mode == "bdat" else ""
        peak = median(runs, "peak_kib") * 1024 / 1e6
        milliseconds = [median(runs, key) * 1e3 for key in ("cpu", "user", "system", "wall")]
        cells = [f"{rate:.0f}", f"{ratio:.2f}", *(f"{m:.1f}" for m in milliseconds), f"{peak:.1f}"]
        cells.append(f"{median(runs, 'sink_cpu') * 1e3:.1f}")
        table.add(name, cells, {"rate": rate, "ratio": ratio, "peak": peak, "runs": runs})
    table.notes = ["msmtp's figures hold the start of its process."]
    return table


def many_small(bench, title, peers, work, counts, repetitions):
    """Many small messages on one connection; `counts` has the peers that send fewer of them."""
    cases = [(peer, replace(work, messages=counts.get(peer, work.messages))) for peer in peers]
    table = Table(
        title,
        ["CPU ms/message", "of libcurl's", "of smtplib's", "messages/s", "to libcurl's", "flights/message"],
    )
    reports = bench.repeat(cases, repetitions)
    figures = {}
    for (peer, one), runs in reports.items():
        cpu = median(runs, "cpu") * 1e3 / one.messages
        figures[peer] = cpu, one.messages / median(runs, "wall")
    for (peer, one), runs in reports.items():
        cpu, speed = figures[peer]
        values = {
            "cpu": cpu,
            "of_libcurl": cpu / figures[LIBCURL][0],
            "of_smtplib": cpu / figures[SMTPLIB][0],
            "speed": speed,
            "speed_to_libcurl": speed / figures[LIBCURL][1],
            "runs": runs,
        }
        cells = [f"{cpu:.4f}", f"{values['of_libcurl']:.2f}", f"{values['of_smtplib']:.2f}"]
        cells += [f"{speed:.0f}", f"{values['speed_to_libcurl']:.1f}"]
        cells.append(f"{median(runs, 'flights') / one.messages:.2f}")
        table.add(peer.name, cells, values)
    return table


def small(bench, is_quick, recipients=1):
    """(c), (d) Small messages without a round trip."""
    count = 100 if is_quick else 1000
    body = body_make(bench.scratch / "small.eml", 4096)
    peers = [POSTHORN, POSTHORN_EACH, LIBCURL, SMTPLIB, LIBETPAN, LIBESMTP, BARE]
    tables = []
    for placement in (ONE_CORE, FREE):
        tables.append(
            many_small(
                bench,
                f"{count} messages of 4 KiB to {recipients} on one connection, DATA, no round trip, {placement}",
                peers,
                Work(body, count, recipients, placement=placement),
                {LIBESMTP: 10 if is_quick else 20},
                1 if is_quick else 7,
            )
        )
        tables[-1].notes = ["libESMTP sends fewer: it waits some 40 ms a message for delayed acknowledgements."]
    return tables


def far(bench, is_quick):
    """(d) Small messages to ten recipients over a simulated round trip."""
    count = 3 if is_quick else 20
    table = many_small(
        bench,
        f"{count} messages of 4 KiB to 10 on one connection, DATA, round trip {ROUND_TRIP} ms",
        [POSTHORN, POSTHORN_EACH, LIBCURL, SMTPLIB, LIBETPAN, LIBESMTP, BARE],
        Work(body_make(bench.scratch / "small.eml", 4096), count, 10, round_trip=ROUND_TRIP),
        {},
        1 if is_quick else 3,
    )
    return [table]


def calls(bench, is_quick):
    """(e) System calls a message: the difference between a long and a short run."""
    few, many = (10, 60) if is_quick else (100, 600)
    body = body_make(bench.scratch / "small.eml", 4096)
    table = Table("System calls a message (4 KiB, one connection, no round trip)", ["calls", "which"])
    for recipients in (1, 10):
        for peer in (POSTHORN, POSTHORN_EACH, LIBCURL, SMTPLIB, LIBETPAN, BARE):
            work = Work(body, few, recipients)
            short = bench.system_calls(peer, work)
            long = bench.system_calls(peer, replace(work, messages=many))
            each = {n: (long[n] - short.get(n, 0)) / (many - few) for n in long}
            each = {name: value for name, value in sorted(each.items(), key=lambda i: -i[1]) if value >= 0.005}
            text = ", ".join(f"{name} {value:.2f}" for name, value in each.items())
            name = f"{peer.name}, to {recipients}"
            table.add(name, [f"{sum(each.values()):.2f}", text], {"calls": sum(each.values()), "each": each})
    return table
