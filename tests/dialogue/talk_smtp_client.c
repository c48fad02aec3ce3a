/* The SMTP and LMTP client engine as talks see it: operations, events and facts in words. README.md
 * lists them. */
#include <posthorn/engine.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "talk.h"
#include "talk_memory.h"

enum {
    RECIPIENTS_MAX = 4096,
    SLICES = 64
};

/* What an operation borrows lives as long as the engine. */
struct keepsake {
    struct keepsake *next;
    unsigned number; /* of the transaction */
    struct ph_transaction transaction;
    struct ph_recipient *recipients;
    struct ph_login login;
    struct ph_mechanism own;
    const char *own_response;
};

struct host {
    struct ph_engine *engine;
    struct keepsake *keepsakes;
    unsigned transaction_count;
    char *transcript;
    size_t transcript_length;
    size_t transcript_matched;
};

static const char *const error_names[] = {
    [PH_OK] = "ok",
    [PH_ERROR_DISCONNECTED] = "disconnected",
    [PH_ERROR_RESPONSE] = "response",
    [PH_ERROR_SENDER_REFUSED] = "sender-refused",
    [PH_ERROR_RECIPIENTS_REFUSED] = "recipients-refused",
    [PH_ERROR_DATA_REFUSED] = "data-refused",
    [PH_ERROR_CONNECT] = "connect",
    [PH_ERROR_HELO] = "helo",
    [PH_ERROR_AUTHENTICATION] = "authentication",
    [PH_ERROR_NOT_SUPPORTED] = "not-supported",
    [PH_ERROR_ARGUMENT] = "argument",
    [PH_ERROR_RESOLVE] = "resolve",
    [PH_ERROR_TIMEOUT] = "timeout",
    [PH_ERROR_PROTOCOL] = "protocol",
    [PH_ERROR_TLS] = "tls",
    [PH_ERROR_CERTIFICATE] = "certificate",
    [PH_ERROR_PROXY] = "proxy",
    [PH_ERROR_TOO_LARGE] = "too-large",
    [PH_ERROR_BODY] = "body",
    [PH_ERROR_LIMIT] = "limit",
    [PH_ERROR_MEMORY] = "memory",
    [PH_ERROR_CANCELLED] = "cancelled",
};

static const char *const fate_names[] = {"not-sent", "maybe-sent", "accepted"};

static const char *const operation_names[] = {"greeting", "hello",       "starttls", "login",
                                              "command",  "transaction", "quit"};

static const struct {
    const char *name;
    unsigned bit;
} extension_names[] = {
    {"8bitmime", PH_EXTENSION_8BITMIME},
    {"smtputf8", PH_EXTENSION_SMTPUTF8},
    {"dsn", PH_EXTENSION_DSN},
    {"requiretls", PH_EXTENSION_REQUIRETLS},
    {"deliverby", PH_EXTENSION_DELIVERBY},
    {"futurerelease", PH_EXTENSION_FUTURERELEASE},
    {"mt-priority", PH_EXTENSION_MT_PRIORITY},
    {"binarymime", PH_EXTENSION_BINARYMIME},
    {"size", PH_EXTENSION_SIZE},
};

/* ---- words ---- */

static bool says_yes(const struct talk_words *words, const char *key)
{
    const char *value = talk_words_find(words, key);
    return value != NULL && strcmp(value, "yes") == 0;
}

static bool has_bare(const struct talk_words *words, const char *word)
{
    for (size_t i = 0; i < words->count; i++) {
        if (*words->words[i].key == '\0' && strcmp(words->words[i].value, word) == 0)
            return true;
    }
    return false;
}

static const char *bare(const struct talk_words *words, size_t index)
{
    return index < words->count && *words->words[index].key == '\0' ? words->words[index].value
                                                                    : NULL;
}

static void add_number(struct talk_event *event, const char *key, long long number)
{
    char text[32];
    snprintf(text, sizeof text, "%lld", number);
    talk_event_add(event, key, text);
}

static void add_reply(struct talk_event *event, const struct ph_reply *reply)
{
    if (reply->code == 0)
        return;
    char enhanced[32];
    snprintf(enhanced, sizeof enhanced, "%hu.%hu.%hu", reply->enhanced[0], reply->enhanced[1],
             reply->enhanced[2]);
    add_number(event, "code", reply->code);
    talk_event_add(event, "enhanced", enhanced);
    talk_event_add(event, "text", reply->text);
}

static void add_error(struct talk_event *event, const struct ph_error *error)
{
    talk_event_add(event, "error", error_names[error->kind]);
    if (error->kind == PH_OK)
        return;
    if (error->reply_code != 0 && talk_words_find(&event->words, "code") == NULL)
        add_number(event, "code", error->reply_code);
    talk_event_add(event, "retry", error->retry ? "yes" : "no");
    talk_event_add(event, "verb", error->verb);
    talk_event_add(event, "message", error->message);
}

static void add_dropped(struct talk_event *event, unsigned dropped)
{
    char text[128] = "";
    for (size_t i = 0; i < sizeof extension_names / sizeof extension_names[0]; i++) {
        if ((dropped & extension_names[i].bit) == 0)
            continue;
        if (*text != '\0')
            strcat(text, ",");
        strcat(text, extension_names[i].name);
    }
    talk_event_add(event, "dropped", text);
}

/* ---- birth and death ---- */

static void keep_line(void *context, enum ph_trace_kind kind, const char *text, size_t length)
{
    static const char *const kinds[] = {"sent ", "received ", "body ", "note "};
    struct host *host = context;
    talk_memory_sleep();
    size_t kind_length = strlen(kinds[kind]);
    host->transcript =
        realloc(host->transcript, host->transcript_length + kind_length + length + 2);
    char *end = host->transcript + host->transcript_length;
    memcpy(end, kinds[kind], kind_length);
    memcpy(end + kind_length, text, length);
    memcpy(end + kind_length + length, "\n", 2);
    host->transcript_length += kind_length + length + 1;
    talk_memory_wake();
}

static void close_host(void *engine)
{
    struct host *host = engine;
    ph_engine_free(host->engine);
    while (host->keepsakes != NULL) {
        struct keepsake *keepsake = host->keepsakes;
        host->keepsakes = keepsake->next;
        free(keepsake->recipients);
        free(keepsake);
    }
    free(host->transcript);
    free(host);
}

static void *open_host(const struct talk *talk, int64_t now, struct talk_event *refusal)
{
    const struct talk_words *options = &talk->options;
    const char *name = talk_words_find(options, "hello");
    const char *server = talk_words_find(options, "server");
    struct ph_error error;
    talk_memory_sleep();
    struct host *host = calloc(1, sizeof *host);
    struct ph_engine_options engine_options = {
        .hello_name = name == NULL ? "client.example" : name,
        .server_name = server,
        .lmtp = has_bare(options, "lmtp"),
        .is_encrypted = has_bare(options, "encrypted"),
        .no_pipelining = has_bare(options, "no-pipelining"),
        .no_chunking = has_bare(options, "no-chunking"),
        .bodies_in_flight = has_bare(options, "bodies-in-flight"),
        .trace = has_bare(options, "no-transcript") ? NULL : keep_line,
        .trace_context = host,
    };
    talk_memory_wake();
    host->engine = ph_engine_new(&engine_options, now, &error);
    talk_memory_sleep();
    if (host->engine != NULL)
        return host;
    talk_event_add(refusal, "", "refused");
    add_error(refusal, &error);
    free(host->transcript);
    free(host);
    return NULL;
}

/* ---- bytes ---- */

static size_t feed(void *engine, const char *data, size_t length, int64_t now)
{
    return ph_engine_feed(((struct host *)engine)->engine, data, length, now);
}

static size_t show(void *engine, char *copy, size_t size)
{
    struct iovec slices[SLICES];
    size_t length = 0;
    size_t count = ph_engine_output(((struct host *)engine)->engine, slices, SLICES);
    for (size_t i = 0; i < count && length < size; i++) {
        size_t part = slices[i].iov_len < size - length ? slices[i].iov_len : size - length;
        memcpy(copy + length, slices[i].iov_base, part);
        length += part;
    }
    return length;
}

static void sent(void *engine, size_t count, int64_t now)
{
    ph_engine_sent(((struct host *)engine)->engine, count, now);
}

/* ---- events ---- */

static unsigned number_of(const struct host *host, const struct ph_transaction *transaction)
{
    for (const struct keepsake *keepsake = host->keepsakes; keepsake != NULL;
         keepsake = keepsake->next) {
        if (transaction == &keepsake->transaction)
            return keepsake->number;
    }
    return 0;
}

static void add_done(struct talk_event *words, const struct ph_event *event)
{
    talk_event_add(words, "", operation_names[event->operation]);
    add_error(words, event->error);
    talk_event_add(words, "fate", fate_names[event->fate]);
    talk_event_add(words, "closed", event->is_closed ? "yes" : "no");
    add_dropped(words, event->dropped);
    if (event->error->fate != event->fate && event->error->kind != PH_OK)
        talk_event_add(words, "error-fate", fate_names[event->error->fate]);
}

static bool next(void *engine, struct talk_event *words)
{
    static const char *const kinds[] = {"tls-wanted",  "sender", "recipient",
                                        "body-wanted", "final",  "done"};
    struct host *host = engine;
    struct ph_event event;
    if (!ph_engine_next(host->engine, &event))
        return false;
    talk_event_add(words, "", kinds[event.kind]);
    add_reply(words, &event.reply);
    add_number(words, "index", (long long)event.index);
    if (event.transaction != NULL)
        add_number(words, "number", number_of(host, event.transaction));
    if (event.kind == PH_EVENT_DONE)
        add_done(words, &event);
    return true;
}

/* ---- operations ---- */

static struct keepsake *keep(struct host *host)
{
    struct keepsake *keepsake = calloc(1, sizeof *keepsake);
    keepsake->next = host->keepsakes;
    host->keepsakes = keepsake;
    return keepsake;
}

static unsigned read_set(const char *names)
{
    unsigned set = 0;
    for (size_t i = 0; names != NULL && i < sizeof extension_names / sizeof extension_names[0];
         i++) {
        if (strstr(names, extension_names[i].name) != NULL)
            set |= extension_names[i].bit;
    }
    return set;
}

static unsigned read_notify(const char *names)
{
    return (strstr(names, "never") != NULL ? PH_NOTIFY_NEVER : 0u) |
           (strstr(names, "success") != NULL ? PH_NOTIFY_SUCCESS : 0u) |
           (strstr(names, "failure") != NULL ? PH_NOTIFY_FAILURE : 0u) |
           (strstr(names, "delay") != NULL ? PH_NOTIFY_DELAY : 0u);
}

static enum ph_body_content read_content(const char *name)
{
    if (name == NULL)
        return PH_CONTENT_UNKNOWN;
    return strcmp(name, "7bit") == 0   ? PH_CONTENT_7BIT
           : strcmp(name, "8bit") == 0 ? PH_CONTENT_8BIT
                                       : PH_CONTENT_BINARY;
}

/* to=... begins a recipient; notify, orcpt and rcpt-parameters belong to the one before them.
 * to-many=N makes N. */
static void read_recipients(const struct talk_words *words, struct keepsake *keepsake)
{
    struct ph_recipient *recipients = calloc(RECIPIENTS_MAX, sizeof *recipients);
    size_t count = 0;
    for (size_t i = 0; i < words->count; i++) {
        const struct talk_word *word = &words->words[i];
        if (strcmp(word->key, "to") == 0)
            recipients[count++].address = word->value;
        for (long many = strcmp(word->key, "to-many") == 0 ? atol(word->value) : 0; many > 0;
             many--)
            recipients[count++].address = "b@d.example";
        if (count == 0)
            continue;
        struct ph_recipient *last = &recipients[count - 1];
        if (strcmp(word->key, "notify") == 0)
            last->notify = read_notify(word->value);
        if (strcmp(word->key, "orcpt") == 0)
            last->original_recipient = word->value;
        if (strcmp(word->key, "rcpt-parameters") == 0)
            last->parameters = word->value;
    }
    keepsake->recipients = recipients;
    keepsake->transaction.recipients = recipients;
    keepsake->transaction.recipient_count = count;
}

static void read_body(const struct talk_words *words, struct ph_body *body)
{
    const char *line_ends = talk_words_find(words, "line-ends");
    const char *size = talk_words_find(words, "size");
    body->kind = PH_BODY_CALLBACK;
    body->content = read_content(talk_words_find(words, "content"));
    body->line_ends = line_ends != NULL && strcmp(line_ends, "refuse") == 0
                          ? PH_LINE_ENDS_REFUSE
                          : PH_LINE_ENDS_NORMALISE;
    body->size = size == NULL ? 0 : strtoull(size, NULL, 10);
    for (size_t i = 0; i < words->count; i++) {
        if (strcmp(words->words[i].key, "body") != 0)
            continue;
        body->kind = PH_BODY_MEMORY;
        body->data = words->words[i].value;
        body->length = words->words[i].length;
    }
}

static long long read_number(const struct talk_words *words, const char *key)
{
    const char *value = talk_words_find(words, key);
    return value == NULL ? 0 : strtoll(value, NULL, 10);
}

static const struct ph_transaction *read_transaction(struct host *host,
                                                     const struct talk_words *words)
{
    struct keepsake *keepsake = keep(host);
    struct ph_transaction *transaction = &keepsake->transaction;
    const char *ret = talk_words_find(words, "ret");
    const char *mode = talk_words_find(words, "by-mode");
    keepsake->number = ++host->transaction_count;
    read_recipients(words, keepsake);
    read_body(words, &transaction->body);
    transaction->sender = talk_words_find(words, "from");
    if (ret != NULL)
        transaction->return_content = strcmp(ret, "full") == 0 ? PH_RETURN_FULL : PH_RETURN_HEADERS;
    transaction->envelope_id = talk_words_find(words, "envid");
    transaction->require_tls = says_yes(words, "require-tls");
    transaction->utf8_headers = says_yes(words, "utf8-headers");
    transaction->deliver_by_seconds = read_number(words, "by");
    transaction->deliver_by_mode = mode == NULL ? '\0' : *mode;
    transaction->deliver_by_trace = says_yes(words, "by-trace");
    transaction->hold_for_seconds = (uint64_t)read_number(words, "hold-for");
    transaction->hold_until = talk_words_find(words, "hold-until");
    transaction->has_priority = talk_words_find(words, "priority") != NULL;
    transaction->priority = (int)read_number(words, "priority");
    transaction->authenticated_sender = talk_words_find(words, "auth");
    transaction->parameters = talk_words_find(words, "parameters");
    transaction->demands = read_set(talk_words_find(words, "demands"));
    return transaction;
}

static bool own_step(void *context, const char *challenge, size_t challenge_length, char *response,
                     size_t size, size_t *response_length)
{
    const struct keepsake *keepsake = context;
    (void)challenge;
    (void)challenge_length;
    size_t length = strlen(keepsake->own_response);
    if (length > size || strcmp(keepsake->own_response, "(failure)") == 0)
        return false;
    memcpy(response, keepsake->own_response, length);
    *response_length = length;
    return true;
}

static const struct ph_login *read_login(struct host *host, const struct talk_words *words)
{
    struct keepsake *keepsake = keep(host);
    keepsake->login = (struct ph_login){
        .user = talk_words_find(words, "user"),
        .password = talk_words_find(words, "password"),
        .access_token = talk_words_find(words, "token"),
        .authorization_id = talk_words_find(words, "authorization"),
        .mechanisms = talk_words_find(words, "mechanisms"),
        .allow_cleartext = says_yes(words, "cleartext"),
        .no_initial_response = says_yes(words, "no-initial-response"),
    };
    const char *own = talk_words_find(words, "own");
    if (own != NULL) {
        keepsake->own_response = talk_words_find(words, "own-response");
        keepsake->own = (struct ph_mechanism){.name = own,
                                              .has_initial_response = says_yes(words, "own-first"),
                                              .step = own_step,
                                              .context = keepsake};
        keepsake->login.own = &keepsake->own;
    }
    return &keepsake->login;
}

static void start_tls(struct host *host, const struct talk_words *words, int64_t now)
{
    const char *binding = talk_words_find(words, "binding");
    struct ph_tls_facts facts = {
        .binding_name = talk_words_find(words, "binding-name"),
        .binding = (const unsigned char *)binding,
        .binding_length = binding == NULL ? 0 : strlen(binding),
        .has_client_certificate = says_yes(words, "certificate"),
        .is_unverified = says_yes(words, "unverified"),
    };
    talk_memory_wake();
    ph_engine_tls_started(host->engine, &facts, now);
}

static enum ph_hello read_hello(const struct talk_words *words)
{
    return has_bare(words, "ehlo")   ? PH_HELLO_EHLO
           : has_bare(words, "helo") ? PH_HELLO_HELO
           : has_bare(words, "lhlo") ? PH_HELLO_LHLO
                                     : PH_HELLO_AUTOMATIC;
}

static bool begin(struct host *host, const char *verb, const struct talk_words *words, int64_t now,
                  struct ph_error *error)
{
    struct ph_engine *engine = host->engine;
    const char *first = bare(words, 1);
    const char *parameters = talk_words_find(words, "parameters");
    const struct ph_transaction *transaction = NULL;
    const struct ph_login *login = NULL;
    if (strcmp(verb, "send") == 0 || strcmp(verb, "data") == 0)
        transaction = read_transaction(host, words);
    if (strcmp(verb, "login") == 0)
        login = read_login(host, words);
    talk_memory_wake();
    if (strcmp(verb, "hello") == 0)
        return ph_engine_hello(engine, read_hello(words), talk_words_find(words, "name"), now,
                               error);
    if (strcmp(verb, "starttls") == 0)
        return ph_engine_starttls(engine, now, error);
    if (login != NULL)
        return ph_engine_login(engine, login, now, error);
    if (strcmp(verb, "send") == 0)
        return ph_engine_send(engine, transaction, now, error);
    if (strcmp(verb, "data") == 0)
        return ph_engine_data(engine, transaction, now, error);
    if (strcmp(verb, "command") == 0)
        return ph_engine_command(engine, first, talk_words_find(words, "argument"), now, error);
    if (strcmp(verb, "mail") == 0)
        return ph_engine_mail(engine, talk_words_find(words, "from"), parameters, now, error);
    if (strcmp(verb, "rcpt") == 0)
        return ph_engine_rcpt(engine, talk_words_find(words, "to"), parameters, now, error);
    if (strcmp(verb, "raw") == 0)
        return ph_engine_raw(engine, first, words->words[1].length, now, error);
    if (strcmp(verb, "expect") == 0)
        return ph_engine_expect(engine, now, error);
    if (strcmp(verb, "quit") == 0)
        return ph_engine_quit(engine, now, error);
    talk_memory_sleep();
    fprintf(stderr, "unknown operation: %s\n", verb);
    exit(2);
}

/* What needs no answer. */
static bool is_told(struct host *host, const char *verb, const struct talk_words *words,
                    int64_t now)
{
    const char *first = bare(words, 1);
    if (strcmp(verb, "tls-started") == 0) {
        start_tls(host, words, now);
    } else if (strcmp(verb, "body") == 0 || strcmp(verb, "body-last") == 0) {
        size_t length = first == NULL ? 0 : words->words[1].length;
        talk_memory_wake();
        ph_engine_body(host->engine, first, length, strcmp(verb, "body-last") == 0, now);
    } else if (strcmp(verb, "body-failed") == 0) {
        talk_memory_wake();
        ph_engine_body_failed(host->engine, EIO, now);
    } else if (strcmp(verb, "end-of-input") == 0) {
        talk_memory_wake();
        ph_engine_end_of_input(host->engine, first == NULL ? 0 : ECONNRESET, now);
    } else if (strcmp(verb, "time") == 0) {
        talk_memory_wake();
        ph_engine_tick(host->engine, now);
    } else {
        return false;
    }
    return true;
}

/* ---- facts ---- */

static bool complain(struct talk_event *event, const char *what, const char *value)
{
    talk_event_add(event, "", "wrong");
    talk_event_add(event, what, value == NULL ? "(none)" : value);
    return false;
}

/* K: KEYWORD=parameters, !KEYWORD, mechanisms=..., size=..., closed=yes. */
static bool check_known(const struct host *host, const struct talk_words *words,
                        struct talk_event *event)
{
    const struct ph_capabilities *known = ph_engine_capabilities(host->engine);
    for (size_t i = 0; i < words->count; i++) {
        const struct talk_word *word = &words->words[i];
        const char *value;
        char number[32];
        if (*word->key == '\0') {
            bool is_absent = *word->value == '!';
            value = ph_engine_extension(host->engine, word->value + is_absent);
            if ((value == NULL) != is_absent)
                return complain(event, word->value, value);
            continue;
        }
        if (strcmp(word->key, "mechanisms") == 0) {
            value = known->mechanisms;
        } else if (strcmp(word->key, "text") == 0) {
            value = known->text;
        } else if (strcmp(word->key, "extended") == 0) {
            value = known->is_extended ? "yes" : "no";
        } else if (strcmp(word->key, "closed") == 0) {
            value = ph_engine_is_closed(host->engine) ? "yes" : "no";
        } else if (strcmp(word->key, "idle") == 0) {
            value = ph_engine_is_idle(host->engine) ? "yes" : "no";
        } else if (strcmp(word->key, "size-limit") == 0) {
            snprintf(number, sizeof number, "%llu", (unsigned long long)known->size_limit);
            value = number;
        } else {
            value = ph_engine_extension(host->engine, word->key);
        }
        if (value == NULL || strcmp(value, word->value) != 0)
            return complain(event, word->key, value);
    }
    return true;
}

/* D: 300000 (milliseconds from now) or none. */
static bool check_deadline(const struct host *host, const struct talk_words *words, int64_t now,
                           struct talk_event *event)
{
    int64_t deadline = ph_engine_deadline(host->engine);
    char actual[32] = "none";
    if (deadline != INT64_MAX)
        snprintf(actual, sizeof actual, "%lld", (long long)(deadline - now));
    return strcmp(actual, words->words[0].value) == 0 || complain(event, "deadline", actual);
}

/* T: a line of the transcript that comes behind those named before; N: what is nowhere in it. */
static bool check_transcript(struct host *host, const struct talk_step *step,
                             struct talk_event *event)
{
    if (step->kind == 'N')
        return host->transcript == NULL || strstr(host->transcript, step->text) == NULL ||
               complain(event, "transcript-shows", step->text);
    size_t length = strlen(step->text);
    const char *line =
        host->transcript == NULL ? NULL : host->transcript + host->transcript_matched;
    while (line != NULL && *line != '\0') {
        const char *end = strchr(line, '\n');
        if ((size_t)(end - line) == length && memcmp(line, step->text, length) == 0) {
            host->transcript_matched = (size_t)(end + 1 - host->transcript);
            return true;
        }
        line = end + 1;
    }
    return complain(event, "transcript-lacks", step->text);
}

static bool operate(void *engine, const struct talk_step *step, int64_t now,
                    struct talk_event *event)
{
    struct host *host = engine;
    const struct talk_words *words = &step->words;
    struct ph_error error;
    talk_memory_sleep();
    if (step->kind == 'K')
        return check_known(host, words, event);
    if (step->kind == 'D')
        return check_deadline(host, words, now, event);
    if (step->kind == 'T' || step->kind == 'N')
        return check_transcript(host, step, event);
    const char *verb = bare(words, 0);
    if (is_told(host, verb, words, now) || begin(host, verb, words, now, &error))
        return true;
    talk_memory_sleep();
    talk_event_add(event, "", "refused");
    add_error(event, &error);
    return false;
}

const struct talk_engine talk_smtp_client = {
    .name = "smtp_client",
    .open = open_host,
    .close = close_host,
    .feed = feed,
    .show = show,
    .sent = sent,
    .next = next,
    .operate = operate,
};
