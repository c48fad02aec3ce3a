/* Trace fields: every word of RFC 3848 and RFC 6531, folding, and peers that want out of their
 * field. */
#include "unit.h"

#include "delivery/trace_header.h"
#include "failing_allocation.h"
#include "mail/date.h"
#include "mail/header.h"
#include "mail/header_writer.h"
#include "mail/message_id.h"

/* Mon, 23 Nov 2026 17:48:08 UTC */
#define THEN INT64_C(1795456088000000)

static struct trace_header plain(void)
{
    return (struct trace_header){
        .hello = BYTES("client.example"),
        .peer = "192.0.2.7",
        .name = "mx.example",
        .is_extended = true,
        .id = 0x0123456789abcdef,
        .received = THEN,
        .sender = BYTES("ann@client.example"),
    };
}

static void assert_received(const struct trace_header *trace, struct bytes recipient,
                            const char *expected)
{
    AUTO(buffer)
    out = BUFFER(TRACE_HEADER_MAX);
    trace_header_received(trace, recipient, &out);
    assert_false(buffer_is_failed(&out));
    assert_string_equal(buffer_string(&out), expected);
}

static void names_the_protocol(void **state)
{
    (void)state;
    static const struct {
        bool is_extended, is_lmtp, is_encrypted, is_authenticated, is_utf8;
        const char *word;
    } cases[] = {
        {false, false, false, false, false, "SMTP"},
        {false, false, true, true, false, "SMTP"},
        {true, false, false, false, false, "ESMTP"},
        {true, false, false, true, false, "ESMTPA"},
        {true, false, true, false, false, "ESMTPS"},
        {true, false, true, true, false, "ESMTPSA"},
        {true, true, false, false, false, "LMTP"},
        {true, true, false, true, false, "LMTPA"},
        {true, true, true, false, false, "LMTPS"},
        {true, true, true, true, false, "LMTPSA"},
        {true, false, false, false, true, "UTF8SMTP"},
        {true, false, false, true, true, "UTF8SMTPA"},
        {true, false, true, false, true, "UTF8SMTPS"},
        {true, false, true, true, true, "UTF8SMTPSA"},
        {true, true, false, false, true, "UTF8LMTP"},
        {true, true, false, true, true, "UTF8LMTPA"},
        {true, true, true, false, true, "UTF8LMTPS"},
        {true, true, true, true, true, "UTF8LMTPSA"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct trace_header trace = {
            .is_extended = cases[i].is_extended,
            .is_lmtp = cases[i].is_lmtp,
            .is_encrypted = cases[i].is_encrypted,
            .is_authenticated = cases[i].is_authenticated,
            .is_utf8 = cases[i].is_utf8,
        };
        assert_string_equal(trace_header_protocol(&trace), cases[i].word);
    }
}

static void writes_received(void **state)
{
    (void)state;
    struct trace_header trace = plain();
    assert_received(&trace, BYTES(""),
                    "Received: from client.example ([192.0.2.7]) by mx.example with ESMTP id\r\n"
                    " 0123456789abcdef; Mon, 23 Nov 2026 17:48:08 +0000\r\n");
    assert_received(&trace, BYTES("bob@mx.example"),
                    "Received: from client.example ([192.0.2.7]) by mx.example with ESMTP id\r\n"
                    " 0123456789abcdef for <bob@mx.example>; Mon, 23 Nov 2026 17:48:08 +0000\r\n");
    trace.is_encrypted = true;
    trace.is_authenticated = true;
    trace.tls_version = "TLSv1.3";
    trace.tls_cipher = "TLS_AES_256_GCM_SHA384";
    trace.peer = "2001:db8::1";
    assert_received(
        &trace, BYTES(""),
        "Received: from client.example ([IPv6:2001:db8::1]) by mx.example with ESMTPSA\r\n"
        " (TLSv1.3 TLS_AES_256_GCM_SHA384) id 0123456789abcdef;\r\n"
        " Mon, 23 Nov 2026 17:48:08 +0000\r\n");
}

static void knows_peers_without_address(void **state)
{
    (void)state;
    struct trace_header trace = plain();
    trace.peer = "local";
    trace.is_lmtp = true;
    assert_received(&trace, BYTES(""),
                    "Received: from client.example by mx.example with LMTP id 0123456789abcdef;\r\n"
                    " Mon, 23 Nov 2026 17:48:08 +0000\r\n");
    trace.hello = BYTES("");
    assert_received(&trace, BYTES(""),
                    "Received: from localhost by mx.example with LMTP id 0123456789abcdef;\r\n"
                    " Mon, 23 Nov 2026 17:48:08 +0000\r\n");
}

static void cleans_names_that_are_none(void **state)
{
    (void)state;
    struct trace_header trace = plain();
    trace.hello = BYTES("my_pc");
    assert_received(&trace, BYTES(""),
                    "Received: from [192.0.2.7] ([192.0.2.7]) (hello my_pc) by mx.example with\r\n"
                    " ESMTP id 0123456789abcdef; Mon, 23 Nov 2026 17:48:08 +0000\r\n");
    trace.hello = BYTES("[192.0.2.7]");
    assert_received(&trace, BYTES(""),
                    "Received: from [192.0.2.7] ([192.0.2.7]) by mx.example with ESMTP id\r\n"
                    " 0123456789abcdef; Mon, 23 Nov 2026 17:48:08 +0000\r\n");
}

/* One field of the name, the continuation lines begin with a blank, nothing else ends a line. */
static void assert_is_one_field(struct bytes text, struct bytes name)
{
    struct bytes rest = text;
    struct header_field field;
    assert_true(header_next(&rest, &field));
    assert_true(bytes_equal(field.name, name));
    assert_int_equal(rest.length, 0);
    for (size_t i = 0; i < text.length; i++) {
        assert_int_not_equal(text.data[i], '\0');
        if (text.data[i] == '\n')
            assert_true(i > 0 && text.data[i - 1] == '\r');
        if (text.data[i] == '\r')
            assert_true(i + 1 < text.length && text.data[i + 1] == '\n');
    }
}

static void lets_no_peer_out_of_its_field(void **state)
{
    (void)state;
    static const struct bytes names[] = {
        BYTES_INIT("x) by evil.example (y"),
        BYTES_INIT("x\\"),
        BYTES_INIT("a\r\nX-Evil: 1"),
        BYTES_INIT("a\nX-Evil: 1"),
        BYTES_INIT("a\rb"),
        BYTES_INIT("a\0b"),
        BYTES_INIT("\"quoted"),
        BYTES_INIT("b\xc3\xbc"
                   "cher.example"),
        BYTES_INIT("\xff\xfe"),
        BYTES_INIT("((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((("
                   "(((((((((((((((((((((((((((((((((((((((((((((((((((((((((("),
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct trace_header trace = plain();
        trace.hello = names[i];
        AUTO(buffer)
        out = BUFFER(TRACE_HEADER_MAX);
        trace_header_received(&trace, BYTES(""), &out);
        assert_false(buffer_is_failed(&out));
        assert_is_one_field(buffer_bytes(&out), BYTES("Received"));
        assert_true(bytes_is_ascii(buffer_bytes(&out)));
        struct bytes comment = BYTES("(hello ");
        size_t at = bytes_find(buffer_bytes(&out), comment);
        assert_int_not_equal(at, BYTES_NOT_FOUND);
        /* The comment ends where we ended it: before "by" of our own. */
        struct bytes inside = bytes_skip(buffer_bytes(&out), at + comment.length);
        size_t end = bytes_find_char(inside, ')');
        assert_false(bytes_has_char(bytes_slice(inside, 0, end), '('));
        assert_false(bytes_has_char(bytes_slice(inside, 0, end), '\\'));
        struct bytes behind = bytes_trim(bytes_skip(inside, end + 1));
        assert_true(bytes_starts_with(behind, BYTES("by mx.example")) ||
                    bytes_starts_with(behind, BYTES("by\r\n mx.example")));
    }
}

static void shows_only_addresses_that_may_be(void **state)
{
    (void)state;
    static const struct {
        struct bytes address;
        bool is_utf8;
        bool is_shown;
    } cases[] = {
        {BYTES_INIT("bob@mx.example"), false, true},
        {BYTES_INIT("\"bob b\"@mx.example"), false, true},
        {BYTES_INIT("b\xc3\xbc@mx.example"), true, true},
        {BYTES_INIT("b\xc3\xbc@mx.example"), false, false},
        {BYTES_INIT("b\xff@mx.example"), true, false},
        {BYTES_INIT("bob@mx.example>\r\nX: y"), false, false},
        {BYTES_INIT(""), false, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct trace_header trace = plain();
        trace.is_utf8 = cases[i].is_utf8;
        AUTO(buffer)
        out = BUFFER(TRACE_HEADER_MAX);
        trace_header_received(&trace, cases[i].address, &out);
        assert_false(buffer_is_failed(&out));
        assert_is_one_field(buffer_bytes(&out), BYTES("Received"));
        bool has_for = bytes_find(buffer_bytes(&out), BYTES("for")) != BYTES_NOT_FOUND;
        assert_int_equal(has_for, cases[i].is_shown);
    }
}

static void folds_at_78_columns(void **state)
{
    (void)state;
    struct trace_header trace = plain();
    trace.hello = BYTES("a-client-with-a-rather-long-name.in-a-domain.of-some-length.example");
    trace.tls_version = "TLSv1.2";
    trace.tls_cipher = "ECDHE-RSA-AES256-GCM-SHA384";
    AUTO(buffer)
    out = BUFFER(TRACE_HEADER_MAX);
    trace_header_local(&trace, BYTES("somebody@mx.example"), true, &out);
    assert_false(buffer_is_failed(&out));
    struct bytes rest = buffer_bytes(&out);
    struct bytes line;
    while (bytes_split(rest, '\n', &line, &rest))
        assert_true(line.length - 1 <= HEADER_LINE_WISHED || !bytes_has_char(line, ' ') ||
                    bytes_find_last_char(line, ' ') <= 9);
}

static void writes_the_prefix_of_a_copy(void **state)
{
    (void)state;
    struct trace_header trace = plain();
    AUTO(buffer)
    out = BUFFER(TRACE_HEADER_MAX);
    trace_header_local(&trace, BYTES("bob@mx.example"), true, &out);
    assert_string_equal(
        buffer_string(&out),
        "Return-Path: <ann@client.example>\r\n"
        "Delivered-To: bob@mx.example\r\n"
        "Received: from client.example ([192.0.2.7]) by mx.example with ESMTP id\r\n"
        " 0123456789abcdef for <bob@mx.example>; Mon, 23 Nov 2026 17:48:08 +0000\r\n");
    buffer_reset(&out);
    trace.sender = BYTES("");
    trace_header_local(&trace, BYTES("bob@mx.example"), false, &out);
    assert_string_equal(
        buffer_string(&out),
        "Return-Path: <>\r\n"
        "Delivered-To: bob@mx.example\r\n"
        "Received: from client.example ([192.0.2.7]) by mx.example with ESMTP id\r\n"
        " 0123456789abcdef; Mon, 23 Nov 2026 17:48:08 +0000\r\n");
}

static void completes_a_submission(void **state)
{
    (void)state;
    struct trace_header trace = plain();
    AUTO(buffer)
    out = BUFFER(TRACE_HEADER_MAX);
    assert_true(trace_header_missing(&trace, true, false, &out, NULL));
    assert_string_equal(buffer_string(&out), "Date: Mon, 23 Nov 2026 17:48:08 +0000\r\n");
    buffer_reset(&out);
    assert_true(trace_header_missing(&trace, true, true, &out, NULL));
    struct header_field field;
    assert_true(header_find(buffer_bytes(&out), BYTES("date"), &field));
    assert_true(header_find(buffer_bytes(&out), BYTES("message-id"), &field));
    assert_true(message_id_is_valid(bytes_trim(field.value)));
    assert_true(bytes_ends_with(bytes_trim(field.value), BYTES("@mx.example>")));
    buffer_reset(&out);
    assert_true(trace_header_missing(&trace, false, false, &out, NULL));
    assert_int_equal(out.length, 0);
}

static void fails_in_the_buffer_only(void **state)
{
    (void)state;
    struct trace_header trace = plain();
    AUTO(buffer)
    small = BUFFER(40);
    trace_header_local(&trace, BYTES("bob@mx.example"), true, &small);
    assert_true(buffer_is_failed(&small));
    for (size_t count = 0;; count++) {
        AUTO(buffer)
        out = BUFFER(TRACE_HEADER_MAX);
        failing_allocation_start(count);
        trace_header_local(&trace, BYTES("bob@mx.example"), true, &out);
        bool was_short = failing_allocation_stop();
        if (!was_short)
            break;
        assert_true(buffer_is_failed(&out));
    }
    for (size_t count = 0;; count++) {
        AUTO(buffer)
        out = BUFFER(TRACE_HEADER_MAX);
        struct fault fault = {0};
        failing_allocation_start(count);
        bool is_done = trace_header_missing(&trace, true, true, &out, &fault);
        if (!failing_allocation_stop())
            break;
        assert_true(!is_done || buffer_is_failed(&out));
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(names_the_protocol),
    cmocka_unit_test(writes_received),
    cmocka_unit_test(knows_peers_without_address),
    cmocka_unit_test(cleans_names_that_are_none),
    cmocka_unit_test(lets_no_peer_out_of_its_field),
    cmocka_unit_test(shows_only_addresses_that_may_be),
    cmocka_unit_test(folds_at_78_columns),
    cmocka_unit_test(writes_the_prefix_of_a_copy),
    cmocka_unit_test(completes_a_submission),
    cmocka_unit_test(fails_in_the_buffer_only),
};

UNIT_MAIN(tests)
