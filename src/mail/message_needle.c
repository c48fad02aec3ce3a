/* Needles, and short texts: those of header fields. */
#include "mail/message_needle.h"

#include <stdlib.h>

#include "mail/message_header.h"
#include "mail/message_parser.h"

enum {
    /* Bytes of a header section when its values are decoded: a byte gives a character of 3. */
    DECODED_MAX = 4 * MESSAGE_HEADER_MAX,
    /* Bytes of memory that are kept from one text to the next. */
    SCRATCH_KEPT = 64 * 1024
};

static bool fill(struct message_needle *needle, struct bytes text, struct bytes charset,
                 struct fault *fault)
{
    AUTO(buffer)
    converted = BUFFER(4 * MESSAGE_TEXT_NEEDLE_MAX);
    if (text.length > MESSAGE_TEXT_NEEDLE_MAX)
        return fault_set(fault, FAULT_LIMIT, "The text to be searched is too long");
    if (!message_text_convert(text, charset, &converted, fault))
        return false;
    message_text_fold(buffer_bytes(&converted), &needle->text);
    /* A character may grow many times when it is taken apart. */
    if (buffer_is_failed(&needle->text))
        return fault_set(fault, FAULT_LIMIT, "The text to be searched is too long");
    struct bytes folded = buffer_bytes(&needle->text);
    message_pattern_init(&needle->pattern, folded);
    needle->has_blank = bytes_has_char(folded, ' ') || bytes_has_char(folded, '\t') ||
                        bytes_has_char(folded, '\r') || bytes_has_char(folded, '\n');
    return true;
}

struct message_needle *message_needle_new(struct bytes text, struct bytes charset,
                                          struct fault *fault)
{
    struct message_needle *needle = calloc(1, sizeof *needle);
    if (needle == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    buffer_init(&needle->text, MESSAGE_TEXT_NEEDLE_MAX);
    buffer_init(&needle->scratch, DECODED_MAX);
    if (!fill(needle, text, charset, fault)) {
        message_needle_free(needle);
        return NULL;
    }
    return needle;
}

void message_needle_free(struct message_needle *needle)
{
    if (needle == NULL)
        return;
    buffer_clear(&needle->text);
    buffer_clear(&needle->scratch);
    message_pattern_matcher_clear(&needle->matcher);
    free(needle);
}

bool message_needle_is_empty(const struct message_needle *needle)
{
    return needle->pattern.text.length == 0;
}

bool message_needle_is_in(struct message_needle *needle, struct bytes text)
{
    if (message_pattern_ascii(text) == text.length)
        return message_pattern_is_in(&needle->pattern, text);
    message_pattern_matcher_begin(&needle->matcher, &needle->pattern);
    message_pattern_matcher_feed(&needle->matcher, text);
    message_pattern_matcher_finish(&needle->matcher);
    return needle->matcher.is_found;
}

static void reset_scratch(struct message_needle *needle)
{
    if (needle->scratch.capacity > SCRATCH_KEPT)
        buffer_clear(&needle->scratch);
    buffer_reset(&needle->scratch);
}

static bool has_word(struct bytes text)
{
    return bytes_find(text, BYTES("=?")) != BYTES_NOT_FOUND;
}

bool message_needle_is_in_value(struct message_needle *needle, struct bytes value)
{
    if (!has_word(value) && (!needle->has_blank || !bytes_has_char(value, '\n')))
        return message_needle_is_in(needle, value);
    reset_scratch(needle);
    message_text_decode_words(value, &needle->scratch);
    return message_needle_is_in(needle, buffer_bytes(&needle->scratch));
}

bool message_needle_is_in_header(struct message_needle *needle, struct bytes section)
{
    if (!has_word(section) && !needle->has_blank)
        return message_needle_is_in(needle, section);
    struct message_header_field field;
    reset_scratch(needle);
    while (message_header_next(&section, &field)) {
        buffer_append(&needle->scratch, field.name);
        buffer_append(&needle->scratch, BYTES(": "));
        message_text_decode_words(field.value, &needle->scratch);
        buffer_append(&needle->scratch, BYTES("\r\n"));
    }
    return message_needle_is_in(needle, buffer_bytes(&needle->scratch));
}
