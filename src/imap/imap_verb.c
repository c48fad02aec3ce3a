/* One table, in the order of enum imap_verb. */
#include "imap/imap_verb.h"

struct verb {
    struct bytes name;
    bool has_uid; /* RFC 9051 6.4.9, RFC 4315, RFC 5256, RFC 6851 */
};

static const struct verb verbs[IMAP_VERB_COUNT] = {
    [IMAP_NO_VERB] = {BYTES_INIT("command"), false},
    [IMAP_CAPABILITY] = {BYTES_INIT("CAPABILITY"), false},
    [IMAP_NOOP] = {BYTES_INIT("NOOP"), false},
    [IMAP_LOGOUT] = {BYTES_INIT("LOGOUT"), false},
    [IMAP_ID] = {BYTES_INIT("ID"), false},
    [IMAP_STARTTLS] = {BYTES_INIT("STARTTLS"), false},
    [IMAP_AUTHENTICATE] = {BYTES_INIT("AUTHENTICATE"), false},
    [IMAP_LOGIN] = {BYTES_INIT("LOGIN"), false},
    [IMAP_ENABLE] = {BYTES_INIT("ENABLE"), false},
    [IMAP_SELECT] = {BYTES_INIT("SELECT"), false},
    [IMAP_EXAMINE] = {BYTES_INIT("EXAMINE"), false},
    [IMAP_CREATE] = {BYTES_INIT("CREATE"), false},
    [IMAP_DELETE] = {BYTES_INIT("DELETE"), false},
    [IMAP_RENAME] = {BYTES_INIT("RENAME"), false},
    [IMAP_SUBSCRIBE] = {BYTES_INIT("SUBSCRIBE"), false},
    [IMAP_UNSUBSCRIBE] = {BYTES_INIT("UNSUBSCRIBE"), false},
    [IMAP_LIST] = {BYTES_INIT("LIST"), false},
    [IMAP_LSUB] = {BYTES_INIT("LSUB"), false},
    [IMAP_NAMESPACE] = {BYTES_INIT("NAMESPACE"), false},
    [IMAP_STATUS] = {BYTES_INIT("STATUS"), false},
    [IMAP_APPEND] = {BYTES_INIT("APPEND"), false},
    [IMAP_IDLE] = {BYTES_INIT("IDLE"), false},
    [IMAP_GETQUOTA] = {BYTES_INIT("GETQUOTA"), false},
    [IMAP_GETQUOTAROOT] = {BYTES_INIT("GETQUOTAROOT"), false},
    [IMAP_SETQUOTA] = {BYTES_INIT("SETQUOTA"), false},
    [IMAP_COMPRESS] = {BYTES_INIT("COMPRESS"), false},
    [IMAP_CHECK] = {BYTES_INIT("CHECK"), false},
    [IMAP_CLOSE] = {BYTES_INIT("CLOSE"), false},
    [IMAP_UNSELECT] = {BYTES_INIT("UNSELECT"), false},
    [IMAP_EXPUNGE] = {BYTES_INIT("EXPUNGE"), true},
    [IMAP_SEARCH] = {BYTES_INIT("SEARCH"), true},
    [IMAP_SORT] = {BYTES_INIT("SORT"), true},
    [IMAP_THREAD] = {BYTES_INIT("THREAD"), true},
    [IMAP_FETCH] = {BYTES_INIT("FETCH"), true},
    [IMAP_STORE] = {BYTES_INIT("STORE"), true},
    [IMAP_COPY] = {BYTES_INIT("COPY"), true},
    [IMAP_MOVE] = {BYTES_INIT("MOVE"), true},
};

enum imap_verb imap_verb_find(struct bytes word, bool is_uid)
{
    if (word.length == 0)
        return IMAP_NO_VERB;
    char first = bytes_upper_char(word.data[0]);
    for (unsigned i = IMAP_NO_VERB + 1; i < IMAP_VERB_COUNT; i++) {
        if (verbs[i].name.length == word.length && verbs[i].name.data[0] == first &&
            (verbs[i].has_uid || !is_uid) && bytes_equal_ignoring_case(verbs[i].name, word))
            return (enum imap_verb)i;
    }
    return IMAP_NO_VERB;
}

const char *imap_verb_name(enum imap_verb verb)
{
    return verbs[verb].name.data;
}
