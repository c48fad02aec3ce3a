/* Envelopes: which field counts, what a list looks like, and readers of damaged ones. What becomes
 * of broken addresses is in tests/message/structure. */
#include "mail/message_envelope.h"

#include <stdlib.h>

#include "base/auto.h"
#include "failing_allocation.h"
#include "mail/message_parser.h"
#include "unit.h"

enum {
    OUTPUT_MAX = 16 * 1024 * 1024
};

static void write_and_read(struct buffer *out, struct bytes section,
                           struct message_envelope *envelope)
{
    struct fault fault;
    buffer_reset(out);
    message_envelope_write(section, out);
    assert_false(buffer_is_failed(out));
    assert_true(message_envelope_read(buffer_bytes(out), envelope, &fault));
}

static void nothing(void **state)
{
    (void)state;
    AUTO(buffer)
    out = BUFFER(OUTPUT_MAX);
    struct message_envelope envelope;
    write_and_read(&out, BYTES(""), &envelope);
    assert_null(envelope.date.data);
    assert_null(envelope.subject.data);
    assert_null(envelope.in_reply_to.data);
    assert_null(envelope.message_id.data);
    assert_int_equal(envelope.from.length, 0);
    assert_int_equal(envelope.bcc.length, 0);
}

static void values(void **state)
{
    (void)state;
    AUTO(buffer)
    out = BUFFER(OUTPUT_MAX);
    struct message_envelope envelope;
    write_and_read(&out,
                   BYTES("subject:  two  words\r\n\tand a fold \r\nDATE: Mon,\r\n  1 Jan 2001\r\n"
                         "Message-Id: <a@b>\r\nIn-Reply-To:\r\nX-Subject: no\r\n\r\nSubject: body"),
                   &envelope);
    assert_bytes(envelope.subject, "two words and a fold");
    assert_bytes(envelope.date, "Mon,  1 Jan 2001");
    assert_bytes(envelope.message_id, "<a@b>");
    assert_non_null(envelope.in_reply_to.data);
    assert_bytes(envelope.in_reply_to, "");
}

/* Of texts the last counts, and lists are joined. */
static void fields_that_come_twice(void **state)
{
    (void)state;
    AUTO(buffer)
    out = BUFFER(OUTPUT_MAX);
    struct message_envelope envelope;
    struct message_envelope_address address;
    write_and_read(&out,
                   BYTES("From: a@b\r\nSubject: 1\r\nFrom: c@d\r\nSubject: 2\r\nFrom: e@f\r\n"),
                   &envelope);
    assert_bytes(envelope.subject, "2");
    static const char *const mailboxes[] = {"a", "c", "e"};
    for (size_t i = 0; i < 3; i++) {
        assert_true(message_envelope_next(&envelope.from, &address));
        assert_true(bytes_equal(address.mailbox, bytes_from_string(mailboxes[i])));
    }
    assert_false(message_envelope_next(&envelope.from, &address));
}

static void groups(void **state)
{
    (void)state;
    AUTO(buffer)
    out = BUFFER(OUTPUT_MAX);
    struct message_envelope envelope;
    struct message_envelope_address address;
    write_and_read(&out, BYTES("To: A Group: \"J. D.\" <@r:j@d>;\r\n"), &envelope);
    assert_true(message_envelope_next(&envelope.to, &address));
    assert_bytes(address.mailbox, "A Group");
    assert_null(address.host.data);
    assert_true(message_envelope_next(&envelope.to, &address));
    assert_bytes(address.name, "J. D.");
    assert_bytes(address.route, "@r");
    assert_bytes(address.mailbox, "j");
    assert_bytes(address.host, "d");
    assert_true(message_envelope_next(&envelope.to, &address));
    assert_null(address.mailbox.data);
    assert_null(address.host.data);
    assert_int_equal(envelope.to.length, 0);
}

/* One more than the limit, over several fields. */
static void too_many_addresses(void **state)
{
    (void)state;
    AUTO(buffer)
    section = BUFFER(OUTPUT_MAX);
    AUTO(buffer)
    out = BUFFER(OUTPUT_MAX);
    struct message_envelope envelope;
    struct message_envelope_address address;
    buffer_append_string(&section, "Cc: last@x\r\nFrom: first@x\r\nTo: ");
    for (size_t i = 0; i < MESSAGE_ADDRESSES_MAX - 1; i++)
        buffer_append_string(&section, "a@b,");
    buffer_append_string(&section, "c@d\r\n");
    write_and_read(&out, buffer_bytes(&section), &envelope);
    size_t count = 0;
    while (message_envelope_next(&envelope.to, &address))
        count++;
    assert_int_equal(count, MESSAGE_ADDRESSES_MAX - 1);
    assert_bytes(address.mailbox, "a");
    assert_int_equal(envelope.cc.length, 0);
}

/* Every byte changed in turn, and every length cut: a fault or something readable, never beyond. */
static void damage(void **state)
{
    (void)state;
    AUTO(buffer)
    out = BUFFER(OUTPUT_MAX);
    struct message_envelope envelope;
    struct fault fault;
    message_envelope_write(
        BYTES("From: \"A\" <a@b>\r\nTo: G: c@d;\r\nSubject: s\r\nDate: d\r\nMessage-ID: <i>\r\n"),
        &out);
    for (size_t length = 0; length < out.length; length++) {
        /* A copy of its own, so that a read behind it is seen. */
        char *copy = malloc(length + 1);
        assert_non_null(copy);
        memcpy(copy, buffer_bytes(&out).data, length);
        assert_false(message_envelope_read(bytes_of(copy, length), &envelope, &fault));
        assert_int_equal(fault.kind, FAULT_PERMANENT);
        free(copy);
    }
    for (size_t i = 0; i < out.length; i++) {
        for (unsigned value = 0; value < 256; value++) {
            char before = out.memory[i];
            out.memory[i] = (char)value;
            message_envelope_read(buffer_bytes(&out), &envelope, NULL);
            out.memory[i] = before;
        }
    }
    out.memory[0] = MESSAGE_ENVELOPE_VERSION + 1;
    assert_false(message_envelope_read(buffer_bytes(&out), &envelope, &fault));
}

static void memory_runs_out(void **state)
{
    (void)state;
    bool was_refused = true;
    for (size_t n = 0; was_refused; n++) {
        AUTO(buffer)
        out = BUFFER(OUTPUT_MAX);
        failing_allocation_start(n);
        message_envelope_write(BYTES("From: \"A\" <a@b>\r\nTo: c@d (comment)\r\nSubject: s\r\n"),
                               &out);
        was_refused = failing_allocation_stop();
        assert_int_equal(buffer_is_failed(&out), was_refused);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing),
        cmocka_unit_test(values),
        cmocka_unit_test(fields_that_come_twice),
        cmocka_unit_test(groups),
        cmocka_unit_test(too_many_addresses),
        cmocka_unit_test(damage),
        cmocka_unit_test(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
