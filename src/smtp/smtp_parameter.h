/* Reads what stands behind MAIL and RCPT: the path (RFC 5321 4.1.2) and the parameters of all
 * extensions, by a table of keywords. */
#ifndef SMTP_SMTP_PARAMETER_H
#define SMTP_SMTP_PARAMETER_H

#include "base/buffer.h"
#include "base/bytes.h"
#include "smtp/smtp_server.h"

enum {
    SMTP_PARAMETER_ENVELOPE_ID_MAX = 100,       /* RFC 3461 4.4 */
    SMTP_PARAMETER_ORIGINAL_RECIPIENT_MAX = 500 /* RFC 3461 4.2 */
};

/* "FROM:<path> KEY=value..." into the fields of the event, which must be zero and then borrow from
   the argument. False: *refusal is the reply, its strings static. */
bool smtp_parameter_read_mail(struct bytes argument, struct smtp_server_event *event,
                              struct smtp_server_reply *refusal);

/* "TO:<path> KEY=value..."; is_utf8: MAIL said SMTPUTF8. */
bool smtp_parameter_read_rcpt(struct bytes argument, bool is_utf8, struct smtp_server_event *event,
                              struct smtp_server_reply *refusal);

/* Appends what an ENVID or ORCPT (with its type and ";") says, without xtext's plus signs (RFC
   3461 4) and the braces of RFC 6533 3. False: it hides a control character, or is no UTF-8, and
   means nothing; `out` then has a part of it. */
bool smtp_parameter_decode(struct bytes text, struct buffer *out);

#endif
