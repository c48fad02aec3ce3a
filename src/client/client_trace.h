/* Who hears a session's transcript: the user's function, or standard error by
 * ph_smtp_set_debuglevel. */
#ifndef CLIENT_CLIENT_TRACE_H
#define CLIENT_CLIENT_TRACE_H

#include "client/client_session.h"

/* NULL = nobody. Its context is the session. */
ph_trace *client_trace_function(const struct ph_smtp *smtp);

/* Shows a line, with "****" behind it where it goes on with a secret. */
void client_trace_line(struct ph_smtp *smtp, enum ph_trace_kind kind, struct bytes line,
                       bool has_secret);

#endif
