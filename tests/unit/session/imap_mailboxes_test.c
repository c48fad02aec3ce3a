/* LIST and LSUB in a whole server: which names are answered, and levels above them; CREATE with a
 * use; and sessions that go while a mailbox is opened for them. */
#include "session/session_house.h"

enum {
    GOING = 30 /* sessions that go while their SELECT is in hand */
};

static int set_up(void **state)
{
    static const struct house_wish wish = {.imap = &imap_session_listener_face};
    *state = house_open(&wish);
    return 0;
}

static struct caller call(struct house *house)
{
    struct caller caller = house_call(house, HOUSE_IMAP);
    caller_command(&caller, "LOGIN ann@home.example secret", "OK");
    return caller;
}

/* All that is said up to the tagged response. */
static void expect(struct caller *caller, const char *command, const char *expected)
{
    const char *reply = caller_command(caller, command, "OK");
    size_t length = strlen(expected);
    if (strncmp(reply, expected, length) != 0 || reply[length] != 't')
        fail_msg("%s: \"%s\", not \"%s\"", command, reply, expected);
}

/* RFC 9051 6.3.9.8, example 8; 6.3.9.3 says what is left out. */
static struct caller call_with_levels(struct house *house)
{
    static const char *const made[] = {"CREATE foo2/bar1",  "CREATE foo2/bar2",  "CREATE baz2/bar2",
                                       "CREATE baz2/bar22", "CREATE eps2/mamba", "CREATE qux"};
    static const char *const subscribed[] = {"SUBSCRIBE foo2/bar1", "SUBSCRIBE foo2/bar2",
                                             "SUBSCRIBE baz2/bar2", "SUBSCRIBE baz2/bar22",
                                             "SUBSCRIBE eps2",      "SUBSCRIBE eps2/mamba",
                                             "SUBSCRIBE gone2/low"};
    struct caller caller = call(house);
    for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++)
        caller_command(&caller, made[i], "OK");
    for (size_t i = 0; i < sizeof(subscribed) / sizeof(subscribed[0]); i++)
        caller_command(&caller, subscribed[i], "OK");
    return caller;
}

static void a_level_above_is_listed_for_what_is_not(void **state)
{
    struct caller caller = call_with_levels(*state);
    expect(&caller, "LIST (SUBSCRIBED RECURSIVEMATCH) \"\" \"*2\"",
           "* LIST (\\Subscribed \\HasNoChildren) \"/\" baz2/bar2\r\n"
           "* LIST (\\Subscribed \\HasNoChildren) \"/\" baz2/bar22\r\n"
           "* LIST (\\Subscribed \\HasChildren) \"/\" eps2 (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n"
           "* LIST (\\HasChildren) \"/\" foo2 (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n"
           "* LIST (\\Subscribed \\HasNoChildren) \"/\" foo2/bar2\r\n"
           "* LIST (\\NonExistent \\HasChildren) \"/\" gone2 (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n");
    expect(&caller, "LIST (SUBSCRIBED RECURSIVEMATCH) \"\" \"foo2*\"",
           "* LIST (\\Subscribed \\HasNoChildren) \"/\" foo2/bar1\r\n"
           "* LIST (\\Subscribed \\HasNoChildren) \"/\" foo2/bar2\r\n");
    caller_hang_up(&caller);
    house_check(*state);
}

/* RFC 3501 6.3.9 */
static void lsub_names_levels_above_for_percent_only(void **state)
{
    struct caller caller = call_with_levels(*state);
    expect(&caller, "LSUB \"\" \"*o2\"", "");
    expect(&caller, "LSUB \"\" \"%o2\"", "* LSUB (\\Noselect) \"/\" foo2\r\n");
    expect(&caller, "LSUB \"gone2\" \"%\"", "* LSUB (\\Noselect) \"/\" gone2\r\n");
    expect(&caller, "LSUB \"gone2\" \"*\"", "* LSUB () \"/\" gone2/low\r\n");
    expect(&caller, "LSUB \"eps2\" \"%\"", "* LSUB () \"/\" eps2\r\n");
    caller_hang_up(&caller);
    house_check(*state);
}

/* RFC 6154 3 */
static void a_use_that_is_not_known_is_refused(void **state)
{
    struct caller caller = call(*state);
    caller_command(&caller, "CREATE all (USE (\\All))", "NO [USEATTR]");
    caller_command(&caller, "CREATE all (USE (\\Strange))", "NO [USEATTR]");
    caller_command(&caller, "CREATE all (USE (\\Sent \\Trash))", "NO [USEATTR]");
    expect(&caller, "LIST \"\" all", "");
    caller_hang_up(&caller);
    house_check(*state);
}

/* RFC 9051 6.3.9.7 */
static void names_in_another_form_are_told_in_ours(void **state)
{
    struct caller caller = call(*state);
    expect(&caller, "CREATE inbox/low", "");
    expect(&caller, "RENAME inbox/low inbox/high", "");
    assert_null(strstr(caller_command(&caller, "SELECT inbox", "OK"), "* LIST"));
    caller_command(&caller, "UNSELECT", "OK");
    caller_command(&caller, "ENABLE IMAP4rev2", "OK");
    expect(&caller, "CREATE INBOX/low", "");
    expect(&caller, "CREATE inBox/lower/",
           "* LIST () \"/\" INBOX/lower (\"OLDNAME\" (inBox/lower/))\r\n");
    expect(&caller, "RENAME INBOX/low Inbox/deep",
           "* LIST () \"/\" INBOX/deep (\"OLDNAME\" (INBOX/low))\r\n");
    expect(&caller, "RENAME inbox/deep \"a b\"",
           "* LIST () \"/\" \"a b\" (\"OLDNAME\" (inbox/deep))\r\n");
    expect(&caller, "DELETE inbox/lower",
           "* LIST (\\NonExistent) \"/\" INBOX/lower (\"OLDNAME\" (inbox/lower))\r\n");
    expect(&caller, "DELETE INBOX/high", "");
    expect(&caller, "RENAME inbox old", "");
    caller_command(&caller, "DELETE inbox/none", "NO [NONEXISTENT]");
    assert_non_null(strstr(caller_command(&caller, "EXAMINE inbox", "OK"),
                           "* LIST () \"/\" INBOX (\"OLDNAME\" (inbox))\r\n"));
    assert_non_null(
        strstr(caller_command(&caller, "SELECT INBOX", "OK"), "* LIST () \"/\" INBOX\r\n"));
    caller_hang_up(&caller);
    house_check(*state);
}

/* The mailbox is looked at from when it is opened, and the server ends before that is told. */
static void who_goes_while_a_mailbox_is_opened_does_not_look_at_it(void **state)
{
    struct caller callers[GOING];
    for (size_t i = 0; i < GOING; i++)
        callers[i] = call(*state);
    for (size_t i = 0; i < GOING; i++)
        caller_say(&callers[i], "x SELECT INBOX\r\n");
    house_kill(*state);
    for (size_t i = 0; i < GOING; i++)
        caller_hang_up(&callers[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_level_above_is_listed_for_what_is_not, set_up,
                                        house_tear_down),
        cmocka_unit_test_setup_teardown(lsub_names_levels_above_for_percent_only, set_up,
                                        house_tear_down),
        cmocka_unit_test_setup_teardown(a_use_that_is_not_known_is_refused, set_up,
                                        house_tear_down),
        cmocka_unit_test_setup_teardown(names_in_another_form_are_told_in_ours, set_up,
                                        house_tear_down),
        cmocka_unit_test_setup_teardown(who_goes_while_a_mailbox_is_opened_does_not_look_at_it,
                                        set_up, house_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
