/* What MIME parts need beyond encodings: types by file name, and boundaries. */
#ifndef MAIL_MIME_H
#define MAIL_MIME_H

#include <stdbool.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/fault.h"

enum {
    MIME_BOUNDARY_MAX = 70 /* RFC 2046 5.1.1 */
};

/* The content type that a file name's end suggests; "application/octet-stream" when it suggests
   none. Static. */
const char *mime_type_by_name(struct bytes filename);

/* Appends a boundary of 128 random bits. It begins with "=_", which neither base64 nor
   quoted-printable can hold (RFC 2045 6.7). */
bool mime_boundary_make(struct buffer *out, struct fault *fault);

#endif
