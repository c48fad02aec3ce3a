/* A message as a row of segments, pulled through piece by piece: text that was written here, memory
 * that is borrowed, and streams, each encoded on its way. What is held does not depend on how long
 * they are. */
#ifndef MAIL_COMPOSE_H
#define MAIL_COMPOSE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <posthorn/transaction.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/fault.h"
#include "mail/transfer_encoding.h"

enum {
    COMPOSE_TEXT_MAX = 8 << 20, /* bytes of headers and boundaries together */
    /* Bytes of a stream that are encoded at a time: whole lines of base64. */
    COMPOSE_PIECE = 1024 * BASE64_LINE_BYTES
};

/* Where the bytes of a body come from. */
struct compose_source {
    struct bytes memory; /* borrowed; when read is NULL */
    ph_body_read *read;
    void *context;
    uint64_t size; /* of a stream; when is_size_known it must give exactly that */
    bool is_size_known;
};

struct compose_segment {
    bool is_text;
    size_t start; /* is_text: where in the composition's text */
    size_t length;
    struct compose_source source;
    enum transfer_encoding encoding;
};

/* Initialise; write to text; leave the other members alone. */
struct compose {
    struct buffer text;
    struct compose_segment *segments;
    size_t count;
    size_t capacity;
    size_t text_start; /* of the text that is in no segment yet */

    size_t index; /* reading: the segment, and how much of it was taken */
    uint64_t offset;
    bool is_begun; /* encoder is set up for the segment */
    bool is_drained;
    bool has_failed;
    struct transfer_encoder encoder;
    struct buffer encoded; /* waits to be taken */
    char *piece;           /* COMPOSE_PIECE bytes for streams, or NULL */
};

void compose_init(struct compose *composition);

/* Accepts NULL. The composition is then as new. */
void compose_clear(struct compose *composition);

/* Puts a source behind the text so far. */
bool compose_add_source(struct compose *composition, const struct compose_source *source,
                        enum transfer_encoding encoding, struct fault *fault);

/* Ends the writing: text that failed or is too long shows here. */
bool compose_finish(struct compose *composition, struct fault *fault);

/* The size of all that compose_read will give. False: a stream does not say. */
bool compose_size(const struct compose *composition, uint64_t *size);

/* Gives the next bytes, 1 to size of them; 0 at the end; -1 when a source failed, gave more or less
   than it said, or memory ran out: then always again. */
ssize_t compose_read(struct compose *composition, char *out, size_t size);

#endif
