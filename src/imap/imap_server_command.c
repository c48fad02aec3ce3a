/* The commands of IMAP as a table: where each is allowed, and who hears it. */
#include "imap/imap_server_inside.h"

enum {
    ANYWHERE = IMAP_SERVER_NOT_AUTHENTICATED | IMAP_SERVER_AUTHENTICATED | IMAP_SERVER_SELECTED,
    LOGGED_IN = IMAP_SERVER_AUTHENTICATED | IMAP_SERVER_SELECTED
};

/* ---- commands that need no more than a line ---- */

static void tell_host(struct imap_server *server)
{
    server->owed = IMAP_SERVER_OWES_FINISH;
    imap_server_raise(server, IMAP_SERVER_COMMAND)->command = &server->command;
}

static void hear_noop(struct imap_server *server)
{
    if (server->state != IMAP_SERVER_NOT_AUTHENTICATED) {
        tell_host(server);
        return;
    }
    imap_server_say_tagged(server, IMAP_OK, NULL, "Nothing done");
    imap_server_forget_command(server);
}

static void hear_logout(struct imap_server *server)
{
    imap_server_say(server, "* BYE Logging out");
    imap_server_say_tagged(server, IMAP_OK, NULL, "Bye");
    imap_server_end(server, "logout");
}

static void hear_idle(struct imap_server *server)
{
    imap_server_say(server, "+ idling");
    server->taking = IMAP_SERVER_TAKES_IDLE;
    buffer_reset(&server->line);
    imap_server_raise(server, IMAP_SERVER_IDLE);
}

static void hear_compress(struct imap_server *server)
{
    if (server->is_compressed) {
        imap_server_say_tagged(server, IMAP_NO, "COMPRESSIONACTIVE", "DEFLATE is active already");
        imap_server_forget_command(server);
        return;
    }
    imap_server_say_tagged(server, IMAP_OK, NULL, "DEFLATE begins here");
    imap_server_forget_command(server);
    server->is_compress_agreed = true;
    imap_server_raise(server, IMAP_SERVER_COMPRESS);
}

/* ---- the table ---- */

typedef void hear(struct imap_server *server);

static const struct {
    unsigned states;
    hear *hear; /* NULL: APPEND without a message, which the parser refuses */
} rules[IMAP_VERB_COUNT] = {
    [IMAP_CAPABILITY] = {ANYWHERE, imap_server_capability_hear},
    [IMAP_NOOP] = {ANYWHERE, hear_noop},
    [IMAP_LOGOUT] = {ANYWHERE, hear_logout},
    [IMAP_ID] = {ANYWHERE, imap_server_capability_hear_id},
    [IMAP_STARTTLS] = {IMAP_SERVER_NOT_AUTHENTICATED, imap_server_login_hear_starttls},
    [IMAP_AUTHENTICATE] = {IMAP_SERVER_NOT_AUTHENTICATED, imap_server_login_hear_authenticate},
    [IMAP_LOGIN] = {IMAP_SERVER_NOT_AUTHENTICATED, imap_server_login_hear},
    /* RFC 9051 6.3.1: before any mailbox is selected. */
    [IMAP_ENABLE] = {IMAP_SERVER_AUTHENTICATED, imap_server_capability_hear_enable},
    [IMAP_SELECT] = {LOGGED_IN, tell_host},
    [IMAP_EXAMINE] = {LOGGED_IN, tell_host},
    [IMAP_CREATE] = {LOGGED_IN, tell_host},
    [IMAP_DELETE] = {LOGGED_IN, tell_host},
    [IMAP_RENAME] = {LOGGED_IN, tell_host},
    [IMAP_SUBSCRIBE] = {LOGGED_IN, tell_host},
    [IMAP_UNSUBSCRIBE] = {LOGGED_IN, tell_host},
    [IMAP_LIST] = {LOGGED_IN, tell_host},
    [IMAP_LSUB] = {LOGGED_IN, tell_host},
    [IMAP_NAMESPACE] = {LOGGED_IN, imap_server_capability_hear_namespace},
    [IMAP_STATUS] = {LOGGED_IN, tell_host},
    [IMAP_APPEND] = {LOGGED_IN, NULL},
    [IMAP_IDLE] = {LOGGED_IN, hear_idle},
    [IMAP_GETQUOTA] = {LOGGED_IN, tell_host},
    [IMAP_GETQUOTAROOT] = {LOGGED_IN, tell_host},
    [IMAP_SETQUOTA] = {LOGGED_IN, tell_host},
    [IMAP_COMPRESS] = {LOGGED_IN, hear_compress},
    [IMAP_CHECK] = {IMAP_SERVER_SELECTED, tell_host},
    [IMAP_CLOSE] = {IMAP_SERVER_SELECTED, tell_host},
    [IMAP_UNSELECT] = {IMAP_SERVER_SELECTED, tell_host},
    [IMAP_EXPUNGE] = {IMAP_SERVER_SELECTED, tell_host},
    [IMAP_SEARCH] = {IMAP_SERVER_SELECTED, tell_host},
    [IMAP_SORT] = {IMAP_SERVER_SELECTED, tell_host},
    [IMAP_THREAD] = {IMAP_SERVER_SELECTED, tell_host},
    [IMAP_FETCH] = {IMAP_SERVER_SELECTED, tell_host},
    [IMAP_STORE] = {IMAP_SERVER_SELECTED, tell_host},
    [IMAP_COPY] = {IMAP_SERVER_SELECTED, tell_host},
    [IMAP_MOVE] = {IMAP_SERVER_SELECTED, tell_host},
};

/* ---- tag and verb ---- */

static const char *wrong_state(const struct imap_server *server, unsigned states)
{
    if (server->state == IMAP_SERVER_NOT_AUTHENTICATED)
        return "Log in first";
    if (states == IMAP_SERVER_NOT_AUTHENTICATED)
        return "You are logged in already";
    return server->state == IMAP_SERVER_SELECTED ? "Not while a mailbox is selected"
                                                 : "SELECT a mailbox first";
}

bool imap_server_command_identify(struct imap_server *server)
{
    struct fault fault = {0};
    struct bytes tag = BYTES("");
    struct bytes rest;
    bool is_uid;
    if (server->is_identified)
        return true;
    server->is_identified = true;
    bool is_read = imap_command_read_verb(buffer_bytes(&server->line), &tag, &server->verb, &is_uid,
                                          &rest, &fault);
    if (tag.length > 0 && tag.length <= IMAP_TAG_MAX) {
        memcpy(server->tag, tag.data, tag.length);
        server->tag_length = tag.length;
    }
    if (!is_read)
        imap_server_feed_refuse_fault(server, &fault);
    else if (server->verb == IMAP_NO_VERB)
        imap_server_feed_refuse(server, IMAP_BAD, NULL, "Unknown command");
    else if ((rules[server->verb].states & server->state) == 0)
        imap_server_feed_refuse(server, IMAP_BAD, NULL,
                                wrong_state(server, rules[server->verb].states));
    else if (server->verb == IMAP_LOGIN && !imap_server_login_allows_passwords(server))
        /* Before a literal brings the password. */
        imap_server_feed_refuse(server, IMAP_NO, "PRIVACYREQUIRED",
                                imap_server_login_offers_tls(server) ? "Say STARTTLS first"
                                                                     : "Not without TLS");
    return !server->is_dropping;
}

/* ---- whole commands ---- */

static bool searches_modseq(const struct imap_command *command)
{
    return (command->verb == IMAP_SEARCH || command->verb == IMAP_SORT ||
            command->verb == IMAP_THREAD) &&
           command->search.has_modseq;
}

static bool fetches_modseq(const struct imap_command *command)
{
    if (command->verb != IMAP_FETCH)
        return false;
    bool is_wanted = command->fetch.has_changed_since;
    for (size_t i = 0; i < command->fetch.item_count; i++)
        is_wanted |= command->fetch.items[i].kind == IMAP_FETCH_MODSEQ;
    return is_wanted;
}

static bool asks_status_of_modseq(const struct imap_command *command)
{
    unsigned items = command->verb == IMAP_STATUS ? command->status
                     : command->verb == IMAP_LIST || command->verb == IMAP_LSUB
                         ? command->list.status
                         : 0;
    return (items & IMAP_STATUS_HIGHESTMODSEQ) != 0;
}

/* RFC 7162 3.1: the commands that say that the client knows of CONDSTORE. */
static bool implies_condstore(const struct imap_command *command)
{
    bool is_select = command->verb == IMAP_SELECT || command->verb == IMAP_EXAMINE;
    return (is_select && (command->select.has_condstore || command->select.has_qresync)) ||
           (command->verb == IMAP_STORE && command->store.has_unchanged_since) ||
           fetches_modseq(command) || searches_modseq(command) || asks_status_of_modseq(command);
}

void imap_server_command_hear(struct imap_server *server, struct bytes text)
{
    struct fault fault = {0};
    const struct imap_command_mode mode = {.enabled = server->enabled};
    if (server->verb == IMAP_APPEND) {
        imap_server_append_hear(server, text, NULL);
        return;
    }
    memset(&server->command, 0, sizeof server->command);
    if (!imap_command_parse(text, &mode, &server->arena, &server->command, &fault)) {
        imap_server_feed_refuse_fault(server, &fault);
        return;
    }
    if (implies_condstore(&server->command))
        server->enabled |= IMAP_ENABLED_CONDSTORE;
    rules[server->verb].hear(server);
}
