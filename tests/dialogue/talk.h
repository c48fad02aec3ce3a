/* A talk is a test as a text file: what a peer says, what an engine must answer, what it must tell
 * its host. This is the part that knows no engine: reading talks and playing them in several
 * manners. README.md has the format. */
#ifndef TALK_H
#define TALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One word of a line: key=value, or a bare word (key ""). Values may hold any byte; a NUL stands
 * behind. */
struct talk_word {
    char *key;
    char *value;
    size_t length;
};

struct talk_words {
    struct talk_word *words;
    size_t count;
};

/* The value of the first word with this key; NULL without one. */
const char *talk_words_find(const struct talk_words *words, const char *key);

/* One line of a talk. */
struct talk_step {
    char kind; /* 'S', 'C', 'E', 'O', 'A'... */
    int line;
    char *text; /* 'S' and 'C': the bytes; others: as written */
    size_t length;
    struct talk_words words; /* kinds other than 'S' and 'C' */
};

struct talk {
    char *name; /* "smtp_client/greeting" */
    char engine[64];
    struct talk_step *steps;
    size_t count;
    struct talk_words options; /* of all "option:" lines */
};

/* Reads a talk; exits with a message when it cannot be understood. The directory's name is the
 * engine's, unless the talk says otherwise. */
struct talk *talk_load(const char *path);
void talk_free(struct talk *talk);

/* What an engine told, as words: done transaction error=ok fate=accepted. */
struct talk_event {
    struct talk_words words;
    struct talk_event *next;
};

/* Appends a word to an event; key "" = a bare one. The value is copied. */
void talk_event_add(struct talk_event *event, const char *key, const char *value);

/* An engine under test. Times are milliseconds; the player's clock moves only when the talk says
 * so. */
struct talk_engine {
    const char *name;
    bool is_server; /* what the client says is fed, what the server says is awaited */
    void *(*open)(const struct talk *talk, int64_t now,
                  struct talk_event *refusal); /* NULL: refusal filled */
    void (*close)(void *engine);
    size_t (*feed)(void *engine, const char *data, size_t length, int64_t now);
    size_t (*show)(void *engine, char *copy,
                   size_t size); /* copies the front of what is to be written */
    void (*sent)(void *engine, size_t count, int64_t now);
    bool (*next)(void *engine, struct talk_event *event);
    /* 'O', 'A' and other kinds that the player does not know. False: *event tells why not. */
    bool (*operate)(void *engine, const struct talk_step *step, int64_t now,
                    struct talk_event *event);
};

extern const struct talk_engine talk_smtp_client;
extern const struct talk_engine talk_smtp_server;
extern const struct talk_engine talk_pop3_server;
extern const struct talk_engine talk_imap_server;

/* How a talk is played. */
enum talk_manner {
    TALK_WHOLE = 0,
    TALK_BYTES,
    TALK_RANDOM,
    TALK_MEMORY
};

/* Plays it; false: the reason was printed as a TAP comment. `number` is the seed of TALK_RANDOM,
 * and with TALK_MEMORY how many allocations succeed: *was_refused says whether one was refused,
 * after which a clean error is right as well. */
bool talk_play(const struct talk *talk, const struct talk_engine *engine, enum talk_manner manner,
               unsigned number, bool *was_refused);

#endif
