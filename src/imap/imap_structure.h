/* ENVELOPE, BODY and BODYSTRUCTURE (RFC 9051 7.5.2) out of the compact forms that the store keeps.
 */
#ifndef IMAP_IMAP_STRUCTURE_H
#define IMAP_IMAP_STRUCTURE_H

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/fault.h"

/* Append "(...)". False: the form is damaged (FAULT_PERMANENT); what was appended is taken back. */
bool imap_structure_write_envelope(struct buffer *out, struct bytes envelope, bool is_utf8,
                                   struct fault *fault);
bool imap_structure_write(struct buffer *out, struct bytes structure, bool has_extensions,
                          bool is_utf8, struct fault *fault);

#endif
