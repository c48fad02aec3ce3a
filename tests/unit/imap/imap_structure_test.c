/* ENVELOPE, BODY and BODYSTRUCTURE; tests/message/structure has many more messages. */
#include "unit.h"

#include "base/buffer.h"
#include "imap/imap_structure.h"
#include "mail/message_parser.h"

enum {
    OUT_MAX = 64 * 1024
};

static struct message_parser *parse(const char *text, struct message_parsed *parsed)
{
    struct fault fault;
    struct message_parser *parser = message_parser_new(&fault);
    assert_non_null(parser);
    assert_true(message_parser_feed(parser, bytes_from_string(text), &fault));
    assert_true(message_parser_finish(parser, parsed, &fault));
    return parser;
}

static void expect(struct buffer *out, const char *expected)
{
    assert_string_equal(buffer_string(out), expected);
    buffer_reset(out);
}

static void envelopes_have_ten_fields(void **state)
{
    static const struct {
        const char *message;
        bool is_utf8;
        const char *envelope;
    } cases[] = {
        {"\r\n", false, "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"},
        /* Sender and Reply-To are those of From. */
        {"Date: Mon, 7 Feb 1994 21:52:25 -0800\r\nSubject: a \"b\"\r\nFrom: Ann <ann@a.example>\r\n"
         "To: bob@b.example, c@c.example\r\nMessage-ID: <1@a>\r\nIn-Reply-To: <0@a>\r\n\r\n",
         false,
         "(\"Mon, 7 Feb 1994 21:52:25 -0800\" \"a \\\"b\\\"\" "
         "((\"Ann\" NIL \"ann\" \"a.example\")) ((\"Ann\" NIL \"ann\" \"a.example\")) "
         "((\"Ann\" NIL \"ann\" \"a.example\")) "
         "((NIL NIL \"bob\" \"b.example\")(NIL NIL \"c\" \"c.example\")) NIL NIL "
         "\"<0@a>\" \"<1@a>\")"},
        {"From: a@a\r\nSender: s@a\r\nReply-To: r@a\r\nCc: c@a\r\nBcc: b@a\r\n\r\n", false,
         "(NIL NIL ((NIL NIL \"a\" \"a\")) ((NIL NIL \"s\" \"a\")) ((NIL NIL \"r\" \"a\")) NIL "
         "((NIL NIL \"c\" \"a\")) ((NIL NIL \"b\" \"a\")) NIL NIL)"},
        {"To: friends: a@a;\r\n\r\n", false,
         "(NIL NIL NIL NIL NIL ((NIL NIL \"friends\" NIL)(NIL NIL \"a\" \"a\")(NIL NIL NIL NIL)) "
         "NIL NIL NIL NIL)"},
        {"Subject: gr\xc3\xbc\xc3\x9f\r\n\r\n", false,
         "(NIL {6}\r\ngr\xc3\xbc\xc3\x9f NIL NIL NIL NIL NIL NIL NIL NIL)"},
        {"Subject: gr\xc3\xbc\xc3\x9f\r\n\r\n", true,
         "(NIL \"gr\xc3\xbc\xc3\x9f\" NIL NIL NIL NIL NIL NIL NIL NIL)"},
    };
    AUTO(buffer)
    out = BUFFER(OUT_MAX);
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct message_parsed parsed;
        struct fault fault;
        struct message_parser *parser = parse(cases[i].message, &parsed);
        assert_true(imap_structure_write_envelope(&out, parsed.envelope, cases[i].is_utf8, &fault));
        expect(&out, cases[i].envelope);
        message_parser_free(parser);
    }
}

static const char letter[] =
    "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=a; x=y\r\n"
    "Content-Language: de, en\r\n\r\n"
    "--a\r\n\r\none\r\n\r\n"
    "--a\r\nContent-Type: image/png; name=\"b c\"\r\nContent-Transfer-Encoding: base64\r\n"
    "Content-ID: <i>\r\nContent-Description: d\r\nContent-MD5: m\r\n"
    "Content-Disposition: attachment; filename=f\r\nContent-Location: l\r\n\r\nAAAA\r\n"
    "--a\r\nContent-Type: message/rfc822\r\n\r\nSubject: s\r\n\r\ntwo\r\n\r\n--a--\r\n";

static void body_is_bodystructure_without_extensions(void **state)
{
    struct message_parsed parsed;
    struct fault fault;
    AUTO(buffer)
    out = BUFFER(OUT_MAX);
    (void)state;
    struct message_parser *parser = parse(letter, &parsed);
    assert_true(imap_structure_write(&out, parsed.structure, false, false, &fault));
    expect(&out,
           "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 5 1)"
           "(\"image\" \"png\" (\"name\" \"b c\") \"<i>\" \"d\" \"base64\" 4)"
           "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 19 "
           "(NIL \"s\" NIL NIL NIL NIL NIL NIL NIL NIL) "
           "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 5 1) 3) \"mixed\")");
    assert_true(imap_structure_write(&out, parsed.structure, true, false, &fault));
    expect(&out,
           "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 5 1 NIL NIL NIL NIL)"
           "(\"image\" \"png\" (\"name\" \"b c\") \"<i>\" \"d\" \"base64\" 4 \"m\" "
           "(\"attachment\" (\"filename\" \"f\")) NIL \"l\")"
           "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 19 "
           "(NIL \"s\" NIL NIL NIL NIL NIL NIL NIL NIL) "
           "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 5 1 NIL NIL NIL NIL) 3 "
           "NIL NIL NIL NIL) "
           "\"mixed\" (\"boundary\" \"a\" \"x\" \"y\") NIL (\"de\" \"en\") NIL)");
    message_parser_free(parser);
}

static void a_multipart_of_no_parts_has_an_empty_text(void **state)
{
    struct message_parsed parsed;
    struct fault fault;
    AUTO(buffer)
    out = BUFFER(OUT_MAX);
    (void)state;
    struct message_parser *parser =
        parse("Content-Type: multipart/mixed; boundary=a\r\n\r\nnothing\r\n", &parsed);
    assert_true(imap_structure_write(&out, parsed.structure, false, false, &fault));
    expect(&out,
           "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0) \"mixed\")");
    message_parser_free(parser);
}

/* RFC 9051 9: body-type-msg; in RFC 3501 it is no message. */
static void message_global_is_a_message_for_who_reads_utf8(void **state)
{
    struct message_parsed parsed;
    struct fault fault;
    AUTO(buffer)
    out = BUFFER(OUT_MAX);
    (void)state;
    struct message_parser *parser =
        parse("MIME-Version: 1.0\r\nContent-Type: Message/Global\r\n\r\n"
              "Subject: gr\xc3\xbc\xc3\x9f\r\n\r\ntext\r\n",
              &parsed);
    assert_true(imap_structure_write(&out, parsed.structure, false, true, &fault));
    expect(&out, "(\"message\" \"global\" NIL NIL NIL \"7bit\" 25 "
                 "(NIL \"gr\xc3\xbc\xc3\x9f\" NIL NIL NIL NIL NIL NIL NIL NIL) "
                 "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 6 1) 3)");
    assert_true(imap_structure_write(&out, parsed.structure, true, false, &fault));
    expect(&out, "(\"message\" \"global\" NIL NIL NIL \"7bit\" 25 NIL NIL NIL NIL)");
    message_parser_free(parser);
}

/* Every byte of a form damaged: it is written or refused whole. */
static void damage_leaves_nothing_behind(void **state)
{
    struct message_parsed parsed;
    unsigned refused = 0;
    AUTO(buffer)
    out = BUFFER(OUT_MAX);
    AUTO(buffer)
    form = BUFFER(OUT_MAX);
    (void)state;
    struct message_parser *parser = parse(letter, &parsed);
    for (size_t i = 0; i < parsed.structure.length; i++) {
        struct fault fault = {0};
        buffer_reset(&form);
        buffer_append(&form, parsed.structure);
        form.memory[form.start + i] ^= 0x55;
        buffer_append(&out, BYTES("before"));
        if (!imap_structure_write(&out, buffer_bytes(&form), true, true, &fault)) {
            assert_int_equal(fault.kind, FAULT_PERMANENT);
            assert_bytes(buffer_bytes(&out), "before");
            refused++;
        }
        buffer_reset(&out);
        assert_false(
            imap_structure_write(&out, bytes_slice(parsed.structure, 0, i), true, true, &fault));
        assert_int_equal(out.length, 0);
        if (i < parsed.envelope.length)
            assert_false(imap_structure_write_envelope(&out, bytes_slice(parsed.envelope, 0, i),
                                                       true, &fault));
        assert_int_equal(out.length, 0);
    }
    assert_true(refused > 0);
    message_parser_free(parser);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(envelopes_have_ten_fields),
    cmocka_unit_test(body_is_bodystructure_without_extensions),
    cmocka_unit_test(a_multipart_of_no_parts_has_an_empty_text),
    cmocka_unit_test(message_global_is_a_message_for_who_reads_utf8),
    cmocka_unit_test(damage_leaves_nothing_behind),
};

UNIT_MAIN(tests)
