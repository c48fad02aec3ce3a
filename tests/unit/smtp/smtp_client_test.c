/* What a talk cannot say of the engine: a caller who changes what the engine has borrowed. */
#include "smtp/smtp_client.h"

#include "unit.h"

static void hear(struct smtp_client *client, const char *text)
{
    size_t length = strlen(text);
    assert_int_equal(smtp_client_feed(client, text, length, 0), length);
}

/* The next event is the end of this operation; everything that waits to be written is written. */
static struct ph_error take_end(struct smtp_client *client, enum ph_operation kind)
{
    struct ph_event event;
    do {
        assert_true(smtp_client_next(client, &event));
    } while (event.kind != PH_EVENT_DONE);
    assert_int_equal(event.operation, kind);
    return *event.error;
}

static size_t write_all(struct smtp_client *client, char *line, size_t size)
{
    struct iovec slices[8];
    size_t length = 0;
    size_t count = smtp_client_output(client, slices, 8);
    for (size_t i = 0; i < count; i++) {
        assert_true(length + slices[i].iov_len < size);
        memcpy(line + length, slices[i].iov_base, slices[i].iov_len);
        length += slices[i].iov_len;
    }
    line[length] = '\0';
    smtp_client_sent(client, length, 0);
    return length;
}

static void refuses_what_was_changed_behind_its_back(void **state)
{
    (void)state;
    struct ph_engine_options options = {.hello_name = "client.example"};
    struct ph_error error;
    char line[256];
    struct smtp_client *client = smtp_client_new(&options, 0, &error);
    assert_non_null(client);
    hear(client, "220 mx.example\r\n");
    assert_int_equal(take_end(client, PH_OPERATION_GREETING).kind, PH_OK);
    assert_true(smtp_client_hello(client, PH_HELLO_AUTOMATIC, NULL, 0, &error));
    write_all(client, line, sizeof line);
    hear(client, "250 mx.example\r\n");
    assert_int_equal(take_end(client, PH_OPERATION_HELLO).kind, PH_OK);

    struct ph_recipient recipient = {.address = "b@d.example"};
    struct ph_transaction transaction = {
        .sender = "a@c.example",
        .recipients = &recipient,
        .recipient_count = 1,
        .body = {.data = "x\r\n", .length = 3},
    };
    assert_true(smtp_client_send(client, &transaction, 0, &error));
    write_all(client, line, sizeof line);
    assert_string_equal(line, "MAIL FROM:<a@c.example>\r\n");
    recipient.address = "b@[tag:>]";
    hear(client, "250 ok\r\n");
    error = take_end(client, PH_OPERATION_TRANSACTION);
    assert_int_equal(error.kind, PH_ERROR_ARGUMENT);
    assert_string_equal(error.verb, "RCPT");
    assert_false(smtp_client_is_closed(client));
    assert_int_equal(write_all(client, line, sizeof line), 0);

    /* The envelope that was begun is not left to the next message. */
    recipient.address = "b@d.example";
    assert_true(smtp_client_send(client, &transaction, 0, &error));
    write_all(client, line, sizeof line);
    assert_string_equal(line, "RSET\r\n");
    smtp_client_free(client);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(refuses_what_was_changed_behind_its_back),
};

UNIT_MAIN(tests)
