/* Reads talks: lines, words, escapes. */
#include "talk.h"

#include <ctype.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where we are, for messages; and what is left of the line. */
struct cursor {
    const char *path;
    int line;
    const char *rest;
};

static _Noreturn void complain(const struct cursor *cursor, const char *message)
{
    fprintf(stderr, "%s:%d: %s\n", cursor->path, cursor->line, message);
    exit(2);
}

/* Bytes that grow; the player's own, where memory does not run out. */
struct gather {
    char *data;
    size_t length;
    size_t capacity;
};

static void gather(struct gather *gather, const char *data, size_t length)
{
    if (gather->length + length >= gather->capacity) {
        gather->capacity = 2 * (gather->length + length) + 1;
        gather->data = realloc(gather->data, gather->capacity);
    }
    memcpy(gather->data + gather->length, data, length);
    gather->length += length;
    gather->data[gather->length] = '\0';
}

static int hex_digit(const struct cursor *cursor, char c)
{
    const char *digits = "0123456789abcdef";
    const char *found = c == '\0' ? NULL : strchr(digits, tolower((unsigned char)c));
    if (found == NULL)
        complain(cursor, "\\x wants two hex digits");
    return (int)(found - digits);
}

static char take_escape(struct cursor *cursor)
{
    char c = *cursor->rest++;
    switch (c) {
    case 'r':
        return '\r';
    case 'n':
        return '\n';
    case 't':
        return '\t';
    case '0':
        return '\0';
    case '\\':
    case '"':
        return c;
    case 'x': {
        int high = hex_digit(cursor, *cursor->rest++);
        int low = hex_digit(cursor, *cursor->rest++);
        return (char)(high << 4 | low);
    }
    default:
        complain(cursor, "unknown escape");
    }
}

static struct gather take_quoted(struct cursor *cursor)
{
    struct gather text = {0};
    gather(&text, "", 0);
    cursor->rest++;
    while (*cursor->rest != '"') {
        if (*cursor->rest == '\0')
            complain(cursor, "a quoted text does not end");
        char c = *cursor->rest++;
        if (c == '\\')
            c = take_escape(cursor);
        gather(&text, &c, 1);
    }
    cursor->rest++;
    return text;
}

static bool is_repeated(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    return digits > 0 && text[digits] == '*' && text[digits + 1] == '"';
}

/* "text", 1000*"text", and several of them joined by +. */
static struct gather take_expression(struct cursor *cursor)
{
    struct gather whole = {0};
    gather(&whole, "", 0);
    for (;;) {
        unsigned long times = 1;
        if (is_repeated(cursor->rest)) {
            char *end;
            times = strtoul(cursor->rest, &end, 10);
            cursor->rest = end + 1;
        }
        if (*cursor->rest != '"')
            complain(cursor, "a quoted text is missing");
        struct gather part = take_quoted(cursor);
        for (unsigned long i = 0; i < times; i++)
            gather(&whole, part.data, part.length);
        free(part.data);
        if (*cursor->rest != '+')
            return whole;
        cursor->rest++;
    }
}

static struct gather take_value(struct cursor *cursor)
{
    if (*cursor->rest == '"' || is_repeated(cursor->rest))
        return take_expression(cursor);
    struct gather text = {0};
    size_t length = strcspn(cursor->rest, " ");
    gather(&text, cursor->rest, length);
    cursor->rest += length;
    return text;
}

static void take_words(struct cursor *cursor, struct talk_words *words)
{
    for (;;) {
        cursor->rest += strspn(cursor->rest, " ");
        if (*cursor->rest == '\0')
            return;
        struct gather key = {0};
        gather(&key, "", 0);
        size_t length = strcspn(cursor->rest, " =\"");
        if (cursor->rest[length] == '=') {
            gather(&key, cursor->rest, length);
            cursor->rest += length + 1;
        }
        struct gather value = take_value(cursor);
        words->words = realloc(words->words, (words->count + 1) * sizeof *words->words);
        words->words[words->count++] = (struct talk_word){key.data, value.data, value.length};
    }
}

static void add_step(struct talk *talk, struct cursor *cursor, char kind)
{
    talk->steps = realloc(talk->steps, (talk->count + 1) * sizeof *talk->steps);
    struct talk_step *step = &talk->steps[talk->count++];
    struct gather text = {0};
    memset(step, 0, sizeof *step);
    step->line = cursor->line;
    step->kind = (char)toupper((unsigned char)kind);
    if (kind == 'c' || kind == 's') {
        text = take_expression(cursor);
    } else {
        gather(&text, cursor->rest, strlen(cursor->rest));
        if (kind == 'C' || kind == 'S')
            gather(&text, "\r\n", 2);
        else if (kind != 'T' && kind != 'N')
            take_words(cursor, &step->words);
    }
    step->text = text.data;
    step->length = text.length;
}

/* A comment at the end of a line is two blanks and '#', but not in what is said. */
static void drop_comment(char *line)
{
    if (strchr("OAEKD", line[0]) == NULL)
        return;
    char *comment = strstr(line, "  #");
    if (comment != NULL)
        *comment = '\0';
    for (size_t length = strlen(line); length > 0 && line[length - 1] == ' '; length--)
        line[length - 1] = '\0';
}

static void read_line(struct talk *talk, struct cursor *cursor, char *line)
{
    if (*line == '\0' || *line == '#')
        return;
    if (strncmp(line, "engine: ", 8) == 0) {
        snprintf(talk->engine, sizeof talk->engine, "%s", line + 8);
    } else if (strncmp(line, "option: ", 8) == 0) {
        cursor->rest = line + 8;
        take_words(cursor, &talk->options);
    } else if (strchr("SCOAEKDTNsc", line[0]) != NULL && line[1] == ':') {
        drop_comment(line);
        cursor->rest = line[2] == ' ' ? line + 3 : line + 2;
        add_step(talk, cursor, line[0]);
    } else {
        complain(cursor, "a line begins with a letter and a colon");
    }
}

struct talk *talk_load(const char *path)
{
    struct cursor cursor = {.path = path};
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        perror(path);
        exit(2);
    }
    struct talk *talk = calloc(1, sizeof *talk);
    char *copy = strdup(path);
    const char *directory = basename(dirname(copy));
    snprintf(talk->engine, sizeof talk->engine, "%s", directory);
    const char *base = strrchr(path, '/') == NULL ? path : strrchr(path, '/') + 1;
    size_t size = strlen(directory) + strlen(base) + 2;
    talk->name = malloc(size);
    snprintf(talk->name, size, "%s/%.*s", directory, (int)strcspn(base, "."), base);
    free(copy);
    char *line = NULL;
    size_t capacity = 0;
    ssize_t length;
    while ((length = getline(&line, &capacity, file)) >= 0) {
        cursor.line++;
        if (length > 0 && line[length - 1] == '\n')
            line[length - 1] = '\0';
        read_line(talk, &cursor, line);
    }
    free(line);
    fclose(file);
    return talk;
}

static void free_words(struct talk_words *words)
{
    for (size_t i = 0; i < words->count; i++) {
        free(words->words[i].key);
        free(words->words[i].value);
    }
    free(words->words);
}

void talk_free(struct talk *talk)
{
    for (size_t i = 0; i < talk->count; i++) {
        free(talk->steps[i].text);
        free_words(&talk->steps[i].words);
    }
    free_words(&talk->options);
    free(talk->steps);
    free(talk->name);
    free(talk);
}

const char *talk_words_find(const struct talk_words *words, const char *key)
{
    for (size_t i = 0; i < words->count; i++) {
        if (strcmp(words->words[i].key, key) == 0)
            return words->words[i].value;
    }
    return NULL;
}
