/* The fields that a message gets on its way through our hands: Received (RFC 5321 4.4, RFC 3848,
 * RFC 6531 4.3), Return-Path and Delivered-To, and what a submission lacks (RFC 6409 8). Lines of
 * at most 78 columns where they can be folded; nothing that a peer said can break out of its field.
 */
#ifndef DELIVERY_TRACE_HEADER_H
#define DELIVERY_TRACE_HEADER_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/fault.h"

enum {
    TRACE_HEADER_MAX = 8 * 1024 /* bytes of all that is written for one copy: room to spare */
};

struct trace_header {
    struct bytes hello; /* what the client called itself */
    const char *peer;   /* its address as text */
    const char *name;   /* ours */
    bool is_extended;   /* EHLO */
    bool is_lmtp;
    bool is_encrypted;
    bool is_authenticated;
    bool is_utf8;            /* SMTPUTF8 was said */
    const char *tls_version; /* NULL = none */
    const char *tls_cipher;
    int64_t id;          /* of the message */
    int64_t received;    /* microseconds since 1970, UTC */
    struct bytes sender; /* of the envelope, "" = <> */
};

/* The word behind "with" (RFC 3848, RFC 6531 4.3); static. */
const char *trace_header_protocol(const struct trace_header *trace);

/* "Received: ..." CRLF; `recipient` is named by "for" when it is not empty, which is only right
   where the message has one recipient. */
void trace_header_received(const struct trace_header *trace, struct bytes recipient,
                           struct buffer *out);

/* The prefix of one local copy: Return-Path, Delivered-To, Received. */
void trace_header_local(const struct trace_header *trace, struct bytes recipient, bool is_only,
                        struct buffer *out);

/* The prefix of a local copy of a message that we wrote ourselves, which came by no way:
   Return-Path, Delivered-To. */
void trace_header_own(const struct trace_header *trace, struct bytes recipient, struct buffer *out);

/* The Date and the Message-ID that a submission came without (RFC 6409 8.1, 8.2), in the server's
   name. False: there is no randomness to be had. */
bool trace_header_missing(const struct trace_header *trace, bool lacks_date, bool lacks_message_id,
                          struct buffer *out, struct fault *fault);

#endif
