/* Object ids (RFC 8474) as clients give them back; imap_write_object_id writes them. */
#ifndef IMAP_IMAP_OBJECT_ID_H
#define IMAP_IMAP_OBJECT_ID_H

#include <stdint.h>

#include "base/bytes.h"

enum {
    IMAP_OBJECT_ID_DIGITS = 16 /* hexadecimal, behind the letter */
};

/* False: it is none that was ever written with this letter. */
bool imap_object_id_read(struct bytes text, char kind, int64_t *id);

#endif
