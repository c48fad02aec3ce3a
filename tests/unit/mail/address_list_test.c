/* Address lists: the examples of RFC 5322, obsolete forms, and what must never pass. */
#include "mail/address_list.h"

#include "base/auto.h"
#include "failing_allocation.h"
#include "mail/header.h"
#include "unit.h"

/* The list in one line: "name|address" for a mailbox, "{name" and "}" for a group. */
static void show(const struct address_list *list, struct buffer *out)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct address_list_item *item = &list->items[i];
        if (i > 0)
            buffer_append_char(out, ' ');
        if (item->kind == ADDRESS_LIST_GROUP)
            buffer_append_char(out, '{');
        buffer_append(out, address_list_name(list, item));
        if (item->kind == ADDRESS_LIST_GROUP_END)
            buffer_append_char(out, '}');
        if (item->kind == ADDRESS_LIST_MAILBOX) {
            buffer_append_char(out, '|');
            address_print(&item->address, out);
        }
    }
}

struct list_case {
    const char *text;
    const char *shown;
};

static const struct list_case valid_cases[] = {
    {"", ""},
    {"a@b", "|a@b"},
    {"<a@b>", "|a@b"},
    {"a@b, c@d", "|a@b |c@d"},
    {"Ann <a@b>", "Ann|a@b"},
    {"Ann  B.  Cee<a@b>", "Ann B. Cee|a@b"},
    {"\"Cee, Ann\" <a@b>", "Cee, Ann|a@b"},
    {"\"a \\\"b\\\" \\\\c\" <a@b>", "a \"b\" \\c|a@b"},
    {"\"\" <a@b>", "|a@b"},
    /* RFC 5322 A.1.2, A.1.3 */
    {"\"Joe Q. Public\" <john.q.public@example.com>", "Joe Q. Public|john.q.public@example.com"},
    {"Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>",
     "Mary Smith|mary@x.test |jdoe@example.org Who?|one@y.test"},
    {"<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>",
     "|boss@nil.test Giant; \"Big\" Box|sysservices@example.net"},
    {"A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;",
     "{A Group Ed Jones|c@a.test |joe@where.test John|jdoe@one.test }"},
    {"Undisclosed recipients:;", "{Undisclosed recipients }"},
    {"a@b, G: c@d; , e@f", "|a@b {G |c@d } |e@f"},
    /* RFC 5322 A.5: white space and comments everywhere */
    {"Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>", "Pete|pete@silly.test"},
    {"A Group(Some people)\t:Chris Jones <c@(Chris's host.)public.example>, joe@example.org, "
     "John <jdoe@one.test> (my dear friend); (the end of the group)",
     "{A Group Chris Jones|c@public.example |joe@example.org John|jdoe@one.test }"},
    {"(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;", "{Hidden recipients }"},
    /* RFC 5322 A.6.1, A.6.3: obsolete forms */
    {"Joe Q. Public <john.q.public@example.com>", "Joe Q. Public|john.q.public@example.com"},
    {"Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example",
     "Mary Smith|mary@example.net |jdoe@test.example"},
    {"<@a.test,,@b.test:c@d>", "|c@d"},
    {"john . \"q p\" . public @ example . com", "|\"john.q p.public\"@example.com"},
    {",,a@b,,", "|a@b"},
    {"G:,,;", "{G }"},
    /* Quoted local parts stay what they are. */
    {"\"a@x> ORCPT=..\"@y", "|\"a@x> ORCPT=..\"@y"},
    {"X <\"a, b\"@y>", "X|\"a, b\"@y"},
    {"\"a b\"@[192.0.2.1]", "|\"a b\"@[192.0.2.1]"},
    {"a@[ IPv6 : ::1 ]", "|a@[IPv6:::1]"},
    /* RFC 6532, RFC 2047 5 */
    {"Jörg Müller <jörg@bücher.example>", "Jörg Müller|jörg@bücher.example"},
    {"=?UTF-8?Q?J=C3=B6rg?= =?UTF-8?Q?_M=C3=BCller?= <j@x>", "Jörg Müller|j@x"},
    {"=?UTF-8?Q?J=C3=B6rg?= M. <j@x>", "Jörg M.|j@x"},
    {"\"=?UTF-8?Q?J=C3=B6rg?=\" <j@x>", "=?UTF-8?Q?J=C3=B6rg?=|j@x"},
    /* An encoded word that hides a line end stays closed. */
    {"=?UTF-8?Q?a=0D=0ABcc=3A_x=40y?= <j@x>", "=?UTF-8?Q?a=0D=0ABcc=3A_x=40y?=|j@x"},
};

static const char *const invalid_cases[] = {
    "a",
    "a b",
    "postmaster",
    "a@",
    "@b",
    "a@b c@d",
    "a@b; c@d",
    "a@b>",
    "<a@b",
    "<a@b>>",
    "<<a@b>>",
    "<>",
    "Ann <>",
    "Ann <a>",
    "Ann <a@b> Cee",
    "Ann <a@b> <c@d>",
    "Ann a@b",
    "a..b@c",
    ".a@b",
    "a.@b",
    "a@b..c",
    "a@b.",
    "\"a\"b@c",
    "a\"b\"@c",
    "\"a",
    "\"a\\",
    "(a",
    "(a@b",
    "a@b)",
    "a@[b",
    "a@b]",
    "a@[1.2.3]",
    "G: a@b",
    "G: H: a@b;;",
    ":a@b;",
    "G: a@b; c@d",
    "G: a@b;;",
    ";",
    "<@a:@b:c@d>",
    "<@a c@d>",
    "a\\b@c",
    "a@b\r\n",
    "a@b\n, c@d",
    "a\1@b",
    "\"a\rb\"@c",
    "\"a\tb\"@c",
    "\xff@b",
};

static void lists_that_are(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof valid_cases / sizeof *valid_cases; i++) {
        AUTO(address_list)
        list = ADDRESS_LIST;
        AUTO(buffer)
        shown = BUFFER(10000);
        struct fault fault = {0};
        if (!address_list_parse(&list, bytes_from_string(valid_cases[i].text), &fault))
            fail_msg("%s: %s", valid_cases[i].text, fault.message);
        show(&list, &shown);
        assert_string_equal(buffer_string(&shown), valid_cases[i].shown);
    }
}

static void lists_that_are_not(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof invalid_cases / sizeof *invalid_cases; i++) {
        AUTO(address_list)
        list = ADDRESS_LIST;
        struct fault fault = {0};
        assert_true(address_list_parse(&list, BYTES("Keep <k@x>"), NULL));
        if (address_list_parse(&list, bytes_from_string(invalid_cases[i]), &fault))
            fail_msg("taken: %s", invalid_cases[i]);
        assert_int_equal(fault.kind, FAULT_SYNTAX);
        assert_int_equal(list.count, 1);
        assert_int_equal(list.mailbox_count, 1);
        assert_bytes(address_list_name(&list, &list.items[0]), "Keep");
    }
    AUTO(address_list)
    list = ADDRESS_LIST;
    assert_false(address_list_parse(&list, BYTES("a\0@b"), NULL));
    assert_false(address_list_parse(&list, BYTES("\"a\0\"@b"), NULL));
}

static void write(const struct address_list *list, bool allow_utf8, struct buffer *out)
{
    struct header_writer writer;
    struct fault fault = {0};
    buffer_reset(out);
    header_writer_begin(&writer, out, BYTES("To"));
    if (!address_list_write(list, &writer, allow_utf8, &fault) ||
        !header_writer_end(&writer, &fault))
        fail_msg("%s", fault.message);
}

/* What is written reads back as the same list. */
static void written_and_read_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof valid_cases / sizeof *valid_cases; i++) {
        AUTO(address_list)
        list = ADDRESS_LIST;
        assert_true(address_list_parse(&list, bytes_from_string(valid_cases[i].text), NULL));
        for (int allow_utf8 = address_list_needs_utf8(&list); allow_utf8 < 2; allow_utf8++) {
            AUTO(buffer)
            out = BUFFER(10000);
            AUTO(buffer)
            unfolded = BUFFER(10000);
            AUTO(buffer)
            shown = BUFFER(10000);
            AUTO(address_list)
            again = ADDRESS_LIST;
            write(&list, allow_utf8 != 0, &out);
            assert_true(allow_utf8 != 0 || bytes_is_ascii(buffer_bytes(&out)));
            header_unfold(bytes_skip(buffer_bytes(&out), 3), &unfolded);
            assert_true(address_list_parse(&again, buffer_bytes(&unfolded), NULL));
            show(&again, &shown);
            /* Domains are A-labels without UTF-8; no case has both that and an ASCII local part. */
            assert_string_equal(buffer_string(&shown), valid_cases[i].shown);
        }
    }
}

static void forms_as_written(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *written;
        bool allow_utf8;
    } cases[] = {
        {"a@b,c@d", "To: a@b, c@d\r\n", false},
        {"Ann <a@b>", "To: Ann <a@b>\r\n", false},
        {"J. Doe <a@b>", "To: \"J. Doe\" <a@b>\r\n", false},
        {"\"plain\" <a@b>", "To: plain <a@b>\r\n", false},
        {"\"two  blanks\" <a@b>", "To: \"two  blanks\" <a@b>\r\n", false},
        {"G:a@b,c@d;,e@f", "To: G: a@b, c@d;, e@f\r\n", false},
        {"G:;", "To: G:;\r\n", false},
        {"\"G, H\":a@b;", "To: \"G, H\": a@b;\r\n", false},
        {"Jörg <a@bücher.example>", "To: =?UTF-8?B?SsO2cmc=?= <a@xn--bcher-kva.example>\r\n",
         false},
        {"Jörg <jörg@bücher.example>", "To: Jörg <jörg@bücher.example>\r\n", true},
        {"Bücher: a@b;", "To: =?UTF-8?Q?B=C3=BCcher?= : a@b;\r\n", false},
        {"\"=?x?= \" <a@b>", "To: =?UTF-8?B?PT94Pz0g?= <a@b>\r\n", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        AUTO(address_list)
        list = ADDRESS_LIST;
        AUTO(buffer)
        out = BUFFER(10000);
        assert_true(address_list_parse(&list, bytes_from_string(cases[i].text), NULL));
        write(&list, cases[i].allow_utf8, &out);
        assert_string_equal(buffer_string(&out), cases[i].written);
    }
}

static void questions(void **state)
{
    (void)state;
    AUTO(address_list)
    list = ADDRESS_LIST;
    assert_null(address_list_first(&list));
    assert_true(address_list_parse(&list, BYTES("G:;, a@ä.example, b@c"), NULL));
    assert_bytes(address_local_part(address_list_first(&list)), "a");
    assert_false(address_list_needs_utf8(&list));
    assert_false(address_list_is_ascii(&list));
    assert_true(address_list_parse(&list, BYTES("ä@b"), NULL));
    assert_true(address_list_needs_utf8(&list));
    AUTO(address_list)
    copy = ADDRESS_LIST;
    assert_true(address_list_append(&copy, &list, NULL));
    assert_int_equal(copy.count, list.count);
    assert_int_equal(copy.mailbox_count, 3);
}

static void limits(void **state)
{
    (void)state;
    AUTO(address_list)
    list = ADDRESS_LIST;
    AUTO(buffer)
    text = BUFFER(3 << 20);
    struct fault fault;
    /* Comments: the deepest, and one deeper. */
    for (int depth = ADDRESS_LIST_COMMENT_DEPTH_MAX; depth < ADDRESS_LIST_COMMENT_DEPTH_MAX + 2;
         depth++) {
        buffer_reset(&text);
        for (int i = 0; i < depth; i++)
            buffer_append_char(&text, '(');
        for (int i = 0; i < depth; i++)
            buffer_append_char(&text, ')');
        buffer_append_string(&text, "a@b");
        bool is_valid = address_list_parse(&list, buffer_bytes(&text), &fault);
        assert_int_equal(is_valid, depth == ADDRESS_LIST_COMMENT_DEPTH_MAX);
    }
    assert_int_equal(fault.kind, FAULT_LIMIT);
    address_list_clear(&list);
    buffer_reset(&text);
    for (int i = 0; i < ADDRESS_LIST_COUNT_MAX; i++)
        buffer_append_string(&text, "a@b,");
    assert_true(address_list_parse(&list, buffer_bytes(&text), &fault));
    assert_int_equal(list.mailbox_count, ADDRESS_LIST_COUNT_MAX);
    assert_false(address_list_parse(&list, BYTES("a@b"), &fault));
    assert_int_equal(fault.kind, FAULT_LIMIT);
    assert_int_equal(list.mailbox_count, ADDRESS_LIST_COUNT_MAX);
    address_list_clear(&list);
    /* Deep nonsense costs no stack and no time. */
    buffer_reset(&text);
    for (int i = 0; i < ADDRESS_LIST_TEXT_MAX; i++)
        buffer_append_char(&text, i % 2 == 0 ? '<' : ':');
    assert_false(address_list_parse(&list, buffer_bytes(&text), &fault));
    buffer_append_char(&text, 'a');
    assert_false(address_list_parse(&list, buffer_bytes(&text), &fault));
    assert_int_equal(fault.kind, FAULT_LIMIT);
}

static void memory_runs_out(void **state)
{
    (void)state;
    bool was_refused = true;
    for (size_t count = 0; was_refused; count++) {
        AUTO(address_list)
        list = ADDRESS_LIST;
        failing_allocation_start(count);
        bool is_parsed = address_list_parse(
            &list, BYTES("G: \"A, b\" <c@d>, =?UTF-8?Q?x?= <e@[192.0.2.1]>;, f@g"), NULL);
        was_refused = failing_allocation_stop();
        assert_true(is_parsed || was_refused);
        assert_int_equal(list.mailbox_count, is_parsed ? 3 : 0);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(lists_that_are),
    cmocka_unit_test(lists_that_are_not),
    cmocka_unit_test(written_and_read_again),
    cmocka_unit_test(forms_as_written),
    cmocka_unit_test(questions),
    cmocka_unit_test(limits),
    cmocka_unit_test(memory_runs_out),
};

UNIT_MAIN(tests)
