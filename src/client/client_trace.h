/* Who hears a session's transcript: the user's function, or standard error by
 * ph_smtp_set_debuglevel. */
#ifndef CLIENT_CLIENT_TRACE_H
#define CLIENT_CLIENT_TRACE_H

#include "client/client_session.h"

/* NULL = nobody. */
ph_trace *client_trace_function(const struct ph_smtp *smtp);
void *client_trace_context(struct ph_smtp *smtp);

#endif
