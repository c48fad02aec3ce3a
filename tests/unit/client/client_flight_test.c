/* Bodies in flight: a second body waits for the first while replies come in, over a transport that
 * the test plays by itself. */
#include <posthorn/posthorn.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

enum {
    BODY_SIZE = 1000,
    LONG_READ = 17408 /* as many bytes as the session reads at once */
};

/* What the server says, read by read; and a path that is full for a while once the first body is on
 * its way. */
struct peer {
    const char *reads[8];
    size_t next;
    unsigned refusals; /* writes still to be refused */
    bool has_taken_a_body;
};

static ssize_t peer_read(void *context, char *buffer, size_t size, int64_t timeout)
{
    struct peer *peer = context;
    (void)timeout;
    const char *text = peer->reads[peer->next];
    if (text == NULL)
        return 0;
    peer->next++;
    size_t length = strlen(text);
    assert_true(length <= size);
    memcpy(buffer, text, length);
    return (ssize_t)length;
}

static ssize_t peer_write(void *context, const char *data, size_t size, int64_t timeout)
{
    struct peer *peer = context;
    (void)timeout;
    if (peer->has_taken_a_body && peer->refusals > 0) {
        peer->refusals--;
        errno = EAGAIN;
        return -1;
    }
    const char *last = memmem(data, size, "LAST\r\n", 6);
    if (last != NULL && !peer->has_taken_a_body) {
        size_t taken = (size_t)(last - data) + 6 + BODY_SIZE;
        peer->has_taken_a_body = true;
        return (ssize_t)(taken < size ? taken : size);
    }
    return (ssize_t)size;
}

static bool go_on(void *context, uint64_t done, uint64_t total)
{
    (void)context;
    return done <= total;
}

/* Sends two letters whose bodies share the session's memory. */
static bool send_two(struct peer *peer, struct ph_result results[2], struct ph_error *error)
{
    const struct ph_smtp_options options = {
        .host = "localhost", .bodies_in_flight = true, .progress = go_on};
    const struct ph_transport transport = {.read = peer_read, .write = peer_write, .context = peer};
    const struct ph_recipient bob = {.address = "bob@x.example"};
    char text[BODY_SIZE];
    memset(text, 'a', sizeof text);
    memcpy(text + sizeof text - 2, "\r\n", 2);
    struct ph_transaction all[2];
    for (size_t i = 0; i < 2; i++)
        all[i] = (struct ph_transaction){
            .sender = "ann@x.example",
            .recipients = &bob,
            .recipient_count = 1,
            .body = {.data = text, .length = sizeof text},
        };
    struct ph_smtp *smtp = ph_smtp_new(&options, error);
    assert_non_null(smtp);
    if (!ph_smtp_connect_transport(smtp, &transport, NULL, error))
        fail_msg("%s", error->message);
    bool is_sent = ph_smtp_send_all(smtp, all, 2, results, error);
    ph_smtp_free(smtp);
    return is_sent;
}

static void keeps_what_it_has_read_while_a_body_waits(void **state)
{
    (void)state;
    struct peer peer = {
        .reads = {"220 hi\r\n", "250-x\r\n250-PIPELINING\r\n250 CHUNKING\r\n",
                  "250 m1\r\n250 r1\r\n250 b1\r\n", "25",
                  "0 reset\r\n250 m2\r\n250 r2\r\n250 b2\r\n"},
        .refusals = 2,
    };
    struct ph_result results[2] = {0};
    struct ph_error error = {0};
    if (!send_two(&peer, results, &error))
        fail_msg("%s", error.message);
    assert_string_equal(results[0].reply.text, "b1");
    assert_string_equal(results[1].recipients[0].reply.text, "r2");
    assert_string_equal(results[1].reply.text, "b2");
    for (size_t i = 0; i < 2; i++)
        ph_result_clear(&results[i]);
}

static void reads_no_further_than_it_has_read(void **state)
{
    (void)state;
    char *flood = malloc(LONG_READ + 1);
    memset(flood, 'A', LONG_READ);
    memcpy(flood, "250 m1\r\n", 8);
    flood[LONG_READ] = '\0';
    struct peer peer = {
        .reads = {"220 hi\r\n", "250-x\r\n250-PIPELINING\r\n250 CHUNKING\r\n", flood, "25",
                  "0 reset\r\n250 m2\r\n250 r2\r\n250 b2\r\n"},
        .refusals = 2,
    };
    struct ph_result results[2] = {0};
    struct ph_error error = {0};
    assert_false(send_two(&peer, results, &error));
    assert_int_equal(error.kind, PH_ERROR_PROTOCOL);
    for (size_t i = 0; i < 2; i++)
        ph_result_clear(&results[i]);
    free(flood);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(keeps_what_it_has_read_while_a_body_waits),
    cmocka_unit_test(reads_no_further_than_it_has_read),
};

UNIT_MAIN(tests)
