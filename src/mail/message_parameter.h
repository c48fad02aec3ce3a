/* Parameters of Content-Type and Content-Disposition, read forgivingly: RFC 2045 5.1, and RFC 2231,
 * whose continued values are joined while the encoded ones stay encoded, as IMAP shows them. */
#ifndef MAIL_MESSAGE_PARAMETER_H
#define MAIL_MESSAGE_PARAMETER_H

#include "base/buffer.h"
#include "mail/mail_token.h"

enum {
    MESSAGE_PARAMETERS_SIZE_MAX = 4 * 1024 * 1024 /* bytes of a field's parameters */
};

/* The place is behind the value. Appends names and values by turns in compact form; a failure of
   the scratch buffer becomes one of *out. */
void message_parameter_read(struct mail_token *token, struct buffer *scratch, struct buffer *out);

#endif
