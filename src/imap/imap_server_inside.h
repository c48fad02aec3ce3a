/* What the files of the IMAP server engine share: its state, and how they call each other. */
#ifndef IMAP_IMAP_SERVER_INSIDE_H
#define IMAP_IMAP_SERVER_INSIDE_H

#include "base/arena.h"
#include "base/buffer.h"
#include "imap/imap_server.h"

enum {
    IMAP_SERVER_MECHANISM_MAX = 20, /* bytes of a mechanism's name (RFC 4422 3.1) */
    IMAP_SERVER_TEXT_MAX = 400,     /* bytes of words in a response */
    IMAP_SERVER_TAIL_MAX = 64,      /* bytes of a dropped line that are kept: a literal's head */
    /* Bytes of a refused command that are read away before it is the end; behind the login as many
       as a message may have, and these. */
    IMAP_SERVER_DROP_EARLY_MAX = 128 * 1024,
    IMAP_SERVER_DROP_MAX = 1024 * 1024,
    /* A response may be larger than what is full: an envelope of ten thousand addresses, COPYUID.
     */
    IMAP_SERVER_OUTPUT_MAX = 16 * 1024 * 1024
};

/* RFC 9051 3. Bits, so that a command can name all in which it is allowed. */
enum imap_server_state {
    IMAP_SERVER_EARLY = 1,             /* implicit TLS does not stand yet */
    IMAP_SERVER_NOT_AUTHENTICATED = 2, /* RFC 9051 3.1 */
    IMAP_SERVER_AUTHENTICATED = 4,     /* RFC 9051 3.2 */
    IMAP_SERVER_SELECTED = 8,          /* RFC 9051 3.3 */
    IMAP_SERVER_ENDED = 16             /* RFC 9051 3.4 */
};

/* What the host must answer before anything is taken. */
enum imap_server_owed {
    IMAP_SERVER_OWES_NOTHING = 0,
    IMAP_SERVER_OWES_LOGIN, /* LOGIN, AUTH, AUTH_RESPONSE */
    IMAP_SERVER_OWES_APPEND,
    IMAP_SERVER_OWES_FINISH
};

/* What the bytes of the client are, where no literal of a command is on its way. */
enum imap_server_taking {
    IMAP_SERVER_TAKES_COMMAND = 0,
    IMAP_SERVER_TAKES_RESPONSE, /* of AUTHENTICATE */
    IMAP_SERVER_TAKES_LAST,     /* the empty response to what came with success */
    IMAP_SERVER_TAKES_IDLE,
    IMAP_SERVER_TAKES_MESSAGE /* of APPEND */
};

/* The head of a literal at the end of a line. */
struct imap_server_literal {
    uint64_t size;   /* UINT64_MAX: more than can be counted */
    bool is_waiting; /* synchronising: the client waits for "+" */
};

struct imap_server {
    struct imap_server_options options; /* limits without zeros */
    struct imap_command command;
    struct imap_append append;
    struct imap_server_event event;
    bool has_event;
    bool is_encrypted;
    bool is_tls_agreed;      /* STARTTLS was answered, TLS does not stand yet */
    bool is_compress_agreed; /* the same for COMPRESS */
    bool is_compressed;
    bool is_identified; /* tag and verb of the command were read */
    bool is_dropping;   /* the command is refused, and read to its end */
    bool is_appending;  /* a message of APPEND was announced to the host */
    bool is_idle_broken;
    bool is_stopping; /* BYE is to be said */
    bool is_end_told;
    enum imap_server_state state;
    enum imap_server_owed owed;
    enum imap_server_taking taking;
    enum imap_verb verb;
    enum imap_status deferred_status;
    unsigned enabled;
    unsigned commands;
    unsigned errors;
    unsigned auth_failures;
    const char *reason;
    const char *bye_code;
    const char *bye_text;
    int64_t heard;          /* the last sign of life */
    struct buffer line;     /* of the command: lines and literals */
    struct arena arena;     /* of the command */
    struct buffer login;    /* a response of AUTHENTICATE; wiped */
    struct buffer deferred; /* the response to a command that is being read away */
    struct buffer output;
    size_t tail; /* where in `line` the part behind the last literal begins */
    size_t literal_bytes;
    uint64_t literal_left;
    uint64_t dropped;
    struct imap_server_literal literal; /* of the message that was announced */
    size_t append_index;
    unsigned literal_count;
    char mechanism[IMAP_SERVER_MECHANISM_MAX + 1];
    char tag[IMAP_TAG_MAX];
    size_t tag_length;
};

/* ---- imap_server.c ---- */

/* Words that may come from elsewhere, kept from breaking the line. */
void imap_server_append_words(struct buffer *out, const char *text);
/* "tag OK [code] text"; "*" for a command without a tag. */
void imap_server_append_response(const struct imap_server *server, struct buffer *out,
                                 enum imap_status status, struct bytes code, const char *text);
void imap_server_say(struct imap_server *server, const char *line);
void imap_server_say_tagged(struct imap_server *server, enum imap_status status, const char *code,
                            const char *text);
/* The end; what is in the output still goes out. */
void imap_server_end(struct imap_server *server, const char *reason);
/* The same with "* BYE [code] text" in front; code NULL = none. */
void imap_server_end_with_bye(struct imap_server *server, const char *code, const char *text,
                              const char *reason);
struct imap_server_event *imap_server_raise(struct imap_server *server,
                                            enum imap_server_event_kind kind);
/* At the end of every call of the door: what could not be said ends the session, and so does a wish
   to stop. */
void imap_server_settle(struct imap_server *server);
/* The command is over: forgets it. */
void imap_server_forget_command(struct imap_server *server);
/* One more BAD: too many are the end. */
void imap_server_count_error(struct imap_server *server);

/* ---- imap_server_feed.c ---- */

/* The command in hand is refused, now or when the rest of it was read away. For whoever hears it.
 */
void imap_server_feed_refuse(struct imap_server *server, enum imap_status status, const char *code,
                             const char *text);
void imap_server_feed_refuse_fault(struct imap_server *server, const struct fault *fault);
/* Drops what comes of the refused command. `literal`: what its line ended with; NULL = nothing. */
void imap_server_feed_drop_rest(struct imap_server *server,
                                const struct imap_server_literal *literal);

/* ---- imap_server_command.c ---- */

/* Reads tag and verb of what is in the line. False: it was refused. */
bool imap_server_command_identify(struct imap_server *server);
/* The whole command is in the line. */
void imap_server_command_hear(struct imap_server *server, struct bytes text);

/* ---- imap_server_capability.c ---- */

void imap_server_capability_append(struct imap_server *server);
void imap_server_capability_hear(struct imap_server *server);
void imap_server_capability_hear_id(struct imap_server *server);
void imap_server_capability_hear_namespace(struct imap_server *server);
void imap_server_capability_hear_enable(struct imap_server *server);

/* ---- imap_server_login.c ---- */

bool imap_server_login_allows_passwords(const struct imap_server *server);
bool imap_server_login_offers_tls(const struct imap_server *server);
void imap_server_login_hear_starttls(struct imap_server *server);
void imap_server_login_hear(struct imap_server *server);
void imap_server_login_hear_authenticate(struct imap_server *server);
/* A line of the exchange, without its end. */
void imap_server_login_respond(struct imap_server *server, struct bytes line);
void imap_server_login_respond_last(struct imap_server *server, struct bytes line);
/* The line of an exchange was no response at all. */
void imap_server_login_break(struct imap_server *server, const char *text);
/* The host said NO. */
void imap_server_login_failed(struct imap_server *server, struct bytes code);

/* ---- imap_server_append.c ---- */

/* APPEND at the end of a line: with the head of a message, or (NULL) at the command's end. */
void imap_server_append_hear(struct imap_server *server, struct bytes text,
                             const struct imap_server_literal *literal);
/* Is this literal the mailbox's name? */
bool imap_server_append_is_name(const struct imap_server *server, struct bytes text);
/* A piece of the message; returns how much of it was taken. */
void imap_server_append_take(struct imap_server *server, struct bytes piece);
/* The piece was told: what comes behind it. */
void imap_server_append_go_on(struct imap_server *server);

#endif
