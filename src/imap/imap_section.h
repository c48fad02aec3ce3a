/* BODY[section] and BINARY[section]: which bytes of a message are meant (RFC 9051 6.4.5, RFC 3516).
 * A stored message is a prefix (header fields of this copy) and a body, whose structure is known;
 * offsets here count from the prefix's first byte. */
#ifndef IMAP_IMAP_SECTION_H
#define IMAP_IMAP_SECTION_H

#include "imap/imap_command.h"
#include "mail/transfer_encoding.h"

/* A message without its bytes. */
struct imap_section_message {
    struct bytes structure; /* compact; read only where the section has a path or is BINARY */
    uint64_t prefix_size;
    uint64_t header_size; /* of the header section of the body, empty line included */
    uint64_t size;        /* of the whole */
};

struct imap_section_place {
    bool is_found; /* false: NIL, there is no such part */
    uint64_t start;
    uint64_t size;
    bool is_filtered; /* HEADER.FIELDS(.NOT): these bytes go through imap_section_filter */
    enum transfer_encoding encoding; /* BINARY: to be undone */
    bool is_encoding_unknown;        /* BINARY: NO [UNKNOWN-CTE] */
};

/* False: the structure is damaged. */
bool imap_section_find(const struct imap_section_message *message,
                       const struct imap_section *section, bool is_binary,
                       struct imap_section_place *place, struct fault *fault);

/* Appends the fields of a header section that are named (or those that are not), and the empty
   line. */
void imap_section_filter(const struct imap_section *section, struct bytes header,
                         struct buffer *out);

/* "BODY[1.HEADER.FIELDS (SUBJECT)]<0>" as it stands in the answer, without the blank behind. */
void imap_section_write_name(const struct imap_fetch_item *item, struct buffer *out);

#endif
