/* What the server is and has: CAPABILITY, ID (RFC 2971), NAMESPACE, ENABLE (RFC 5161). */
#include "imap/imap_server_inside.h"

/* ---- CAPABILITY ---- */

enum when {
    ALWAYS = 0,
    BEFORE_LOGIN,
    BEHIND_LOGIN
};

static const struct {
    const char *name;
    enum when when;
} capabilities[] = {
    {"IMAP4rev1", ALWAYS},
    {"IMAP4rev2", ALWAYS},
    {"SASL-IR", ALWAYS},
    {"ENABLE", ALWAYS},
    {"ID", ALWAYS},
    {"IDLE", ALWAYS},
    /* RFC 7888 5: never both. */
    {"LITERAL-", BEFORE_LOGIN},
    {"LITERAL+", BEHIND_LOGIN},
    {"UIDPLUS", BEHIND_LOGIN},
    {"MOVE", BEHIND_LOGIN},
    {"UNSELECT", BEHIND_LOGIN},
    {"CHILDREN", BEHIND_LOGIN},
    {"LIST-EXTENDED", BEHIND_LOGIN},
    {"LIST-STATUS", BEHIND_LOGIN},
    {"SPECIAL-USE", BEHIND_LOGIN},
    {"CREATE-SPECIAL-USE", BEHIND_LOGIN},
    {"NAMESPACE", BEHIND_LOGIN},
    {"CONDSTORE", BEHIND_LOGIN},
    {"QRESYNC", BEHIND_LOGIN},
    {"ESEARCH", BEHIND_LOGIN},
    {"SEARCHRES", BEHIND_LOGIN},
    {"WITHIN", BEHIND_LOGIN},
    {"SORT", BEHIND_LOGIN},
    {"SORT=DISPLAY", BEHIND_LOGIN},
    {"THREAD=ORDEREDSUBJECT", BEHIND_LOGIN},
    {"THREAD=REFERENCES", BEHIND_LOGIN},
    {"BINARY", BEHIND_LOGIN},
    {"PREVIEW", BEHIND_LOGIN},
    {"SAVEDATE", BEHIND_LOGIN},
    {"OBJECTID", BEHIND_LOGIN},
    {"MULTIAPPEND", BEHIND_LOGIN},
    {"STATUS=SIZE", BEHIND_LOGIN},
    {"QUOTA", BEHIND_LOGIN},
    {"QUOTA=RES-STORAGE", BEHIND_LOGIN},
    {"QUOTA=RES-MESSAGE", BEHIND_LOGIN},
};

static void append_ways_in(struct imap_server *server)
{
    struct bytes rest = bytes_from_string(server->options.mechanisms);
    if (imap_server_login_offers_tls(server))
        buffer_append_string(&server->output, " STARTTLS");
    if (!imap_server_login_allows_passwords(server))
        buffer_append_string(&server->output, " LOGINDISABLED");
    while (rest.length > 0) {
        struct bytes name;
        bytes_split(rest, ' ', &name, &rest);
        if (name.length > 0) {
            buffer_append_string(&server->output, " AUTH=");
            buffer_append(&server->output, name);
        }
    }
}

/* Without the blank in front. */
void imap_server_capability_append(struct imap_server *server)
{
    bool is_early = server->state == IMAP_SERVER_NOT_AUTHENTICATED;
    enum when other = is_early ? BEHIND_LOGIN : BEFORE_LOGIN;
    for (size_t i = 0; i < sizeof capabilities / sizeof capabilities[0]; i++) {
        if (capabilities[i].when == other)
            continue;
        if (i > 0)
            buffer_append_char(&server->output, ' ');
        buffer_append_string(&server->output, capabilities[i].name);
    }
    if (is_early) {
        append_ways_in(server);
        return;
    }
    buffer_append_string(&server->output, " APPENDLIMIT=");
    buffer_append_unsigned(&server->output, server->options.limits.append_size);
    /* RFC 4978 3: not once it is on. */
    if (!server->is_compressed)
        buffer_append_string(&server->output, " COMPRESS=DEFLATE");
}

static void finish(struct imap_server *server, const char *text)
{
    imap_server_say_tagged(server, IMAP_OK, NULL, text);
    imap_server_forget_command(server);
}

void imap_server_capability_hear(struct imap_server *server)
{
    buffer_append_string(&server->output, "* CAPABILITY ");
    imap_server_capability_append(server);
    imap_server_say(server, "");
    finish(server, "That is all");
}

/* ---- ID and NAMESPACE ---- */

/* RFC 2971 4: who attacks need not know more than the name. */
void imap_server_capability_hear_id(struct imap_server *server)
{
    buffer_append_string(&server->output, "* ID (\"name\" \"Posthorn\"");
    if (server->state != IMAP_SERVER_NOT_AUTHENTICATED && server->options.version != NULL)
        buffer_append_format(&server->output, " \"version\" \"%.100s\"", server->options.version);
    imap_server_say(server, ")");
    finish(server, "Pleased to meet you");
}

/* RFC 9051 6.3.10: mailboxes are one's own; nobody else's are seen. */
void imap_server_capability_hear_namespace(struct imap_server *server)
{
    imap_server_say(server, "* NAMESPACE ((\"\" \"/\")) NIL NIL");
    finish(server, "That is all");
}

/* ---- ENABLE ---- */

void imap_server_capability_hear_enable(struct imap_server *server)
{
    static const struct {
        unsigned bit;
        const char *name;
    } words[] = {{IMAP_ENABLED_CONDSTORE, " CONDSTORE"},
                 {IMAP_ENABLED_QRESYNC, " QRESYNC"},
                 {IMAP_ENABLED_REV2, " IMAP4rev2"}};
    unsigned added = server->command.enable; /* QRESYNC brings CONDSTORE along */
    buffer_append_string(&server->output, "* ENABLED");
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if ((added & words[i].bit) != 0)
            buffer_append_string(&server->output, words[i].name);
    }
    imap_server_say(server, "");
    server->enabled |= added;
    finish(server, "Enabled");
}
