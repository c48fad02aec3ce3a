/* The compressed layer of IMAP (RFC 4978): raw deflate both ways, flushed so that no answer waits.
 * zlib does the work. */
#ifndef WIRE_DEFLATE_H
#define WIRE_DEFLATE_H

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/fault.h"

enum {
    DEFLATE_INFLATED_MAX = 64 * 1024 /* bytes that one call gives at most */
};

struct deflate;

/* NULL: out of memory. About 300 KiB while it works; both ways. */
struct deflate *deflate_new(struct fault *fault);
void deflate_free(struct deflate *layer); /* accepts NULL */

/* Appends the compressed form of all of `in`, to be read at once by the other side. False: memory,
   or the buffer has met its limit. */
bool deflate_compress(struct deflate *layer, struct bytes in, struct buffer *out,
                      struct fault *fault);

/* Appends plain bytes, DEFLATE_INFLATED_MAX at most, and says how many of `in` were used; there may
   be more to come without any new input (*has_more). FAULT_SYNTAX: no deflate. */
bool deflate_expand(struct deflate *layer, struct bytes in, size_t *used, struct buffer *out,
                    bool *has_more, struct fault *fault);

#endif
