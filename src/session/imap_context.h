/* What the families of IMAP commands work on, and how they answer. Each family is a struct that is
 * made for one command, goes on until it is done, and is freed; it holds no pointer to the session,
 * only to this. */
#ifndef SESSION_IMAP_CONTEXT_H
#define SESSION_IMAP_CONTEXT_H

#include "base/buffer.h"
#include "imap/imap_server.h"
#include "session/session_identity.h"
#include "store/store_accounts.h"

struct imap_selection;

enum {
    IMAP_CODE_MAX = 512 * 1024, /* bytes of a response code: COPYUID of many messages */
    IMAP_SLICE = 64 * 1024      /* bytes of an answer that are made at once, about */
};

/* One for a session; lives as long as it does, but jobs may come back later: they keep their own
   copies of what they need. */
struct imap_context {
    struct session_services *services;
    const struct session_identity *identity;
    struct imap_server *engine;          /* responses go into imap_server_text(engine) */
    const struct store_account *account; /* who logged in */
    struct imap_selection *selection;    /* NULL = no mailbox is selected */
    /* Run on the loop's thread when a job has come back: the session then calls go_on of the family
       in hand, from outside any call of the face. */
    struct loop_task *told;
};

/* How far a command is. */
enum imap_progress {
    IMAP_WAITS = 0, /* for a job: `told` will be run */
    IMAP_FULL,      /* until what was written is sent: imap_server_is_full */
    IMAP_DONE       /* the result is filled */
};

/* The tagged response. init with IMAP_RESULT, cleared by the session. */
struct imap_result {
    enum imap_status status;
    struct buffer code; /* "TRYCREATE"; empty = none */
    const char *text;   /* static */
};
#define IMAP_RESULT ((struct imap_result){.code = BUFFER(IMAP_CODE_MAX)})

/* Fill a result; they return IMAP_DONE. `code` NULL = none. */
enum imap_progress imap_result_set(struct imap_result *result, enum imap_status status,
                                   const char *code, const char *text);
/* A fault of the store or of memory in IMAP's words (temporary: NO [UNAVAILABLE], limit: NO
   [LIMIT]...); logged where it is trouble. */
enum imap_progress imap_result_fault(struct imap_result *result, const struct imap_context *context,
                                     enum session_trouble trouble, const struct fault *fault);

/* Is IMAP4rev2 enabled: names and strings are UTF-8, no \Recent, ESEARCH instead of SEARCH. */
static inline bool imap_context_is_rev2(const struct imap_context *context)
{
    return (imap_server_enabled(context->engine) & IMAP_ENABLED_REV2) != 0;
}

#endif
