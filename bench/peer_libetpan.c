/* Benchmark client: libetpan, which takes a message only as a whole in memory. */
#include <libetpan/libetpan.h>
#include <stdlib.h>

#include "workload.h"

static void check(const struct workload *w, int code)
{
    if (code != MAILSMTP_NO_ERROR)
        workload_fail(w, "%s", mailsmtp_strerror(code));
}

int main(int argc, char **argv)
{
    struct workload w;
    workload_open(&w, argc, argv);
    if (w.wants_bdat)
        workload_fail(&w, "libetpan has no BDAT");

    workload_start(&w);
    char *loaded = w.body == NULL ? workload_body_load(&w) : NULL;
    const char *body = loaded != NULL ? loaded : w.body;
    mailsmtp *session = mailsmtp_new(0, NULL);
    if (session == NULL)
        workload_fail(&w, "out of memory");
    check(&w, mailsmtp_socket_connect(session, w.host, w.port));
    check(&w, mailesmtp_ehlo(session));
    for (unsigned i = 0; i < w.messages; i++) {
        check(&w, mailesmtp_mail_size(session, WORKLOAD_SENDER, 0, NULL, w.body_size));
        for (unsigned j = 0; j < w.recipient_count; j++)
            check(&w, mailesmtp_rcpt(session, w.recipients[j], 0, NULL));
        check(&w, mailsmtp_data(session));
        check(&w, mailsmtp_data_message(session, body, w.body_size));
    }
    mailsmtp_quit(session);
    mailsmtp_free(session);
    free(loaded);
    workload_report(&w);
    return 0;
}
