/* A whole house for tests of sessions: a store in a file, loops, workers, logins, a listener for
 * each kind of service, people who have mail there, and clients that talk to it by hand. */
#ifndef SESSION_HOUSE_H
#define SESSION_HOUSE_H

#include "unit.h"

#include <openssl/ssl.h>

#include "session/imap_session.h"
#include "session/pop3_session.h"
#include "session/session_services.h"
#include "session/smtp_session.h"

/* The listeners. */
enum house_door {
    HOUSE_OUTSIDE = 0, /* SMTP, STARTTLS at hand */
    HOUSE_SUBMISSION,  /* STARTTLS asked for before a login */
    HOUSE_IMPLICIT,    /* submission under TLS from the start */
    HOUSE_CLEAR,       /* submission, logins in clear allowed */
    HOUSE_LMTP,
    HOUSE_POP3,  /* STLS at hand, logins in clear allowed */
    HOUSE_POP3S, /* POP3 under TLS from the start */
    HOUSE_IMAP,  /* STARTTLS at hand, logins in clear allowed; only when it is wished for */
    HOUSE_IMAPS, /* IMAP under TLS from the start */
    HOUSE_DOORS
};

/* ann, bob and carl@home.example have the password "secret"; both@ leads to ann and bob, some@ to
 * ann and carl; ann also has the alias sales@. */
struct house {
    char directory[64];
    char place[128];
    struct store *store;
    struct db *reader;
    struct loop_group *loops;
    struct worker_pool *workers;
    struct auth *auth;
    struct auth_throttle *throttle;
    struct listener_gate *gate;
    struct net_tls_context *tls;
    struct log *log;
    int log_file;
    struct session_services services;
    struct listener *listeners[HOUSE_DOORS];
    struct smtp_session_service doors[HOUSE_DOORS];
    struct pop3_locks *locks;
    struct pop3_session_service pop3_doors[HOUSE_DOORS];
    struct imap_session_service imap_doors[HOUSE_DOORS];
};

struct house_wish {
    const char *place; /* of the store, when it is not to be a file of the house's own */
    bool has_people;   /* the store has them already */
    const struct listener_face *pop3; /* instead of pop3_session_listener_face */
    const struct listener_face *imap; /* NULL: nobody speaks IMAP here */
    bool is_dev;
    struct session_limits limits;
};

/* For cmocka; *state is the house. house_set_up has no wishes. */
int house_set_up(void **state);
struct house *house_open(const struct house_wish *wish);
void house_stop(struct house *house); /* the loops; all else stands until house_tear_down */
void house_kill(struct house *house); /* the same, without waiting for anybody */
/* Whatever the sessions did: the store agrees with itself. Stops the house. */
void house_check(struct house *house);
int house_tear_down(void **state);

/* Runs SQL on the file, from beside the server. */
void house_execute(struct house *house, const char *sql);

/* Keeps the store from writing anything, from lock to unlock. */
struct sqlite3;
struct sqlite3 *house_lock(struct house *house);
void house_unlock(struct sqlite3 *lock);

/* From now on allocations fail on the loops' threads, after `count` of them on each; until
 * house_restore_memory, whose answer is whether one failed. */
void house_take_memory(struct house *house, size_t count);
bool house_restore_memory(struct house *house);

/* What lies in the inbox: how many, and the n-th (from 0) as text, to be freed. */
size_t house_count(struct house *house, const char *login);
char *house_message(struct house *house, const char *login, size_t number);

void house_set_quota(struct house *house, const char *login, int64_t bytes, int64_t messages);

/* Waits until a line with the text is in the log; fails the test when it does not come. */
void house_wait_for_log(struct house *house, const char *text);
bool house_log_has(struct house *house, const char *text);

/* ---- clients ---- */

struct caller {
    int descriptor;
    SSL_CTX *context;
    SSL *ssl;          /* NULL in clear */
    int version;       /* of TLS at most; 0 = the newest */
    unsigned commands; /* IMAP: how many were said; they are the tags */
};

/* Connects and, in clear, takes the greeting. */
struct caller house_call(struct house *house, enum house_door door);
void caller_hang_up(struct caller *caller);
/* In the middle of things. */
void caller_reset(struct caller *caller);
void caller_start_tls(struct caller *caller);

void caller_say(struct caller *caller, const char *text);
void caller_say_bytes(struct caller *caller, struct bytes bytes);
/* Reads a reply; its last line must begin with the text. The whole reply is given back until the
 * next call. */
const char *caller_hear(struct caller *caller, const char *start);
void caller_hear_end(struct caller *caller);
/* The code of the reply, whatever it is; 0 = the end came. */
int caller_hear_code(struct caller *caller);
/* Reads lines, literals among them, until one begins with the text; all of them, until the next
 * call. */
const char *caller_hear_until(struct caller *caller, const char *start);
/* Says a command, without its CRLF and tag, and hears all up to the tagged response, which must
 * begin with the text: "OK", "NO [CANNOT]". */
const char *caller_command(struct caller *caller, const char *command, const char *start);
/* Reads exactly so many bytes. */
void caller_read(struct caller *caller, char *memory, size_t size);
/* Both. */
const char *caller_ask(struct caller *caller, const char *text, const char *start);

#endif
