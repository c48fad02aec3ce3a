/* The POP3 server engine as talks see it: answers, events and facts in words. README.md lists them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pop3/pop3_server.h"
#include "talk.h"
#include "talk_memory.h"

enum {
    MESSAGES_MAX = 200000
};

struct host {
    struct pop3_server *engine;
    struct pop3_server_message *messages; /* what the engine borrows */
    bool is_refused_for_memory;           /* the engine said so to a command, and goes on */
};

/* ---- words ---- */

static bool has_bare(const struct talk_words *words, const char *word)
{
    for (size_t i = 0; i < words->count; i++) {
        if (*words->words[i].key == '\0' && strcmp(words->words[i].value, word) == 0)
            return true;
    }
    return false;
}

static const struct talk_word *bare(const struct talk_words *words, size_t index)
{
    static const struct talk_word none = {.key = (char *)"", .value = (char *)""};
    return index < words->count && *words->words[index].key == '\0' ? &words->words[index] : &none;
}

static unsigned long long number_of(const struct talk_words *words, const char *key,
                                    unsigned long long otherwise)
{
    const char *value = talk_words_find(words, key);
    return value == NULL ? otherwise : strtoull(value, NULL, 10);
}

static void add_number(struct talk_event *event, const char *key, long long number)
{
    char text[32];
    snprintf(text, sizeof text, "%lld", number);
    talk_event_add(event, key, text);
}

/* Bytes that are no text are told in hexadecimal digits. */
static void add_bytes(struct talk_event *event, const char *key, struct bytes bytes)
{
    char text[2048];
    size_t length = 0;
    for (size_t i = 0; i < bytes.length && length + 5 < sizeof text; i++) {
        unsigned char c = (unsigned char)bytes.data[i];
        if (c < ' ' || c == 127)
            length += (size_t)snprintf(text + length, sizeof text - length, "<%02x>", c);
        else
            text[length++] = (char)c;
    }
    text[length] = '\0';
    talk_event_add(event, key, text);
}

/* ---- birth and death ---- */

static void *open_host(const struct talk *talk, int64_t now, struct talk_event *refusal)
{
    const struct talk_words *words = &talk->options;
    const char *name = talk_words_find(words, "name");
    const char *version = talk_words_find(words, "version");
    const struct pop3_server_options options = {
        .name = name == NULL ? "mx.example" : name,
        .version = version == NULL ? "1.2" : version,
        .has_tls_at_hand = has_bare(words, "tls"),
        .is_implicit_tls = has_bare(words, "implicit-tls"),
        .allows_clear = has_bare(words, "clear"),
        .mechanisms = talk_words_find(words, "mechanisms"),
        .limits = {.commands = (unsigned)number_of(words, "commands", 0),
                   .commands_early = (unsigned)number_of(words, "commands-early", 0),
                   .errors = (unsigned)number_of(words, "errors", 0),
                   .auth_failures = (unsigned)number_of(words, "failures", 0),
                   .idle_early = (int64_t)number_of(words, "idle-early", 0),
                   .idle = (int64_t)number_of(words, "idle", 0),
                   .session = (int64_t)number_of(words, "session", 0)},
    };
    struct pop3_server *engine = pop3_server_new(&options, now, NULL);
    talk_memory_sleep();
    if (engine == NULL) {
        talk_event_add(refusal, "error", "memory");
        return NULL;
    }
    struct host *host = calloc(1, sizeof *host);
    host->engine = engine;
    return host;
}

static void close_host(void *context)
{
    struct host *host = context;
    pop3_server_free(host->engine);
    free(host->messages);
    free(host);
}

/* ---- bytes ---- */

static size_t feed(void *context, const char *data, size_t length, int64_t now)
{
    struct host *host = context;
    return pop3_server_feed(host->engine, bytes_of(data, length), now);
}

static size_t show(void *context, char *copy, size_t size)
{
    struct host *host = context;
    struct bytes output = pop3_server_output(host->engine);
    host->is_refused_for_memory |= bytes_find(output, BYTES("Out of memory")) != BYTES_NOT_FOUND;
    output = bytes_slice(output, 0, size);
    if (output.length > 0)
        memcpy(copy, output.data, output.length);
    return output.length;
}

static void sent(void *context, size_t count, int64_t now)
{
    struct host *host = context;
    pop3_server_sent(host->engine, count, now);
}

/* ---- events ---- */

static void add_deleted(struct talk_event *event, const struct pop3_server *engine)
{
    char text[512] = "";
    size_t length = 0;
    for (uint32_t i = 0; i < MESSAGES_MAX && length + 16 < sizeof text; i++) {
        if (pop3_server_is_deleted(engine, i))
            length += (size_t)snprintf(text + length, sizeof text - length, "%s%u",
                                       length == 0 ? "" : ",", i + 1);
    }
    talk_event_add(event, "deleted", text);
    add_number(event, "count", (long long)pop3_server_deleted_count(engine));
}

static void describe(const struct host *host, const struct pop3_server_event *told,
                     struct talk_event *event)
{
    static const char *const names[] = {
        [POP3_SERVER_TLS_WANTED] = "tls-wanted",
        [POP3_SERVER_LOGIN] = "login",
        [POP3_SERVER_AUTH] = "auth",
        [POP3_SERVER_AUTH_RESPONSE] = "auth-response",
        [POP3_SERVER_RETR] = "retr",
        [POP3_SERVER_TOP] = "top",
        [POP3_SERVER_QUIT] = "quit",
        [POP3_SERVER_CLOSED] = "closed",
    };
    talk_event_add(event, "", names[told->kind]);
    switch (told->kind) {
    case POP3_SERVER_TLS_WANTED:
        break;
    case POP3_SERVER_LOGIN:
        add_bytes(event, "user", told->user);
        add_bytes(event, "password", told->password);
        break;
    case POP3_SERVER_AUTH:
    case POP3_SERVER_AUTH_RESPONSE:
        add_bytes(event, "mechanism", told->mechanism);
        talk_event_add(event, "has-response", told->response.data != NULL ? "yes" : "no");
        add_bytes(event, "response", told->response);
        break;
    case POP3_SERVER_TOP:
        add_number(event, "lines", (long long)told->lines);
        add_number(event, "number", told->number + 1LL);
        break;
    case POP3_SERVER_RETR:
        add_number(event, "number", told->number + 1LL);
        break;
    case POP3_SERVER_QUIT:
        add_deleted(event, host->engine);
        break;
    case POP3_SERVER_CLOSED:
        talk_event_add(event, "reason", told->reason);
        if (strcmp(told->reason, "out of memory") == 0)
            talk_event_add(event, "error", "memory");
        break;
    }
    talk_event_add(event, "utf8", told->is_utf8 ? "yes" : "no");
}

static bool next(void *context, struct talk_event *event)
{
    struct host *host = context;
    struct pop3_server_event told;
    bool has_event = pop3_server_next(host->engine, &told);
    if (has_event) {
        describe(host, &told, event);
    } else if (host->is_refused_for_memory) {
        host->is_refused_for_memory = false;
        talk_event_add(event, "", "refused");
        talk_event_add(event, "error", "memory");
        has_event = true;
    }
    return has_event;
}

/* ---- answers ---- */

/* sizes=120,200 uids=7,9, or count=100000 size=10 and UIDs from 1 on. */
static size_t make_messages(struct host *host, const struct talk_words *words, uint64_t *sum)
{
    const char *sizes = talk_words_find(words, "sizes");
    const char *uids = talk_words_find(words, "uids");
    size_t count = (size_t)number_of(words, "count", 0);
    char *rest = (char *)(uintptr_t)(sizes == NULL ? "" : sizes);
    char *uid_rest = (char *)(uintptr_t)(uids == NULL ? "" : uids);
    free(host->messages);
    host->messages = calloc(MESSAGES_MAX, sizeof *host->messages);
    for (size_t i = 0; i < MESSAGES_MAX && (i < count || *rest != '\0'); i++) {
        struct pop3_server_message *message = &host->messages[i];
        message->size = *rest != '\0' ? strtoull(rest, &rest, 10) : number_of(words, "size", 0);
        message->uid =
            *uid_rest != '\0' ? (uint32_t)strtoul(uid_rest, &uid_rest, 10) : (uint32_t)(i + 1);
        rest += *rest == ',';
        uid_rest += *uid_rest == ',';
        *sum += message->size;
        count = i + 1 > count ? i + 1 : count;
    }
    return count;
}

static void log_in(struct host *host, const struct talk_words *words, int64_t now)
{
    talk_memory_sleep();
    struct pop3_server_maildrop maildrop = {0};
    maildrop.count = make_messages(host, words, &maildrop.size);
    maildrop.messages = host->messages;
    maildrop.uidvalidity = (uint32_t)number_of(words, "uidvalidity", 42);
    talk_memory_wake();
    pop3_server_logged_in(host->engine, &maildrop, now);
}

/* As many pieces as the engine wants at the moment; in= is how long each is. */
static void give_message(struct host *host, const struct talk_words *words, int64_t now)
{
    const struct talk_word *body = bare(words, 1);
    struct bytes rest = bytes_of(body->value, body->length);
    size_t most = (size_t)number_of(words, "in", POP3_SERVER_PIECE_MAX);
    pop3_server_begin_message(host->engine, rest.length, now);
    while (rest.length > 0 && pop3_server_is_message_open(host->engine)) {
        struct bytes piece = bytes_slice(rest, 0, most);
        rest = bytes_skip(rest, piece.length);
        pop3_server_message_piece(host->engine, piece, now);
    }
    if (pop3_server_is_message_open(host->engine))
        pop3_server_message_end(host->engine, now);
}

static const char *text_of(const struct talk_words *words, const char *otherwise)
{
    const char *text = talk_words_find(words, "text");
    return text == NULL ? otherwise : text;
}

static bool operate_word(struct host *host, const struct talk_words *words, int64_t now)
{
    struct pop3_server *engine = host->engine;
    const struct talk_word *first = bare(words, 1);
    const char *verb = bare(words, 0)->value;
    if (strcmp(verb, "logged-in") == 0)
        log_in(host, words, now);
    else if (strcmp(verb, "challenge") == 0)
        pop3_server_challenge(engine, bytes_of(first->value, first->length), now);
    else if (strcmp(verb, "refuse") == 0)
        pop3_server_refuse(engine, talk_words_find(words, "code"), text_of(words, "No"), now);
    else if (strcmp(verb, "message") == 0)
        give_message(host, words, now);
    else if (strcmp(verb, "begin") == 0)
        pop3_server_begin_message(engine, number_of(words, "size", 0), now);
    else if (strcmp(verb, "piece") == 0)
        pop3_server_message_piece(engine, bytes_of(first->value, first->length), now);
    else if (strcmp(verb, "end") == 0)
        pop3_server_message_end(engine, now);
    else if (strcmp(verb, "quit-done") == 0)
        pop3_server_quit_done(engine, now);
    else if (strcmp(verb, "tls-started") == 0)
        pop3_server_tls_started(engine, talk_words_find(words, "mechanisms"), now);
    else if (strcmp(verb, "stop") == 0)
        pop3_server_stop(engine, now);
    else if (strcmp(verb, "lock-lost") == 0)
        pop3_server_lock_lost(engine, now);
    else if (strcmp(verb, "fail") == 0)
        pop3_server_fail(engine, text_of(words, "the host gave up"));
    else if (strcmp(verb, "time") == 0)
        pop3_server_tick(engine, now);
    else
        return false;
    return true;
}

/* ---- facts ---- */

static bool check_fact(bool is_so, const struct talk_word *word, struct talk_event *event)
{
    bool is_meant = strcmp(word->value, "no") != 0;
    if (is_so == is_meant)
        return true;
    talk_event_add(event, "", "fact-differs");
    talk_event_add(event, "fact", word->key);
    return false;
}

static bool check_known(const struct host *host, const struct talk_words *words,
                        struct talk_event *event)
{
    bool is_right = true;
    for (size_t i = 0; i < words->count && is_right; i++) {
        const struct talk_word *word = &words->words[i];
        if (strcmp(word->key, "owed") == 0)
            is_right = check_fact(pop3_server_is_answer_owed(host->engine), word, event);
        else if (strcmp(word->key, "closed") == 0)
            is_right = check_fact(pop3_server_is_closed(host->engine), word, event);
        else if (strcmp(word->key, "open") == 0)
            is_right = check_fact(pop3_server_is_message_open(host->engine), word, event);
        else if (strcmp(word->key, "piece") == 0)
            is_right = check_fact(pop3_server_wants_piece(host->engine), word, event);
        else if (strcmp(word->key, "tls-wanted") == 0)
            is_right = check_fact(pop3_server_wants_tls(host->engine), word, event);
        else
            is_right = check_fact(false, word, event);
    }
    return is_right;
}

static bool check_deadline(const struct host *host, const struct talk_words *words, int64_t now,
                           struct talk_event *event)
{
    int64_t deadline = pop3_server_deadline(host->engine);
    const char *expected = bare(words, 0)->value;
    if (deadline == 0 ? strcmp(expected, "none") == 0
                      : strtoll(expected, NULL, 10) == deadline - now && *expected != 'n')
        return true;
    talk_event_add(event, "", "deadline-differs");
    add_number(event, "deadline", deadline == 0 ? -1 : deadline - now);
    return false;
}

static bool operate(void *context, const struct talk_step *step, int64_t now,
                    struct talk_event *event)
{
    struct host *host = context;
    if (step->kind == 'K')
        return check_known(host, &step->words, event);
    if (step->kind == 'D')
        return check_deadline(host, &step->words, now, event);
    if (operate_word(host, &step->words, now))
        return true;
    talk_memory_sleep();
    talk_event_add(event, "", "unknown-operation");
    return false;
}

const struct talk_engine talk_pop3_server = {
    .name = "pop3_server",
    .is_server = true,
    .open = open_host,
    .close = close_host,
    .feed = feed,
    .show = show,
    .sent = sent,
    .next = next,
    .operate = operate,
};
