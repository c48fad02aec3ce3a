/* Walks command lines by their table, finds near words, and prints tables as help. */
#include "cli/option.h"

#include <string.h>

#include "base/bytes.h"

enum {
    OPTION_NAME_MAX = 32,    /* longest word that is compared for nearness */
    OPTION_HELP_COLUMN = 30, /* where the texts of a help begin */
    OPTION_HELP_WIDTH = 79,  /* where its lines end */
    OPTION_CANDIDATES_MAX = 256
};

struct option_reader option_reader_of(const struct option_table *table, int argc, char **argv)
{
    return (struct option_reader){.table = table, .argc = argc, .argv = argv, .index = 1};
}

static const struct option_row *row_by_letter(const struct option_table *table, char letter)
{
    for (size_t i = 0; i < table->count; i++) {
        if (table->rows[i].id != 0 && table->rows[i].letter == letter)
            return &table->rows[i];
    }
    return NULL;
}

static const struct option_row *row_by_name(const struct option_table *table, struct bytes name)
{
    for (size_t i = 0; i < table->count; i++) {
        if (table->rows[i].name != NULL &&
            bytes_equal(bytes_from_string(table->rows[i].name), name))
            return &table->rows[i];
    }
    return NULL;
}

static void unknown_name(const struct option_table *table, const char *argument, struct bytes name,
                         struct fault *fault)
{
    const char *candidates[OPTION_CANDIDATES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < table->count && count < OPTION_CANDIDATES_MAX; i++) {
        if (table->rows[i].name != NULL && table->rows[i].text != NULL)
            candidates[count++] = table->rows[i].name;
    }
    char word[OPTION_NAME_MAX + 1] = "";
    if (name.length < sizeof(word)) {
        memcpy(word, name.data, name.length);
        word[name.length] = '\0';
    }
    const char *near = option_nearest(word, candidates, count);
    int shown = (int)(name.length + 2);
    if (near != NULL)
        fault_set(fault, FAULT_SYNTAX, "unknown option %.*s; did you mean --%s?", shown, argument,
                  near);
    else
        fault_set(fault, FAULT_SYNTAX, "unknown option %.*s", shown, argument);
}

static enum option_kind next_long(struct option_reader *reader, const char *argument,
                                  struct option_match *match, struct fault *fault)
{
    struct bytes name;
    struct bytes value;
    bool has_value = bytes_split(bytes_from_string(argument + 2), '=', &name, &value);
    const struct option_row *row = row_by_name(reader->table, name);
    if (row == NULL) {
        unknown_name(reader->table, argument, name, fault);
        return OPTION_BAD;
    }
    *match = (struct option_match){.id = row->id};
    if (row->value == NULL) {
        if (has_value) {
            fault_set(fault, FAULT_SYNTAX, "--%s takes no value", row->name);
            return OPTION_BAD;
        }
        return OPTION_FOUND;
    }
    if (has_value) {
        match->value = value.data;
    } else if (!row->is_attached_or_none) {
        if (reader->index >= reader->argc) {
            fault_set(fault, FAULT_SYNTAX, "--%s needs a value: --%s %s", row->name, row->name,
                      row->value);
            return OPTION_BAD;
        }
        match->value = reader->argv[reader->index++];
    }
    return OPTION_FOUND;
}

static enum option_kind next_letter(struct option_reader *reader, struct option_match *match,
                                    struct fault *fault)
{
    char letter = *reader->letters++;
    const struct option_row *row = row_by_letter(reader->table, letter);
    if (row == NULL) {
        fault_set(fault, FAULT_SYNTAX, "unknown option -%c", letter);
        return OPTION_BAD;
    }
    *match = (struct option_match){.id = row->id};
    bool is_last = *reader->letters == '\0';
    if (row->value != NULL) {
        if (!is_last) {
            match->value = reader->letters;
        } else if (!row->is_attached_or_none) {
            if (reader->index >= reader->argc) {
                fault_set(fault, FAULT_SYNTAX, "-%c needs a value: -%c %s", letter, letter,
                          row->value);
                return OPTION_BAD;
            }
            match->value = reader->argv[reader->index++];
        }
        is_last = true;
    }
    if (is_last)
        reader->letters = NULL;
    return OPTION_FOUND;
}

enum option_kind option_next(struct option_reader *reader, struct option_match *match,
                             struct fault *fault)
{
    if (reader->letters != NULL)
        return next_letter(reader, match, fault);
    if (reader->index >= reader->argc)
        return OPTION_END;
    const char *argument = reader->argv[reader->index++];
    if (!reader->is_past_end && strcmp(argument, "--") == 0) {
        reader->is_past_end = true;
        return option_next(reader, match, fault);
    }
    /* A lone "-" is an operand: it stands for standard input. */
    if (reader->is_past_end || argument[0] != '-' || argument[1] == '\0') {
        *match = (struct option_match){.value = argument};
        return OPTION_OPERAND;
    }
    if (argument[1] == '-')
        return next_long(reader, argument, match, fault);
    reader->letters = argument + 1;
    return next_letter(reader, match, fault);
}

static size_t least(size_t left, size_t right)
{
    return left < right ? left : right;
}

/* How many insertions, deletions, replacements and swaps of neighbours turn one word into the
   other (the restricted edit distance). */
static size_t distance(const char *left, size_t left_length, const char *right, size_t right_length)
{
    size_t rows[3][OPTION_NAME_MAX + 1];
    size_t *before = rows[0];
    size_t *last = rows[1];
    size_t *row = rows[2];
    for (size_t j = 0; j <= right_length; j++)
        last[j] = j;
    for (size_t i = 1; i <= left_length; i++) {
        row[0] = i;
        for (size_t j = 1; j <= right_length; j++) {
            size_t replaced = last[j - 1] + (left[i - 1] != right[j - 1]);
            row[j] = least(replaced, least(last[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1])
                row[j] = least(row[j], before[j - 2] + 1);
        }
        size_t *oldest = before;
        before = last;
        last = row;
        row = oldest;
    }
    return last[right_length];
}

const char *option_nearest(const char *word, const char *const *candidates, size_t count)
{
    size_t length = strlen(word);
    if (length < 2 || length > OPTION_NAME_MAX)
        return NULL;
    const char *best = NULL;
    size_t best_distance = 1 + length / 3;
    for (size_t i = 0; i < count; i++) {
        size_t candidate_length = strlen(candidates[i]);
        if (candidate_length > OPTION_NAME_MAX)
            continue;
        /* The beginning of a name is as near as one slip. */
        size_t apart = strncmp(candidates[i], word, length) == 0
                           ? 1
                           : distance(word, length, candidates[i], candidate_length);
        if (apart < best_distance || (apart == best_distance && best == NULL)) {
            best = candidates[i];
            best_distance = apart;
        }
    }
    return best;
}

/* Writes a text from `column` on, broken between words. */
static void print_wrapped(const char *text, size_t column, size_t indent, FILE *file)
{
    while (*text != '\0') {
        size_t word = strcspn(text, " ");
        if (column > indent && column + 1 + word > OPTION_HELP_WIDTH) {
            fprintf(file, "\n%*s", (int)indent, "");
            column = indent;
        } else if (column > indent) {
            fputc(' ', file);
            column++;
        }
        fwrite(text, 1, word, file);
        column += word;
        text += word;
        text += strspn(text, " ");
    }
    fputc('\n', file);
}

static void print_row(const struct option_row *row, FILE *file)
{
    char left[OPTION_HELP_WIDTH];
    char letter[4] = "   ";
    if (row->letter != 0)
        snprintf(letter, sizeof(letter), "-%c%c", row->letter, row->name != NULL ? ',' : ' ');
    bool has_value = row->value != NULL;
    const char *space = !has_value || row->is_attached_or_none ? "" : " ";
    int length;
    if (row->name != NULL)
        length = snprintf(left, sizeof(left), "  %s --%s%s%s", letter, row->name, space,
                          has_value ? row->value : "");
    else
        length = snprintf(left, sizeof(left), "  -%c%s%s", row->letter, space,
                          has_value ? row->value : "");
    fputs(left, file);
    size_t column = (size_t)length;
    if (column + 2 > OPTION_HELP_COLUMN) {
        fputc('\n', file);
        column = 0;
    }
    fprintf(file, "%*s", (int)(OPTION_HELP_COLUMN - column), "");
    print_wrapped(row->text, OPTION_HELP_COLUMN, OPTION_HELP_COLUMN, file);
}

void option_print_help(const struct option_table *table, FILE *file)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct option_row *row = &table->rows[i];
        if (row->id == 0)
            fprintf(file, "%s%s\n", i == 0 ? "" : "\n", row->text);
        else if (row->text != NULL)
            print_row(row, file);
    }
}
