/* Reads a message once, while it comes in piece by piece, and makes what IMAP will be asked for:
 * where the header ends, ENVELOPE and BODYSTRUCTURE in a compact form. Memory is bounded by the
 * limits, whatever the size; a broken message is never refused but described as well as can be, as
 * real messages are broken. RFC 5322, RFC 2045-2047, RFC 2231, RFC 6532. */
#ifndef MAIL_MESSAGE_PARSER_H
#define MAIL_MESSAGE_PARSER_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/fault.h"

enum {
    MESSAGE_HEADER_MAX = 1024 * 1024, /* bytes of a header section; what is behind is body */
    MESSAGE_DEPTH_MAX = 100,          /* parts in parts; deeper ones are leaves */
    MESSAGE_PARTS_MAX = 10000,        /* parts in all; what comes then belongs to the last */
    MESSAGE_PARAMETERS_MAX = 128,     /* of one field */
    MESSAGE_ADDRESSES_MAX = 10000,    /* in all fields of the envelope */
    MESSAGE_LINE_MAX = 64 * 1024      /* bytes of a line as SMTP takes it (a limit of the engine) */
};

/* What was found. Borrowed from the parser. */
struct message_parsed {
    struct bytes header;    /* the header section, with the empty line behind it */
    struct bytes envelope;  /* compact; mail/message_envelope.h reads it */
    struct bytes structure; /* compact; mail/message_structure.h reads it */
    uint64_t size;          /* of the whole */
    uint64_t lines;
    int64_t sent;            /* Date, microseconds since 1970 UTC; 0 = none that can be read */
    unsigned received_count; /* Received fields: hops (RFC 5321 6.3) */
    bool has_date;
    bool has_message_id;
    bool has_from;
    bool has_8bit; /* a byte above 127 anywhere */
    bool has_nul;
};

struct message_parser;

/* NULL: out of memory. */
struct message_parser *message_parser_new(struct fault *fault);
void message_parser_free(struct message_parser *parser); /* accepts NULL */

/* Forgets everything; ready for the next message. */
void message_parser_reset(struct message_parser *parser);

/* The next piece. False: out of memory. */
bool message_parser_feed(struct message_parser *parser, struct bytes piece, struct fault *fault);

/* The end of the message was reached. *parsed lives until the next call. */
bool message_parser_finish(struct message_parser *parser, struct message_parsed *parsed,
                           struct fault *fault);

/* Between the last feed and finish: which of the fields were there (only the has_ members and
   received_count are filled), so that missing ones can be added. */
void message_parser_peek(const struct message_parser *parser, struct message_parsed *parsed);

/* Bytes of memory that it holds, about: they grow with what headers say, not with bodies. */
size_t message_parser_memory(const struct message_parser *parser);

/* Fields that are put in front of the message afterwards (a submission's missing Date and
   Message-ID), CRLF ends included: envelope, header and all offsets take them in. Before finish. */
bool message_parser_add_front(struct message_parser *parser, struct bytes fields,
                              struct fault *fault);

#endif
