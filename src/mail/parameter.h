/* Parameters of MIME fields, "; name=value": RFC 2045 5.1, long ones and those beyond ASCII by RFC
 * 2231. */
#ifndef MAIL_PARAMETER_H
#define MAIL_PARAMETER_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/fault.h"
#include "mail/header_writer.h"

/* A token of RFC 2045 5.1. */
bool parameter_is_token(struct bytes text);

/* Writes "; name=value": the value as it is, quoted, or in UTF-8 with percent signs and, when it is
   long, in numbered pieces (RFC 2231 3, 4). The name is a token, the value UTF-8 without controls;
   other bytes are of the charset "unknown-8bit" (RFC 1428 3). */
void parameter_write(struct header_writer *writer, struct bytes name, struct bytes value);

/* Writes a whole content type, "type/subtype; name=value; ...", as people give it, anew. False: it
   is none (FAULT_SYNTAX). */
bool parameter_write_content_type(struct header_writer *writer, struct bytes text,
                                  struct fault *fault);

#endif
