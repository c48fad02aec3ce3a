/* What a client sends behind COMPRESS: whatever it is, in pieces or whole it becomes the same plain
   bytes or is refused, in bounded portions; and what is packed unpacks to the same bytes. */
#include "wire/deflate.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    PLAIN_MAX = 256 * 1024, /* bytes: enough of a bomb is seen then */
    ROOM = PLAIN_MAX + DEFLATE_INFLATED_MAX
};

static void expect(bool is_so)
{
    if (!is_so)
        abort();
}

/* False: it is refused. Sized steps come from the input itself; whole: in one. */
static bool expand(struct bytes in, bool is_whole, struct buffer *plain)
{
    struct deflate *layer = deflate_new(NULL);
    struct bytes steps = in;
    bool has_more = false;
    bool is_sound = true;
    expect(layer != NULL);
    while (is_sound && (in.length > 0 || has_more) && plain->length < PLAIN_MAX) {
        size_t step = is_whole || steps.length == 0 ? in.length : 1U + (uint8_t)steps.data[0] % 50U;
        struct bytes piece = bytes_slice(in, 0, step);
        struct fault fault = {0};
        size_t used = 0;
        size_t before = plain->length;
        is_sound = deflate_expand(layer, piece, &used, plain, &has_more, &fault);
        expect(plain->length - before <= DEFLATE_INFLATED_MAX);
        expect(is_sound || fault.kind == FAULT_SYNTAX);
        expect(!is_sound ||
               (used <= piece.length && (used > 0 || plain->length > before || !has_more)));
        in = bytes_skip(in, used);
        steps = bytes_skip(steps, 1);
    }
    deflate_free(layer);
    return is_sound;
}

static void expect_same(struct bytes in)
{
    AUTO(buffer)
    whole = BUFFER(ROOM);
    AUTO(buffer)
    pieces = BUFFER(ROOM);
    bool is_sound = expand(in, true, &whole);
    bool is_sound_in_pieces = expand(in, false, &pieces);
    /* Where both stopped early they have seen as much as there is room for, and no more is known.
     */
    size_t common = whole.length < pieces.length ? whole.length : pieces.length;
    expect(bytes_equal(bytes_slice(buffer_bytes(&whole), 0, common),
                       bytes_slice(buffer_bytes(&pieces), 0, common)));
    if (common < PLAIN_MAX)
        expect(whole.length == pieces.length && is_sound == is_sound_in_pieces);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = bytes_of(data, size);
    expect_same(in);

    struct deflate *layer = deflate_new(NULL);
    AUTO(buffer)
    packed = BUFFER(ROOM);
    AUTO(buffer)
    plain = BUFFER(ROOM);
    expect(layer != NULL);
    if (size < PLAIN_MAX / 2) {
        expect(deflate_compress(layer, in, &packed, NULL));
        expect(expand(buffer_bytes(&packed), false, &plain));
        expect(bytes_equal(buffer_bytes(&plain), in));
    }
    deflate_free(layer);
    return 0;
}
