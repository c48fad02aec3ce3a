/* The parts of a message while it is read: which there are, where they begin and end, what their
 * headers say. At the end it becomes the compact form of mail/message_structure.h. */
#ifndef MAIL_MESSAGE_OUTLINE_H
#define MAIL_MESSAGE_OUTLINE_H

#include <stdint.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "mail/message_content.h"
#include "mail/message_structure.h"

enum {
    /* Bytes of what the headers of all parts say, after which no further part is begun. */
    MESSAGE_OUTLINE_DETAILS_MAX = 8 * 1024 * 1024
};

/* A place in the message: bytes and line ends before it. */
struct message_place {
    uint64_t offset;
    uint64_t lines;
};

struct message_outline_part {
    struct message_place header;
    struct message_place body;
    struct message_place end;
    size_t details_start; /* in details */
    size_t details_length;
    size_t envelope_length; /* of the message in it: in details, behind the details */
    unsigned depth;
    enum message_structure_kind kind;
    bool is_digest;
};

struct message_outline {
    struct message_outline_part *parts; /* each before those in it */
    size_t count;
    size_t capacity;
    struct buffer details;
    struct arena arena; /* for one header */
    struct buffer scratch;
};

void message_outline_init(struct message_outline *outline);
void message_outline_clear(struct message_outline *outline);
/* Empty; keeps little memory. */
void message_outline_reset(struct message_outline *outline);

/* No more parts are taken. */
bool message_outline_is_full(const struct message_outline *outline);

/* Bytes of memory that it holds, about. */
size_t message_outline_memory(const struct message_outline *outline);

/* A new part, the last one; false: out of memory. */
bool message_outline_add(struct message_outline *outline, struct message_place header,
                         unsigned depth);

/* Reads the header of the last part. `place` says what is around it, `may_nest` whether parts can
   be in it. *boundary, of a multipart that has one, lives until the next header is read; else its
   data is NULL. False: out of memory. */
bool message_outline_describe(struct message_outline *outline, struct bytes section,
                              struct message_content_place place, bool may_nest,
                              struct bytes *boundary);

/* The header of the message within part `index`, whose envelope is wanted. It must be the last part
   but one. */
void message_outline_put_envelope(struct message_outline *outline, size_t index,
                                  struct bytes section);

/* Appends the compact form. All places but the first part's header move by `shift`. */
void message_outline_write(const struct message_outline *outline, uint64_t shift,
                           struct buffer *out);

#endif
