/* Base64: what is decoded encodes to the same text, what is encoded decodes to the same bytes, and
   lines do not depend on how the body was cut. */
#include "base/base64.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Far more than any input becomes. */
enum {
    OUTPUT_LIMIT = 1 << 20
};

static void expect(bool is_so)
{
    if (!is_so)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = bytes_of(data, size);
    AUTO(buffer)
    plain = BUFFER(OUTPUT_LIMIT);
    AUTO(buffer)
    text = BUFFER(OUTPUT_LIMIT);
    if (base64_decode(in, &plain)) {
        base64_encode(buffer_bytes(&plain), &text);
        expect(bytes_equal(buffer_bytes(&text), in));
    } else {
        expect(plain.length == 0);
    }

    buffer_reset(&plain);
    buffer_reset(&text);
    base64_encode(in, &text);
    expect(base64_decode(buffer_bytes(&text), &plain));
    expect(bytes_equal(buffer_bytes(&plain), in));

    AUTO(buffer)
    pieces = BUFFER(OUTPUT_LIMIT);
    struct base64_encoder encoder;
    base64_encoder_init(&encoder);
    buffer_reset(&text);
    base64_encoder_feed(&encoder, in, &text);
    base64_encoder_finish(&encoder, &text);
    /* The input itself says how it is cut. */
    for (size_t at = 0; at < size;) {
        size_t step = 1 + data[at] % 100;
        base64_encoder_feed(&encoder, bytes_slice(in, at, step), &pieces);
        at += step;
    }
    base64_encoder_finish(&encoder, &pieces);
    expect(bytes_equal(buffer_bytes(&pieces), buffer_bytes(&text)));
    expect(text.length == base64_encoded_lines_length(size));
    return 0;
}
