/* The IMAP server engine as talks see it: answers, events and facts in words. README.md lists them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "imap/imap_server.h"
#include "talk.h"
#include "talk_imap_command.h"
#include "talk_memory.h"

struct host {
    struct imap_server *engine;
    char *message; /* of APPEND, as far as it was told */
    size_t message_length;
    bool is_refused_for_memory; /* the engine said so to a command, and goes on */
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

/* ---- birth and death ---- */

/* Says `lines` before the talk begins, and answers what is asked with OK. */
static void say_before(struct imap_server *engine, const char *lines, int64_t now)
{
    struct bytes rest = bytes_from_string(lines);
    struct imap_server_event event;
    while (rest.length > 0) {
        rest = bytes_skip(rest, imap_server_feed(engine, rest, now));
        while (imap_server_next(engine, &event)) {
            if (event.kind == IMAP_SERVER_LOGIN)
                imap_server_login_done(engine, BYTES(""), now);
            else
                imap_server_finish(engine, IMAP_OK, BYTES(""), "Done", now);
        }
        imap_server_sent(engine, imap_server_output(engine).length, now);
    }
}

/* greeted, logged-in, selected, qresync: what has been said already when the talk begins. */
static void prepare(struct imap_server *engine, const struct talk_words *words, int64_t now)
{
    bool is_selected = has_bare(words, "selected");
    bool has_rev2 = has_bare(words, "rev2");
    bool has_qresync = has_bare(words, "qresync");
    bool is_logged_in = is_selected || has_rev2 || has_qresync || has_bare(words, "logged-in");
    if (is_logged_in || has_bare(words, "greeted"))
        imap_server_sent(engine, imap_server_output(engine).length, now);
    if (is_logged_in)
        say_before(engine, "x LOGIN ann secret\r\n", now);
    if (has_rev2)
        say_before(engine, "x ENABLE IMAP4rev2\r\n", now);
    if (has_qresync)
        say_before(engine, "x ENABLE QRESYNC\r\n", now);
    if (is_selected)
        say_before(engine, "x SELECT INBOX\r\n", now);
}

static void *open_host(const struct talk *talk, int64_t now, struct talk_event *refusal)
{
    const struct talk_words *words = &talk->options;
    const char *name = talk_words_find(words, "name");
    const struct imap_server_options options = {
        .name = name == NULL ? "mx.example" : name,
        .version = "1.2",
        .has_tls_at_hand = has_bare(words, "tls"),
        .is_implicit_tls = has_bare(words, "implicit-tls"),
        .allows_clear = has_bare(words, "clear") || has_bare(words, "logged-in") ||
                        has_bare(words, "selected") || has_bare(words, "rev2") ||
                        has_bare(words, "qresync"),
        .mechanisms = talk_words_find(words, "mechanisms"),
        .limits = {.commands_early = (unsigned)number_of(words, "commands-early", 0),
                   .errors = (unsigned)number_of(words, "errors", 0),
                   .auth_failures = (unsigned)number_of(words, "failures", 0),
                   .append_size = number_of(words, "append-size", 0),
                   .idle_early = (int64_t)number_of(words, "idle-early", 0),
                   .idle = (int64_t)number_of(words, "idle", 0)},
    };
    struct imap_server *engine = imap_server_new(&options, now, NULL);
    talk_memory_sleep();
    if (engine == NULL) {
        talk_event_add(refusal, "error", "memory");
        return NULL;
    }
    prepare(engine, words, now);
    struct host *host = calloc(1, sizeof *host);
    host->engine = engine;
    return host;
}

static void close_host(void *context)
{
    struct host *host = context;
    imap_server_free(host->engine);
    free(host->message);
    free(host);
}

/* ---- bytes ---- */

static size_t feed(void *context, const char *data, size_t length, int64_t now)
{
    struct host *host = context;
    return imap_server_feed(host->engine, bytes_of(data, length), now);
}

static size_t show(void *context, char *copy, size_t size)
{
    struct host *host = context;
    struct bytes output = imap_server_output(host->engine);
    host->is_refused_for_memory |= bytes_find(output, BYTES("Out of memory")) != BYTES_NOT_FOUND;
    output = bytes_slice(output, 0, size);
    if (output.length > 0)
        memcpy(copy, output.data, output.length);
    return output.length;
}

static void sent(void *context, size_t count, int64_t now)
{
    struct host *host = context;
    imap_server_sent(host->engine, count, now);
}

/* ---- events ---- */

static void describe_append(const struct imap_server_event *told, struct talk_event *event)
{
    const struct imap_append *append = told->append;
    add_number(event, "index", (long long)told->index);
    talk_imap_command_add_bytes(event, "mailbox", told->command->mailbox);
    add_number(event, "size", (long long)append->size);
    talk_imap_command_add_flags(event, &append->flags);
    if (append->has_date)
        add_number(event, "date", append->date / 1000000);
    talk_event_add(event, "binary", append->is_binary ? "yes" : "no");
}

static void describe(const struct imap_server_event *told, struct talk_event *event)
{
    static const char *const names[] = {
        [IMAP_SERVER_TLS_WANTED] = "tls-wanted",
        [IMAP_SERVER_LOGIN] = "login",
        [IMAP_SERVER_AUTH] = "auth",
        [IMAP_SERVER_AUTH_RESPONSE] = "auth-response",
        [IMAP_SERVER_COMMAND] = "command",
        [IMAP_SERVER_APPEND] = "append",
        [IMAP_SERVER_APPEND_PIECE] = "piece",
        [IMAP_SERVER_APPEND_END] = "append-end",
        [IMAP_SERVER_APPEND_DONE] = "append-done",
        [IMAP_SERVER_APPEND_BROKEN] = "append-broken",
        [IMAP_SERVER_IDLE] = "idle",
        [IMAP_SERVER_IDLE_DONE] = "idle-done",
        [IMAP_SERVER_COMPRESS] = "compress",
        [IMAP_SERVER_CLOSED] = "closed",
    };
    talk_event_add(event, "", names[told->kind]);
    switch (told->kind) {
    case IMAP_SERVER_LOGIN:
        talk_imap_command_add_bytes(event, "user", told->user);
        talk_imap_command_add_bytes(event, "password", told->password);
        break;
    case IMAP_SERVER_AUTH:
    case IMAP_SERVER_AUTH_RESPONSE:
        talk_imap_command_add_bytes(event, "mechanism", told->mechanism);
        talk_event_add(event, "has-response", told->response.data != NULL ? "yes" : "no");
        talk_imap_command_add_bytes(event, "response", told->response);
        break;
    case IMAP_SERVER_COMMAND:
        talk_imap_command_describe(event, told->command);
        break;
    case IMAP_SERVER_APPEND:
        describe_append(told, event);
        break;
    case IMAP_SERVER_APPEND_DONE:
        talk_imap_command_add_bytes(event, "mailbox", told->command->mailbox);
        break;
    case IMAP_SERVER_CLOSED:
        talk_event_add(event, "reason", told->reason);
        if (strcmp(told->reason, "out of memory") == 0)
            talk_event_add(event, "error", "memory");
        break;
    default:
        break;
    }
}

static void gather(struct host *host, struct bytes piece)
{
    talk_memory_sleep();
    host->message = realloc(host->message, host->message_length + piece.length + 1);
    memcpy(host->message + host->message_length, piece.data, piece.length);
    host->message_length += piece.length;
    talk_memory_wake();
}

/* The pieces of a message are told as one at its end: how they were cut is no matter. A long one is
   told by its length. */
static void add_message(struct host *host, struct talk_event *event)
{
    if (host->message_length <= 200)
        talk_imap_command_add_bytes(event, "message",
                                    bytes_of(host->message, host->message_length));
    add_number(event, "length", (long long)host->message_length);
    host->message_length = 0;
}

static bool next(void *context, struct talk_event *event)
{
    struct host *host = context;
    struct imap_server_event told;
    bool has_event = imap_server_next(host->engine, &told);
    while (has_event && told.kind == IMAP_SERVER_APPEND_PIECE) {
        gather(host, told.piece);
        has_event = imap_server_next(host->engine, &told);
    }
    if (has_event) {
        describe(&told, event);
        if (told.kind == IMAP_SERVER_APPEND_END)
            add_message(host, event);
        else if (told.kind == IMAP_SERVER_APPEND_BROKEN)
            host->message_length = 0;
    } else if (host->is_refused_for_memory) {
        host->is_refused_for_memory = false;
        talk_event_add(event, "", "refused");
        talk_event_add(event, "error", "memory");
        has_event = true;
    }
    return has_event;
}

/* ---- answers ---- */

static struct bytes value_of(const struct talk_word *word)
{
    return bytes_of(word->value, word->length);
}

/* The bare words behind the first, with blanks between them. */
static void join(const struct talk_words *words, char *text, size_t size)
{
    size_t length = 0;
    text[0] = '\0';
    for (size_t i = 1; i < words->count && length < size; i++) {
        if (*words->words[i].key == '\0')
            length += (size_t)snprintf(text + length, size - length, "%s%s", length == 0 ? "" : " ",
                                       words->words[i].value);
    }
}

static void finish(struct imap_server *engine, enum imap_status status,
                   const struct talk_words *words, int64_t now)
{
    char text[1024];
    join(words, text, sizeof text);
    imap_server_finish(engine, status, bytes_from_string(talk_words_find(words, "code")), text,
                       now);
}

/* "* 1 EXISTS", written by the host; take: where the host wrote it in a buffer of its own. */
static bool write_text(struct imap_server *engine, const struct talk_words *words, bool is_taken)
{
    struct buffer own = BUFFER(16 * 1024 * 1024);
    struct buffer *text = is_taken ? &own : imap_server_text(engine);
    buffer_append(text, value_of(bare(words, 1)));
    buffer_append_string(text, "\r\n");
    if (is_taken)
        imap_server_take_text(engine, text);
    bool is_right = !is_taken || (text->length == 0 && text->limit == 16 * 1024 * 1024);
    buffer_clear(&own);
    return is_right;
}

static const char *text_of(const struct talk_words *words, const char *otherwise)
{
    const char *text = talk_words_find(words, "text");
    return text == NULL ? otherwise : text;
}

static bool operate_word(struct host *host, const struct talk_words *words, int64_t now)
{
    struct imap_server *engine = host->engine;
    const struct talk_word *first = bare(words, 1);
    const char *verb = bare(words, 0)->value;
    if (strcmp(verb, "ok") == 0)
        finish(engine, IMAP_OK, words, now);
    else if (strcmp(verb, "no") == 0)
        finish(engine, IMAP_NO, words, now);
    else if (strcmp(verb, "bad") == 0)
        finish(engine, IMAP_BAD, words, now);
    else if (strcmp(verb, "text") == 0)
        return write_text(engine, words, false);
    else if (strcmp(verb, "take") == 0)
        return write_text(engine, words, true);
    else if (strcmp(verb, "logged-in") == 0)
        imap_server_login_done(engine, value_of(first), now);
    else if (strcmp(verb, "challenge") == 0)
        imap_server_login_challenge(engine, value_of(first), now);
    else if (strcmp(verb, "go") == 0)
        imap_server_append_go(engine, now);
    else if (strcmp(verb, "waited") == 0)
        imap_server_waited(engine, now - strtoll(first->value, NULL, 10), now);
    else if (strcmp(verb, "tls-started") == 0)
        imap_server_tls_started(engine, talk_words_find(words, "mechanisms"), now);
    else if (strcmp(verb, "compressed") == 0)
        imap_server_compressed(engine, now);
    else if (strcmp(verb, "bye") == 0)
        imap_server_bye(engine, talk_words_find(words, "code"), text_of(words, "No more"), now);
    else if (strcmp(verb, "stop") == 0)
        imap_server_stop(engine, now);
    else if (strcmp(verb, "fail") == 0)
        imap_server_fail(engine, text_of(words, "the host gave up"));
    else if (strcmp(verb, "time") == 0)
        imap_server_tick(engine, now);
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

/* enabled=condstore,qresync,rev2, or enabled=nothing. */
static bool has_enabled(const struct imap_server *engine, const char *expected)
{
    unsigned enabled = imap_server_enabled(engine);
    char text[64];
    snprintf(text, sizeof text, "%s%s%s%s", enabled == 0 ? ",nothing" : "",
             (enabled & IMAP_ENABLED_CONDSTORE) != 0 ? ",condstore" : "",
             (enabled & IMAP_ENABLED_QRESYNC) != 0 ? ",qresync" : "",
             (enabled & IMAP_ENABLED_REV2) != 0 ? ",rev2" : "");
    return strcmp(text + 1, expected) == 0;
}

static bool is_known(const struct imap_server *engine, const struct talk_word *word)
{
    if (strcmp(word->key, "owed") == 0)
        return imap_server_is_answer_owed(engine);
    if (strcmp(word->key, "closed") == 0)
        return imap_server_is_closed(engine);
    if (strcmp(word->key, "selected") == 0)
        return imap_server_is_selected(engine);
    if (strcmp(word->key, "idling") == 0)
        return imap_server_is_idling(engine);
    if (strcmp(word->key, "full") == 0)
        return imap_server_is_full(engine);
    if (strcmp(word->key, "tls-wanted") == 0)
        return imap_server_wants_tls(engine);
    if (strcmp(word->key, "compression-wanted") == 0)
        return imap_server_wants_compression(engine);
    return strcmp(word->key, "enabled") == 0 && has_enabled(engine, word->value);
}

static bool check_known(const struct host *host, const struct talk_words *words,
                        struct talk_event *event)
{
    bool is_right = true;
    for (size_t i = 0; i < words->count && is_right; i++)
        is_right = check_fact(is_known(host->engine, &words->words[i]), &words->words[i], event);
    return is_right;
}

static bool check_deadline(const struct host *host, const struct talk_words *words, int64_t now,
                           struct talk_event *event)
{
    int64_t deadline = imap_server_deadline(host->engine);
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

const struct talk_engine talk_imap_server = {
    .name = "imap_server",
    .is_server = true,
    .open = open_host,
    .close = close_host,
    .feed = feed,
    .show = show,
    .sent = sent,
    .next = next,
    .operate = operate,
};
