/*
 * Benchmark client: libposthorn through its public door. Variants: "" hands all messages over at
 * once, "each" sends one after the other, "in-flight" lets bodies ride behind each other too,
 * "memory" takes a large body from memory, "callback" from a function.
 */
#include <posthorn/smtp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "workload.h"

struct upload {
    const struct workload *workload;
    size_t offset;
};

static ssize_t read_body(void *context, char *buffer, size_t size)
{
    struct upload *upload = context;
    size_t n = workload_body_read(upload->workload, upload->offset, buffer, size);
    upload->offset += n;
    return (ssize_t)n;
}

static void check(const struct workload *w, bool is_ok, const struct ph_error *error)
{
    if (!is_ok)
        workload_fail(w, "%s: %s", ph_error_kind_name(error->kind), error->message);
}

static bool is_variant(const struct workload *w, const char *variant)
{
    return strcmp(w->variant, variant) == 0;
}

/* `loaded` is the whole body in memory, or NULL. */
static struct ph_body body_of(const struct workload *w, const char *loaded, struct upload *upload)
{
    if (is_variant(w, "callback"))
        return (struct ph_body){
            .kind = PH_BODY_CALLBACK, .read = read_body, .context = upload, .size = w->body_size};
    if (loaded != NULL)
        return (struct ph_body){.kind = PH_BODY_MEMORY, .data = loaded, .length = w->body_size};
    return (struct ph_body){.kind = PH_BODY_FILE, .descriptor = w->body_fd};
}

static void send_each(const struct workload *w, struct ph_smtp *smtp, struct ph_transaction *one,
                      struct upload *upload)
{
    struct ph_error error;
    struct ph_result result = {0};
    for (unsigned i = 0; i < w->messages; i++) {
        upload->offset = 0;
        if (lseek(w->body_fd, 0, SEEK_SET) != 0)
            workload_fail(w, "the body's file cannot be rewound");
        check(w, ph_smtp_send(smtp, one, &result, &error), &error);
        if (result.accepted_count != w->recipient_count)
            workload_fail(w, "a recipient was refused");
    }
    ph_result_clear(&result);
}

static void send_all(const struct workload *w, struct ph_smtp *smtp, struct ph_transaction *one)
{
    struct ph_error error;
    struct ph_transaction *all = calloc(w->messages, sizeof *all);
    struct ph_result *results = calloc(w->messages, sizeof *results);
    if (all == NULL || results == NULL)
        workload_fail(w, "out of memory");
    for (unsigned i = 0; i < w->messages; i++)
        all[i] = *one;
    check(w, ph_smtp_send_all(smtp, all, w->messages, results, &error), &error);
    for (unsigned i = 0; i < w->messages; i++) {
        if (results[i].accepted_count != w->recipient_count)
            workload_fail(w, "a recipient was refused");
        ph_result_clear(&results[i]);
    }
    free(results);
    free(all);
}

int main(int argc, char **argv)
{
    struct workload w;
    workload_open(&w, argc, argv);
    struct ph_smtp_options options = {.host = w.host,
                                      .port = w.port,
                                      .local_hostname = WORKLOAD_CLIENT_NAME,
                                      .no_chunking = !w.wants_bdat,
                                      .bodies_in_flight = is_variant(&w, "in-flight")};

    workload_start(&w);
    struct ph_error error;
    struct upload upload = {.workload = &w};
    char *loaded = is_variant(&w, "memory") && w.body == NULL ? workload_body_load(&w) : NULL;
    struct ph_recipient *recipients = calloc(w.recipient_count, sizeof *recipients);
    if (recipients == NULL)
        workload_fail(&w, "out of memory");
    for (unsigned i = 0; i < w.recipient_count; i++)
        recipients[i].address = w.recipients[i];
    struct ph_transaction one = {.sender = WORKLOAD_SENDER,
                                 .recipients = recipients,
                                 .recipient_count = w.recipient_count,
                                 .body = body_of(&w, loaded != NULL ? loaded : w.body, &upload)};
    struct ph_smtp *smtp = ph_smtp_new(&options, &error);
    check(&w, smtp != NULL, &error);
    check(&w, ph_smtp_connect(smtp, NULL, 0, &error), &error);
    if (w.messages > 1 && !is_variant(&w, "each") && one.body.kind == PH_BODY_MEMORY)
        send_all(&w, smtp, &one);
    else
        send_each(&w, smtp, &one, &upload);
    ph_smtp_quit(smtp, NULL);
    ph_smtp_free(smtp);
    free(recipients);
    free(loaded);
    workload_report(&w);
    return 0;
}
