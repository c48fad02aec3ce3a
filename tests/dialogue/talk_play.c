/* Plays a talk: feeds what the peer says in pieces, gathers what the engine writes and tells, and
 * compares. */
#include "talk.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "talk_memory.h"

enum {
    SHOW_SIZE = 65536,
    STALL_MAX = 16 /* feeds in a row that take nothing, though all events were pulled */
};

struct player {
    const struct talk *talk;
    const struct talk_engine *driver;
    void *engine;
    enum talk_manner manner;
    uint64_t random;
    int64_t now;
    bool is_holding; /* nothing is taken of what the engine writes */
    char *output;    /* all that was taken */
    size_t output_length;
    size_t output_capacity;
    size_t output_matched;
    char *input; /* of the client, not taken by the server yet */
    size_t input_length;
    struct talk_event *events; /* told and not expected yet */
    struct talk_event **events_end;
    bool has_memory_error;
    int line;
    char reason[1024];
};

/* ---- chance, the same on every machine ---- */

static size_t pick(struct player *player, size_t most)
{
    player->random = player->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return 1 + (size_t)(player->random >> 33) % most;
}

static size_t piece_of(struct player *player, size_t length)
{
    switch (player->manner) {
    case TALK_BYTES:
        return 1;
    case TALK_RANDOM:
        return pick(player, length);
    default:
        return length;
    }
}

/* ---- complaints ---- */

static bool differ(struct player *player, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool differ(struct player *player, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(player->reason, sizeof player->reason, format, arguments);
    va_end(arguments);
    return false;
}

/* Bytes as a talk writes them, cut when long. */
static const char *show_bytes(const char *data, size_t length, char *text, size_t size)
{
    size_t at = 0;
    for (size_t i = 0; i < length && at + 8 < size; i++) {
        unsigned char c = (unsigned char)data[i];
        if (c == '\r')
            at += (size_t)snprintf(text + at, size - at, "\\r");
        else if (c == '\n')
            at += (size_t)snprintf(text + at, size - at, "\\n");
        else if (c < ' ' || c > '~')
            at += (size_t)snprintf(text + at, size - at, "\\x%02x", c);
        else
            text[at++] = (char)c;
    }
    text[at] = '\0';
    return text;
}

static const char *show_words(const struct talk_words *words, char *text, size_t size)
{
    size_t at = 0;
    text[0] = '\0';
    for (size_t i = 0; i < words->count && at + 1 < size; i++) {
        const struct talk_word *word = &words->words[i];
        at += (size_t)snprintf(text + at, size - at, "%s%s%s\"%s\"", i == 0 ? "" : " ", word->key,
                               *word->key == '\0' ? "" : "=", word->value);
    }
    return text;
}

/* ---- events ---- */

void talk_event_add(struct talk_event *event, const char *key, const char *value)
{
    talk_memory_sleep();
    struct talk_words *words = &event->words;
    words->words = realloc(words->words, (words->count + 1) * sizeof *words->words);
    words->words[words->count++] = (struct talk_word){strdup(key), strdup(value), strlen(value)};
}

static void free_event(struct talk_event *event)
{
    for (size_t i = 0; i < event->words.count; i++) {
        free(event->words.words[i].key);
        free(event->words.words[i].value);
    }
    free(event->words.words);
    free(event);
}

static void keep_event(struct player *player, struct talk_event *event)
{
    const char *error = talk_words_find(&event->words, "error");
    player->has_memory_error |= error != NULL && strcmp(error, "memory") == 0;
    *player->events_end = event;
    player->events_end = &event->next;
}

static void pull(struct player *player)
{
    for (;;) {
        struct talk_event *event = calloc(1, sizeof *event);
        talk_memory_wake();
        bool has_event = player->driver->next(player->engine, event);
        talk_memory_sleep();
        if (!has_event) {
            free_event(event);
            return;
        }
        keep_event(player, event);
    }
}

/* `expected` is a part of `actual`: its bare words come in order, each of its pairs is there.
 * "key~" asks for a part of the value. An error that is not spoken of must not have been. */
static bool matches(const struct talk_words *expected, const struct talk_words *actual)
{
    size_t bare = 0;
    for (size_t i = 0; i < expected->count; i++) {
        const struct talk_word *word = &expected->words[i];
        if (*word->key == '\0') {
            while (bare < actual->count && *actual->words[bare].key != '\0')
                bare++;
            if (bare == actual->count || strcmp(actual->words[bare++].value, word->value) != 0)
                return false;
            continue;
        }
        size_t key_length = strlen(word->key);
        bool is_part = word->key[key_length - 1] == '~';
        char key[64];
        snprintf(key, sizeof key, "%.*s", (int)(key_length - (is_part ? 1 : 0)), word->key);
        const char *value = talk_words_find(actual, key);
        if (value == NULL ||
            (is_part ? strstr(value, word->value) == NULL : strcmp(value, word->value) != 0))
            return false;
    }
    const char *error = talk_words_find(actual, "error");
    return error == NULL || strcmp(error, "ok") == 0 || talk_words_find(expected, "error") != NULL;
}

static bool expect_event(struct player *player, const struct talk_step *step)
{
    char actual[512];
    struct talk_event *event = player->events;
    if (event == NULL)
        return differ(player, "no event, but expected: %.300s", step->text);
    if (!matches(&step->words, &event->words))
        return differ(player, "event %s, but expected: %.300s",
                      show_words(&event->words, actual, sizeof actual), step->text);
    player->events = event->next;
    if (player->events == NULL)
        player->events_end = &player->events;
    free_event(event);
    return true;
}

/* ---- output ---- */

static void keep_output(struct player *player, const char *data, size_t length)
{
    if (player->output_length + length > player->output_capacity) {
        player->output_capacity = 2 * (player->output_length + length);
        player->output = realloc(player->output, player->output_capacity);
    }
    memcpy(player->output + player->output_length, data, length);
    player->output_length += length;
}

static void drain(struct player *player)
{
    static char copy[SHOW_SIZE];
    while (!player->is_holding) {
        size_t size = player->manner == TALK_BYTES ? 1 : sizeof copy;
        size_t length = player->driver->show(player->engine, copy, size);
        if (length == 0)
            return;
        size_t count = piece_of(player, length);
        keep_output(player, copy, count);
        talk_memory_wake();
        player->driver->sent(player->engine, count, player->now);
        talk_memory_sleep();
        pull(player);
    }
}

static bool expect_output(struct player *player, const struct talk_step *step)
{
    char expected[200];
    char actual[400];
    const char *rest = player->output + player->output_matched;
    size_t length = player->output_length - player->output_matched;
    if (length < step->length || memcmp(rest, step->text, step->length) != 0) {
        size_t same = 0;
        while (same < length && same < step->length && rest[same] == step->text[same])
            same++;
        size_t from = same > 40 ? same - 40 : 0;
        return differ(player, "wrote \"%s\", but expected \"%s\" (from byte %zu)",
                      show_bytes(rest + from, length - from, actual, sizeof actual),
                      show_bytes(step->text + from, step->length - from, expected, sizeof expected),
                      from);
    }
    player->output_matched += step->length;
    return true;
}

/* Nothing was written or told that the talk does not speak of. */
static bool check_settled(struct player *player)
{
    char actual[512];
    if (player->output_matched < player->output_length)
        return differ(player, "wrote \"%s\", which was not expected",
                      show_bytes(player->output + player->output_matched,
                                 player->output_length - player->output_matched, actual,
                                 sizeof actual));
    if (player->events != NULL)
        return differ(player, "event %s was not expected",
                      show_words(&player->events->words, actual, sizeof actual));
    return true;
}

/* ---- the peer speaks ---- */

/* Returns how much was taken: less than all when the engine takes no more for now. */
static size_t feed_piece(struct player *player, const char *data, size_t length)
{
    unsigned stalls = 0;
    size_t all = 0;
    while (all < length && stalls < STALL_MAX) {
        talk_memory_wake();
        size_t taken = player->driver->feed(player->engine, data + all, length - all, player->now);
        talk_memory_sleep();
        pull(player);
        all += taken;
        stalls = taken == 0 ? stalls + 1 : 0;
    }
    return all;
}

/* What a server does not take while it owes or is owed something stays until it does; a client has
 * to take everything. */
static void feed_input(struct player *player)
{
    size_t at = 0;
    while (at < player->input_length) {
        size_t count = piece_of(player, player->input_length - at);
        char *piece = malloc(count); /* of its own, so that a read past its end is seen */
        memcpy(piece, player->input + at, count);
        size_t taken = feed_piece(player, piece, count);
        free(piece);
        drain(player);
        if (player->driver->is_server && taken == 0)
            break;
        at += player->driver->is_server ? taken : count;
    }
    player->input_length -= at;
    memmove(player->input, player->input + at, player->input_length);
}

/* Lines of the peer that stand together come together. */
static size_t feed_run(struct player *player, size_t first)
{
    char peer = player->driver->is_server ? 'C' : 'S';
    size_t end = first;
    for (; end < player->talk->count && player->talk->steps[end].kind == peer; end++) {
        const struct talk_step *step = &player->talk->steps[end];
        player->input = realloc(player->input, player->input_length + step->length + 1);
        memcpy(player->input + player->input_length, step->text, step->length);
        player->input_length += step->length;
    }
    feed_input(player);
    return end;
}

/* ---- the host speaks ---- */

/* hold: the socket takes nothing more; release; time MILLISECONDS: the clock goes on. */
static bool is_players_own(struct player *player, const struct talk_step *step)
{
    const char *verb = step->words.count > 0 ? step->words.words[0].value : "";
    if (strcmp(verb, "hold") == 0)
        player->is_holding = true;
    else if (strcmp(verb, "release") == 0)
        player->is_holding = false;
    else
        return false;
    return true;
}

static void operate(struct player *player, const struct talk_step *step)
{
    const char *verb = step->words.count > 0 ? step->words.words[0].value : "";
    if (strcmp(verb, "time") == 0 && step->words.count == 2)
        player->now += strtoll(step->words.words[1].value, NULL, 10);
    struct talk_event *event = calloc(1, sizeof *event);
    talk_memory_wake();
    bool is_done = player->driver->operate(player->engine, step, player->now, event);
    talk_memory_sleep();
    if (is_done)
        free_event(event);
    else
        keep_event(player, event);
    pull(player);
}

static bool play_steps(struct player *player)
{
    const struct talk *talk = player->talk;
    for (size_t i = 0; i < talk->count;) {
        const struct talk_step *step = &talk->steps[i];
        player->line = step->line;
        drain(player);
        if (player->input_length > 0)
            feed_input(player);
        switch (step->kind) {
        case 'S':
        case 'C':
            if (step->kind == (player->driver->is_server ? 'C' : 'S')) {
                if (!check_settled(player))
                    return false;
                i = feed_run(player, i);
                continue;
            }
            if (!expect_output(player, step))
                return false;
            break;
        case 'E':
            if (!expect_event(player, step))
                return false;
            break;
        default:
            if (step->kind == 'O' && !check_settled(player))
                return false;
            if (step->kind != 'O' || !is_players_own(player, step))
                operate(player, step);
            break;
        }
        i++;
    }
    drain(player);
    if (player->input_length > 0)
        feed_input(player);
    return check_settled(player);
}

static bool play_from_birth(struct player *player)
{
    struct talk_event *refusal = calloc(1, sizeof *refusal);
    talk_memory_wake();
    player->engine = player->driver->open(player->talk, player->now, refusal);
    talk_memory_sleep();
    if (player->engine == NULL) {
        const struct talk_step *step = player->talk->count > 0 ? &player->talk->steps[0] : NULL;
        keep_event(player, refusal);
        return step != NULL && step->kind == 'E' && player->talk->count == 1
                   ? expect_event(player, step)
                   : differ(player, "the engine could not be made");
    }
    free_event(refusal);
    pull(player);
    return play_steps(player);
}

bool talk_play(const struct talk *talk, const struct talk_engine *engine, enum talk_manner manner,
               unsigned number, bool *was_refused)
{
    struct player player = {
        .talk = talk, .driver = engine, .manner = manner, .random = number, .now = 1000000};
    player.events_end = &player.events;
    talk_memory_set(manner == TALK_MEMORY ? number : (size_t)-1);
    bool is_right = play_from_birth(&player);
    *was_refused = talk_memory_was_refused();
    talk_memory_set((size_t)-1);
    if (player.engine != NULL)
        player.driver->close(player.engine);
    /* Where memory ran out the talk may end differently, if the engine says so. */
    bool is_excused = *was_refused && player.has_memory_error;
    if (!is_right && !is_excused)
        printf("# %s:%d: %s\n", talk->name, player.line, player.reason);
    while (player.events != NULL) {
        struct talk_event *event = player.events;
        player.events = event->next;
        free_event(event);
    }
    free(player.output);
    free(player.input);
    return is_right || is_excused;
}
