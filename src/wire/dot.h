/* The hot loop under every body: finds the few places where the wire's form of a text differs from
 * the source's. That form has CRLF line ends only (RFC 5321 2.3.8) and, for DATA, a second dot at
 * every line start (RFC 5321 4.5.2); both come about by insertions alone. */
#ifndef WIRE_DOT_H
#define WIRE_DOT_H

#include <stdbool.h>

#include "base/bytes.h"

/* What the last byte on the wire was, as far as it matters for the next. */
enum dot_place {
    DOT_LINE_START = 0, /* CRLF, or nothing yet */
    DOT_AFTER_CR,
    DOT_IN_LINE
};

/* A walk over one text, from piece to piece. Zero at the start, but for is_stuffing. */
struct dot {
    enum dot_place place;
    bool is_stuffing; /* DATA: yes; BDAT: no */
};

/* Passes over the front of piece. Returns how many of its bytes go out as they stand; *insertion is
 * what goes out behind them: '.', '\r', '\n', or 0 when the piece has come to its end. After an
 * insertion call again with the rest of the piece, which begins with the byte that called for it.
 */
size_t dot_next(struct dot *dot, struct bytes piece, char *insertion);

/* What the end of the text needs: "" where a line has just ended or nothing came, "\n" after a bare
 * CR, "\r\n" in a line. */
struct bytes dot_finish(const struct dot *dot);

/* The same as dot_next without vector instructions; for tests and other machines. */
size_t dot_next_portable(struct dot *dot, struct bytes piece, char *insertion);

/* True when a byte is above 127: the text is not 7-bit. */
bool dot_has_high_bytes(struct bytes text);

#endif
