/* Texts in all charsets, folded, and needles in them: against a search that folds everything
 * first. */
#include "mail/message_text.h"

#include <stdlib.h>

#include "base/auto.h"
#include "base/base64.h"
#include "failing_allocation.h"
#include "mail/message_parser.h"
#include "unit.h"

enum {
    TEXT_MAX = 1024 * 1024
};

/* ---- charsets ---- */

static void names_of_charsets(void **state)
{
    (void)state;
    static const char *const known[] = {"us-ascii",     "utf-8",  "UTF8",     "ISO-8859-1",
                                        "iso-8859-15",  "latin1", "KOI8-R",   "koi8-u",
                                        "Windows-1251", "cp1252", "GB2312",   "gbk",
                                        "gb18030",      "big5",   "euc-kr",   "Shift_JIS",
                                        "ISO-2022-JP",  "EUC-JP", "utf-16le", "ks_c_5601-1987"};
    static const char *const unknown[] = {"",        "x-unknown",     "UTF-7", "ISO-8859-12",
                                          "UTF-8//", "utf-8//IGNORE", "../x",  "EBCDIC-US"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        assert_true(message_text_knows_charset(bytes_from_string(known[i])));
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++)
        assert_false(message_text_knows_charset(bytes_from_string(unknown[i])));
    assert_string_equal(message_text_charset(0), "US-ASCII");
    assert_string_equal(message_text_charset(1), "UTF-8");
    size_t count = 0;
    for (const char *name; (name = message_text_charset(count)) != NULL; count++)
        assert_true(message_text_knows_charset(bytes_from_string(name)));
    assert_true(count > 30);
}

/* Every charset of the list opens, and ASCII is ASCII in all but the wide ones. */
static void all_charsets_work(void **state)
{
    (void)state;
    const char *name;
    for (size_t i = 0; (name = message_text_charset(i)) != NULL; i++) {
        AUTO(buffer)
        out = BUFFER(TEXT_MAX);
        struct fault fault;
        assert_true(message_text_convert(BYTES("Plain 1"), bytes_from_string(name), &out, &fault));
        if (strncmp(name, "UTF-16", 6) != 0)
            assert_bytes(buffer_bytes(&out), "Plain 1");
    }
}

struct conversion {
    const char *charset;
    struct bytes in;
    struct bytes out;
};

static void conversions(void **state)
{
    (void)state;
    static const struct conversion cases[] = {
        {"iso-8859-1", BYTES_INIT("M\xfcller"), BYTES_INIT("M\xc3\xbcller")},
        {"iso-8859-15", BYTES_INIT("\xa4"), BYTES_INIT("\xe2\x82\xac")},
        {"windows-1252", BYTES_INIT("\x80"), BYTES_INIT("\xe2\x82\xac")},
        {"koi8-r", BYTES_INIT("\xed\xc9\xd2"), BYTES_INIT("\xd0\x9c\xd0\xb8\xd1\x80")},
        {"windows-1251", BYTES_INIT("\xcc\xe8\xf0"), BYTES_INIT("\xd0\x9c\xd0\xb8\xd1\x80")},
        {"iso-2022-jp", BYTES_INIT("\x1b$B$\"\x1b(B!"), BYTES_INIT("\xe3\x81\x82!")},
        {"shift_jis", BYTES_INIT("\x82\xa0"), BYTES_INIT("\xe3\x81\x82")},
        {"euc-jp", BYTES_INIT("\xa4\xa2"), BYTES_INIT("\xe3\x81\x82")},
        {"gb2312", BYTES_INIT("\xd6\xd0"), BYTES_INIT("\xe4\xb8\xad")},
        {"big5", BYTES_INIT("\xa4\xa4"), BYTES_INIT("\xe4\xb8\xad")},
        {"euc-kr", BYTES_INIT("\xb0\xa1"), BYTES_INIT("\xea\xb0\x80")},
        {"utf-16be",
         BYTES_INIT("\x00"
                    "a\x20\xac"),
         BYTES_INIT("a\xe2\x82\xac")},
        {"utf-16le", BYTES_INIT("a\x00\xac\x20"), BYTES_INIT("a\xe2\x82\xac")},
        /* What means nothing. */
        {"utf-8",
         BYTES_INIT("a\xff"
                    "b"),
         BYTES_INIT("a\xef\xbf\xbd"
                    "b")},
        {"utf-8", BYTES_INIT("a\xe2\x82"), BYTES_INIT("a\xef\xbf\xbd")},
        {"us-ascii", BYTES_INIT("M\xc3\xbcller"), BYTES_INIT("M\xc3\xbcller")},
        {"shift_jis", BYTES_INIT("x\x82"), BYTES_INIT("x\xef\xbf\xbd")},
        {"windows-1252", BYTES_INIT("\x81x"), BYTES_INIT("\xef\xbf\xbdx")},
        {"utf-8", BYTES_INIT("\xed\xa0\x80"), BYTES_INIT("\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd")},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        AUTO(buffer)
        out = BUFFER(TEXT_MAX);
        struct fault fault;
        assert_true(
            message_text_convert(cases[i].in, bytes_from_string(cases[i].charset), &out, &fault));
        if (!bytes_equal(buffer_bytes(&out), cases[i].out))
            fail_msg("%s, case %zu: \"%.*s\"", cases[i].charset, i,
                     BYTES_FORMAT(buffer_bytes(&out)));
    }
    AUTO(buffer)
    out = BUFFER(TEXT_MAX);
    struct fault fault;
    assert_false(message_text_convert(BYTES("x"), BYTES("nonsense"), &out, &fault));
    assert_int_equal(fault.kind, FAULT_DENIED);
    assert_int_equal(out.length, 0);
}

/* ---- encoded words ---- */

static void encoded_words(void **state)
{
    (void)state;
    static const struct {
        struct bytes in;
        struct bytes out;
    } cases[] = {
        {BYTES_INIT("plain text"), BYTES_INIT("plain text")},
        {BYTES_INIT("=?utf-8?q?M=C3=BCller?="), BYTES_INIT("M\xc3\xbcller")},
        {BYTES_INIT("=?ISO-8859-1?Q?M=FCller?= x"), BYTES_INIT("M\xc3\xbcller x")},
        {BYTES_INIT("=?utf-8?B?TcO8bGxlcg==?="), BYTES_INIT("M\xc3\xbcller")},
        {BYTES_INIT("=?utf-8*de?B?TcO8bGxlcg?="), BYTES_INIT("M\xc3\xbcller")},
        {BYTES_INIT("=?koi8-r?B?7cnS?="), BYTES_INIT("\xd0\x9c\xd0\xb8\xd1\x80")},
        /* RFC 2047 8 */
        {BYTES_INIT("(=?ISO-8859-1?Q?a?=)"), BYTES_INIT("(a)")},
        {BYTES_INIT("=?ISO-8859-1?Q?a?= b"), BYTES_INIT("a b")},
        {BYTES_INIT("=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?="), BYTES_INIT("ab")},
        {BYTES_INIT("=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?="), BYTES_INIT("ab")},
        {BYTES_INIT("=?ISO-8859-1?Q?a?=\r\n    =?ISO-8859-1?Q?b?="), BYTES_INIT("ab")},
        {BYTES_INIT("=?ISO-8859-1?Q?a_b?="), BYTES_INIT("a b")},
        {BYTES_INIT("=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?="), BYTES_INIT("a b")},
        /* As people's programs do it. */
        {BYTES_INIT("=?utf-8?q?a?==?utf-8?q?b?="), BYTES_INIT("ab")},
        {BYTES_INIT("\"=?utf-8?q?a b?=\""), BYTES_INIT("\"a b\"")},
        {BYTES_INIT("=?utf-8?q?=C3?= =?UTF-8?q?=BC?="), BYTES_INIT("\xc3\xbc")},
        {BYTES_INIT("=?utf-8?q?=C3?= x"), BYTES_INIT("\xef\xbf\xbd x")},
        {BYTES_INIT("=?x-unknown?q?a?= b"), BYTES_INIT("=?x-unknown?q?a?= b")},
        {BYTES_INIT("=?utf-8?x?a?="), BYTES_INIT("=?utf-8?x?a?=")},
        {BYTES_INIT("=?utf-8?q?a"), BYTES_INIT("=?utf-8?q?a")},
        {BYTES_INIT("=?=?utf-8?q?a?="), BYTES_INIT("=?a")},
        {BYTES_INIT("=?"), BYTES_INIT("=?")},
        {BYTES_INIT("a\r\n\tb"), BYTES_INIT("a b")},
        {BYTES_INIT("a\n b"), BYTES_INIT("a b")},
        {BYTES_INIT("raw \xff"), BYTES_INIT("raw \xef\xbf\xbd")},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        AUTO(buffer)
        out = BUFFER(TEXT_MAX);
        message_text_decode_words(cases[i].in, &out);
        if (!bytes_equal(buffer_bytes(&out), cases[i].out))
            fail_msg("\"%.*s\": \"%.*s\"", BYTES_FORMAT(cases[i].in),
                     BYTES_FORMAT(buffer_bytes(&out)));
    }
}

/* ---- folding ---- */

static void folding(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        const char *out;
    } cases[] = {
        {"", ""},
        {"Hello World", "hello world"},
        {"M\xc3\x9cLLER", "mu\xcc\x88ller"},
        {"mu\xcc\x88ller", "mu\xcc\x88ller"},
        {"Stra\xc3\x9f"
         "e",
         "strasse"},
        {"\xce\xa3\xce\xaf\xcf\x83\xcf\x85\xcf\x86\xce\xbf\xcf\x82",
         "\xcf\x83\xce\xb9\xcc\x81\xcf\x83\xcf\x85\xcf\x86\xce\xbf\xcf\x83"},
        {"\xef\xac\x81x", "fix"}, /* a ligature */
        {"\xef\xbc\xa1", "a"},    /* full width */
        {"\xe2\x84\xaa", "k"},    /* the Kelvin sign */
        {"so\xc2\xad"
         "ft",
         "soft"},                                   /* a soft hyphen */
        {"a\xcc\xa7\xcc\x81", "a\xcc\xa7\xcc\x81"}, /* marks in order, and out of it */
        {"a\xcc\x81\xcc\xa7", "a\xcc\xa7\xcc\x81"},
        {"a\xff"
         "b",
         "a\xef\xbf\xbd"
         "b"},
        {"a\xc3", "a\xef\xbf\xbd"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        AUTO(buffer)
        out = BUFFER(TEXT_MAX);
        message_text_fold(bytes_from_string(cases[i].in), &out);
        if (!bytes_equal(buffer_bytes(&out), bytes_from_string(cases[i].out)))
            fail_msg("case %zu: \"%.*s\"", i, BYTES_FORMAT(buffer_bytes(&out)));
    }
}

/* ---- needles ---- */

static struct message_needle *needle_of(const char *text)
{
    struct fault fault;
    struct message_needle *needle =
        message_needle_new(bytes_from_string(text), (struct bytes){NULL, 0}, &fault);
    assert_non_null(needle);
    return needle;
}

static bool is_in(const char *text, const char *in)
{
    struct message_needle *needle = needle_of(text);
    bool is = message_needle_is_in(needle, bytes_from_string(in));
    message_needle_free(needle);
    return is;
}

static bool is_in_value(const char *text, const char *in)
{
    struct message_needle *needle = needle_of(text);
    bool is = message_needle_is_in_value(needle, bytes_from_string(in));
    message_needle_free(needle);
    return is;
}

static void needles(void **state)
{
    (void)state;
    assert_true(is_in("WORLD", "hello world"));
    assert_true(is_in("", "x"));
    assert_true(is_in("", ""));
    assert_false(is_in("x", ""));
    assert_true(is_in("x", "X"));
    assert_false(is_in("@", "`"));
    assert_false(is_in("[", "{"));
    assert_true(is_in("m\xc3\xbcller", "Herr M\xc3\x9cLLER da"));
    assert_true(is_in("mu\xcc\x88ller", "Herr M\xc3\xbcller da"));
    /* RFC 5051: taken apart, a letter is found without its mark. */
    assert_true(is_in("mu", "M\xc3\xbcller"));
    assert_true(is_in("strasse", "STRA\xc3\x9f"
                                 "E"));
    assert_true(is_in("fi", "\xef\xac\x81"));
    assert_true(is_in("\xd0\xbc\xd0\xb8\xd1\x80", "\xd0\x9c\xd0\x98\xd0\xa0"));
    assert_false(is_in("\xd0\xbc\xd0\xb8\xd1\x80", "mir"));
    assert_true(is_in_value("m\xc3\xbcller", "=?iso-8859-1?q?M=FCller?= <x@a.example>"));
    assert_false(is_in_value("iso-8859", "=?iso-8859-1?q?M=FCller?= <x@a.example>"));
    assert_true(is_in_value("two words", "two\r\n words"));
    assert_true(is_in_value("two words", "two\r\n\twords"));
    assert_true(is_in_value("words", "two\r\n words"));
}

static void needles_in_charsets(void **state)
{
    (void)state;
    struct fault fault;
    struct message_needle *needle =
        message_needle_new(BYTES("\xed\xc9\xd2"), BYTES("koi8-r"), &fault);
    assert_non_null(needle);
    assert_false(message_needle_is_empty(needle));
    assert_true(message_needle_is_in(needle, BYTES("\xd0\xbc\xd0\xb8\xd1\x80")));
    message_needle_free(needle);
    assert_null(message_needle_new(BYTES("x"), BYTES("nonsense"), &fault));
    assert_int_equal(fault.kind, FAULT_DENIED);
    char *text = malloc(MESSAGE_TEXT_NEEDLE_MAX + 1);
    memset(text, 'x', MESSAGE_TEXT_NEEDLE_MAX + 1);
    needle = message_needle_new(bytes_of(text, MESSAGE_TEXT_NEEDLE_MAX), BYTES("utf-8"), &fault);
    assert_non_null(needle);
    assert_true(message_needle_is_in(needle, bytes_of(text, MESSAGE_TEXT_NEEDLE_MAX)));
    assert_false(message_needle_is_in(needle, bytes_of(text, MESSAGE_TEXT_NEEDLE_MAX - 1)));
    message_needle_free(needle);
    assert_null(
        message_needle_new(bytes_of(text, MESSAGE_TEXT_NEEDLE_MAX + 1), BYTES("utf-8"), &fault));
    assert_int_equal(fault.kind, FAULT_LIMIT);
    free(text);
}

static void headers(void **state)
{
    (void)state;
    struct bytes section = BYTES("Subject: =?utf-8?q?gr=C3=BCn?= and\r\n blue\r\n"
                                 "To: ann@a.example\r\n\r\n");
    static const struct {
        const char *text;
        bool is_in;
    } cases[] = {{"gr\xc3\xbcn", true},     {"subject: GR", true}, {"and blue", true},
                 {"=?utf", false},          {"=C3", false},        {"ann@a", true},
                 {"blue\r\nto: ann", true}, {"nothing", false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct message_needle *needle = needle_of(cases[i].text);
        if (message_needle_is_in_header(needle, section) != cases[i].is_in)
            fail_msg("\"%s\"", cases[i].text);
        message_needle_free(needle);
    }
}

/* Random texts of few letters, so that much is nearly found, against the plain way. */
static void put_random(struct buffer *out, size_t length)
{
    static const char *const letters[] = {
        "a", "A", "b",    " ",   "\xc3\xa4", "\xc3\x84", "\xcc\x88", "a\xcc\x88", "\xef\xac\x81",
        "f", "I", "\xff", "\xc3"};
    size_t kinds = rand() % 2 == 0 ? 3 : sizeof letters / sizeof letters[0];
    for (size_t i = 0; i < length; i++)
        buffer_append_string(out, letters[(size_t)rand() % kinds]);
}

static void random_needles(void **state)
{
    (void)state;
    size_t found = 0;
    srand(1);
    for (unsigned round = 0; round < 20000; round++) {
        AUTO(buffer)
        text = BUFFER(TEXT_MAX);
        AUTO(buffer)
        wanted = BUFFER(TEXT_MAX);
        AUTO(buffer)
        folded_text = BUFFER(TEXT_MAX);
        AUTO(buffer)
        folded_wanted = BUFFER(TEXT_MAX);
        struct fault fault;
        put_random(&text, (size_t)rand() % (round % 50 == 0 ? 3000 : 90));
        put_random(&wanted, 1 + (size_t)rand() % 6);
        message_text_fold(buffer_bytes(&text), &folded_text);
        message_text_fold(buffer_bytes(&wanted), &folded_wanted);
        struct message_needle *needle =
            message_needle_new(buffer_bytes(&wanted), BYTES("utf-8"), &fault);
        bool expected =
            bytes_find(buffer_bytes(&folded_text), buffer_bytes(&folded_wanted)) != BYTES_NOT_FOUND;
        if (message_needle_is_in(needle, buffer_bytes(&text)) != expected)
            fail_msg("\"%.*s\" in \"%.*s\"", BYTES_FORMAT(buffer_bytes(&wanted)),
                     BYTES_FORMAT(buffer_bytes(&text)));
        found += expected;
        message_needle_free(needle);
    }
    assert_true(found > 1000 && found < 19000);
}

/* ---- messages ---- */

struct searched {
    struct message_parser *parser;
    struct message_parsed parsed;
};

static void parse(struct searched *searched, struct bytes message)
{
    struct fault fault;
    searched->parser = message_parser_new(&fault);
    assert_non_null(searched->parser);
    assert_true(message_parser_feed(searched->parser, message, &fault));
    assert_true(message_parser_finish(searched->parser, &searched->parsed, &fault));
}

static bool search(const struct searched *searched, struct bytes message, const char *text,
                   bool has_headers, size_t piece)
{
    struct fault fault;
    struct message_needle *needle = needle_of(text);
    struct message_search *looking = message_search_new(&fault);
    bool is_found = false;
    assert_non_null(looking);
    assert_true(
        message_search_begin(looking, needle, searched->parsed.structure, has_headers, &fault));
    for (size_t start = 0; start < message.length && !is_found; start += piece)
        assert_true(
            message_search_feed(looking, bytes_slice(message, start, piece), &is_found, &fault));
    if (!is_found)
        assert_true(message_search_end(looking, &is_found, &fault));
    message_search_free(looking);
    message_needle_free(needle);
    return is_found;
}

static const char letter[] =
    "Subject: outer =?utf-8?q?k=C3=B6pf?=\r\n"
    "Content-Type: multipart/mixed; boundary=a\r\n\r\n"
    "preamble\r\n"
    "--a\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nfirst T\xc3\xa4xt here\r\n"
    "--a\r\nContent-Type: text/plain; charset=iso-8859-1\r\n"
    "Content-Transfer-Encoding: quoted-printable\r\n\r\nM=FCl=\r\nler wor=\r\nds\r\n"
    "--a\r\nContent-Type: text/html; charset=koi8-r\r\n"
    "Content-Transfer-Encoding: base64\r\nX-Part: partheader\r\n\r\n7cnSIOk=\r\n"
    "--a\r\nContent-Type: image/png\r\n\r\npicture words\r\n"
    "--a\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: x-odd\r\n\r\nodd\r\n"
    "--a\r\nContent-Type: text/plain; charset=x-odd\r\n\r\nstrange \xff\r\n"
    "--a\r\nContent-Type: Message/Delivery-Status\r\n\r\nAction: failed\r\n"
    "--a\r\nContent-Type: message/rfc822\r\n\r\n"
    "Subject: inner head\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    "--b\r\nX-Inner: inner part head\r\n\r\ninner body\r\n--b--\r\n"
    "--a--\r\nepilogue\r\n";

static void messages(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_body;
        bool is_text;
    } cases[] = {
        {"t\xc3\xa4xt", true, true},
        {"M\xc3\xbcller Words", true, true},
        {"\xd0\xbc\xd0\xb8\xd1\x80 \xd0\xb8", true, true},
        {"picture", false, false},
        {"odd", false, true}, /* in its header */
        {"odd\r\n", false, true},
        {"strange", true, true},
        {"action: failed", true, true},
        {"outer k\xc3\xb6pf", false, true},
        {"partheader", false, true},
        {"inner head", true, true},
        {"inner part head", false, true},
        {"inner body", true, true},
        {"preamble", false, false},
        {"epilogue", false, false},
        {"first", true, true},
        {"=FC", false, false},
        {"", true, true},
    };
    struct searched searched;
    struct bytes message = bytes_from_string(letter);
    parse(&searched, message);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t piece = 1; piece <= message.length + 1; piece += 1 + piece / 3) {
            if (search(&searched, message, cases[i].text, false, piece) != cases[i].is_body)
                fail_msg("BODY \"%s\" in pieces of %zu", cases[i].text, piece);
            if (search(&searched, message, cases[i].text, true, piece) != cases[i].is_text)
                fail_msg("TEXT \"%s\" in pieces of %zu", cases[i].text, piece);
        }
    }
    message_parser_free(searched.parser);
}

/* A letter of many lines, so that decoding has many steps; what is looked for lies anywhere. */
static void borders(void **state)
{
    (void)state;
    for (size_t at = 8100; at < 8300; at += 7) {
        AUTO(buffer)
        message = BUFFER(TEXT_MAX);
        AUTO(buffer)
        body = BUFFER(TEXT_MAX);
        struct searched searched;
        while (body.length < at)
            buffer_append_string(&body, body.length % 3 == 0 ? "x" : "\xc3\xa4");
        buffer_append_string(&body, "N\xc3\xa4"
                                    "del");
        buffer_append_string(&message, "Content-Type: text/plain; charset=utf-8\r\n"
                                       "Content-Transfer-Encoding: base64\r\n\r\n");
        struct base64_encoder encoder;
        base64_encoder_init(&encoder);
        base64_encoder_feed(&encoder, buffer_bytes(&body), &message);
        base64_encoder_finish(&encoder, &message);
        parse(&searched, buffer_bytes(&message));
        assert_true(search(&searched, buffer_bytes(&message),
                           "n\xc3\x84"
                           "DEL",
                           false, 5000));
        assert_true(search(&searched, buffer_bytes(&message),
                           "n\xc3\x84"
                           "DEL",
                           false, TEXT_MAX));
        assert_false(search(&searched, buffer_bytes(&message), "nadelx", false, TEXT_MAX));
        message_parser_free(searched.parser);
    }
}

static void damaged_structures(void **state)
{
    (void)state;
    struct searched searched;
    struct bytes message = bytes_from_string(letter);
    struct fault fault;
    parse(&searched, message);
    struct message_needle *needle = needle_of("no such thing");
    struct message_search *looking = message_search_new(&fault);
    char *copy = malloc(searched.parsed.structure.length);
    for (size_t i = 0; i < searched.parsed.structure.length; i++) {
        memcpy(copy, searched.parsed.structure.data, searched.parsed.structure.length);
        copy[i] = (char)(copy[i] ^ (1 << i % 8));
        bool is_found = false;
        struct bytes structure = bytes_of(copy, searched.parsed.structure.length);
        if (!message_search_begin(looking, needle, structure, true, &fault))
            continue;
        assert_true(message_search_feed(looking, message, &is_found, &fault));
        assert_true(message_search_end(looking, &is_found, &fault));
        assert_false(is_found);
    }
    free(copy);
    message_search_free(looking);
    message_needle_free(needle);
    message_parser_free(searched.parser);
}

static bool search_once(const struct searched *searched, bool *is_found)
{
    struct fault fault;
    struct message_needle *needle =
        message_needle_new(BYTES("inner body"), (struct bytes){NULL, 0}, &fault);
    struct message_search *looking = needle == NULL ? NULL : message_search_new(&fault);
    struct bytes message = bytes_from_string(letter);
    bool is_done =
        looking != NULL &&
        message_search_begin(looking, needle, searched->parsed.structure, true, &fault) &&
        message_search_feed(looking, bytes_slice(message, 0, 700), is_found, &fault) &&
        message_search_feed(looking, bytes_skip(message, 700), is_found, &fault) &&
        (*is_found || message_search_end(looking, is_found, &fault));
    message_search_free(looking);
    message_needle_free(needle);
    return is_done;
}

/* Whatever allocation fails: no wrong yes, no leak. */
static void out_of_memory(void **state)
{
    (void)state;
    struct searched searched;
    parse(&searched, bytes_from_string(letter));
    bool was_refused = true;
    for (size_t n = 0; was_refused; n++) {
        bool is_found = false;
        failing_allocation_start(n);
        bool is_done = search_once(&searched, &is_found);
        was_refused = failing_allocation_stop();
        if (!was_refused)
            assert_true(is_done && is_found);
    }
    message_parser_free(searched.parser);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_charsets),
        cmocka_unit_test(all_charsets_work),
        cmocka_unit_test(conversions),
        cmocka_unit_test(encoded_words),
        cmocka_unit_test(folding),
        cmocka_unit_test(needles),
        cmocka_unit_test(needles_in_charsets),
        cmocka_unit_test(headers),
        cmocka_unit_test(random_needles),
        cmocka_unit_test(messages),
        cmocka_unit_test(borders),
        cmocka_unit_test(damaged_structures),
        cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
