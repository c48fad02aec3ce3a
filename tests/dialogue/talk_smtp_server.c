/* The SMTP, submission and LMTP server engine as talks see it: what the host answers and what the
 * engine tells, in words. README.md lists them. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "smtp/smtp_server.h"
#include "talk.h"
#include "talk_memory.h"

enum {
    TEXT_SIZE = 1024
};

struct host {
    struct smtp_server *server;
    char *body; /* slices so far; told as one event */
    size_t body_length;
    bool has_kept; /* an event that comes behind the body */
    struct smtp_server_event kept;
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

static struct bytes bare(const struct talk_words *words, size_t index)
{
    return index < words->count && *words->words[index].key == '\0'
               ? bytes_of(words->words[index].value, words->words[index].length)
               : (struct bytes){NULL, 0};
}

static unsigned long long number(const struct talk_words *words, const char *key)
{
    const char *value = talk_words_find(words, key);
    return value == NULL ? 0 : strtoull(value, NULL, 10);
}

/* A NUL cannot stand in a word: it is shown as (NUL). */
static void add_bytes(struct talk_event *event, const char *key, struct bytes bytes)
{
    char *text = calloc(1, 5 * bytes.length + 1);
    char *end = text;
    for (size_t i = 0; i < bytes.length; i++) {
        if (bytes.data[i] == '\0')
            end = stpcpy(end, "(NUL)");
        else
            *end++ = bytes.data[i];
    }
    talk_event_add(event, key, text);
    free(text);
}

static void add_number(struct talk_event *event, const char *key, unsigned long long value)
{
    char text[32];
    snprintf(text, sizeof text, "%llu", value);
    talk_event_add(event, key, text);
}

static void add_flag(struct talk_event *event, const char *key, bool value)
{
    talk_event_add(event, key, value ? "yes" : "no");
}

/* ---- birth and death ---- */

static struct smtp_server_limits read_limits(const struct talk_words *words)
{
    return (struct smtp_server_limits){
        .recipients = (unsigned)number(words, "recipients"),
        .messages = (unsigned)number(words, "messages"),
        .commands = (unsigned)number(words, "commands"),
        .errors_soft = (unsigned)number(words, "errors-soft"),
        .errors = (unsigned)number(words, "errors"),
        .auth_failures = (unsigned)number(words, "auth-failures"),
        .size = number(words, "size"),
        .idle = (int64_t)number(words, "idle"),
        .session = (int64_t)number(words, "session"),
        .least_rate = (unsigned)number(words, "least-rate"),
    };
}

static void close_host(void *engine)
{
    struct host *host = engine;
    smtp_server_free(host->server);
    free(host->body);
    free(host);
}

static void *open_host(const struct talk *talk, int64_t now, struct talk_event *refusal)
{
    const struct talk_words *options = &talk->options;
    const char *mechanisms = talk_words_find(options, "mechanisms");
    struct fault fault;
    talk_memory_sleep();
    struct host *host = calloc(1, sizeof *host);
    struct smtp_server_options server_options = {
        .name = "mx.example",
        .peer = "192.0.2.1",
        .is_lmtp = has_bare(options, "lmtp"),
        .is_submission = has_bare(options, "submission"),
        .has_tls_at_hand = has_bare(options, "tls"),
        .needs_tls = has_bare(options, "needs-tls"),
        .is_implicit_tls = has_bare(options, "implicit-tls"),
        .mechanisms = mechanisms,
        .limits = read_limits(options),
    };
    talk_memory_wake();
    host->server = smtp_server_new(&server_options, now, &fault);
    talk_memory_sleep();
    if (host->server != NULL)
        return host;
    talk_event_add(refusal, "", "refused");
    talk_event_add(refusal, "error", "memory");
    free(host);
    return NULL;
}

/* ---- bytes ---- */

static size_t feed(void *engine, const char *data, size_t length, int64_t now)
{
    return smtp_server_feed(((struct host *)engine)->server, bytes_of(data, length), now);
}

static size_t show(void *engine, char *copy, size_t size)
{
    struct bytes output = smtp_server_output(((struct host *)engine)->server);
    size_t length = output.length < size ? output.length : size;
    if (length > 0)
        memcpy(copy, output.data, length);
    return length;
}

static void sent(void *engine, size_t count, int64_t now)
{
    smtp_server_sent(((struct host *)engine)->server, count, now);
}

/* ---- events ---- */

static void add_notify(struct talk_event *words, unsigned notify)
{
    static const char *const names[] = {"never", "success", "failure", "delay"};
    char text[TEXT_SIZE] = "";
    for (unsigned i = 0; i < 4; i++) {
        if ((notify & 1U << i) == 0)
            continue;
        if (*text != '\0')
            strcat(text, ",");
        strcat(text, names[i]);
    }
    talk_event_add(words, "notify", text);
}

static void add_mail(struct talk_event *words, const struct smtp_server_event *event)
{
    static const char *const bodies[] = {"7bit", "8bit", "binary"};
    static const char *const contents[] = {"", "full", "headers"};
    add_bytes(words, "from", event->address);
    if (event->has_size)
        add_number(words, "size", event->size);
    talk_event_add(words, "body", bodies[event->body]);
    add_flag(words, "utf8", event->is_utf8);
    talk_event_add(words, "ret", contents[event->return_content]);
    add_bytes(words, "envid", event->envelope_id);
}

static void add_response(struct talk_event *words, struct bytes response)
{
    if (response.data == NULL)
        talk_event_add(words, "", "none");
    else
        add_bytes(words, "response", response);
}

static void describe(struct talk_event *words, const struct smtp_server_event *event)
{
    static const char *const kinds[] = {"hello",        "tls-wanted", "auth",  "auth-response",
                                        "mail",         "rcpt",       "body",  "end",
                                        "refused-body", "reset",      "closed"};
    talk_event_add(words, "", kinds[event->kind]);
    switch (event->kind) {
    case SMTP_SERVER_HELLO:
        add_bytes(words, "name", event->name);
        add_flag(words, "extended", event->is_extended);
        break;
    case SMTP_SERVER_AUTH:
        add_bytes(words, "mechanism", event->mechanism);
        add_response(words, event->response);
        break;
    case SMTP_SERVER_AUTH_RESPONSE:
        add_response(words, event->response);
        break;
    case SMTP_SERVER_MAIL:
        add_mail(words, event);
        break;
    case SMTP_SERVER_RCPT:
        add_bytes(words, "to", event->address);
        add_notify(words, event->notify);
        add_bytes(words, "orcpt", event->original_recipient);
        break;
    case SMTP_SERVER_REFUSED_BODY:
    case SMTP_SERVER_CLOSED:
        talk_event_add(words, "reason", event->reason);
        if (strcmp(event->reason, "out of memory") == 0)
            talk_event_add(words, "error", "memory");
        break;
    case SMTP_SERVER_TLS_WANTED:
    case SMTP_SERVER_BODY:
    case SMTP_SERVER_END:
    case SMTP_SERVER_RESET:
        break;
    }
}

static void keep_slice(struct host *host, struct bytes piece)
{
    host->body = realloc(host->body, host->body_length + piece.length);
    memcpy(host->body + host->body_length, piece.data, piece.length);
    host->body_length += piece.length;
}

/* The slices of a body are one event, in front of the end; those of a body that came to nothing are
 * none. */
static bool next(void *engine, struct talk_event *words)
{
    struct host *host = engine;
    struct smtp_server_event event = host->kept;
    bool is_there = host->has_kept;
    host->has_kept = false;
    while (!is_there) {
        talk_memory_wake();
        is_there = smtp_server_next(host->server, &event);
        talk_memory_sleep();
        if (!is_there)
            return false;
        if (event.kind == SMTP_SERVER_BODY) {
            keep_slice(host, event.piece);
            is_there = false;
        }
    }
    if (event.kind == SMTP_SERVER_END && host->body_length > 0) {
        talk_event_add(words, "", "body");
        add_bytes(words, "", bytes_of(host->body, host->body_length));
        host->has_kept = true;
        host->kept = event;
    } else {
        describe(words, &event);
    }
    host->body_length = 0;
    return true;
}

/* ---- the host ---- */

static bool complain(struct talk_event *event, const char *word, const char *actual)
{
    talk_event_add(event, "", "differs");
    talk_event_add(event, word, actual);
    return false;
}

/* A: 250 2.1.0 text; the enhanced code may be missing, "\n" begins another line. */
static void answer(struct host *host, const char *text, int64_t now)
{
    char copy[TEXT_SIZE];
    struct smtp_server_reply reply = {.code = atoi(text)};
    snprintf(copy, sizeof copy, "%s", text + strcspn(text, " "));
    char *rest = copy + strspn(copy, " ");
    if (strspn(rest, "0123456789.") >= 5) {
        reply.enhanced = rest;
        rest += strcspn(rest, " ");
        if (*rest != '\0')
            *rest++ = '\0';
    }
    for (char *end; (end = strstr(rest, "\\n")) != NULL;) {
        *end = '\n';
        memmove(end + 1, end + 2, strlen(end + 2) + 1);
    }
    reply.text = rest;
    talk_memory_wake();
    smtp_server_answer(host->server, &reply, now);
    talk_memory_sleep();
}

/* D: 300000 (milliseconds from now) or none. */
static bool check_deadline(const struct host *host, const struct talk_words *words, int64_t now,
                           struct talk_event *event)
{
    int64_t deadline = smtp_server_deadline(host->server);
    char actual[32] = "none";
    if (deadline != 0)
        snprintf(actual, sizeof actual, "%lld", (long long)(deadline - now));
    return strcmp(actual, words->words[0].value) == 0 || complain(event, "deadline", actual);
}

/* K: owed=yes input=no closed=no. */
static bool check_known(const struct host *host, const struct talk_words *words,
                        struct talk_event *event)
{
    for (size_t i = 0; i < words->count; i++) {
        const struct talk_word *word = &words->words[i];
        bool value = strcmp(word->key, "owed") == 0    ? smtp_server_is_answer_owed(host->server)
                     : strcmp(word->key, "input") == 0 ? smtp_server_wants_input(host->server)
                                                       : smtp_server_is_closed(host->server);
        if (value != (strcmp(word->value, "yes") == 0))
            return complain(event, word->key, value ? "yes" : "no");
    }
    return true;
}

static void carry_out(struct host *host, const char *verb, const struct talk_words *words,
                      int64_t now)
{
    talk_memory_wake();
    if (strcmp(verb, "challenge") == 0) {
        smtp_server_challenge(host->server, bare(words, 1), now);
    } else if (strcmp(verb, "authenticated") == 0) {
        smtp_server_authenticated(host->server, bare(words, 1), now);
    } else if (strcmp(verb, "tls-started") == 0) {
        smtp_server_tls_started(host->server, talk_words_find(words, "mechanisms"), now);
    } else if (strcmp(verb, "stop") == 0) {
        smtp_server_stop(host->server, now);
    } else if (strcmp(verb, "time") == 0) {
        smtp_server_tick(host->server, now);
    } else if (strcmp(verb, "limits") == 0) {
        struct smtp_server_limits limits = read_limits(words);
        smtp_server_set_limits(host->server, &limits);
    } else {
        fprintf(stderr, "no such operation: %s\n", verb);
        exit(2);
    }
    talk_memory_sleep();
}

static bool operate(void *engine, const struct talk_step *step, int64_t now,
                    struct talk_event *event)
{
    struct host *host = engine;
    talk_memory_sleep();
    if (step->kind == 'K')
        return check_known(host, &step->words, event);
    if (step->kind == 'D')
        return check_deadline(host, &step->words, now, event);
    const char *verb = step->words.count > 0 ? step->words.words[0].value : "";
    bool is_about_tls = strcmp(verb, "tls-started") == 0;
    if (step->kind == 'A' && !is_about_tls && !smtp_server_is_answer_owed(host->server))
        return complain(event, "owed", "nothing");
    if (step->kind == 'A' && isdigit((unsigned char)*verb))
        answer(host, step->text, now);
    else
        carry_out(host, verb, &step->words, now);
    return true;
}

const struct talk_engine talk_smtp_server = {
    .name = "smtp_server",
    .is_server = true,
    .open = open_host,
    .close = close_host,
    .feed = feed,
    .show = show,
    .sent = sent,
    .next = next,
    .operate = operate,
};
