/* Benchmark client: libESMTP, which uses BDAT by itself whenever CHUNKING is offered. */
#include <stdio.h>
#include <stdlib.h>

#include <libesmtp.h> /* wants size_t from the headers above */

#include "workload.h"

/* What the library gets at one time when the body is not in memory. */
#define PIECE ((size_t)64 * 1024)

struct upload {
    const struct workload *workload;
    size_t offset;
    char *piece;
};

/* The library asks to rewind with a NULL length. */
static const char *read_body(void **context, int *length, void *argument)
{
    struct upload *upload = argument;
    const struct workload *w = upload->workload;
    (void)context;
    if (length == NULL) {
        upload->offset = 0;
        return NULL;
    }
    const char *from = upload->piece;
    size_t n;
    if (w->body != NULL) {
        from = w->body + upload->offset;
        n = w->body_size - upload->offset;
    } else {
        n = workload_body_read(w, upload->offset, upload->piece, PIECE);
    }
    upload->offset += n;
    *length = (int)n;
    return n > 0 ? from : NULL;
}

static void check(const struct workload *w, int is_ok)
{
    char text[256];
    if (!is_ok)
        workload_fail(w, "%s", smtp_strerror(smtp_errno(), text, sizeof text));
}

static void count_accepted(smtp_message_t message, void *argument)
{
    unsigned *accepted = argument;
    *accepted += smtp_message_transfer_status(message)->code == 250;
}

int main(int argc, char **argv)
{
    struct workload w;
    char server[256];
    workload_open(&w, argc, argv);
    snprintf(server, sizeof server, "%s:%s", w.host, w.port_text);

    workload_start(&w);
    struct upload upload = {.workload = &w, .piece = workload_buffer_new(&w, PIECE)};
    smtp_session_t session = smtp_create_session();
    check(&w, session != NULL);
    check(&w, smtp_set_server(session, server));
    check(&w, smtp_set_hostname(session, WORKLOAD_CLIENT_NAME));
    for (unsigned i = 0; i < w.messages; i++) {
        smtp_message_t message = smtp_add_message(session);
        check(&w, message != NULL);
        check(&w, smtp_set_reverse_path(message, WORKLOAD_SENDER));
        check(&w, smtp_set_messagecb(message, read_body, &upload));
        for (unsigned j = 0; j < w.recipient_count; j++)
            check(&w, smtp_add_recipient(message, w.recipients[j]) != NULL);
    }
    check(&w, smtp_start_session(session));
    unsigned accepted = 0;
    smtp_enumerate_messages(session, count_accepted, &accepted);
    smtp_destroy_session(session);
    free(upload.piece);
    workload_report(&w);
    if (accepted != w.messages)
        workload_fail(&w, "%u of %u messages accepted", accepted, w.messages);
    return 0;
}
