"""The program: posthorn send, and posthorn called as sendmail by programs that know only that."""

import base64
import email
import email.policy
import json
import os
import shutil
import subprocess

import pytest

from lab import people
from lab.dovecot import access_token
from lab.driver import built
from lab.house import wait_until
from lab.mailbox import without_trace
from lab.proxy import PASSWORD, USER

EX_USAGE, EX_NOUSER, EX_UNAVAILABLE, EX_TEMPFAIL, EX_NOPERM = 64, 67, 69, 75, 77
PARTIAL = 79


class Program:
    """Runs the program in a home of its own."""

    def __init__(self, home):
        self.home = home
        self.environment = {"HOME": str(home), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
        self.path = built("src/posthorn")

    def run(self, *arguments, data=b"", status=0, command=None, password=None, extra=None):
        environment = dict(self.environment, **(extra or {}))
        if password:
            environment["POSTHORN_PASSWORD"] = password
        done = subprocess.run([*(command or [self.path, "send"]), *arguments], input=data,
                              capture_output=True, env=environment, timeout=60, check=False)
        assert done.returncode == status, (
            f"status {done.returncode}, not {status}\n{done.stdout.decode(errors='replace')}"
            f"{done.stderr.decode(errors='replace')}")
        return done

    def configure(self, text):
        folder = self.home / ".config" / "posthorn"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "send.conf"
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        return str(path)

    def link(self, name):
        """The program under another name."""
        os.makedirs(self.home / "bin", exist_ok=True)
        path = self.home / "bin" / name
        if not path.exists():
            path.symlink_to(self.path)
        return str(path)


@pytest.fixture
def program(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    return Program(home)


@pytest.fixture
def door(postfix, authority):
    """Options for Postfix's submission with Alice's login."""
    return ["--server", f"localhost:{postfix.ports['submission']}", "--tls", "starttls",
            "--ca-file", authority.certificate, "--user", people.ALICE, "--from", people.ALICE]


@pytest.fixture
def account(program, postfix, authority):
    """The same as the default account of a configuration file."""
    return program.configure(f"""
default-account = "lab"
account lab {{
    server = "localhost:{postfix.ports['submission']}"
    tls = "starttls"
    ca-file = "{authority.certificate}"
    user = "{people.ALICE}"
    from = "{people.ALICE}"
    password-command = "echo '{people.PASSWORDS[people.ALICE]}'"
}}
""")


ALICE_PASSWORD = people.PASSWORDS[people.ALICE]


def text_of(part):
    return part.get_content().replace("\r\n", "\n")


def by_subject(post, user, word):
    """A letter that got its Message-ID elsewhere, found by a word of its subject."""
    with post.imap(user) as box:
        def look():
            box.noop()
            return box.search(None, "SUBJECT", word)[1][0].split()
        (number,) = wait_until(look, f"a letter about {word}")
        content = box.fetch(number, "(BODY.PEEK[])")[1][0][1]
    return content, email.message_from_bytes(content, policy=email.policy.default)


def test_a_letter_from_parts(program, door, post, token, tmp_path):
    (tmp_path / "page.html").write_text("<p>Grüße</p>\n", encoding="utf-8")
    (tmp_path / "data.bin").write_bytes(bytes(range(256)) * 40)
    program.run(*door, "--to", f"Bob <{people.BOB}>", "--cc", people.CAROL, "--subject",
                f"Grüße {token}", "--text", "-", "--html", str(tmp_path / "page.html"), "--attach",
                str(tmp_path / "data.bin"), "--header", "X-Test: yes",
                data="Hallo Bob,\n.dot\nGrüße\n".encode(), password=ALICE_PASSWORD)
    for user in (people.BOB, people.CAROL):
        _, message = by_subject(post, user, token)
        assert message["Subject"] == f"Grüße {token}"
        assert message["X-Test"] == "yes"
        assert message["To"].addresses[0].addr_spec == people.BOB
        assert text_of(message.get_body(("plain",))) == "Hallo Bob,\n.dot\nGrüße\n"
        assert text_of(message.get_body(("html",))) == "<p>Grüße</p>\n"
        (attached,) = message.iter_attachments()
        assert attached.get_filename() == "data.bin"
        assert attached.get_content() == bytes(range(256)) * 40


def test_a_ready_message(program, door, post, letter, token):
    letter(b".dot\r\n")
    program.run(*door, "--to", people.BOB, data=letter.content, password=ALICE_PASSWORD)
    fetched = post.by_imap(people.BOB, token)
    assert without_trace(fetched) == letter.content
    assert post.by_pop3(people.BOB, token) == fetched


def test_a_ready_message_with_unix_line_ends(program, account, post, letter, token):
    letter(b"one\r\n.two\r\n")
    program.run("-t", data=letter.content.replace(b"\r\n", b"\n"))
    assert without_trace(post.by_imap(people.BOB, token)) == letter.content


def test_recipients_from_the_headers(program, account, post, letter, token):
    letter(extra=f"Cc: {people.CAROL}\r\nBcc: {people.UMLAUT}\r\n".encode())
    program.run("-t", data=letter.content)
    for user in (people.BOB, people.CAROL, people.UMLAUT):
        assert b"Bcc" not in post.by_imap(user, token)


def test_by_lmtp_socket(program, dovecot, post, letter, token):
    letter()
    done = program.run("--server", dovecot.lmtp_socket, "--lmtp", "--from", people.ALICE, "--to",
                       people.BOB, "--to", people.FULL, "--json", data=letter.content,
                       status=PARTIAL)
    assert json.loads(done.stdout)
    assert without_trace(post.by_imap(people.BOB, token)) == letter.content


def test_the_transcript_holds_no_secret(program, door, letter):
    letter()
    done = program.run(*door, "--to", people.BOB, "--transcript", "--mechanism", "PLAIN",
                       data=letter.content, password=ALICE_PASSWORD)
    text = (done.stdout + done.stderr).decode()
    assert "STARTTLS" in text and "RCPT TO:<" + people.BOB + ">" in text and "****" in text
    secret = base64.b64encode(f"\0{people.ALICE}\0{ALICE_PASSWORD}".encode()).decode()
    assert ALICE_PASSWORD not in text and secret not in text


def test_dry_run_sends_nothing(program, door, post, letter, token):
    letter()
    done = program.run(*door, "--to", people.BOB, "--dry-run", data=letter.content)
    assert token in done.stdout.decode()
    program.run(*door, "--to", people.CAROL, data=letter.content, password=ALICE_PASSWORD)
    post.by_imap(people.CAROL, token)
    assert post.all_by_imap(people.BOB, token) == []


def test_exit_codes(program, door, postfix, house, authority, letter):
    letter()
    send = dict(data=letter.content, password=ALICE_PASSWORD)
    program.run(*door, "--to", people.UNKNOWN, status=EX_NOUSER, **send)
    done = program.run(*door, "--to", people.UNKNOWN, "--to", people.BOB, "--json", status=PARTIAL,
                       **send)
    assert people.UNKNOWN in done.stdout.decode()
    done = program.run(*door, "--to", people.BOB, status=EX_NOPERM, data=letter.content,
                       password="wrong")
    assert "wrong" not in done.stderr.decode().replace("wrong password", "")
    wrong = ["--server", f"localhost:{postfix.ports['wrong_name']}", *door[2:]]
    done = program.run(*wrong, "--to", people.BOB, status=EX_NOPERM, **send)
    assert "certificate" in done.stderr.decode()
    nobody = ["--server", f"localhost:{house.port()}", *door[2:]]
    program.run(*nobody, "--to", people.BOB, status=EX_TEMPFAIL, **send)
    program.run(*door, "--no-such-option", status=EX_USAGE, **send)


def test_pins_and_insecure(program, door, postfix, authority, letter):
    letter()
    server = ["--server", f"localhost:{postfix.ports['expired']}", *door[2:]]
    send = dict(data=letter.content, password=ALICE_PASSWORD)
    program.run(*server, "--to", people.BOB, status=EX_NOPERM, **send)
    program.run(*server, "--to", people.BOB, "--pin", authority.fingerprint("expired"), **send)
    program.run(*server, "--to", people.BOB, "--insecure", **send)


def test_refused_for_now(program, postfix, letter):
    letter()
    program.run("--server", f"localhost:{postfix.ports['deferring']}", "--tls", "none", "--from",
                people.ALICE, "--to", people.BOB, data=letter.content, status=EX_TEMPFAIL)


@pytest.mark.parametrize("kind,name", [("socks5", "socks_login"), ("http", "http_login")])
def test_through_a_proxy(program, door, proxies, post, letter, token, kind, name):
    letter()
    url = f"{kind}://{USER}:{PASSWORD}@127.0.0.1:{getattr(proxies, name)}"
    program.run(*door, "--proxy", url, "--to", people.BOB, data=letter.content,
                password=ALICE_PASSWORD)
    assert without_trace(post.by_imap(people.BOB, token)) == letter.content


def test_an_access_token(program, door, post, letter, token):
    letter()
    program.run(*door, "--oauth-token-command", f"echo {access_token(people.ALICE)}", "--to",
                people.BOB, data=letter.content)
    assert without_trace(post.by_imap(people.BOB, token)) == letter.content


def test_delivery_status_wishes(program, door, letter):
    letter()
    done = program.run(*door, "--to", people.BOB, "--dsn-notify", "success,failure",
                       "--dsn-return", "headers", "--envelope-id", "x y", "--transcript",
                       data=letter.content, password=ALICE_PASSWORD)
    text = (done.stdout + done.stderr).decode()
    assert "NOTIFY=SUCCESS,FAILURE" in text and "RET=HDRS" in text and "ENVID=x+20y" in text


def test_a_password_from_a_command(program, account, post, letter, token):
    letter()
    program.run("--to", people.BOB, data=letter.content)
    assert without_trace(post.by_imap(people.BOB, token)) == letter.content


def test_a_utf8_password_from_a_file(program, door, post, letter, token, tmp_path):
    (tmp_path / "secret").write_text(people.PASSWORDS[people.UMLAUT] + "\n", encoding="utf-8")
    (tmp_path / "secret").chmod(0o600)
    letter()
    program.run(*door, "--user", people.UMLAUT, "--password-file", str(tmp_path / "secret"), "--to",
                people.BOB, data=letter.content)
    assert post.by_imap(people.BOB, token)


@pytest.mark.parametrize("server", ["exim", "opensmtpd"])
def test_at_other_servers(request, program, post, authority, letter, token, server):
    port = request.getfixturevalue(server).submissions
    letter(b".dot\r\n")
    program.run("--server", f"localhost:{port}", "--tls", "implicit", "--ca-file",
                authority.certificate, "--user", people.ALICE, "--from", people.ALICE, "--to",
                people.BOB, data=letter.content, password=ALICE_PASSWORD)
    assert without_trace(post.by_imap(people.BOB, token)) == letter.content


def test_as_sendmail(program, account, post, letter, token):
    """The calls that cron, git and PHP make."""
    sendmail = [program.link("sendmail")]
    letter(b"one\r\n.\r\ntwo\r\n")
    program.run("-i", "-t", command=sendmail, data=letter.content)
    # Without -i a lone dot ends the message.
    program.run("-f", people.ALICE, "--", people.CAROL, command=sendmail, data=letter.content)
    program.run("-oi", "-F", "Alice", "-f", people.ALICE, people.UMLAUT, command=sendmail,
                data=letter.content)
    assert without_trace(post.by_imap(people.BOB, token)) == letter.content
    cut = letter.content[:letter.content.index(b"\r\n.\r\n") + 2]
    assert without_trace(post.by_imap(people.CAROL, token)) == cut
    assert without_trace(post.by_imap(people.UMLAUT, token)) == letter.content


def test_as_sendmail_with_refused_recipient(program, account, letter):
    letter()
    program.run("-i", people.UNKNOWN, command=[program.link("sendmail")], data=letter.content,
                status=EX_NOUSER)


def test_as_sendmail_speaking_smtp(program, account, post, letter, token):
    letter(b".dot\r\n")
    talk = (f"EHLO me.example\r\nMAIL FROM:<{people.ALICE}>\r\nRCPT TO:<{people.BOB}>\r\n"
            "DATA\r\n").encode()
    talk += letter.content.replace(b"\r\n.", b"\r\n..") + b".\r\nQUIT\r\n"
    done = program.run("-bs", command=[program.link("sendmail")], data=talk)
    codes = [line[:3] for line in done.stdout.decode().splitlines() if line[3:4] != "-"]
    assert codes == ["220", "250", "250", "250", "354", "250", "221"]
    assert without_trace(post.by_imap(people.BOB, token)) == letter.content


def test_mutt_sends_through_it(program, account, post, token):
    mutt = shutil.which("mutt")
    assert mutt, "mutt is not installed (script/packages/test.txt)"
    program.run("-n", "-F", "/dev/null", "-e", f"set sendmail='{program.link('sendmail')} -oi'",
                "-e", f"set from='{people.ALICE}' use_from=yes use_envelope_from=yes copy=no "
                "sendmail_wait=0", "-s", f"from mutt {token}", "-c", people.CAROL, people.BOB,
                command=[mutt], data="Grüße\n.\nEnde\n".encode())
    for user in (people.BOB, people.CAROL):
        _, message = by_subject(post, user, token)
        assert text_of(message) == "Grüße\n.\nEnde\n"


def test_s_nail_sends_through_it(program, account, post, token):
    nail = shutil.which("s-nail")
    assert nail, "s-nail is not installed (script/packages/test.txt)"
    # For root, s-nail's home is the real one: the configuration is found elsewhere.
    program.run("-:/", "-S", "nosave", "-S", f"mta={program.link('sendmail')}", "-S", "sendwait", "-r",
                people.ALICE, "-s", f"from nail {token}", people.BOB, command=[nail],
                data="Grüße\n.\nEnde\n".encode(), extra={"XDG_CONFIG_HOME": str(program.home / ".config")})
    _, message = by_subject(post, people.BOB, token)
    assert text_of(message) == "Grüße\n.\nEnde\n"


def test_python_calls_sendmail(program, account, post, letter, token):
    """What Django, cron and others do: popen, write, close."""
    letter()
    process = subprocess.Popen([program.link("sendmail"), "-t", "-oi"], stdin=subprocess.PIPE,
                               env=program.environment)
    process.communicate(letter.content.replace(b"\r\n", b"\n"), timeout=60)
    assert process.returncode == 0
    assert without_trace(post.by_imap(people.BOB, token)) == letter.content
