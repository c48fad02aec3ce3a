/* Texts of messages. Laws: whole or in pieces, a search finds the same, and so do charsets and
 * folding make the same; what BODY finds TEXT finds; the quick search of a needle is the slow one
 * of two folded texts; what was folded is not changed by folding. */
#include <stdint.h>
#include <stdlib.h>

#include "base/auto.h"
#include "mail/message_charset.h"
#include "mail/message_fold.h"
#include "mail/message_parser.h"
#include "mail/message_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    OUTPUT_MAX = 64 * 1024 * 1024,
    INPUT_MAX = 64 * 1024 /* longer ones are only slower */
};

static void expect(bool is_so)
{
    if (!is_so)
        abort();
}

/* Numbers that follow from the input and nothing else. */
static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 16;
}

static struct bytes take_piece(struct bytes *rest, uint32_t *seed, bool is_whole)
{
    size_t length = is_whole ? rest->length : 1 + next_random(seed) % (next_random(seed) % 700 + 1);
    struct bytes piece = bytes_slice(*rest, 0, length);
    *rest = bytes_skip(*rest, piece.length);
    return piece;
}

static bool search(struct message_needle *needle, struct bytes message, struct bytes structure,
                   bool has_headers, uint32_t *seed, bool is_whole)
{
    bool is_found = false;
    struct message_search *looking = message_search_new(NULL);
    expect(looking != NULL && message_search_begin(looking, needle, structure, has_headers, NULL));
    while (message.length > 0 && !is_found)
        expect(message_search_feed(looking, take_piece(&message, seed, is_whole), &is_found, NULL));
    if (!is_found)
        expect(message_search_end(looking, &is_found, NULL));
    message_search_free(looking);
    return is_found;
}

static void try_search(struct message_needle *needle, struct bytes message, uint32_t *seed)
{
    struct message_parsed parsed;
    struct message_parser *parser = message_parser_new(NULL);
    expect(parser != NULL && message_parser_feed(parser, message, NULL) &&
           message_parser_finish(parser, &parsed, NULL));
    bool found[2];
    for (int has_headers = 0; has_headers < 2; has_headers++) {
        found[has_headers] = search(needle, message, parsed.structure, has_headers, seed, true);
        expect(search(needle, message, parsed.structure, has_headers, seed, false) ==
               found[has_headers]);
    }
    expect(!found[0] || found[1]);
    message_needle_is_in_header(needle, parsed.header);
    message_parser_free(parser);
}

static void try_fold(struct message_needle *needle, struct bytes wanted, struct bytes text,
                     uint32_t *seed)
{
    AUTO(buffer)
    whole = BUFFER(OUTPUT_MAX);
    AUTO(buffer)
    pieces = BUFFER(OUTPUT_MAX);
    AUTO(buffer)
    again = BUFFER(OUTPUT_MAX);
    AUTO(buffer)
    folded = BUFFER(OUTPUT_MAX);
    message_text_fold(text, &whole);
    struct message_fold fold = {0};
    for (struct bytes rest = text; rest.length > 0;)
        message_fold_feed(&fold, take_piece(&rest, seed, false), &pieces);
    message_fold_finish(&fold, &pieces);
    expect(bytes_equal(buffer_bytes(&whole), buffer_bytes(&pieces)));
    message_text_fold(wanted, &folded);
    expect(message_needle_is_in(needle, text) ==
           (bytes_find(buffer_bytes(&whole), buffer_bytes(&folded)) != BYTES_NOT_FOUND));
    message_text_decode_words(text, &again);
    expect(!buffer_is_failed(&again));
}

static void try_charset(struct bytes text, uint32_t *seed)
{
    AUTO(buffer)
    whole = BUFFER(OUTPUT_MAX);
    AUTO(buffer)
    pieces = BUFFER(OUTPUT_MAX);
    size_t count = 0;
    while (message_text_charset(count) != NULL)
        count++;
    struct bytes name = bytes_from_string(message_text_charset(next_random(seed) % count));
    expect(message_text_convert(text, name, &whole, NULL));
    AUTO(message_charset)
    charset = {0};
    expect(message_charset_begin(&charset, name));
    for (struct bytes rest = text; rest.length > 0;)
        message_charset_feed(&charset, take_piece(&rest, seed, false), &pieces);
    message_charset_finish(&charset, &pieces);
    expect(bytes_equal(buffer_bytes(&whole), buffer_bytes(&pieces)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes message = bytes_slice(bytes_of(data, size), 0, INPUT_MAX);
    uint32_t seed = (uint32_t)size;
    for (size_t i = 0; i < message.length; i += 1 + message.length / 64)
        seed = seed * 31 + (unsigned char)message.data[i];
    struct bytes wanted = bytes_slice(message, next_random(&seed) % (message.length + 1),
                                      1 + next_random(&seed) % 24);
    struct message_needle *needle = message_needle_new(wanted, (struct bytes){NULL, 0}, NULL);
    expect(needle != NULL);
    try_fold(needle, wanted, message, &seed);
    try_charset(message, &seed);
    try_search(needle, message, &seed);
    message_needle_free(needle);
    return 0;
}
