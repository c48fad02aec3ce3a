/* The first words of messages. */
#include "mail/message_preview.h"

#include <stdlib.h>

#include "base/utf8.h"
#include "mail/message_parser.h"
#include "unit.h"

enum {
    OUT_MAX = 64 * 1024
};

static void write_preview(struct bytes message, struct buffer *out)
{
    struct message_parsed parsed;
    struct fault fault;
    struct message_parser *parser = message_parser_new(&fault);
    assert_non_null(parser);
    assert_true(message_parser_feed(parser, message, &fault));
    assert_true(message_parser_finish(parser, &parsed, &fault));
    if (!message_preview_write(parsed.structure, message, out, &fault))
        fail_msg("%s", fault.message);
    message_parser_free(parser);
}

static void check(const char *message, const char *expected)
{
    AUTO(buffer)
    out = BUFFER(OUT_MAX);
    write_preview(bytes_from_string(message), &out);
    assert_string_equal(buffer_string(&out), expected);
}

#define MIME "MIME-Version: 1.0\r\n"
#define HTML MIME "Content-Type: text/html; charset=utf-8\r\n\r\n"

static void texts_are_joined(void **state)
{
    (void)state;
    check("Subject: x\r\n\r\nHello  you,\r\n\r\n\thow are\r\nyou?\r\n", "Hello you, how are you?");
    check("Subject: x\r\n\r\n", "");
    check("Subject: x\r\n\r\n \r\n\r\n", "");
    check("Subject: x\r\n\r\n\r\n\xc2\xa0\xe2\x80\x8bone\xc2\xad\xef\xbb\xbftwo\r\n", "one two");
}

static void encodings_and_charsets_are_undone(void **state)
{
    (void)state;
    check(MIME "Content-Type: text/plain; charset=iso-8859-1\r\n"
               "Content-Transfer-Encoding: quoted-printable\r\n\r\ngr=FC=DF=\r\ne\r\n",
          "gr\xc3\xbc\xc3\x9f"
          "e");
    check(MIME
          "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
          "Z3LDvMOfZQ==\r\n",
          "gr\xc3\xbc\xc3\x9f"
          "e");
    /* Unknown: what can be read of it. */
    check(MIME "Content-Type: text/plain; charset=x-unheard-of\r\n\r\na\xff"
               "b\r\n",
          "a\xef\xbf\xbd"
          "b");
    check(MIME "Content-Type: text/plain\r\nContent-Transfer-Encoding: x-odd\r\n\r\nabc\r\n", "");
}

static void the_first_text_is_taken(void **state)
{
    (void)state;
    check(MIME "Content-Type: multipart/mixed; boundary=a\r\n\r\npreamble\r\n--a\r\n"
               "Content-Type: image/png\r\n\r\nxyz\r\n--a\r\n"
               "Content-Type: text/plain\r\nContent-Disposition: attachment\r\n\r\nfile\r\n--a\r\n"
               "Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\nthis\r\n--b\r\n"
               "Content-Type: text/html\r\n\r\n<p>that\r\n--b--\r\n--a--\r\n",
          "this");
    check(MIME "Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\nwithin\r\n", "within");
    check(MIME "Content-Type: image/png\r\n\r\nxyz\r\n", "");
    check(MIME "Content-Type: multipart/mixed; boundary=a\r\n\r\nnothing\r\n", "");
}

static void markup_is_left_out(void **state)
{
    (void)state;
    check(HTML "<html><head><title>T</title><style>p {x}</style></head><body>"
               "<p>Hello <b>y</b>ou,</p><p>how<br>are you?</p></body></html>",
          "Hello you, how are you?");
    check(HTML "<!-- a > b --><SCRIPT type=x>1 < 2</script >after<img src='x'/>it", "after it");
    check(HTML "1 < 2 &amp;&lt;&gt;&quot;&#65;&#x42;&nbsp;&unknown; & &#x110000; &#0; &#xd800;",
          "1 < 2 &<>\"AB &unknown; & \xef\xbf\xbd \xef\xbf\xbd \xef\xbf\xbd");
    check(HTML "<style>never ended", "");
    check(HTML "text <a href=\"never ended", "text");
    check(HTML "a&auml", "a\xc3\xa4");
    check(HTML "a<", "a<");
    check(HTML "<script/>seen", "seen");
}

static void it_is_not_longer_than_it_may_be(void **state)
{
    AUTO(buffer)
    message = BUFFER(OUT_MAX);
    AUTO(buffer)
    out = BUFFER(OUT_MAX);
    (void)state;
    buffer_append_string(&message, "Content-Type: text/plain; charset=utf-8\r\n\r\n");
    /* What is at the front may be blank. */
    for (size_t i = 0; i < 3000; i++)
        buffer_append_char(&message, i % 70 == 69 ? '\n' : ' ');
    for (size_t i = 0; i < 300; i++)
        buffer_append_string(&message, "\xe2\x82\xac");
    write_preview(buffer_bytes(&message), &out);
    assert_int_equal(out.length, MESSAGE_PREVIEW_MAX * 3);
    assert_true(utf8_is_valid(buffer_bytes(&out)));
    buffer_reset(&message);
    buffer_reset(&out);
    buffer_append_string(&message, "\r\n");
    for (size_t i = 0; i < 300; i++)
        buffer_append_string(&message, "x ");
    write_preview(buffer_bytes(&message), &out);
    assert_true(out.length <= MESSAGE_PREVIEW_MAX);
    assert_true(bytes_ends_with(buffer_bytes(&out), BYTES("x")));
}

static void a_front_will_do(void **state)
{
    static const char message[] = "Subject: x\r\n\r\nHello you\r\n";
    struct message_parsed parsed;
    struct fault fault = {0};
    AUTO(buffer)
    out = BUFFER(OUT_MAX);
    (void)state;
    struct message_parser *parser = message_parser_new(&fault);
    assert_non_null(parser);
    assert_true(message_parser_feed(parser, bytes_from_string(message), &fault));
    assert_true(message_parser_finish(parser, &parsed, &fault));
    assert_true(message_preview_write(
        parsed.structure, bytes_slice(bytes_from_string(message), 0, 19), &out, &fault));
    assert_string_equal(buffer_string(&out), "Hello");
    buffer_reset(&out);
    assert_true(message_preview_write(parsed.structure, BYTES("Sub"), &out, &fault));
    assert_int_equal(out.length, 0);
    assert_false(message_preview_write(BYTES("damaged"), bytes_from_string(message), &out, &fault));
    assert_int_equal(fault.kind, FAULT_PERMANENT);
    message_parser_free(parser);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(texts_are_joined),
    cmocka_unit_test(encodings_and_charsets_are_undone),
    cmocka_unit_test(the_first_text_is_taken),
    cmocka_unit_test(markup_is_left_out),
    cmocka_unit_test(it_is_not_longer_than_it_may_be),
    cmocka_unit_test(a_front_will_do),
};

UNIT_MAIN(tests)
