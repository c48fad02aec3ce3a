"""Who has a mailbox at posthorn.test, with which password."""

DOMAIN = "posthorn.test"

ALICE = "alice@posthorn.test"
BOB = "bob@posthorn.test"
CAROL = "carol@posthorn.test"
# A password with letters beyond ASCII, one of them in a decomposed spelling's reach (RFC 4013).
UMLAUT = "umlaut@posthorn.test"
# Her mailbox is over its quota: RCPT is welcome, the letter is refused after its last byte.
FULL = "full@posthorn.test"
# Addressed as jürgen@posthorn.test (RFC 6531), reads under an ASCII name.
JUERGEN = "juergen@posthorn.test"
JUERGEN_ADDRESS = "jürgen@posthorn.test"
# Nobody reads there.
UNKNOWN = "nobody@posthorn.test"

PASSWORDS = {
    ALICE: "wonderland",
    BOB: "b0b's secret, with spaces",
    CAROL: "carol-pass",
    UMLAUT: "Schlüssel-пароль-☃",
    FULL: "full-pass",
    JUERGEN: "juergen-pass",
}


def local_part(user):
    return user.split("@", 1)[0]
