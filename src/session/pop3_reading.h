/* Messages out of the store for a POP3 session, by workers: small ones many at a time, read ahead
 * for clients that fetch one after another; large ones in slices, the next only when it is asked
 * for. May outlive its session while a worker is at it. Loop's thread only. */
#ifndef SESSION_POP3_READING_H
#define SESSION_POP3_READING_H

#include "session/session_identity.h"

enum {
    POP3_READING_SLICE = POP3_SERVER_PIECE_MAX, /* bytes of a message in memory at a time */
    POP3_READING_TOP_SLICE = 16 * 1024,         /* the first for TOP: most headers fit */
    POP3_READING_BATCH = 64 * 1024,             /* bytes of small messages that are read at once */
    POP3_READING_AHEAD = 256 * 1024,            /* the same for a client that reads all in order */
    POP3_READING_BATCH_COUNT = 256,             /* messages read at once */
    POP3_READING_KEPT = 2000                    /* milliseconds that they stay in memory */
};

enum pop3_reading_status {
    POP3_READING_WAITS = 0, /* for a worker */
    POP3_READING_PIECE,     /* pop3_reading_piece has the next bytes */
    POP3_READING_END,       /* the message is whole */
    POP3_READING_GONE,      /* somebody removed it meanwhile */
    POP3_READING_FAILED     /* the store cannot be read; it was logged */
};

struct pop3_reading;

/* `told` is embedded in the session: its run is called on the loop's thread, from outside any call
 * of the session's face, when a worker has come back. Services and maildrop are borrowed until
 * pop3_reading_free. NULL: out of memory. */
struct pop3_reading *pop3_reading_new(struct session_services *services,
                                      const struct session_identity *identity, int64_t mailbox,
                                      const struct pop3_server_maildrop *maildrop,
                                      struct loop_task *told, struct fault *fault);
void pop3_reading_free(struct pop3_reading *reading); /* at any time; accepts NULL */

/* Begins with a message; what was left of another is forgotten. is_top: its front will do. */
enum pop3_reading_status pop3_reading_begin(struct pop3_reading *reading, uint32_t number,
                                            bool is_top, int64_t now);
enum pop3_reading_status pop3_reading_status(const struct pop3_reading *reading);

/* Borrowed until the next call. */
struct bytes pop3_reading_piece(const struct pop3_reading *reading);

/* The piece was used: its memory is given back, unless it is that of more messages. */
void pop3_reading_used(struct pop3_reading *reading);

/* The last piece of the message has been there. */
bool pop3_reading_is_at_end(const struct pop3_reading *reading);

/* Goes on behind the piece. */
enum pop3_reading_status pop3_reading_next(struct pop3_reading *reading, int64_t now);

/* When pop3_reading_tick must be called, which gives back what nobody asked for; 0 = never. */
int64_t pop3_reading_deadline(const struct pop3_reading *reading);
void pop3_reading_tick(struct pop3_reading *reading, int64_t now);

#endif
