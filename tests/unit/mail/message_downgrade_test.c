/* Messages in 7 bits: what becomes of headers and bodies, the limits, memory. Whole messages are
 * read back in tests/message. */
#include "mail/message_downgrade.h"

#include <stdlib.h>

#include "base/auto.h"
#include "failing_allocation.h"
#include "mail/message_parser.h"
#include "mail/transfer_decoder.h"
#include "unit.h"

enum {
    OUTPUT_MAX = 64 * 1024 * 1024
};

static bool downgrade(struct bytes in, size_t piece, struct buffer *out, bool *is_signed,
                      struct fault *fault)
{
    struct message_downgrade *downgrade = message_downgrade_new(fault);
    if (downgrade == NULL)
        return false;
    bool is_good = true;
    while (is_good && in.length > 0) {
        struct bytes part = bytes_slice(in, 0, piece);
        is_good = message_downgrade_feed(downgrade, part, out, fault);
        in = bytes_skip(in, part.length);
    }
    is_good = is_good && message_downgrade_finish(downgrade, out, fault);
    *is_signed = message_downgrade_is_signed(downgrade);
    message_downgrade_free(downgrade);
    return is_good;
}

/* In pieces of several sizes. */
static void expect(const char *in, const char *expected)
{
    static const size_t pieces[] = {1, 2, 3, 7, 1000000};
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        AUTO(buffer)
        out = BUFFER(OUTPUT_MAX);
        struct fault fault = {0};
        bool is_signed;
        assert_true(downgrade(bytes_from_string(in), pieces[i], &out, &is_signed, &fault));
        assert_string_equal(buffer_string(&out), expected);
    }
}

static void what_is_7bit_stays(void **state)
{
    (void)state;
    static const char *const letters[] = {
        "",
        "\r\n",
        "Subject: x\r\n\r\nbody\r\n",
        "Subject:  kept   as\r\n\t it is\r\nno colon\r\n\r\n.\r\n--\r\n",
        "Content-Type: multipart/mixed; boundary=a\r\n\r\npre\r\n--a\r\n\r\none\r\n--a\r\n"
        "Content-Transfer-Encoding: base64\r\n\r\neA==\r\n--a--\r\npost",
        "Subject: x\n\nbare line feeds\n",
        "Content-Transfer-Encoding: 7bit\r\n\r\nx\r\n",
    };
    for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++)
        expect(letters[i], letters[i]);
}

static void a_label_that_is_not_true(void **state)
{
    (void)state;
    expect("MIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\nContent-Type: text/plain\r\n"
           "\r\nplain\r\n",
           "MIME-Version: 1.0\r\nContent-Transfer-Encoding: 7bit\r\nContent-Type: text/plain\r\n"
           "\r\nplain\r\n");
    expect("MIME-Version: 1.0\r\nContent-Transfer-Encoding: binary\r\n"
           "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\nx\r\n--a--\r\n",
           "MIME-Version: 1.0\r\nContent-Transfer-Encoding: 7bit\r\n"
           "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\nx\r\n--a--\r\n");
}

static void bodies(void **state)
{
    (void)state;
    /* A letter that says nothing of MIME. */
    expect("Subject: x\r\n\r\nGr\xc3\xbc\xc3\x9f Gott, liebe Leute, und gute Nacht euch allen!\r\n",
           "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
           "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
           "Gr=C3=BC=C3=9F Gott, liebe Leute, und gute Nacht euch allen!\r\n");
    expect("Subject: x\r\n\r\nGr\xfc\xdf Gott, liebe Leute, und gute Nacht euch allen!\r\n",
           "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n"
           "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
           "Gr=FC=DF Gott, liebe Leute, und gute Nacht euch allen!\r\n");
    /* What is no text keeps every byte. */
    expect("MIME-Version: 1.0\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n"
           "\r\n\xff\n\r",
           "MIME-Version: 1.0\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n"
           "\r\n/woN\r\n");
    /* A line end that stands alone would not outlive quoted-printable. */
    expect("MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nplain and long enough \xc3\xa4\n",
           "MIME-Version: 1.0\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n"
           "\r\ncGxhaW4gYW5kIGxvbmcgZW5vdWdoIMOkCg==\r\n");
    /* What is encoded already. */
    expect(
        "MIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\na=3Db "
        "\xc3\xa4\r\n",
        "MIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\na=3Db =C3=A4\r\n");
    expect("MIME-Version: 1.0\r\nContent-Transfer-Encoding: base64\r\n\r\neHh4\xc3\r\n",
           "MIME-Version: 1.0\r\nContent-Transfer-Encoding: base64\r\n\r\neHh4*\r\n");
}

static void fields(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        const char *out;
    } rows[] = {
        {"Subject: caf\xc3\xa9 noir", "Subject: =?UTF-8?B?Y2Fmw6k=?= noir"},
        {"Subject: caf\xe9 noir", "Subject: =?unknown-8bit?Q?caf=E9?= noir"},
        {"X-Any: \xc3\xa4", "X-Any: =?UTF-8?B?w6Q=?="},
        {"From: Zo\xc3\xab <zoe@x.example>", "From: =?UTF-8?Q?Zo=C3=AB?= <zoe@x.example>"},
        {"From: \"Zo\xc3\xab, X.\" <zoe@x.example>",
         "From: =?UTF-8?B?Wm/DqywgWC4=?= <zoe@x.example>"},
        {"To: a@b.example (Zo\xc3\xab), \"c d\"@e.example",
         "To: a@b.example ( =?UTF-8?Q?Zo=C3=AB?= ), \"c d\"@e.example"},
        {"To: x@b\xc3\xbc"
         "cher.example",
         "To: x@xn--bcher-kva.example"},
        {"Cc: Gr\xc3\xbc\xc3\x9f"
         "e: a@b.example, c@d.example;",
         "Cc: =?UTF-8?B?R3LDvMOfZQ==?=: a@b.example, c@d.example;"},
        {"Content-Disposition: attachment; filename=\"\xc3\xa4.txt\"; size=3",
         "Content-Disposition: attachment; filename*=UTF-8''%C3%A4.txt; size=3"},
        {"Content-Disposition: attachment; filename=\xe4.txt",
         "Content-Disposition: attachment; filename*=unknown-8bit''%E4.txt"},
        {"Content-Disposition: inline; filename*=utf-8''\xc3\xa4",
         "Content-Disposition: inline; filename*=utf-8''%C3%A4"},
        {"Message-ID: <\xc3\xa4@x>", "Downgraded-Message-ID: =?UTF-8?B?PMOkQHg+?="},
        {"S\xc3\xbc: x", "S??: x"},
        {"--\xc3\xbc: x", "*-??: x"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO(buffer)
        in = BUFFER(OUTPUT_MAX);
        AUTO(buffer)
        out = BUFFER(OUTPUT_MAX);
        buffer_append_format(&in, "%s\r\nDate: x\r\n\r\nbody\r\n", rows[i].in);
        buffer_append_format(&out, "%s\r\nDate: x\r\n\r\nbody\r\n", rows[i].out);
        expect(buffer_string(&in), buffer_string(&out));
    }
}

static void boundaries(void **state)
{
    (void)state;
    expect("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"\xc3\xa4\"\r\n\r\n"
           "pre \xc3\xa4\r\n--\xc3\xa4\r\n\r\nx\r\n--\xc3\xa4--\r\n",
           "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"=C3=A4\"\r\n\r\n"
           "pre **\r\n--=C3=A4\r\n\r\nx\r\n--=C3=A4--\r\n");
    /* Neither a preamble nor the break of a long line may make one. */
    expect("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"*\"\r\n\r\n"
           "--\xc3\r\n--*\r\n\r\nx\r\n--*--\r\n",
           "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"*\"\r\n\r\n"
           "*-*\r\n--*\r\n\r\nx\r\n--*--\r\n");
    expect("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n"
           "Content-Type: text/plain; charset=utf-8\r\n\r\n"
           "\xc3\xa4xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx--a\r\n"
           "--a--\r\n",
           "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n"
           "Content-Type: text/plain; charset=utf-8\r\n"
           "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
           "=C3=A4xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx=\r\n"
           "=2D-a\r\n--a--\r\n");
}

static void addresses_that_cannot_be_said(void **state)
{
    (void)state;
    AUTO(buffer)
    out = BUFFER(OUTPUT_MAX);
    struct fault fault = {0};
    bool is_signed;
    struct bytes letter = BYTES("From: <\xc3\xa4@x.example>\r\n\r\nbody\r\n");
    assert_false(downgrade(letter, 1000, &out, &is_signed, &fault));
    assert_int_equal(fault.kind, FAULT_PERMANENT);
    /* In a letter within the letter it is shown as a name. */
    expect("MIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n\r\n"
           "From: <\xc3\xa4@x.example>\r\n\r\nbody\r\n",
           "MIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n\r\n"
           "From: =?UTF-8?B?w6RAeC5leGFtcGxl?= :;\r\n\r\nbody\r\n");
}

static void signed_parts(void **state)
{
    (void)state;
    static const char *const tails[] = {"plain\r\n", "\xc3\xa4\r\n"};
    for (size_t i = 0; i < 2; i++) {
        AUTO(buffer)
        in = BUFFER(OUTPUT_MAX);
        AUTO(buffer)
        out = BUFFER(OUTPUT_MAX);
        struct fault fault = {0};
        bool is_signed;
        buffer_append_format(
            &in,
            "MIME-Version: 1.0\r\nSubject: \xc3\xa4\r\n"
            "Content-Type: multipart/signed; boundary=a\r\n\r\n--a\r\n\r\n%s--a\r\n"
            "Content-Type: application/pgp-signature\r\n\r\nx\r\n--a--\r\n",
            tails[i]);
        assert_true(downgrade(buffer_bytes(&in), 1000, &out, &is_signed, &fault));
        assert_int_equal(is_signed, i == 1);
    }
}

/* Longer than what is looked at before it is decided. */
static void long_parts(void **state)
{
    (void)state;
    AUTO(buffer)
    in = BUFFER(OUTPUT_MAX);
    AUTO(buffer)
    body = BUFFER(OUTPUT_MAX);
    for (int i = 0; i < 20000; i++)
        buffer_append_format(&body, "line %d = --a\r\n", i);
    buffer_append_string(&body, "--late \xc3\xa4");
    buffer_append_format(&in,
                         "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n"
                         "--a\r\n\r\n%s\r\n--a--\r\n",
                         buffer_string(&body));
    for (size_t piece = 4096; piece < 1000000; piece *= 10) {
        AUTO(buffer)
        out = BUFFER(OUTPUT_MAX);
        AUTO(buffer)
        decoded = BUFFER(OUTPUT_MAX);
        struct fault fault = {0};
        bool is_signed;
        assert_true(downgrade(buffer_bytes(&in), piece, &out, &is_signed, &fault));
        assert_true(bytes_is_ascii(buffer_bytes(&out)));
        struct bytes text = buffer_bytes(&out);
        size_t header = bytes_find(text, BYTES("quoted-printable\r\n\r\n"));
        assert_true(header != BYTES_NOT_FOUND);
        text = bytes_skip(text, header + 20);
        assert_true(bytes_ends_with(text, BYTES("\r\n--a--\r\n")));
        text.length -= 9;
        struct transfer_decoder decoder;
        transfer_decoder_begin(&decoder, TRANSFER_QUOTED_PRINTABLE);
        transfer_decoder_feed(&decoder, text, &decoded);
        transfer_decoder_finish(&decoder, &decoded);
        assert_true(bytes_equal(buffer_bytes(&decoded), buffer_bytes(&body)));
    }
}

static void headers_without_end(void **state)
{
    (void)state;
    AUTO(buffer)
    in = BUFFER(OUTPUT_MAX);
    AUTO(buffer)
    out = BUFFER(OUTPUT_MAX);
    struct fault fault = {0};
    bool is_signed;
    while (in.length <= MESSAGE_HEADER_MAX)
        buffer_append_string(&in, "X: some words\r\n");
    assert_false(downgrade(buffer_bytes(&in), 4096, &out, &is_signed, &fault));
    assert_int_equal(fault.kind, FAULT_PERMANENT);
}

static void without_memory(void **state)
{
    (void)state;
    struct bytes letter = BYTES(
        "From: \"Zo\xc3\xab\" <z@b\xc3\xbc.example> (\xc3\xab), \xc3\xab: <\xc3\xab@b.example>;\r\n"
        "Subject: \xc3\xa4\r\nMIME-Version: 1.0\r\nMessage-ID: \xc3\xa4\r\n"
        "Content-Type: multipart/mixed; boundary=\"\xc3\xa4\"; x*=\xc3\xa4; y=\xc3\xa4; "
        "z*1=\xe4\r\n"
        "\r\n\xc3\r\n--\xc3\xa4\r\n\r\n\xc3\xa4\r\n--\xc3\xa4\r\nContent-Type: x/y\r\n\r\n\xc3\r\n"
        "--\xc3\xa4\r\nContent-Type: message/rfc822\r\n\r\nFrom: <\xc3\xa4@x.example>\r\n\r\n"
        "\xc3\xa4\r\n--\xc3\xa4--\r\n");
    letter = bytes_skip(letter, bytes_find(letter, BYTES("Subject")));
    AUTO(buffer)
    whole = BUFFER(OUTPUT_MAX);
    struct fault fault = {0};
    bool is_signed;
    assert_true(downgrade(letter, 1000, &whole, &is_signed, &fault));
    for (size_t count = 0;; count++) {
        AUTO(buffer)
        out = BUFFER(OUTPUT_MAX);
        fault_clear(&fault);
        failing_allocation_start(count);
        bool is_good = downgrade(letter, 11, &out, &is_signed, &fault);
        bool was_refused = failing_allocation_stop();
        if (is_good) {
            assert_true(bytes_equal(buffer_bytes(&out), buffer_bytes(&whole)));
            if (!was_refused)
                return;
        } else {
            assert_true(was_refused);
            assert_int_equal(fault.kind, FAULT_TEMPORARY);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_7bit_stays),
        cmocka_unit_test(a_label_that_is_not_true),
        cmocka_unit_test(bodies),
        cmocka_unit_test(fields),
        cmocka_unit_test(boundaries),
        cmocka_unit_test(addresses_that_cannot_be_said),
        cmocka_unit_test(signed_parts),
        cmocka_unit_test(long_parts),
        cmocka_unit_test(headers_without_end),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
