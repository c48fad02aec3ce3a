/* Asserts on commands: a text, and what is read of it or said against it. */
#ifndef IMAP_COMMAND_READ_H
#define IMAP_COMMAND_READ_H

#include <stdlib.h>
#include <string.h>

#include "failing_allocation.h"
#include "imap/imap_command.h"
#include "imap_command_print.h"
#include "unit.h"

enum {
    READ_PRINT_MAX = 4 * 1024 * 1024
};

/* In memory of its exact size, so that a look past its end is seen. */
static inline char *read_copy(struct bytes text)
{
    char *copy = malloc(text.length > 0 ? text.length : 1);
    assert_non_null(copy);
    memcpy(copy, text.data, text.length);
    return copy;
}

static inline void read_bytes(unsigned enabled, struct bytes text, const char *expected,
                              const char *file, int line)
{
    const struct imap_command_mode mode = {.enabled = enabled};
    AUTO(arena)
    arena = ARENA(IMAP_COMMAND_ARENA_MAX);
    AUTO(buffer)
    out = BUFFER(READ_PRINT_MAX);
    struct imap_command command;
    struct fault fault;
    char *copy = read_copy(text);
    if (imap_command_parse(bytes_of(copy, text.length), &mode, &arena, &command, &fault))
        print_command(&out, &command);
    else
        buffer_append_format(&out, "%s: %s", fault_kind_name(fault.kind), fault.message);
    unit_assert_bytes(buffer_bytes(&out), bytes_from_string(expected), file, line);
    free(copy);
}

/* Of a refusal the expected text is "syntax: message". */
#define assert_reads(text, expected) read_bytes(0, BYTES(text), (expected), __FILE__, __LINE__)
#define assert_reads_enabled(enabled, text, expected)                                              \
    read_bytes((enabled), BYTES(text), (expected), __FILE__, __LINE__)

/* Reads a text that the test made, and says what kind of fault it is; FAULT_NONE: it was read. */
static inline enum fault_kind read_kind(struct bytes text)
{
    const struct imap_command_mode mode = {.enabled = IMAP_ENABLED_QRESYNC};
    AUTO(arena)
    arena = ARENA(IMAP_COMMAND_ARENA_MAX);
    struct imap_command command;
    struct fault fault = {0};
    char *copy = read_copy(text);
    (void)imap_command_parse(bytes_of(copy, text.length), &mode, &arena, &command, &fault);
    free(copy);
    return fault.kind;
}

/* `before`, then `count` times `piece`, then `after`. */
static inline enum fault_kind read_kind_of_many(const char *before, const char *piece, size_t count,
                                                const char *after)
{
    AUTO(buffer)
    text = BUFFER(READ_PRINT_MAX);
    buffer_append_string(&text, before);
    for (size_t i = 0; i < count; i++)
        buffer_append_string(&text, piece);
    buffer_append_string(&text, after);
    assert_false(buffer_is_failed(&text));
    return read_kind(buffer_bytes(&text));
}

/* Whichever allocation fails, it is a fault of memory, and nothing is lost or written. */
static inline void read_failing(const char *text)
{
    const struct imap_command_mode mode = {.enabled = IMAP_ENABLED_QRESYNC};
    bool is_refused = true;
    for (size_t count = 0; is_refused; count++) {
        AUTO(arena)
        arena = ARENA(IMAP_COMMAND_ARENA_MAX);
        struct imap_command command = {.verb = IMAP_VERB_COUNT};
        struct fault fault = {0};
        failing_allocation_start(count);
        bool is_read = imap_command_parse(bytes_from_string(text), &mode, &arena, &command, &fault);
        is_refused = failing_allocation_stop();
        assert_true(is_read != is_refused);
        if (is_refused) {
            assert_int_equal(fault.kind, FAULT_TEMPORARY);
            assert_int_equal(command.verb, IMAP_VERB_COUNT);
        }
        assert_true(count < 1000);
    }
}

#endif
