"""The queue of mail on its way out, from the command line."""
import json
import sqlite3
import time

from program import EX_DATAERR, EX_NOUSER, EX_OK, EX_USAGE
from test_admin import AdminCase

MICROSECONDS = 1000000
BODY = b"Subject: far\r\n\r\nhello\r\n"
PREFIX = b"Received: by us\r\n"


class Queue(AdminCase):
    def setUp(self):
        super().setUp()
        self.make("ann@example.org")
        self.now = int(time.time())

    def put(self, id, sender, *recipients, age=0, account=None):
        """A message in the queue, for (recipient, route, columns...) each."""
        store = sqlite3.connect(self.store)
        created = (self.now - age) * MICROSECONDS
        if account is not None:
            account = store.execute("SELECT id FROM account WHERE login = ?", (account,)).fetchone()[0]
        store.execute("INSERT INTO body VALUES(?, ?, ?, ?)", (id, len(BODY), created, BODY))
        store.execute("INSERT INTO outbound_message(id, account, sender, envelope_id, return_content, body_kind, is_utf8, prefix, "
                      "owner, created) VALUES(?, ?, ?, 'env', 0, 0, 0, ?, 0, ?)",
                      (id, account or 0, sender, PREFIX, created))
        for number, (recipient, route, columns) in enumerate(recipients):
            row = {"message": id, "number": number, "recipient": recipient, "route": route, "original_recipient": "",
                   "notify": 0, "due": created, **columns}
            store.execute("INSERT INTO outbound_recipient(%s) VALUES(%s)" % (", ".join(row), ", ".join("?" * len(row))),
                          list(row.values()))
        store.commit()
        store.close()

    def fill(self):
        """Three messages to four recipients; one was tried in vain."""
        self.put(0x0a, "ann@example.org", ("bob@example.net", "example.net", {}),
                 ("cid@example.com", "example.com", {
                     "attempts": 3, "due": (self.now + 7200 + 60) * MICROSECONDS, "last_code": 451, "is_warned": 1,
                     "last_enhanced": "4.7.1", "last_text": "come back\nlater", "last_host": "mx.example.com",
                     "last_attempt": (self.now - 600) * MICROSECONDS}), age=7200, account="ann@example.org")
        self.put(0x0b, "", ("dan@example.net", "example.net", {}), age=90)
        self.put(0x0c, "eve@example.com", ("fay@sub.example.net", "sub.example.net", {"state": 1}), age=3 * 86400)

    def listed(self, *arguments):
        return [item["recipient"] for item in self.json("queue", "list", *arguments)]

    def nudge(self):
        store = sqlite3.connect(self.store)
        row = store.execute("SELECT value FROM setting WHERE name = 'queue.nudge'").fetchone()
        store.close()
        return 0 if row is None else int(row[0])

    def count(self, table):
        store = sqlite3.connect(self.store)
        count = store.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]
        store.close()
        return count


class Looking(Queue):
    def test_an_empty_queue(self):
        self.assertEqual(self.admin("queue", "list").output, "")
        self.assertEqual(self.json("queue", "list"), [])
        self.assertEqual(self.admin("queue", "stats").output, "The queue is empty.\n")
        self.assertEqual(self.json("queue", "stats")["recipients"], 0)

    def test_a_line_for_each_recipient(self):
        self.fill()
        lines = self.admin("queue", "list").output.splitlines()
        self.assertEqual(lines[0].split(), "MESSAGE FROM TO SIZE CAME NEXT TRIED WHY".split())
        self.assertEqual(len(lines), 5)
        self.assertEqual(lines[1].split(None, 9)[:6], ["000000000000000a", "ann@example.org", "bob@example.net", "40", "2h", "ago"])
        self.assertIn("now", lines[1])
        self.assertTrue(lines[1].endswith("not tried yet"), lines[1])
        self.assertTrue(lines[2].endswith("mx.example.com: 451 4.7.1 come back later"), lines[2])
        self.assertIn("in 2h", lines[2])
        self.assertEqual(lines[3].split()[1], "<>")
        self.assertIn("held", lines[4])
        self.assertIn("3d ago", lines[4])

    def test_conditions_are_joined(self):
        self.fill()
        everybody = ["bob@example.net", "cid@example.com", "dan@example.net", "fay@sub.example.net"]
        for arguments, expected in (
                ([], everybody),
                (["a"], everybody[:2]),
                (["000000000000000B"], ["dan@example.net"]),
                (["77"], []),
                (["--sender", "<>"], ["dan@example.net"]),
                (["--sender", "ANN@example.org"], everybody[:2]),
                (["-f", "@example.com"], ["fay@sub.example.net"]),
                (["--recipient", "@example.net"], ["bob@example.net", "dan@example.net"]),
                (["-t", "cid@example.com", "-r", "example.com"], ["cid@example.com"]),
                (["-t", "cid@example.com", "-r", "example.net"], []),
                (["--account", "ann@example.org"], everybody[:2]),
                (["--older", "1h"], ["bob@example.net", "cid@example.com", "fay@sub.example.net"]),
                (["--older", "1h", "--newer", "1d12h"], everybody[:2]),
                (["--newer", "10m"], ["dan@example.net"]),
                (["--held"], ["fay@sub.example.net"]),
                (["--waiting"], everybody[:3]),
                (["--failed"], ["cid@example.com"])):
            with self.subTest(arguments=arguments):
                self.assertEqual(self.listed(*arguments), expected)

    def test_no_more_than_asked_for(self):
        self.fill()
        listed = self.admin("queue", "list", "--limit", "3", "--json")
        self.assertEqual(len(json.loads(listed.output)), 3)
        self.assertIn("--limit none", listed.errors)
        self.assertEqual(self.admin("queue", "list", "--limit", "4").errors, "")
        self.assertEqual(len(self.listed("--limit", "none")), 4)

    def test_an_item_as_json(self):
        self.fill()
        item = self.json("queue", "list", "a")[1]
        self.assertEqual((item["id"], item["number"], item["sender"], item["recipient"], item["route"]),
                         ("000000000000000a", 1, "ann@example.org", "cid@example.com", "example.com"))
        self.assertEqual((item["state"], item["attempts"], item["warned"], item["size"]),
                         ("waiting", 3, True, len(BODY + PREFIX)))
        self.assertEqual(item["last_failure"]["code"], 451)
        self.assertEqual(item["last_failure"]["text"], "come back\nlater")
        self.assertEqual(item["last_failure"]["host"], "mx.example.com")
        self.assertRegex(item["due"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertIsNone(self.json("queue", "list", "b")[0]["last_failure"])

    def test_one_message(self):
        self.fill()
        shown = self.json("queue", "show", "a")
        self.assertEqual((shown["id"], shown["sender"], shown["account"], shown["envelope_id"]),
                         ("000000000000000a", "ann@example.org", "ann@example.org", "env"))
        self.assertEqual([r["recipient"] for r in shown["recipients"]], ["bob@example.net", "cid@example.com"])
        text = self.admin("queue", "show", "a").output
        for words in ("000000000000000a", "2h ago", "bob@example.net", "not yet", "3 times",
                      "the sender was warned", "mx.example.com: 451 4.7.1 come back later"):
            self.assertIn(words, text)
        self.assertIsNone(self.json("queue", "show", "b")["account"])
        self.assertIn("no message 77", self.admin("queue", "show", "77", status=EX_NOUSER).errors)

    def test_counts_and_routes(self):
        self.fill()
        stats = self.json("queue", "stats")
        self.assertEqual({key: stats[key] for key in ("messages", "recipients", "waiting", "due", "held", "tried", "routes")},
                         {"messages": 3, "recipients": 4, "waiting": 3, "due": 2, "held": 1, "tried": 1, "routes": 3})
        self.assertEqual([(route["route"], route["waiting"]) for route in stats["busiest"]],
                         [("example.net", 2), ("example.com", 1), ("sub.example.net", 0)])
        lines = self.admin("queue", "stats").output.splitlines()
        self.assertIn("4 recipients of 3 messages, by 3 routes", lines[0])
        self.assertEqual(lines[3].split(), "ROUTE WAITING HELD NEXT TROUBLE".split())

    def test_a_route_in_trouble_says_why(self):
        self.fill()
        store = sqlite3.connect(self.store)
        store.execute("INSERT INTO outbound_route VALUES('example.net', ?, 2, 0, 'no host answers', ?)",
                      ((self.now + 1860) * MICROSECONDS, self.now * MICROSECONDS))
        store.commit()
        store.close()
        self.assertIn("no host answers", self.admin("queue", "stats").output)
        self.assertRegex(self.admin("queue", "list", "b").output, r"in 3[01]m .* no host answers\n")
        self.admin("queue", "retry", "b")
        self.assertEqual(self.count("outbound_route"), 0)

    def test_what_far_ends_say_cannot_disturb_a_terminal(self):
        self.put(0x0d, "a@example.org", ("b@example.net", "example.net", {
            "attempts": 1, "last_code": 550, "last_text": "\x1b[2Jgone"}))
        for arguments in (["list"], ["show", "d"]):
            output = self.admin("queue", *arguments).output
            self.assertNotIn("\x1b", output)
            self.assertIn("[2Jgone", output)


class Deeds(Queue):
    def test_retry(self):
        self.fill()
        done = self.admin("queue", "retry", "--recipient", "cid@example.com")
        self.assertIn("1 recipient is tried again at once", done.errors)
        self.assertEqual(self.nudge(), 1)
        self.assertEqual(self.json("queue", "stats")["due"], 3)
        self.assertIn("2 recipients are", self.admin("queue", "retry", "a").errors)

    def test_hold_and_release(self):
        self.fill()
        self.assertIn("1 recipient is held", self.admin("queue", "hold", "-r", "example.com").errors)
        self.assertEqual(self.listed("--held"), ["cid@example.com", "fay@sub.example.net"])
        self.assertIn("Nothing in the queue fits", self.admin("queue", "retry", "-r", "example.com").errors)
        self.assertIn("2 recipients are no longer held", self.admin("queue", "release", "--all").errors)
        self.assertEqual(self.listed("--held"), [])
        self.admin("queue", "release", "a", status=EX_NOUSER)

    def test_remove(self):
        self.fill()
        self.assertIn("--yes", self.admin("queue", "remove", "a", status=EX_USAGE).errors)
        self.assertEqual(len(self.listed()), 4)
        self.assertIn("2 recipients are removed", self.admin("queue", "remove", "-t", "@example.net", "--yes").errors)
        self.assertEqual(self.listed(), ["cid@example.com", "fay@sub.example.net"])
        self.assertEqual((self.count("outbound_message"), self.count("body")), (2, 2))
        self.admin("queue", "remove", "--all", "-y")
        self.assertEqual((self.count("outbound_message"), self.count("body")), (0, 0))
        self.assertEqual(self.json("store", "check")["problems"], 0)

    def test_remove_asks(self):
        self.fill()
        status, shown = self.talk(["queue", "remove", "--all"], [(b"[y/N] ", b"n\n")])
        self.assertNotEqual(status, EX_OK)
        self.assertIn("Remove 4 recipients", shown)
        self.assertEqual(len(self.listed()), 4)
        status, shown = self.talk(["queue", "remove", "--all"], [(b"[y/N] ", b"y\n")])
        self.assertEqual(status, EX_OK)
        self.assertEqual(self.listed(), [])

    def test_flush(self):
        self.fill()
        self.assertIn("3 recipients are tried again", self.admin("queue", "flush").errors)
        self.assertEqual(self.json("queue", "stats")["due"], 3)

    def test_more_than_one_slice(self):
        self.put(0x0e, "a@example.org", *((f"u{i}@example.net", "example.net", {}) for i in range(2500)))
        self.assertIn("2500 recipients are held", self.admin("queue", "hold", "--all").errors)
        self.assertEqual(self.json("queue", "stats")["held"], 2500)
        self.admin("queue", "remove", "e", "--yes")
        self.assertEqual(self.count("body"), 0)

    def test_refusals_teach(self):
        self.fill()
        for arguments, status, words in (
                (["retry"], EX_USAGE, "--all"),
                (["hold"], EX_USAGE, "--recipient @example.com"),
                (["remove", "--yes"], EX_USAGE, "--all"),
                (["retry", "--all", "--held"], EX_USAGE, "--all"),
                (["list", "--held", "--waiting"], EX_USAGE, "exclude"),
                (["list", "xyz"], EX_DATAERR, "01a2b3c4d5e6f708"),
                (["list", "0"], EX_DATAERR, "no message"),
                (["list", "10000000000000000"], EX_DATAERR, "no message"),
                (["show"], EX_USAGE, "MESSAGE"),
                (["list", "--older", "soon"], EX_DATAERR, "30m"),
                (["list", "--older", "5"], EX_DATAERR, "30m"),
                (["list", "--newer", "1m1h"], EX_DATAERR, "30m"),
                (["list", "--newer", "999999999w"], EX_DATAERR, "30m"),
                (["list", "--sender", "example.org"], EX_DATAERR, "@example.org"),
                (["list", "--account", "zed@example.org"], EX_NOUSER, "posthorn account list"),
                (["list", "--limit", "few"], EX_DATAERR, "none"),
                (["flush", "--held"], EX_USAGE, "--held"),
                (["stat"], EX_USAGE, "did you mean stats"),
                (["retry", "77"], EX_NOUSER, "posthorn queue show 77")):
            with self.subTest(arguments=arguments):
                self.assertIn(words, self.admin("queue", *arguments, status=status).errors)
