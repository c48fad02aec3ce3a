/* Bare names in address fields. */
#include "cli/sendmail_qualify.h"

#include <string.h>

#include "unit.h"

enum {
    OUT_MAX = 65536
};

static void assert_becomes(const char *field, const char *expected)
{
    AUTO(buffer)
    out = BUFFER(OUT_MAX);
    sendmail_qualify(bytes_from_string(field), "d.example", &out);
    assert_string_equal(buffer_string(&out), expected);
}

static void assert_stays(const char *field)
{
    assert_becomes(field, field);
}

static void bare_names(void **state)
{
    (void)state;
    assert_becomes("To: root\n", "To: root@d.example\n");
    assert_becomes("to:root", "to:root@d.example");
    assert_becomes("From: root (Cron Daemon)\r\n", "From: root@d.example (Cron Daemon)\r\n");
    assert_becomes("Cc : a, b@x.example,\n c\n", "Cc : a@d.example, b@x.example,\n c@d.example\n");
    assert_becomes("Bcc: Ann Lee <ann>, \"B, C\" <b.c>", "Bcc: Ann Lee <ann@d.example>, "
                                                         "\"B, C\" <b.c@d.example>");
    assert_becomes("Resent-To: Friends: a, b@x.example; c",
                   "Resent-To: Friends: a@d.example, b@x.example; c@d.example");
    assert_becomes("Reply-To: (x (y) \\) z) ann", "Reply-To: (x (y) \\) z) ann@d.example");
    assert_becomes("Sender: < ann >", "Sender: < ann@d.example >");
}

static void everything_else(void **state)
{
    (void)state;
    assert_stays("To: ann@x.example");
    assert_stays("To: ann @ x.example");
    assert_stays("To: Ann <ann@x.example>, <@r.example:b@x.example>");
    assert_stays("To: \"ann lee\"");
    assert_stays("To: \"ann lee\"@x.example");
    assert_stays("To: two words");
    assert_stays("To: Ann <two words>");
    assert_stays("To: <\"quoted\">");
    assert_stays("To: ann@[127.0.0.1]");
    assert_stays("To: <>");
    assert_stays("To: undisclosed-recipients:;");
    assert_stays("To:");
    assert_stays("To");
    assert_stays("");
    assert_stays("To: ,,;:");
    assert_stays("To: \"open, root");
    assert_stays("To: (open, root");
    assert_stays("To: \\");
    assert_stays("Subject: root");
    assert_stays("X-To: root");
    assert_stays("Received: from root, for root");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bare_names),
        cmocka_unit_test(everything_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
