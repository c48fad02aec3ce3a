/* The tree of mailboxes: made, removed, renamed, subscribed to, listed. */
#include "store_mailboxes_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/store_check.h"

static void tell_problem(void *context, const char *sentence)
{
    uint64_t *problems = context;
    /* The letters of these tests have nothing that was parsed. */
    if (strncmp(sentence, "body ", 5) == 0)
        return;
    print_message("%s\n", sentence);
    (*problems)++;
}

/* What a change leaves behind is in order. */
static void assert_sound(struct store_fixture *fixture)
{
    struct fault fault = {0};
    uint64_t problems = 0;
    uint64_t all = 0;
    assert_true(store_check(fixture->reader, tell_problem, &problems, &all, &fault));
    assert_int_equal(problems, 0);
}

static int64_t count(struct store_fixture *fixture, const char *text, int64_t value)
{
    struct db_statement statement = {text, NULL};
    return store_fixture_number(fixture, &statement, DB_VALUES(db_number(value)));
}

static char *join_names(const struct store_mailbox_list *list)
{
    static char text[2048];
    size_t length = 0;
    for (size_t i = 0; i < list->count; i++) {
        const struct store_mailbox *mailbox = &list->items[i];
        length += (size_t)snprintf(
            text + length, sizeof(text) - length, "%s%.*s%s%s%s%s", i == 0 ? "" : " ",
            BYTES_FORMAT(mailbox->name), mailbox->id == 0 ? "?" : "",
            mailbox->id != 0 && !mailbox->is_selectable ? "!" : "",
            mailbox->has_children ? "/" : "", mailbox->is_subscribed ? "" : "-");
        assert_true(length < sizeof(text));
    }
    return text;
}

/* "!" is a level only, "?" a name without mailbox, "/" has children, "-" is not subscribed to. */
static void assert_list(struct store_fixture *fixture, const char *expected)
{
    struct fault fault = {0};
    AUTO(store_mailbox_list)
    list = {0};
    if (!store_mailbox_list_read(fixture->reader, fixture->account, &list, &fault))
        fail_msg("%s", fault.message);
    assert_string_equal(join_names(&list), expected);
}

#define FIRST "INBOX Archive Drafts Junk Sent Trash"

static void a_new_account(void **state)
{
    struct store_fixture *fixture = *state;
    assert_list(fixture, FIRST);
    struct store_mailbox trash = store_mailboxes_fixture_find(fixture, "Trash");
    struct store_mailbox sent = store_mailboxes_fixture_find(fixture, "Sent");
    assert_int_equal(trash.role, STORE_ROLE_TRASH);
    assert_true(trash.is_selectable);
    /* Renamed to each other's name they are still another mailbox. */
    assert_int_not_equal(trash.uidvalidity, sent.uidvalidity);
    assert_int_equal(trash.uidnext, 1);
    assert_int_equal(trash.recent, 1);
    assert_int_equal(trash.modseq, 1);
    assert_int_equal(store_mailboxes_fixture_find(fixture, "INBOX").id, fixture->inbox);
    assert_int_equal(
        count(fixture, "SELECT uidvalidity FROM account WHERE id = $1", fixture->account),
        count(fixture, "SELECT MAX(uidvalidity) FROM mailbox WHERE account = $1",
              fixture->account));
    assert_sound(fixture);
}

static void create_makes_the_levels_above(void **state)
{
    struct store_fixture *fixture = *state;
    struct store_mailbox_change change = {.kind = STORE_MAILBOX_CREATE,
                                          .name = BYTES("work/2026/\xc3\xa9t\xc3\xa9")};
    assert_int_equal(store_mailboxes_fixture_change(fixture, &change), STORE_MAILBOX_DONE);
    struct store_mailbox made =
        store_mailboxes_fixture_find(fixture, "work/2026/\xc3\xa9t\xc3\xa9");
    assert_int_equal(made.id, change.id);
    assert_true(store_mailboxes_fixture_find(fixture, "work/2026").is_selectable);
    assert_list(fixture, FIRST " work/- work/2026/- work/2026/\xc3\xa9t\xc3\xa9-");
    assert_int_equal(store_mailboxes_fixture_create(fixture, "work/2026"), STORE_MAILBOX_EXISTS);
    assert_int_equal(store_mailboxes_fixture_create(fixture, "work/2026/"), STORE_MAILBOX_EXISTS);
    assert_int_equal(store_mailboxes_fixture_create(fixture, "INBOX"), STORE_MAILBOX_EXISTS);
    /* Other letters are another name. */
    assert_int_equal(store_mailboxes_fixture_create(fixture, "Work/"), STORE_MAILBOX_DONE);
    assert_int_equal(store_mailboxes_fixture_create(fixture, "INBOX/a"), STORE_MAILBOX_DONE);
    assert_list(fixture, "INBOX/ Archive Drafts INBOX/a- Junk Sent Trash Work- work/- work/2026/- "
                         "work/2026/\xc3\xa9t\xc3\xa9-");
    assert_false(store_mailboxes_fixture_is_there(fixture, "WORK"));
    assert_false(store_mailboxes_fixture_is_there(fixture, "work/2027"));
    assert_false(store_mailboxes_fixture_is_there(fixture, "work/2026/a/b"));
    assert_false(store_mailboxes_fixture_is_there(fixture, ""));
    assert_sound(fixture);
}

static void names_that_cannot_be(void **state)
{
    struct store_fixture *fixture = *state;
    static const char *const names[] = {"", "/", "/a", "a//b", "a//"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_int_equal(store_mailboxes_fixture_create(fixture, names[i]), STORE_MAILBOX_CANNOT);
        assert_int_equal(store_mailboxes_fixture_rename(fixture, "Junk", names[i]),
                         STORE_MAILBOX_CANNOT);
    }
    assert_list(fixture, FIRST);
}

static void uidvalidity_only_grows(void **state)
{
    struct store_fixture *fixture = *state;
    uint32_t last = 0;
    int64_t last_id = 0;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(store_mailboxes_fixture_create(fixture, "again"), STORE_MAILBOX_DONE);
        struct store_mailbox made = store_mailboxes_fixture_find(fixture, "again");
        assert_true(made.uidvalidity > last);
        assert_true(made.id != last_id);
        last = made.uidvalidity;
        last_id = made.id;
        assert_int_equal(store_mailboxes_fixture_delete(fixture, "again"), STORE_MAILBOX_DONE);
    }
    assert_list(fixture, FIRST);
}

static void special_uses(void **state)
{
    struct store_fixture *fixture = *state;
    struct store_mailbox_change change = {
        .kind = STORE_MAILBOX_CREATE, .name = BYTES("Spam"), .role = STORE_ROLE_JUNK};
    assert_int_equal(store_mailboxes_fixture_change(fixture, &change), STORE_MAILBOX_USE_TAKEN);
    assert_false(store_mailboxes_fixture_is_there(fixture, "Spam"));
    /* It keeps its use under another name. */
    assert_int_equal(store_mailboxes_fixture_rename(fixture, "Junk", "Rubbish"),
                     STORE_MAILBOX_DONE);
    assert_int_equal(store_mailboxes_fixture_find(fixture, "Rubbish").role, STORE_ROLE_JUNK);
    assert_int_equal(store_mailboxes_fixture_delete(fixture, "Rubbish"), STORE_MAILBOX_DONE);
    assert_int_equal(store_mailboxes_fixture_change(fixture, &change), STORE_MAILBOX_DONE);
    assert_int_equal(store_mailboxes_fixture_find(fixture, "Spam").role, STORE_ROLE_JUNK);
    assert_sound(fixture);
}

static void a_mailbox_with_children_stays_as_a_level(void **state)
{
    struct store_fixture *fixture = *state;
    struct store_mailbox_change change = {
        .kind = STORE_MAILBOX_CREATE, .name = BYTES("a"), .role = STORE_ROLE_NONE};
    assert_int_equal(store_mailboxes_fixture_delete(fixture, "Junk"), STORE_MAILBOX_DONE);
    change.role = STORE_ROLE_JUNK;
    assert_int_equal(store_mailboxes_fixture_change(fixture, &change), STORE_MAILBOX_DONE);
    assert_int_equal(store_mailboxes_fixture_create(fixture, "a/b/c"), STORE_MAILBOX_DONE);
    struct store_mailbox before = store_mailboxes_fixture_find(fixture, "a");
    int64_t child = store_mailboxes_fixture_find(fixture, "a/b/c").id;

    assert_int_equal(store_mailboxes_fixture_delete(fixture, "a"), STORE_MAILBOX_DONE);
    struct store_mailbox level = store_mailboxes_fixture_find(fixture, "a");
    assert_false(level.is_selectable);
    assert_int_equal(level.role, STORE_ROLE_NONE);
    assert_int_not_equal(level.id, before.id);
    assert_int_equal(store_mailboxes_fixture_find(fixture, "a/b/c").id, child);
    assert_int_equal(store_mailboxes_fixture_delete(fixture, "a"), STORE_MAILBOX_HAS_CHILDREN);
    assert_int_equal(store_mailboxes_fixture_delete(fixture, "a/b"), STORE_MAILBOX_DONE);
    assert_list(fixture, "INBOX Archive Drafts Junk? Sent Trash a!/- a/b!/- a/b/c-");
    /* Made again it is another mailbox. */
    assert_int_equal(store_mailboxes_fixture_create(fixture, "a"), STORE_MAILBOX_DONE);
    struct store_mailbox again = store_mailboxes_fixture_find(fixture, "a");
    assert_true(again.is_selectable && again.uidvalidity > before.uidvalidity);
    assert_int_equal(store_mailboxes_fixture_delete(fixture, "a"), STORE_MAILBOX_DONE);
    /* With the last below them the levels go. */
    assert_int_equal(store_mailboxes_fixture_delete(fixture, "a/b/c"), STORE_MAILBOX_DONE);
    assert_false(store_mailboxes_fixture_is_there(fixture, "a"));
    assert_sound(fixture);
}

static void what_delete_refuses(void **state)
{
    struct store_fixture *fixture = *state;
    assert_int_equal(store_mailboxes_fixture_delete(fixture, "INBOX"), STORE_MAILBOX_CANNOT);
    assert_int_equal(store_mailboxes_fixture_delete(fixture, "INBOX/"), STORE_MAILBOX_CANNOT);
    assert_int_equal(store_mailboxes_fixture_delete(fixture, "nowhere"), STORE_MAILBOX_NONEXISTENT);
    assert_int_equal(store_mailboxes_fixture_delete(fixture, "Junk/nowhere"),
                     STORE_MAILBOX_NONEXISTENT);
    assert_int_equal(store_mailboxes_fixture_delete(fixture, ""), STORE_MAILBOX_NONEXISTENT);
    assert_list(fixture, FIRST);
}

/* Puts letters into INBOX and moves them to a mailbox by RENAME of INBOX. */
static void fill(struct store_fixture *fixture, const char *name, int letters)
{
    for (int i = 0; i < letters; i++)
        store_fixture_put(fixture, BYTES("Subject: x\r\n\r\nbody\r\n"));
    assert_int_equal(store_mailboxes_fixture_rename(fixture, "INBOX", name), STORE_MAILBOX_DONE);
}

static void delete_takes_the_messages_along(void **state)
{
    struct store_fixture *fixture = *state;
    fill(fixture, "full", 3);
    store_fixture_put(fixture, BYTES("Subject: stays\r\n\r\n"));
    int64_t id = store_mailboxes_fixture_find(fixture, "full").id;
    assert_int_equal(count(fixture, "SELECT COUNT(*) FROM message WHERE mailbox = $1", id), 3);
    assert_int_equal(
        count(fixture, "SELECT used_messages FROM account WHERE id = $1", fixture->account), 4);
    assert_int_equal(store_mailboxes_fixture_delete(fixture, "full"), STORE_MAILBOX_DONE);
    static const char *const texts[] = {
        "SELECT COUNT(*) FROM message WHERE mailbox = $1",
        "SELECT COUNT(*) FROM vanished WHERE mailbox = $1",
        "SELECT COUNT(*) FROM changed WHERE mailbox = $1",
        "SELECT COUNT(*) FROM keyword WHERE mailbox = $1",
        "SELECT COUNT(*) FROM mailbox WHERE id = $1",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_int_equal(count(fixture, texts[i], id), 0);
    assert_int_equal(
        count(fixture, "SELECT used_messages FROM account WHERE id = $1", fixture->account), 1);
    assert_int_equal(count(fixture, "SELECT COUNT(*) FROM body WHERE id <> $1", 0), 1);
    assert_int_equal(count(fixture, "SELECT COUNT(*) FROM message_prefix WHERE body <> $1", 0), 1);
    assert_sound(fixture);
}

/* Rows without bodies of their own: a mailbox that takes several jobs to remove. */
static void a_large_mailbox_goes_in_slices(void **state)
{
    struct store_fixture *fixture = *state;
    static const struct db_statement copy_message = {
        "INSERT INTO message(mailbox, uid, body, flags, modseq, received, size, prefix_size) "
        "SELECT mailbox, uid + $2, body, flags, modseq, received, size, prefix_size FROM message "
        "WHERE mailbox = $1 AND uid <= $2",
        NULL};
    static const struct db_statement count_uses = {
        "UPDATE message_prefix SET uses = 1 + (SELECT COUNT(*) FROM message m "
        "WHERE m.body = message_prefix.body)",
        NULL};
    static const struct db_statement adjust = {
        "UPDATE mailbox SET uidnext = uidnext * $2 - $2 + 1, messages = messages * $2, "
        "unseen = unseen * $2, bytes = bytes * $2 WHERE id = $1",
        NULL};
    static const struct db_statement adjust_account = {
        "UPDATE account SET used_messages = used_messages * $2, used_bytes = used_bytes * $2 "
        "WHERE id = $1",
        NULL};
    fill(fixture, "large", 1);
    int64_t id = store_mailboxes_fixture_find(fixture, "large").id;
    for (int64_t there = 1; there < 4096; there *= 2) {
        store_fixture_execute(fixture, &copy_message, DB_VALUES(db_number(id), db_number(there)));
    }
    store_fixture_execute(fixture, &count_uses, DB_NO_VALUES);
    store_fixture_execute(fixture, &adjust, DB_VALUES(db_number(id), db_number(4096)));
    store_fixture_execute(fixture, &adjust_account,
                          DB_VALUES(db_number(fixture->account), db_number(4096)));
    assert_int_equal(store_mailboxes_fixture_find(fixture, "large").messages, 4096);
    assert_int_equal(store_mailboxes_fixture_delete(fixture, "large"), STORE_MAILBOX_DONE);
    assert_int_equal(count(fixture, "SELECT COUNT(*) FROM message WHERE mailbox = $1", id), 0);
    assert_int_equal(
        count(fixture, "SELECT used_messages FROM account WHERE id = $1", fixture->account), 0);
    assert_int_equal(
        count(fixture, "SELECT used_bytes FROM account WHERE id = $1", fixture->account), 0);
    assert_list(fixture, FIRST);
    assert_sound(fixture);
}

static void rename_takes_what_is_below_along(void **state)
{
    struct store_fixture *fixture = *state;
    assert_int_equal(store_mailboxes_fixture_create(fixture, "a/b/c"), STORE_MAILBOX_DONE);
    struct store_mailbox before = store_mailboxes_fixture_find(fixture, "a/b/c");
    assert_int_equal(store_mailboxes_fixture_rename(fixture, "a/b", "x/y/z"), STORE_MAILBOX_DONE);
    struct store_mailbox after = store_mailboxes_fixture_find(fixture, "x/y/z/c");
    assert_int_equal(after.id, before.id);
    assert_int_equal(after.uidvalidity, before.uidvalidity);
    assert_list(fixture, FIRST " a- x/- x/y/- x/y/z/- x/y/z/c-");
    /* Up again, and only the last level. */
    assert_int_equal(store_mailboxes_fixture_rename(fixture, "x/y/z/c", "a/c/"),
                     STORE_MAILBOX_DONE);
    assert_int_equal(store_mailboxes_fixture_rename(fixture, "a/c", "a/C"), STORE_MAILBOX_DONE);
    assert_list(fixture, FIRST " a/- a/C- x/- x/y/- x/y/z-");
    /* Levels only are pruned behind it. */
    assert_int_equal(store_mailboxes_fixture_delete(fixture, "a"), STORE_MAILBOX_DONE);
    assert_int_equal(store_mailboxes_fixture_rename(fixture, "a/C", "c"), STORE_MAILBOX_DONE);
    assert_list(fixture, FIRST " c- x/- x/y/- x/y/z-");
    /* A level only can be renamed as well. */
    assert_int_equal(store_mailboxes_fixture_delete(fixture, "x"), STORE_MAILBOX_DONE);
    assert_int_equal(store_mailboxes_fixture_rename(fixture, "x", "INBOX/x"), STORE_MAILBOX_DONE);
    assert_list(fixture, "INBOX/ Archive Drafts INBOX/x!/- INBOX/x/y/- INBOX/x/y/z- Junk Sent "
                         "Trash c-");
    assert_sound(fixture);
}

static void what_rename_refuses(void **state)
{
    struct store_fixture *fixture = *state;
    assert_int_equal(store_mailboxes_fixture_create(fixture, "a/b"), STORE_MAILBOX_DONE);
    assert_int_equal(store_mailboxes_fixture_delete(fixture, "a"), STORE_MAILBOX_DONE);
    static const struct {
        const char *name;
        const char *new_name;
        enum store_mailbox_outcome outcome;
    } cases[] = {
        {"nowhere", "somewhere", STORE_MAILBOX_NONEXISTENT},
        {"", "somewhere", STORE_MAILBOX_NONEXISTENT},
        {"Junk", "Trash", STORE_MAILBOX_EXISTS},
        {"Junk", "Junk", STORE_MAILBOX_EXISTS},
        {"Junk", "INBOX", STORE_MAILBOX_EXISTS},
        {"Junk", "a", STORE_MAILBOX_EXISTS},
        {"INBOX", "Junk", STORE_MAILBOX_EXISTS},
        {"Junk", "Junk/below", STORE_MAILBOX_CANNOT},
        {"a", "a/b/c", STORE_MAILBOX_CANNOT},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(store_mailboxes_fixture_rename(fixture, cases[i].name, cases[i].new_name),
                         cases[i].outcome);
    assert_list(fixture, FIRST " a!/- a/b-");
    assert_sound(fixture);
}

static void inbox_gives_its_messages_away(void **state)
{
    struct store_fixture *fixture = *state;
    static const struct db_statement keyword = {
        "INSERT INTO keyword(mailbox, bit, name) VALUES($1, 8, '$Forwarded')", NULL};
    static const struct db_statement flag = {
        "UPDATE message SET flags = 256 + 8 WHERE mailbox = $1 AND uid = 3", NULL};
    static const struct db_statement counters = {"UPDATE mailbox SET deleted = 1 WHERE id = $1",
                                                 NULL};
    static const struct db_statement log = {
        "SELECT uid * 100 + uid_last FROM vanished WHERE mailbox = $1 AND modseq = $2 "
        "ORDER BY uid LIMIT 1 OFFSET $3",
        NULL};
    struct db_value inbox = db_number(fixture->inbox);
    assert_int_equal(store_mailboxes_fixture_create(fixture, "INBOX/below"), STORE_MAILBOX_DONE);
    for (int i = 0; i < 5; i++)
        store_fixture_put(fixture, BYTES("Subject: x\r\n\r\nbody\r\n"));
    /* UID 2 is gone before. */
    static const uint32_t gone[] = {2};
    struct store_mailbox_change nothing = {.kind = STORE_MAILBOX_UNSUBSCRIBE, .name = BYTES("x")};
    assert_int_equal(store_mailboxes_fixture_change(fixture, &nothing), STORE_MAILBOX_DONE);
    static const struct db_statement remove_prefix = {
        "DELETE FROM message_prefix WHERE body = (SELECT body FROM message WHERE mailbox = $1 AND "
        "uid = $2)",
        NULL};
    static const struct db_statement remove = {
        "DELETE FROM message WHERE mailbox = $1 AND uid = $2", NULL};
    static const struct db_statement uncount = {
        "UPDATE mailbox SET messages = messages - 1, unseen = unseen - 1, bytes = bytes / 5 * 4 "
        "WHERE id = $1",
        NULL};
    static const struct db_statement uncount_account = {
        "UPDATE account SET used_messages = used_messages - 1, used_bytes = used_bytes / 5 * 4 "
        "WHERE id = $1",
        NULL};
    store_fixture_execute(fixture, &remove_prefix, DB_VALUES(inbox, db_number(gone[0])));
    store_fixture_execute(fixture, &remove, DB_VALUES(inbox, db_number(gone[0])));
    store_fixture_execute(fixture, &uncount, &inbox, 1);
    store_fixture_execute(fixture, &uncount_account, DB_VALUES(db_number(fixture->account)));
    store_fixture_execute(fixture, &keyword, &inbox, 1);
    store_fixture_execute(fixture, &flag, &inbox, 1);
    store_fixture_execute(fixture, &counters, &inbox, 1);
    struct store_mailbox before = store_mailboxes_fixture_find(fixture, "INBOX");

    assert_int_equal(store_mailboxes_fixture_rename(fixture, "INBOX", "old/mail"),
                     STORE_MAILBOX_DONE);
    struct store_mailbox after = store_mailboxes_fixture_find(fixture, "INBOX");
    struct store_mailbox moved = store_mailboxes_fixture_find(fixture, "old/mail");
    assert_int_equal(after.id, fixture->inbox);
    assert_int_equal(after.uidvalidity, before.uidvalidity);
    assert_int_equal(after.uidnext, before.uidnext);
    assert_int_equal(after.modseq, before.modseq + 1);
    assert_int_equal(after.messages + after.unseen + after.deleted + after.bytes, 0);
    assert_int_equal(moved.messages, 4);
    assert_int_equal(moved.uidnext, 5);
    assert_int_equal(moved.unseen, before.unseen);
    assert_int_equal(moved.bytes, before.bytes);
    assert_int_equal(moved.deleted, 1);
    assert_int_equal(moved.deleted_bytes, moved.bytes / 4);
    assert_true(moved.uidvalidity > before.uidvalidity);
    /* In their order: what was UID 3 is now 2. */
    assert_int_equal(
        count(fixture, "SELECT uid FROM message WHERE mailbox = $1 AND flags = 264", moved.id), 2);
    assert_int_equal(count(fixture, "SELECT bit FROM keyword WHERE mailbox = $1", moved.id), 8);
    /* UIDs 1 and 3 to 5 went. */
    struct db_value modseq = db_number((int64_t)after.modseq);
    assert_int_equal(store_fixture_number(fixture, &log, DB_VALUES(inbox, modseq, db_number(0))),
                     101);
    assert_int_equal(store_fixture_number(fixture, &log, DB_VALUES(inbox, modseq, db_number(1))),
                     305);
    assert_true(store_mailboxes_fixture_is_there(fixture, "INBOX/below"));
    assert_false(store_mailboxes_fixture_is_there(fixture, "old/mail/below"));
    /* Empty it can go as well, below itself too. */
    assert_int_equal(store_mailboxes_fixture_rename(fixture, "INBOX", "INBOX/empty"),
                     STORE_MAILBOX_DONE);
    assert_int_equal(store_mailboxes_fixture_find(fixture, "INBOX/empty").messages, 0);
    assert_sound(fixture);
}

static void subscriptions_are_names(void **state)
{
    struct store_fixture *fixture = *state;
    struct store_mailbox_change change = {.kind = STORE_MAILBOX_SUBSCRIBE,
                                          .name = BYTES("#news/comp.mail")};
    assert_int_equal(store_mailboxes_fixture_change(fixture, &change), STORE_MAILBOX_DONE);
    assert_int_equal(store_mailboxes_fixture_change(fixture, &change), STORE_MAILBOX_DONE);
    assert_list(fixture, "INBOX #news/comp.mail? Archive Drafts Junk Sent Trash");
    /* They stay when the mailbox goes, and do not follow it. */
    assert_int_equal(store_mailboxes_fixture_delete(fixture, "Junk"), STORE_MAILBOX_DONE);
    assert_int_equal(store_mailboxes_fixture_rename(fixture, "Sent", "Gone"), STORE_MAILBOX_DONE);
    assert_list(fixture, "INBOX #news/comp.mail? Archive Drafts Gone- Junk? Sent? Trash");
    change.kind = STORE_MAILBOX_UNSUBSCRIBE;
    assert_int_equal(store_mailboxes_fixture_change(fixture, &change), STORE_MAILBOX_DONE);
    assert_int_equal(store_mailboxes_fixture_change(fixture, &change), STORE_MAILBOX_DONE);
    change.name = BYTES("INBOX/");
    assert_int_equal(store_mailboxes_fixture_change(fixture, &change), STORE_MAILBOX_DONE);
    assert_list(fixture, "INBOX- Archive Drafts Gone- Junk? Sent? Trash");
    change.kind = STORE_MAILBOX_SUBSCRIBE;
    change.name = BYTES("");
    assert_int_equal(store_mailboxes_fixture_change(fixture, &change), STORE_MAILBOX_CANNOT);
    assert_sound(fixture);
}

static char *long_name(size_t length)
{
    char *name = malloc(length + 1);
    assert_non_null(name);
    memset(name, 'n', length);
    name[length] = '\0';
    return name;
}

static void names_have_a_limit(void **state)
{
    struct store_fixture *fixture = *state;
    char *longest = long_name(STORE_MAILBOX_NAME_MAX);
    char *over = long_name(STORE_MAILBOX_NAME_MAX + 1);
    assert_int_equal(store_mailboxes_fixture_create(fixture, over), STORE_MAILBOX_TOO_MANY);
    assert_int_equal(store_mailboxes_fixture_rename(fixture, "Junk", over), STORE_MAILBOX_TOO_MANY);
    struct store_mailbox_change subscribe = {.kind = STORE_MAILBOX_SUBSCRIBE,
                                             .name = bytes_from_string(over)};
    assert_int_equal(store_mailboxes_fixture_change(fixture, &subscribe), STORE_MAILBOX_TOO_MANY);
    assert_int_equal(store_mailboxes_fixture_create(fixture, longest), STORE_MAILBOX_DONE);
    assert_true(store_mailboxes_fixture_is_there(fixture, longest));
    assert_int_equal(store_mailboxes_fixture_delete(fixture, longest), STORE_MAILBOX_DONE);
    /* Nor may one below become longer. */
    memcpy(longest, "a/b/", 4);
    assert_int_equal(store_mailboxes_fixture_create(fixture, longest), STORE_MAILBOX_DONE);
    assert_int_equal(store_mailboxes_fixture_rename(fixture, "a/b", "a/bb"),
                     STORE_MAILBOX_TOO_MANY);
    assert_int_equal(store_mailboxes_fixture_rename(fixture, "a/b", "a/c"), STORE_MAILBOX_DONE);
    free(longest);
    free(over);
    assert_sound(fixture);
}

static void mailboxes_have_a_limit(void **state)
{
    struct store_fixture *fixture = *state;
    static const struct db_statement make = {
        "INSERT INTO mailbox(id, account, parent, name, uidvalidity) "
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $2) "
        "SELECT i, $1, 0, 'n' || i, 1 FROM n",
        NULL};
    static const struct db_statement subscribe = {
        "INSERT INTO subscription(account, name) "
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $2) "
        "SELECT $1, 's' || i FROM n",
        NULL};
    struct db_value account = db_number(fixture->account);
    /* Six are there; with these two may still be made. */
    store_fixture_execute(fixture, &make, DB_VALUES(account, db_number(STORE_MAILBOXES_MAX - 8)));
    store_fixture_execute(fixture, &subscribe,
                          DB_VALUES(account, db_number(STORE_SUBSCRIPTIONS_MAX - 7)));
    assert_int_equal(store_mailboxes_fixture_create(fixture, "x/y/z"), STORE_MAILBOX_TOO_MANY);
    assert_int_equal(store_mailboxes_fixture_rename(fixture, "Junk", "x/y/z/Junk"),
                     STORE_MAILBOX_TOO_MANY);
    assert_int_equal(store_mailboxes_fixture_rename(fixture, "INBOX", "x/y/z"),
                     STORE_MAILBOX_TOO_MANY);
    assert_false(store_mailboxes_fixture_is_there(fixture, "x"));
    assert_int_equal(store_mailboxes_fixture_create(fixture, "x/y"), STORE_MAILBOX_DONE);
    assert_int_equal(store_mailboxes_fixture_create(fixture, "z"), STORE_MAILBOX_TOO_MANY);
    assert_int_equal(store_mailboxes_fixture_rename(fixture, "x/y", "z"), STORE_MAILBOX_DONE);

    struct store_mailbox_change change = {.kind = STORE_MAILBOX_SUBSCRIBE, .name = BYTES("one")};
    assert_int_equal(store_mailboxes_fixture_change(fixture, &change), STORE_MAILBOX_DONE);
    change.name = BYTES("two");
    assert_int_equal(store_mailboxes_fixture_change(fixture, &change), STORE_MAILBOX_TOO_MANY);
    /* What is there is no more. */
    change.name = BYTES("one");
    assert_int_equal(store_mailboxes_fixture_change(fixture, &change), STORE_MAILBOX_DONE);

    struct fault fault = {0};
    AUTO(store_mailbox_list)
    list = {0};
    assert_true(store_mailbox_list_read(fixture->reader, fixture->account, &list, &fault));
    assert_int_equal(list.count, STORE_MAILBOXES_MAX + STORE_SUBSCRIPTIONS_MAX - 6);
    assert_non_null(store_mailbox_list_find(&list, BYTES("n9991")));
    assert_non_null(store_mailbox_list_find(&list, BYTES("s9991")));
    assert_null(store_mailbox_list_find(&list, BYTES("n9993")));
}

/* What a damaged store has is left out, and reading ends. */
static void a_tree_that_goes_round(void **state)
{
    struct store_fixture *fixture = *state;
    static const struct db_statement turn = {"UPDATE mailbox SET parent = id WHERE account = $1 "
                                             "AND name = 'Junk'",
                                             NULL};
    static const struct db_statement orphan = {"UPDATE mailbox SET parent = 77 WHERE account = $1 "
                                               "AND name = 'Sent'",
                                               NULL};
    struct db_value account = db_number(fixture->account);
    store_fixture_execute(fixture, &turn, &account, 1);
    store_fixture_execute(fixture, &orphan, &account, 1);
    assert_list(fixture, "INBOX Archive Drafts Junk? Sent? Trash");
}

static void an_account_that_is_gone(void **state)
{
    struct store_fixture *fixture = *state;
    struct fault fault = {0};
    struct store_quota quota;
    assert_false(store_quota_read(fixture->reader, 5, &quota, &fault));
    assert_int_equal(fault.kind, FAULT_PERMANENT);
    struct store_mailbox_change change = {
        .kind = STORE_MAILBOX_DELETE, .name = BYTES("a"), .account = 5};
    assert_int_equal(store_mailboxes_fixture_change(fixture, &change), STORE_MAILBOX_NONEXISTENT);
    AUTO(store_mailbox_list)
    list = {0};
    assert_true(store_mailbox_list_read(fixture->reader, 5, &list, &fault));
    assert_int_equal(list.count, 0);
    assert_null(store_mailbox_list_find(&list, BYTES("INBOX")));
}

static void quota_is_read(void **state)
{
    struct store_fixture *fixture = *state;
    static const struct db_statement set = {
        "UPDATE account SET quota_bytes = 1000, quota_messages = 7 WHERE id = $1", NULL};
    struct fault fault = {0};
    struct store_quota quota;
    struct db_value account = db_number(fixture->account);
    assert_true(store_quota_read(fixture->reader, fixture->account, &quota, &fault));
    assert_int_equal(quota.limit_bytes + quota.limit_messages, 0);
    store_fixture_execute(fixture, &set, &account, 1);
    store_fixture_put(fixture, BYTES("Subject: x\r\n\r\n"));
    assert_true(store_quota_read(fixture->reader, fixture->account, &quota, &fault));
    assert_int_equal(quota.limit_bytes, 1000);
    assert_int_equal(quota.limit_messages, 7);
    assert_int_equal(quota.used_messages, 1);
    assert_int_equal(quota.used_bytes, store_mailboxes_fixture_find(fixture, "INBOX").bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(a_new_account),
        STORE_TEST(create_makes_the_levels_above),
        STORE_TEST(names_that_cannot_be),
        STORE_TEST(uidvalidity_only_grows),
        STORE_TEST(special_uses),
        STORE_TEST(a_mailbox_with_children_stays_as_a_level),
        STORE_TEST(what_delete_refuses),
        STORE_TEST(delete_takes_the_messages_along),
        STORE_TEST(a_large_mailbox_goes_in_slices),
        STORE_TEST(rename_takes_what_is_below_along),
        STORE_TEST(what_rename_refuses),
        STORE_TEST(inbox_gives_its_messages_away),
        STORE_TEST(subscriptions_are_names),
        STORE_TEST(names_have_a_limit),
        STORE_TEST(mailboxes_have_a_limit),
        STORE_TEST(a_tree_that_goes_round),
        STORE_TEST(an_account_that_is_gone),
        STORE_TEST(quota_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, store_fixture_end);
}
