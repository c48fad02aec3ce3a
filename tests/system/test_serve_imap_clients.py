"""The mailboxes as the programs of others use them: each does its work, and what it did is looked at with other eyes."""

import json
import re

import pytest

from lab.program import run, run_on_terminal

DATE = "Mon, 02 Jan 2023 03:04:{:02} +0000"


def letter(number, body="a body", subject=None, extra=""):
    return (f"From: Ann <ann@elsewhere.example>\r\nTo: <ben@posthorn.test>\r\nSubject: {subject or f'letter {number}'}\r\n"
            f"Date: {DATE.format(number)}\r\nMessage-ID: <{number}@elsewhere.example>\r\n{extra}\r\n"
            f"{body}\r\n").encode()


def numbered(account, mailbox="INBOX"):
    """{number of the letter: its flags}; a letter that is there twice is a failure."""
    found = {}
    for content, flags in account.letters(mailbox):
        number = int(re.search(rb"^Message-ID: <(\d+)@", content, re.MULTILINE).group(1))
        assert number not in found, f"letter {number} is in {mailbox} twice"
        found[number] = flags
    return found


def environment(home, **more):
    return {"HOME": str(home), "PATH": "/usr/bin:/bin", "USER": "root", "LANG": "C.UTF-8", **more}


# ---- synchronisers ----

MAILDIR_FLAGS = {"S": "\\Seen", "F": "\\Flagged", "R": "\\Answered", "T": "\\Deleted", "D": "\\Draft"}


def maildir(path):
    """{number: flags} of a Maildir."""
    found = {}
    for folder in ("new", "cur"):
        for file in (path / folder).iterdir():
            number = int(re.search(rb"^Message-ID: <(\d+)@", file.read_bytes(), re.MULTILINE | re.IGNORECASE).group(1))
            assert number not in found
            letters = file.name.split(":2,")[1] if ":2," in file.name else ""
            found[number] = frozenset(MAILDIR_FLAGS[flag] for flag in letters if flag in MAILDIR_FLAGS)
    return found


def file_of(path, number):
    for folder in ("new", "cur"):
        for file in (path / folder).iterdir():
            if b"Message-ID: <%d@" % number in file.read_bytes():
                return file
    raise AssertionError(f"no letter {number} in {path}")


def set_flags(path, number, letters):
    file = file_of(path, number)
    name = file.name.split(":2,")[0]
    file.rename(path / "cur" / f"{name}:2,{letters}")


def make_maildir(path):
    for folder in ("new", "cur", "tmp"):
        (path / folder).mkdir(parents=True)


class Mbsync:
    def __init__(self, account, home, security):
        self.home = home
        self.root = home / "mail"
        self.root.mkdir()
        port, kind, mechanism = {
            "implicit": (account.server.ports["imaps"], "IMAPS", "PLAIN"),
            "starttls": (account.server.ports["imap"], "STARTTLS", "SCRAM-SHA-256"),
        }[security]
        (home / "mbsyncrc").write_text(f"""
IMAPStore far
Host localhost
Port {port}
User {account.user}
Pass {account.password}
SSLType {kind}
CertificateFile {account.server.certificate}
AuthMechs {mechanism}

MaildirStore near
Path {self.root}/
Inbox {self.root}/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Remove Both
Expunge Both
CopyArrivalDate yes
SyncState *
""", encoding="utf-8")

    def sync(self):
        run(["mbsync", "-q", "-c", str(self.home / "mbsyncrc"), "-a"], env=environment(self.home))

    def folder(self, name):
        return self.root / name


class OfflineImap:
    def __init__(self, account, home, security):
        self.home = home
        self.root = home / "mail"
        secure = (f"remoteport = {account.server.ports['imaps']}\nssl = yes" if security == "implicit"
                  else f"remoteport = {account.server.ports['imap']}\nssl = no\nstarttls = yes")
        (home / "offlineimaprc").write_text(f"""
[general]
accounts = one
metadata = {home}/state
maxsyncaccounts = 1
[Account one]
localrepository = near
remoterepository = far
[Repository near]
type = Maildir
localfolders = {self.root}
sep = /
[Repository far]
type = IMAP
remotehost = localhost
{secure}
sslcacertfile = {account.server.certificate}
remoteuser = {account.user}
remotepass = {account.password}
auth_mechanisms = PLAIN
maxconnections = 2
usecompression = {'yes' if 'COMPRESS=DEFLATE' in capabilities(account) else 'no'}
""", encoding="utf-8")

    def sync(self):
        run(["offlineimap", "-o", "-c", str(self.home / "offlineimaprc"), "-u", "quiet"], env=environment(self.home))

    def folder(self, name):
        return self.root / name


def capabilities(account):
    with account.imap() as client:
        return client.capability()[1][0].decode().split()


@pytest.mark.parametrize("security", ["implicit", "starttls"])
@pytest.mark.parametrize("kind", [Mbsync, OfflineImap])
def test_both_sides_change_and_agree(account, tmp_path, kind, security):
    program = kind(account, tmp_path, security)
    for number in range(1, 7):
        account.append(letter(number), flags=r"(\Seen)" if number == 2 else None)
    account.append(letter(20), "Sent", r"(\Seen \Answered)")
    with account.imap() as client:
        assert client.create("Projects/Vega")[0] == "OK"
        # offlineimap looks at what is subscribed.
        assert client.subscribe("Projects/Vega")[0] == "OK"
    account.append(letter(30), "Projects/Vega", r"(\Flagged)")
    program.sync()
    inbox = program.folder("INBOX")
    assert maildir(inbox) == {number: frozenset(["\\Seen"] if number == 2 else []) for number in range(1, 7)}
    assert maildir(program.folder("Sent")) == {20: {"\\Seen", "\\Answered"}}
    assert maildir(program.folder("Projects/Vega")) == {30: {"\\Flagged"}}
    assert file_of(inbox, 3).read_bytes().replace(b"\r\n", b"\n").endswith(b"\n\na body\n")
    # Here: one is read, one is removed, one is new, and one flag goes.
    set_flags(inbox, 1, "FS")
    set_flags(inbox, 2, "")
    file_of(inbox, 3).unlink()
    (inbox / "new" / "1.one.here").write_bytes(letter(7).replace(b"\r\n", b"\n"))
    make_maildir(program.folder("Made here"))
    (program.folder("Made here") / "cur" / "1.two.here:2,S").write_bytes(letter(40).replace(b"\r\n", b"\n"))
    # There: one is answered, one is removed, one is new.
    with account.selected() as client:
        client.store("4", "+FLAGS", r"(\Answered)")
        client.store("5", "+FLAGS", r"(\Deleted)")
        client.expunge()
    account.append(letter(8), flags=r"(\Draft)")
    with account.imap() as client:
        client.create('"Made there"')
        client.subscribe('"Made there"')
    account.append(letter(50), "Made there")
    for _ in range(2):
        program.sync()
        expected = {1: {"\\Flagged", "\\Seen"}, 2: set(), 4: {"\\Answered"}, 6: set(), 7: set(), 8: {"\\Draft"}}
        assert numbered(account) == expected
        assert maildir(inbox) == expected
        assert numbered(account, "Made here") == maildir(program.folder("Made here")) == {40: {"\\Seen"}}
        assert numbered(account, "Made there") == maildir(program.folder("Made there")) == {50: set()}
        assert numbered(account, "Projects/Vega") == {30: {"\\Flagged"}}


# ---- readers ----

@pytest.mark.parametrize("program", ["mutt", "neomutt"])
@pytest.mark.parametrize("way", ["plain", "scram-sha-256"])
def test_mutt(account, tmp_path, program, way):
    for number in range(1, 8):
        account.append(letter(number, body="a needle" if number in (5, 6) else "hay"))
    box = tmp_path / "saved"
    box.touch()
    keys = ("<jump>1<enter><display-message><exit>"
            "<jump>2<enter><toggle-new><flag-message>"
            "<jump>3<enter><save-message><kill-line>=Archive<enter>"
            "<jump>4<enter><delete-message>"
            # The server looks into the bodies.
            "<tag-pattern>=b needle<enter><tag-prefix><set-flag>r<untag-pattern>.<enter>"
            f"<jump>7<enter><copy-message><kill-line>{box}<enter>"
            "<sync-mailbox><quit>")
    rc = tmp_path / "muttrc"
    # Debian's mutt takes -PLUS where it is offered, and cannot bind with TLS 1.3: it is told what to take.
    rc.write_text(f'set certificate_file="{account.server.certificate}"\nset ssl_ca_certificates_file="{account.server.certificate}"\n'
                  f'set imap_user="{account.user}"\nset imap_pass="{account.password}"\nset imap_authenticators="{way}"\n'
                  f'set folder="imaps://localhost:{account.server.ports["imaps"]}/"\nset spoolfile="=INBOX"\n'
                  f'set header_cache="{tmp_path}/cache"\nset message_cachedir="{tmp_path}/bodies"\n'
                  'set sort=date-sent\nset quit=yes\nset delete=yes\nset confirmappend=no\nset confirmcreate=no\nset wait_key=no\n'
                  'set mbox_type=mbox\nset move=no\nset resolve=no\nset imap_idle=no\nset beep=no\nset sleep_time=0\nset timeout=1\n'
                  f'push "{keys}"\n', encoding="utf-8")
    rc.write_text("\n".join(line for line in rc.read_text(encoding="utf-8").splitlines()
                            if program != "neomutt" or "certificate_file=" not in line or "ca_certificates" in line) + "\n",
                  encoding="utf-8")
    shown = run_on_terminal([program, "-n", "-F", str(rc)], env=environment(tmp_path, TERM="xterm", COLUMNS="120", LINES="40"))
    found = numbered(account)
    shown = shown.decode(errors="replace")
    assert set(found) == {1, 2, 5, 6, 7}, shown
    # Who has answered has read.
    assert "\\Seen" in found[1] and "\\Flagged" in found[2] and "\\Flagged" not in found[1], (found, shown)
    assert all("\\Answered" in found[number] for number in (5, 6)) and "\\Answered" not in found[7], (found, shown)
    assert set(numbered(account, "Archive")) == {3}
    assert b"\nSubject: letter 7\n" in box.read_bytes()


def test_fetchmail(account, tmp_path):
    for number in (1, 2, 3):
        account.deliver(letter(number, body=f"for fetchmail {number}"))
    account.append(letter(9), "Archive")
    box = tmp_path / "box"
    rc = tmp_path / "fetchmailrc"

    def fetch(more):
        rc.write_text(f"poll localhost service {account.server.ports['imaps']} protocol imap\n"
                      f"  user \"{account.user}\" password \"{account.password}\" ssl sslcertfile \"{account.server.certificate}\"\n"
                      f"  sslcertck mda \"cat >> {box}\" {more}\n", encoding="utf-8")
        rc.chmod(0o600)
        run(["fetchmail", "--fetchmailrc", str(rc), "--nosyslog", "--pidfile", str(tmp_path / "pid"),
             "--idfile", str(tmp_path / "ids")], env=environment(tmp_path))
    fetch("folder Archive keep")
    assert box.read_bytes().count(b"Message-ID: <9@") == 1
    assert numbered(account, "Archive") == {9: {"\\Seen"}}
    assert set(numbered(account)) == {1, 2, 3}
    fetch("")
    content = box.read_bytes()
    assert [content.count(b"for fetchmail %d" % number) for number in (1, 2, 3)] == [1, 1, 1]
    assert numbered(account) == {}


def test_getmail(account, tmp_path):
    account.deliver(letter(1, body="for getmail"))
    account.append(letter(2, body="archived for getmail"), "Archive")
    box = tmp_path / "box"
    (tmp_path / "getmailrc").write_text(
        "[retriever]\ntype = SimpleIMAPSSLRetriever\nserver = localhost\n"
        f"port = {account.server.ports['imaps']}\nusername = {account.user}\npassword = {account.password}\n"
        f"ca_certs = {account.server.certificate}\nmailboxes = (\"INBOX\", \"Archive\")\n"
        "[destination]\ntype = MDA_external\npath = /bin/sh\n"
        f"arguments = ('-c', 'cat >> {box}')\nallow_root_commands = true\n[options]\ndelete = true\n", encoding="utf-8")
    run(["getmail", "--getmaildir", str(tmp_path), "--rcfile", "getmailrc"], env=environment(tmp_path))
    assert b"\nfor getmail\n" in box.read_bytes() and b"archived for getmail" in box.read_bytes()
    assert numbered(account) == numbered(account, "Archive") == {}


# ---- curl ----

class Curl:
    def __init__(self, account, security):
        self.base = ["curl", "--silent", "--show-error", "--fail", "--cacert", account.server.certificate,
                     "--user", f"{account.user}:{account.password}"]
        if security == "implicit":
            self.url = f"imaps://localhost:{account.server.ports['imaps']}"
            self.base += ["--login-options", "AUTH=PLAIN"]
        else:
            self.url = f"imap://localhost:{account.server.ports['imap']}"
            self.base += ["--ssl-reqd", "--login-options", "AUTH=LOGIN"]

    def __call__(self, path, *words):
        return run([*self.base, f"{self.url}/{path}", *words])


@pytest.mark.parametrize("security", ["implicit", "starttls"])
def test_curl(account, tmp_path, security):
    curl = Curl(account, security)
    assert b'"INBOX"' in curl("").replace(b" INBOX", b' "INBOX"')
    source = tmp_path / "letter"
    for number in (1, 2, 3):
        source.write_bytes(letter(number, body=f"from curl {number}"))
        curl("INBOX", "--upload-file", str(source))
    assert set(numbered(account)) == {1, 2, 3}
    uids = [int(word) for word in curl("INBOX?ALL").split()[2:]]
    assert len(uids) == 3
    assert curl(f"INBOX;UID={uids[1]}") == letter(2, body="from curl 2")
    assert curl(f"INBOX;UID={uids[1]};SECTION=TEXT") == b"from curl 2\r\n"
    assert curl(f"INBOX;UID={uids[1]};SECTION=HEADER.FIELDS%20(SUBJECT)") == b"Subject: letter 2\r\n\r\n"
    assert curl("INBOX;MAILINDEX=3;SECTION=TEXT") == b"from curl 3\r\n"
    assert curl("INBOX?SUBJECT%20%22letter%202%22").split()[2:] == [b"2"]
    assert b"\\Deleted" in curl("INBOX", "--request", r"STORE 1 +FLAGS (\Deleted)")
    assert curl("INBOX", "--request", "EXPUNGE").split() == [b"*", b"1", b"EXPUNGE"]
    assert set(numbered(account)) == {2, 3}
    assert curl("", "--request", "STATUS INBOX (MESSAGES)").split()[-1] == b"2)"
    curl("", "--request", "CREATE Made_by_curl")
    assert "Made_by_curl" in account.mailboxes()
    large = b"Subject: large\r\nMessage-ID: <77@elsewhere.example>\r\n\r\n" + (b"x" * 70 + b"\r\n") * 100_000
    source.write_bytes(large)
    curl("Made_by_curl", "--upload-file", str(source))
    assert curl("Made_by_curl;MAILINDEX=1") == large


# ---- Perl ----

PERL = r"""
use strict; use warnings;
use JSON::PP; use Mail::IMAPClient; use IO::Socket::SSL;
my ($port, $authority, $user, $other, $password) = @ARGV;
my %told;
sub login {
    my ($who) = @_;
    my $client = Mail::IMAPClient->new(Server => 'localhost', Port => $port, User => $who, Password => $password,
        Uid => 1, Peek => 1, Timeout => 60, Ssl => [SSL_ca_file => $authority, SSL_verify_mode => SSL_VERIFY_PEER]);
    defined $client or die "login: $@";
    return $client;
}
my $one = login($user);
my $two = login($other);
sub check { my ($client, $what, $value) = @_; defined $value or die "$what: " . ($client->LastError // '?') . "\n"; return $value; }
check($one, 'create', $one->create("Perl/Child")); 
$told{exists} = $one->exists("Perl/Child") ? 1 : 0;
$told{folders} = [sort $one->folders];
$told{separator} = $one->separator;
check($one, 'select', $one->select('INBOX'));
my $uid = check($one, 'append', $one->append_string('INBOX',
    "Subject: by Perl\r\nMessage-ID: <90\@elsewhere.example>\r\n\r\nperl\r\n", '\\Flagged', '01-Jan-2020 00:00:00 +0000'));
$told{uid_is_number} = $uid =~ /^\d+$/ ? 1 : 0;
$one->noop;
$told{all} = scalar @{[$one->messages]};
$told{search} = [map { $one->subject($_) } $one->search('SUBJECT', 'letter', 'UNFLAGGED')];
$told{sort} = [map { $one->subject($_) } @{check($one, 'sort', scalar $one->sort('REVERSE SUBJECT', 'UTF-8', 'ALL'))}];
my $threads = check($one, 'thread', scalar $one->thread('REFERENCES', 'UTF-8', 'ALL'));
sub subjects { my ($node) = @_; return ref $node ? [map { subjects($_) } @$node] : $one->subject($node); }
$told{threads} = [map { subjects($_) } @$threads];
$told{flags} = [sort grep { $_ ne '\\Recent' } $one->flags($uid)];
$told{date} = $one->internaldate($uid);
$told{size} = $one->size($uid);
my $hash = $one->fetch_hash([$uid], 'FLAGS', 'RFC822.SIZE', 'BODY[HEADER.FIELDS (SUBJECT)]');
$told{hash} = $hash->{$uid}{'RFC822.SIZE'};
my $structure = $one->get_bodystructure($uid);
$told{structure} = $structure->bodytype . '/' . $structure->bodysubtype;
my $envelope = $one->get_envelope($uid);
$told{envelope} = $envelope->subject . ' ' . $envelope->messageid;
check($one, 'see', $one->see($uid));
check($one, 'copy', $one->copy('Perl/Child', $uid));
check($one, 'move', $one->move('Perl/Child', ($one->search('SUBJECT', 'letter 2'))[0]));
check($one, 'expunge', $one->expunge);
$told{child} = $one->message_count('Perl/Child');
# IDLE hears of what comes from elsewhere.
my $tag = check($one, 'idle', $one->idle);
my $second = login($user);
$second->append('INBOX', "Subject: while idle\r\nMessage-ID: <91\@elsewhere.example>\r\n\r\nx\r\n") or die $second->LastError;
$told{idle} = join('', $one->idle_data(30));
check($one, 'done', $one->done($tag));
# To another account, mailbox by mailbox.
check($one, 'select child', $one->select('Perl/Child'));
$two->create('Migrated');
check($one, 'migrate', $one->migrate($two, 'ALL', 'Migrated'));
check($one, 'close', $one->close);
check($one, 'rename', $one->rename('Perl/Child', 'Perl/Renamed'));
check($one, 'delete', $one->delete('Perl/Renamed'));
$told{gone} = $one->exists('Perl/Renamed') ? 1 : 0;
$one->logout; $two->logout; $second->logout;
print encode_json(\%told);
"""


def test_perl(imap_server, account, tmp_path):
    account.append(letter(2))
    account.append(letter(1))
    account.append(letter(3, subject="Re: letter 1", extra="In-Reply-To: <1@elsewhere.example>\r\n"))
    other = imap_server.new_account()
    script = tmp_path / "client.pl"
    script.write_text(PERL, encoding="utf-8")
    told = json.loads(run(["perl", str(script), str(imap_server.ports["imaps"]), imap_server.certificate, account.user,
                           other.user, account.password]))
    assert told["exists"] == 1 and told["separator"] == "/" and told["uid_is_number"] == 1 and told["gone"] == 0
    assert {"INBOX", "Perl/Child", "Sent", "Trash"} <= set(told["folders"])
    assert told["all"] == 4 and int(told["child"]) == 2
    assert told["search"] == ["letter 2", "letter 1", "Re: letter 1"]
    # By the base subject: "Re:" does not count, and equals stand in their order.
    assert told["sort"] == ["letter 2", "letter 1", "Re: letter 1", "by Perl"]
    assert sorted(map(json.dumps, told["threads"])) == sorted(
        map(json.dumps, [["letter 2"], ["letter 1", "Re: letter 1"], ["by Perl"]]))
    assert told["flags"] == ["\\Flagged"]
    assert told["date"] == "01-Jan-2020 00:00:00 +0000"
    assert told["size"] == told["hash"] or int(told["size"]) == int(told["hash"])
    assert (told["structure"], told["envelope"]) == ("TEXT/PLAIN", "by Perl <90@elsewhere.example>")
    assert re.search(r"EXISTS", told["idle"])
    assert set(numbered(account)) == {1, 3, 90, 91}
    assert numbered(other, "Migrated") == {90: {"\\Flagged", "\\Seen"}, 2: set()}
    assert "Perl/Renamed" not in account.mailboxes()
