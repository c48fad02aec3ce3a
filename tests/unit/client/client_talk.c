/* Sessions for tests. */
#include "client/client_talk.h"

#include <stdlib.h>

#include "unit.h"

struct client_talk client_talk_begin(const struct ph_smtp_options *options, const char *script)
{
    struct ph_error error = {0};
    struct client_talk talk = {.server = scripted_server_start(SCRIPTED_LOOPBACK, script)};
    talk.smtp = ph_smtp_new(options, &error);
    if (talk.smtp == NULL ||
        !ph_smtp_connect(talk.smtp, scripted_server_address(talk.server), 0, &error))
        fail_msg("%s", error.message);
    return talk;
}

char *client_talk_end_body(struct client_talk *talk, size_t *length)
{
    ph_smtp_free(talk->smtp);
    return scripted_server_finish_body(talk->server, length);
}

void client_talk_end(struct client_talk *talk)
{
    size_t length;
    free(client_talk_end_body(talk, &length));
}
