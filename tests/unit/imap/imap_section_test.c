/* Where sections lie, which fields of a header are kept, and how sections are named. */
#include "unit.h"

#include <stdlib.h>

#include "imap/imap_section.h"
#include "mail/message_parser.h"

enum {
    OUT_MAX = 64 * 1024
};

#define PREFIX     "Return-Path: <a@b>\r\n"
#define HEADER     "Subject: all\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n"
#define MIME_1     "Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n"
#define BODY_1     "aGVsbG8=\r\n"
#define MIME_2     "Content-Type: message/rfc822\r\n\r\n"
#define HEADER_2   "Subject: inner\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
#define MIME_2_1   "Content-Transfer-Encoding: X-Unheard-Of\r\n\r\n"
#define BODY_2_1   "first"
#define MIME_2_2   "Content-Type: message/rfc822\r\n\r\n"
#define HEADER_2_2 "Subject: innermost\r\n\r\n"
#define TEXT_2_2   "second"
#define TEXT_2                                                                                     \
    "--b\r\n" MIME_2_1 BODY_2_1 "\r\n--b\r\n" MIME_2_2 HEADER_2_2 TEXT_2_2 "\r\n--b--\r\n"
#define TEXT                                                                                       \
    "preamble\r\n--a\r\n" MIME_1 BODY_1 "\r\n--a\r\n" MIME_2 HEADER_2 TEXT_2 "\r\n--a--\r\n"

struct letter {
    struct bytes text; /* with the prefix */
    struct message_parser *parser;
    struct message_parsed parsed;
    struct imap_section_message message;
};

static void parse(struct letter *letter, const char *text, size_t prefix_size)
{
    struct fault fault;
    letter->text = bytes_from_string(text);
    letter->parser = message_parser_new(&fault);
    assert_non_null(letter->parser);
    struct bytes body = bytes_skip(letter->text, prefix_size);
    assert_true(message_parser_feed(letter->parser, body, &fault));
    assert_true(message_parser_finish(letter->parser, &letter->parsed, &fault));
    letter->message = (struct imap_section_message){.structure = letter->parsed.structure,
                                                    .prefix_size = prefix_size,
                                                    .header_size = letter->parsed.header.length,
                                                    .size = letter->text.length};
}

/* "2.1" as numbers. */
static struct imap_section section_of(enum imap_section_kind kind, const char *text, uint32_t *path)
{
    struct imap_section section = {.kind = kind, .path = path};
    while (*text != '\0') {
        char *end;
        path[section.depth++] = (uint32_t)strtoul(text, &end, 10);
        text = *end == '.' ? end + 1 : end;
    }
    return section;
}

struct wanted {
    enum imap_section_kind kind;
    const char *path;
    const char *text; /* NULL: NIL */
};

static void check(const struct letter *letter, const struct wanted *wanted, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t path[16];
        struct imap_section section = section_of(wanted[i].kind, wanted[i].path, path);
        struct imap_section_place place;
        struct fault fault;
        assert_true(imap_section_find(&letter->message, &section, false, &place, &fault));
        assert_int_equal(place.is_found, wanted[i].text != NULL);
        if (wanted[i].text == NULL)
            continue;
        struct bytes got = bytes_slice(letter->text, (size_t)place.start, (size_t)place.size);
        if (!bytes_equal(got, bytes_from_string(wanted[i].text)))
            fail_msg("section %zu: \"%.*s\"", i, BYTES_FORMAT(got));
        assert_false(place.is_encoding_unknown);
        assert_int_equal(place.encoding, TRANSFER_AS_IS);
        assert_int_equal(place.is_filtered, wanted[i].kind == IMAP_SECTION_FIELDS ||
                                                wanted[i].kind == IMAP_SECTION_FIELDS_NOT);
    }
}

static void sections_are_where_they_should_be(void **state)
{
    static const struct wanted wanted[] = {
        {IMAP_SECTION_ALL, "", PREFIX HEADER TEXT},
        {IMAP_SECTION_HEADER, "", PREFIX HEADER},
        {IMAP_SECTION_FIELDS, "", PREFIX HEADER},
        {IMAP_SECTION_FIELDS_NOT, "", PREFIX HEADER},
        {IMAP_SECTION_TEXT, "", TEXT},
        {IMAP_SECTION_MIME, "", NULL},
        {IMAP_SECTION_ALL, "1", BODY_1},
        {IMAP_SECTION_MIME, "1", MIME_1},
        {IMAP_SECTION_HEADER, "1", NULL},
        {IMAP_SECTION_FIELDS, "1", NULL},
        {IMAP_SECTION_TEXT, "1", NULL},
        {IMAP_SECTION_ALL, "1.1", NULL},
        {IMAP_SECTION_ALL, "2", HEADER_2 TEXT_2},
        {IMAP_SECTION_MIME, "2", MIME_2},
        {IMAP_SECTION_HEADER, "2", HEADER_2},
        {IMAP_SECTION_FIELDS, "2", HEADER_2},
        {IMAP_SECTION_TEXT, "2", TEXT_2},
        {IMAP_SECTION_ALL, "2.1", BODY_2_1},
        {IMAP_SECTION_MIME, "2.1", MIME_2_1},
        {IMAP_SECTION_ALL, "2.2", HEADER_2_2 TEXT_2_2},
        {IMAP_SECTION_HEADER, "2.2", HEADER_2_2},
        {IMAP_SECTION_TEXT, "2.2", TEXT_2_2},
        {IMAP_SECTION_ALL, "2.2.1", TEXT_2_2},
        {IMAP_SECTION_ALL, "2.2.2", NULL},
        {IMAP_SECTION_ALL, "2.2.1.1", NULL},
        {IMAP_SECTION_ALL, "3", NULL},
        {IMAP_SECTION_ALL, "4294967295", NULL},
    };
    struct letter letter;
    (void)state;
    parse(&letter, PREFIX HEADER TEXT, strlen(PREFIX));
    check(&letter, wanted, sizeof wanted / sizeof *wanted);
    message_parser_free(letter.parser);
}

static void a_message_without_parts_is_its_own_part(void **state)
{
    static const struct wanted wanted[] = {
        {IMAP_SECTION_ALL, "1", "text\r\n"}, {IMAP_SECTION_MIME, "1", PREFIX "Subject: x\r\n\r\n"},
        {IMAP_SECTION_HEADER, "1", NULL},    {IMAP_SECTION_TEXT, "1", NULL},
        {IMAP_SECTION_ALL, "1.1", NULL},     {IMAP_SECTION_ALL, "2", NULL},
    };
    struct letter letter;
    (void)state;
    parse(&letter, PREFIX "Subject: x\r\n\r\ntext\r\n", strlen(PREFIX));
    check(&letter, wanted, sizeof wanted / sizeof *wanted);
    message_parser_free(letter.parser);
}

static void a_message_may_be_a_message(void **state)
{
    static const struct wanted wanted[] = {
        {IMAP_SECTION_ALL, "1", "Subject: y\r\n\r\ntext\r\n"},
        {IMAP_SECTION_HEADER, "1", "Subject: y\r\n\r\n"},
        {IMAP_SECTION_TEXT, "1", "text\r\n"},
        {IMAP_SECTION_ALL, "1.1", "text\r\n"},
        {IMAP_SECTION_MIME, "1.1", "Subject: y\r\n\r\n"},
    };
    struct letter letter;
    (void)state;
    parse(&letter,
          "MIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n\r\nSubject: y\r\n\r\ntext\r\n", 0);
    check(&letter, wanted, sizeof wanted / sizeof *wanted);
    message_parser_free(letter.parser);
}

/* BODYSTRUCTURE must tell of a part. */
static void a_multipart_without_parts_has_an_empty_one(void **state)
{
    static const struct wanted wanted[] = {
        {IMAP_SECTION_ALL, "1", ""},      {IMAP_SECTION_MIME, "1", ""},
        {IMAP_SECTION_HEADER, "1", NULL}, {IMAP_SECTION_ALL, "1.1", NULL},
        {IMAP_SECTION_ALL, "2", NULL},    {IMAP_SECTION_TEXT, "", "preamble\r\n"},
    };
    struct letter letter;
    (void)state;
    parse(&letter,
          PREFIX "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n"
                 "preamble\r\n",
          strlen(PREFIX));
    check(&letter, wanted, sizeof wanted / sizeof *wanted);
    message_parser_free(letter.parser);
}

static void binary_knows_the_encoding(void **state)
{
    static const struct {
        const char *path;
        enum transfer_encoding encoding;
        bool is_unknown;
    } wanted[] = {
        {"", TRANSFER_AS_IS, false},      {"1", TRANSFER_BASE64, false},
        {"2", TRANSFER_AS_IS, false},     {"2.1", TRANSFER_AS_IS, true},
        {"2.2.1", TRANSFER_AS_IS, false},
    };
    struct letter letter;
    (void)state;
    parse(&letter, PREFIX HEADER TEXT, strlen(PREFIX));
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        uint32_t path[16];
        struct imap_section section = section_of(IMAP_SECTION_ALL, wanted[i].path, path);
        struct imap_section_place place;
        struct fault fault;
        assert_true(imap_section_find(&letter.message, &section, true, &place, &fault));
        assert_true(place.is_found);
        assert_int_equal(place.encoding, wanted[i].encoding);
        assert_int_equal(place.is_encoding_unknown, wanted[i].is_unknown);
    }
    message_parser_free(letter.parser);
}

static void what_does_not_fit_is_damage(void **state)
{
    uint32_t path[16];
    struct imap_section section = section_of(IMAP_SECTION_ALL, "2.1", path);
    struct imap_section header = {.kind = IMAP_SECTION_HEADER};
    struct imap_section_place place;
    struct fault fault = {0};
    struct letter letter;
    (void)state;
    parse(&letter, PREFIX HEADER TEXT, strlen(PREFIX));
    struct imap_section_message message = letter.message;
    message.size = 150;
    assert_false(imap_section_find(&message, &section, false, &place, &fault));
    assert_int_equal(fault.kind, FAULT_PERMANENT);
    message.size = 20;
    assert_false(imap_section_find(&message, &header, false, &place, &fault));
    message = letter.message;
    message.prefix_size = UINT64_MAX;
    assert_false(imap_section_find(&message, &section, false, &place, &fault));
    assert_false(imap_section_find(&message, &header, false, &place, &fault));
    message = letter.message;
    message.structure = bytes_slice(message.structure, 0, 30);
    assert_false(imap_section_find(&message, &section, false, &place, &fault));
    message_parser_free(letter.parser);
}

static void header_fields_are_chosen(void **state)
{
    static const struct bytes names[] = {BYTES_INIT("SUBJECT"), BYTES_INIT("x-long")};
    static const struct {
        const char *header;
        const char *named;
        const char *others;
    } cases[] = {
        {"Subject: a\r\nTo: b\r\nX-Long: c\r\n d\r\n\te\r\nCc: f\r\n\r\n",
         "Subject: a\r\nX-Long: c\r\n d\r\n\te\r\n\r\n", "To: b\r\nCc: f\r\n\r\n"},
        {"\r\n", "\r\n", "\r\n"},
        {"", "", ""},
        {"subject : a\r\nsubject: b\r\n\r\n", "subject : a\r\nsubject: b\r\n\r\n", "\r\n"},
        {"no field\r\nSubjects: x\r\nSub: y\r\n\r\n", "\r\n",
         "no field\r\nSubjects: x\r\nSub: y\r\n\r\n"},
        /* A name without a colon is no field (RFC 5322 2.2). */
        {"Subject\r\nx-long \r\n d\r\nTo: b\r\n\r\n", "\r\n",
         "Subject\r\nx-long \r\n d\r\nTo: b\r\n\r\n"},
        /* A message that ends with its header has no empty line. */
        {"To: b\r\nSubject: a\r\n", "Subject: a\r\n", "To: b\r\n"},
        {"To: b\nSubject: a\n\n", "Subject: a\n\n", "To: b\n\n"},
    };
    AUTO(buffer)
    out = BUFFER(OUT_MAX);
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct imap_section section = {
            .kind = IMAP_SECTION_FIELDS, .fields = names, .field_count = 2};
        imap_section_filter(&section, bytes_from_string(cases[i].header), &out);
        assert_string_equal(buffer_string(&out), cases[i].named);
        buffer_reset(&out);
        section.kind = IMAP_SECTION_FIELDS_NOT;
        imap_section_filter(&section, bytes_from_string(cases[i].header), &out);
        assert_string_equal(buffer_string(&out), cases[i].others);
        buffer_reset(&out);
    }
}

static void sections_have_names(void **state)
{
    static const struct bytes names[] = {BYTES_INIT("Subject"), BYTES_INIT("two words")};
    static const uint32_t path[] = {1, 20, 3};
    static const struct {
        struct imap_fetch_item item;
        const char *name;
    } cases[] = {
        {{.kind = IMAP_FETCH_SECTION}, "BODY[]"},
        {{.kind = IMAP_FETCH_SECTION, .is_peek = true}, "BODY[]"},
        {{.kind = IMAP_FETCH_SECTION, .section = {.kind = IMAP_SECTION_TEXT}}, "BODY[TEXT]"},
        {{.kind = IMAP_FETCH_SECTION, .section = {.path = path, .depth = 3}}, "BODY[1.20.3]"},
        {{.kind = IMAP_FETCH_SECTION,
          .section = {.kind = IMAP_SECTION_MIME, .path = path, .depth = 2}},
         "BODY[1.20.MIME]"},
        {{.kind = IMAP_FETCH_SECTION,
          .section = {.kind = IMAP_SECTION_FIELDS, .fields = names, .field_count = 2}},
         "BODY[HEADER.FIELDS (Subject \"two words\")]"},
        {{.kind = IMAP_FETCH_SECTION,
          .section = {.kind = IMAP_SECTION_FIELDS_NOT,
                      .path = path,
                      .depth = 1,
                      .fields = names,
                      .field_count = 1},
          .is_partial = true,
          .offset = 12345678901,
          .count = 10},
         "BODY[1.HEADER.FIELDS.NOT (Subject)]<12345678901>"},
        {{.kind = IMAP_FETCH_SECTION, .section = {.kind = IMAP_SECTION_HEADER}}, "BODY[HEADER]"},
        {{.kind = IMAP_FETCH_RFC822}, "RFC822"},
        {{.kind = IMAP_FETCH_RFC822_HEADER}, "RFC822.HEADER"},
        {{.kind = IMAP_FETCH_RFC822_TEXT}, "RFC822.TEXT"},
        {{.kind = IMAP_FETCH_BINARY, .section = {.path = path, .depth = 1}, .is_partial = true},
         "BINARY[1]<0>"},
        {{.kind = IMAP_FETCH_BINARY_SIZE, .section = {.path = path, .depth = 1}}, "BINARY.SIZE[1]"},
    };
    AUTO(buffer)
    out = BUFFER(OUT_MAX);
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        imap_section_write_name(&cases[i].item, &out);
        assert_string_equal(buffer_string(&out), cases[i].name);
        buffer_reset(&out);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(sections_are_where_they_should_be),
    cmocka_unit_test(a_message_without_parts_is_its_own_part),
    cmocka_unit_test(a_message_may_be_a_message),
    cmocka_unit_test(a_multipart_without_parts_has_an_empty_one),
    cmocka_unit_test(binary_knows_the_encoding),
    cmocka_unit_test(what_does_not_fit_is_damage),
    cmocka_unit_test(header_fields_are_chosen),
    cmocka_unit_test(sections_have_names),
};

UNIT_MAIN(tests)
