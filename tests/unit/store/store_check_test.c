/* A sound store has no problems, and each thing that is put wrong is told. */
#include "store_fixture.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../db/postgres_cluster.h"
#include "base/clock.h"
#include "store/store_accounts.h"
#include "store/store_check.h"
#include "store/store_maildrop.h"

enum {
    LARGE = 700 * 1024, /* bytes of a message with two parts behind the first */
    TOLD_MAX = 8 * 1024
};

#define LETTER                                                                                     \
    "From: bob@example.net\r\nTo: ann@example.org\r\nDate: Mon, 23 Nov 2026 20:00:00 +0000\r\n"    \
    "Subject: hello\r\n\r\nHello, Ann.\r\n"

static void put(struct store_fixture *fixture, struct bytes text)
{
    struct store_fixture_letter letter;
    struct fault fault = {0};
    struct message_parser *parser = message_parser_new(&fault);
    assert_non_null(parser);
    store_fixture_letter(fixture, &letter, text);
    assert_true(message_parser_feed(parser, text, &fault));
    assert_true(message_parser_finish(parser, &letter.parsed, &fault));
    assert_true(store_fixture_deliver(&letter.delivery));
    store_fixture_letter_clear(&letter);
    message_parser_free(parser);
}

static void put_large(struct store_fixture *fixture)
{
    char *text = malloc(LARGE);
    assert_non_null(text);
    for (size_t i = 0; i < LARGE; i++)
        text[i] = "abcdefghijklmn\r\n"[i % 16];
    memcpy(text, "Subject: x\r\n\r\n", 14);
    put(fixture, bytes_of(text, LARGE));
    free(text);
}

struct told {
    char text[TOLD_MAX];
    uint64_t count;
};

static void tell(void *context, const char *sentence)
{
    struct told *told = context;
    size_t length = strlen(told->text);
    snprintf(told->text + length, sizeof(told->text) - length, "%s\n", sentence);
    told->count++;
}

static void check(struct store_fixture *fixture, struct told *told)
{
    struct fault fault = {0};
    uint64_t problems = 99;
    *told = (struct told){{0}, 0};
    if (!store_check(fixture->reader, tell, told, &problems, &fault))
        fail_msg("%s", fault.message);
    assert_int_equal(problems, told->count);
}

static void assert_sound(struct store_fixture *fixture)
{
    struct told told;
    check(fixture, &told);
    if (told.count != 0)
        fail_msg("%s", told.text);
}

/* Does it, and expects these words among what is told. */
static void spoil(struct store_fixture *fixture, const struct db_statement *statement,
                  const char *words)
{
    struct told told;
    store_fixture_execute(fixture, statement, DB_NO_VALUES);
    check(fixture, &told);
    if (told.count == 0 || strstr(told.text, words) == NULL)
        fail_msg("\"%s\" is not told after: %s\n%s", words, statement->text, told.text);
}

/* Also puts it right again, and expects that nothing is wrong then. */
static void spoil_and_mend(struct store_fixture *fixture, const struct db_statement *spoiling,
                           const struct db_statement *mending, const char *words)
{
    spoil(fixture, spoiling, words);
    store_fixture_execute(fixture, mending, DB_NO_VALUES);
    assert_sound(fixture);
}

static void a_sound_store(void **state)
{
    struct store_fixture *fixture = *state;
    assert_sound(fixture);
    put(fixture, BYTES(LETTER));
    put(fixture, BYTES("no header at all"));
    put_large(fixture);
    assert_sound(fixture);
}

struct removing {
    struct store_job job;
    int64_t mailbox;
};

static bool remove_second(struct store_job *job, struct db *db, struct fault *fault)
{
    static const uint32_t uid = 2;
    return store_removal_run(db, ((const struct removing *)job)->mailbox, &uid, 1, fault);
}

static void a_store_stays_sound_when_messages_go(void **state)
{
    struct store_fixture *fixture = *state;
    struct removing removing = {.job.run = remove_second, .mailbox = fixture->inbox};
    struct fault fault = {0};
    for (int i = 0; i < 3; i++)
        put(fixture, BYTES(LETTER));
    assert_true(store_run(fixture->store, &removing.job, &fault));
    assert_sound(fixture);
}

static void counters_are_compared(void **state)
{
    struct store_fixture *fixture = *state;
    put(fixture, BYTES(LETTER));
#define COUNTER(column, words)                                                                     \
    do {                                                                                           \
        static const struct db_statement more = {                                                  \
            "UPDATE mailbox SET " column " = " column " + 1 WHERE name = 'INBOX'", NULL};          \
        static const struct db_statement less = {                                                  \
            "UPDATE mailbox SET " column " = " column " - 1 WHERE name = 'INBOX'", NULL};          \
        spoil_and_mend(fixture, &more, &less, words);                                              \
    } while (0)
    COUNTER("messages", "ann@example.org, INBOX: counted are 2 messages, 1 unseen, 0 deleted");
    COUNTER("unseen", "counted are 1 messages, 2 unseen");
    COUNTER("deleted", "1 deleted");
    COUNTER("bytes", "there are 1, 1, 0 and ");
#undef COUNTER
    static const struct db_statement more = {"UPDATE account SET used_bytes = used_bytes + 1",
                                             NULL};
    static const struct db_statement less = {"UPDATE account SET used_bytes = used_bytes - 1",
                                             NULL};
    spoil_and_mend(fixture, &more, &less, "ann@example.org: counted are 1 messages, ");
    static const struct db_statement none = {"UPDATE account SET used_messages = 0", NULL};
    static const struct db_statement one = {"UPDATE account SET used_messages = 1", NULL};
    spoil_and_mend(fixture, &none, &one, "ann@example.org: counted are 0 messages, ");
    static const struct db_statement below = {"UPDATE account SET quota_bytes = -1", NULL};
    static const struct db_statement zero = {"UPDATE account SET quota_bytes = 0", NULL};
    spoil_and_mend(fixture, &below, &zero, "quota below 0");
}

static void uids_and_modseqs_only_grow(void **state)
{
    struct store_fixture *fixture = *state;
    put(fixture, BYTES(LETTER));
    put(fixture, BYTES(LETTER));
    static const struct db_statement low = {"UPDATE mailbox SET uidnext = 2 WHERE name = 'INBOX'",
                                            NULL};
    static const struct db_statement right = {"UPDATE mailbox SET uidnext = 3 WHERE name = 'INBOX'",
                                              NULL};
    spoil_and_mend(fixture, &low, &right, "the next UID is 2, but there is message 2");
    static const struct db_statement old = {
        "UPDATE mailbox SET modseq = modseq - 1 WHERE name = 'INBOX'", NULL};
    static const struct db_statement again = {
        "UPDATE mailbox SET modseq = modseq + 1 WHERE name = 'INBOX'", NULL};
    spoil_and_mend(fixture, &old, &again, "highest modseq");
    static const struct db_statement vanish = {
        "INSERT INTO vanished(mailbox, modseq, uid, uid_last, removed) "
        "SELECT id, modseq, 1, 2, 0 FROM mailbox WHERE name = 'INBOX'",
        NULL};
    static const struct db_statement appear = {"DELETE FROM vanished", NULL};
    spoil_and_mend(fixture, &vanish, &appear, "message 1 vanished, and is there");
    static const struct db_statement invalid = {
        "UPDATE mailbox SET uidvalidity = 4294967296 WHERE name = 'INBOX'", NULL};
    spoil(fixture, &invalid, "UIDVALIDITY 4294967296");
}

static void messages_have_their_bodies(void **state)
{
    struct store_fixture *fixture = *state;
    put(fixture, BYTES(LETTER));
    static const struct db_statement size = {"UPDATE message SET prefix_size = prefix_size + 1",
                                             NULL};
    static const struct db_statement right = {"UPDATE message SET prefix_size = prefix_size - 1",
                                              NULL};
    spoil_and_mend(fixture, &size, &right, "but prefix and body have");
    spoil_and_mend(fixture, &size, &right, "of another size than");
    static const struct db_statement no_prefix = {"DELETE FROM message_prefix", NULL};
    spoil(fixture, &no_prefix, "the prefix of message 1 is missing");
    static const struct db_statement no_body = {"DELETE FROM body", NULL};
    spoil(fixture, &no_body, "ann@example.org, INBOX: message 1 has no body");
    static const struct db_statement no_mailbox = {"UPDATE message SET mailbox = 7", NULL};
    spoil(fixture, &no_mailbox, "there is no mailbox 7, but 1 messages in it");
}

/* Past the reference that forbids it. */
static void force(struct store_fixture *fixture, const char *orphan, const char *words)
{
    struct told told;
    if (fixture->kind == DB_POSTGRES) {
        char sql[256];
        snprintf(sql, sizeof(sql), "SET session_replication_role = replica; %s", orphan);
        postgres_cluster_run(fixture->place, sql);
    } else {
        sqlite3 *handle = NULL;
        assert_int_equal(sqlite3_open(fixture->place, &handle), SQLITE_OK);
        assert_int_equal(sqlite3_exec(handle, orphan, NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(handle);
    }
    check(fixture, &told);
    if (strstr(told.text, words) == NULL)
        fail_msg("%s", told.text);
}

static void what_hangs_on_others_has_them(void **state)
{
    struct store_fixture *fixture = *state;
    force(fixture, "INSERT INTO maildrop_lease(mailbox, owner, id, until) VALUES(7, 1, 1, 1)",
          "there is no mailbox 7, but a lease of it");
    force(fixture, "INSERT INTO keyword(mailbox, bit, name) VALUES(8, 8, 'x')",
          "there is no mailbox 8, but keywords in it");
    force(fixture, "INSERT INTO subscription(account, name) VALUES(9, 'Lists')",
          "there is no account 9, but it subscribes to Lists");
}

static void mailboxes_make_a_tree(void **state)
{
    struct store_fixture *fixture = *state;
    static const struct db_statement make = {
        "UPDATE mailbox SET parent = (SELECT id FROM mailbox WHERE name = 'Sent') "
        "WHERE name = 'Trash'",
        NULL};
    static const struct db_statement circle = {
        "UPDATE mailbox SET parent = (SELECT id FROM mailbox WHERE name = 'Trash') "
        "WHERE name = 'Sent'",
        NULL};
    static const struct db_statement no_circle = {
        "UPDATE mailbox SET parent = 0 WHERE name = 'Sent'", NULL};
    store_fixture_execute(fixture, &make, DB_NO_VALUES);
    assert_sound(fixture);
    spoil_and_mend(fixture, &circle, &no_circle, "ann@example.org, Trash: what it stands in goes");
    static const struct db_statement itself = {"UPDATE mailbox SET parent = id WHERE name = 'Sent'",
                                               NULL};
    spoil_and_mend(fixture, &itself, &no_circle, "ann@example.org, Sent: what it stands in goes");
    static const struct db_statement slash = {"UPDATE mailbox SET name = 'a/b' WHERE name = 'Junk'",
                                              NULL};
    static const struct db_statement small = {
        "UPDATE mailbox SET name = 'inbox' WHERE name = 'a/b'", NULL};
    static const struct db_statement junk = {
        "UPDATE mailbox SET name = 'Junk' WHERE name IN ('a/b', 'inbox')", NULL};
    spoil_and_mend(fixture, &slash, &junk, "ann@example.org, a/b: that cannot be the name");
    store_fixture_execute(fixture, &slash, DB_NO_VALUES);
    spoil_and_mend(fixture, &small, &junk, "ann@example.org, inbox: that cannot be the name");
    static const struct db_statement role = {"UPDATE mailbox SET role = 3 WHERE name = 'Junk'",
                                             NULL};
    static const struct db_statement no_role = {"UPDATE mailbox SET role = 4 WHERE name = 'Junk'",
                                                NULL};
    spoil_and_mend(fixture, &role, &no_role, "ann@example.org: 2 mailboxes have the use 3");
    put(fixture, BYTES(LETTER));
    static const struct db_statement level = {
        "UPDATE mailbox SET is_selectable = 0 WHERE name = 'INBOX'", NULL};
    spoil(fixture, &level, "ann@example.org, INBOX: there are messages, but it is only a level");
}

static void subscriptions_are_names(void **state)
{
    struct store_fixture *fixture = *state;
    static const struct db_statement clean = {
        "DELETE FROM subscription WHERE name NOT IN (SELECT name FROM mailbox)", NULL};
#define SUBSCRIBE(name)                                                                            \
    do {                                                                                           \
        static const struct db_statement insert = {                                                \
            "INSERT INTO subscription(account, name) SELECT id, '" name "' FROM account", NULL};   \
        spoil_and_mend(fixture, &insert, &clean, "it subscribes to \"" name "\", which");          \
    } while (0)
    SUBSCRIBE("");
    SUBSCRIBE("/a");
    SUBSCRIBE("a/");
    SUBSCRIBE("a//b");
    SUBSCRIBE("inbox");
    SUBSCRIBE("Inbox/a");
#undef SUBSCRIBE
    static const struct db_statement fine = {
        "INSERT INTO subscription(account, name) SELECT id, 'inboxes/a' FROM account", NULL};
    store_fixture_execute(fixture, &fine, DB_NO_VALUES);
    assert_sound(fixture);
}

static void bodies_belong_to_somebody(void **state)
{
    struct store_fixture *fixture = *state;
    static const struct db_statement orphan = {
        "INSERT INTO body(id, size, created, data) VALUES(5, 1, $1, $2)", NULL};
    static const struct db_statement meta = {
        "INSERT INTO body_meta(body, lines, sent, header, envelope, structure) "
        "SELECT 5, lines, sent, header, envelope, structure FROM body_meta",
        NULL};
    static const struct db_statement old = {"UPDATE body SET created = 1 WHERE id = 5", NULL};
    struct told told;
    put(fixture, BYTES("x"));
    store_fixture_execute(fixture, &orphan,
                          DB_VALUES(db_number(clock_wall_microseconds()), db_bytes(BYTES("x"))));
    store_fixture_execute(fixture, &meta, DB_NO_VALUES);
    /* It may be on its way. */
    assert_sound(fixture);
    spoil(fixture, &old, "body 5 (1 bytes) belongs to no message");
    check(fixture, &told);
    assert_int_equal(told.count, 1);
}

static void bodies_are_read_whole(void **state)
{
    struct store_fixture *fixture = *state;
    put_large(fixture);
    static const struct db_statement gap = {"UPDATE body_part SET number = 3 WHERE number = 2",
                                            NULL};
    static const struct db_statement no_gap = {"UPDATE body_part SET number = 2 WHERE number = 3",
                                               NULL};
    spoil_and_mend(fixture, &gap, &no_gap, "there is a gap before part 3");
    static const struct db_statement swap = {
        "UPDATE body_part SET number = CASE number WHEN 1 THEN -2 ELSE -1 END", NULL};
    static const struct db_statement positive = {"UPDATE body_part SET number = -number", NULL};
    store_fixture_execute(fixture, &swap, DB_NO_VALUES);
    spoil(fixture, &positive, "there is a gap before part 2");
    store_fixture_execute(fixture, &swap, DB_NO_VALUES);
    store_fixture_execute(fixture, &positive, DB_NO_VALUES);
    assert_sound(fixture);
    static const struct db_statement larger = {"UPDATE body SET size = size + 1", NULL};
    static const struct db_statement right = {"UPDATE body SET size = size - 1", NULL};
    spoil_and_mend(fixture, &larger, &right, "it is to have 716801 bytes, and has 716800");
    static const struct db_statement last = {"DELETE FROM body_part WHERE number = 2", NULL};
    spoil(fixture, &last, "bytes, and has 524288");
}

static void what_is_kept_of_a_body_is_made_anew(void **state)
{
    struct store_fixture *fixture = *state;
    put(fixture, BYTES(LETTER));
    static const struct db_statement lines = {"UPDATE body_meta SET lines = lines + 1", NULL};
    static const struct db_statement no_lines = {"UPDATE body_meta SET lines = lines - 1", NULL};
    spoil_and_mend(fixture, &lines, &no_lines, "the number of lines that is kept");
    static const struct db_statement sent = {"UPDATE body_meta SET sent = sent + 1", NULL};
    static const struct db_statement no_sent = {"UPDATE body_meta SET sent = sent - 1", NULL};
    spoil_and_mend(fixture, &sent, &no_sent, "the date that is kept");
    static const struct db_statement header = {"UPDATE body_meta SET header = structure", NULL};
    spoil(fixture, &header, "the header that is kept");
    static const struct db_statement envelope = {"UPDATE body_meta SET envelope = structure", NULL};
    spoil(fixture, &envelope, "the envelope that is kept");
    static const struct db_statement structure = {"UPDATE body_meta SET structure = ''", NULL};
    spoil(fixture, &structure, "the structure that is kept");
    static const struct db_statement nothing = {"DELETE FROM body_meta", NULL};
    spoil(fixture, &nothing, "header, envelope and structure are not kept");
}

static void addresses_lead_somewhere(void **state)
{
    struct store_fixture *fixture = *state;
    static const struct db_statement clean = {"DELETE FROM address WHERE account IS NULL", NULL};
#define ALIAS(local, target, words)                                                                \
    do {                                                                                           \
        static const struct db_statement insert = {                                                \
            "INSERT INTO address(domain, local, target, account, created) "                        \
            "SELECT id, '" local "', '" target "', NULL, 0 FROM domain",                           \
            NULL};                                                                                 \
        spoil_and_mend(fixture, &insert, &clean, words);                                           \
    } while (0)
    ALIAS("info", "nobody@example.org",
          "info@example.org leads to nobody@example.org, where nobody is");
    ALIAS("info", "info@example.org", "goes round");
    ALIAS("info", "nonsense", "is no address");
    ALIAS("info", "", "neither account nor alias");
#undef ALIAS
    static const struct db_statement no_inbox = {"UPDATE mailbox SET name = 'Inbox' "
                                                 "WHERE name = 'INBOX'",
                                                 NULL};
    static const struct db_statement inbox = {"UPDATE mailbox SET name = 'INBOX' "
                                              "WHERE name = 'Inbox'",
                                              NULL};
    spoil_and_mend(fixture, &no_inbox, &inbox, "ann@example.org: there is no INBOX");
    static const struct db_statement parent = {"UPDATE mailbox SET parent = 3 "
                                               "WHERE name = 'Sent'",
                                               NULL};
    static const struct db_statement no_parent = {"UPDATE mailbox SET parent = 0", NULL};
    spoil_and_mend(fixture, &parent, &no_parent, "ann@example.org, Sent: the mailbox that it");
    static const struct db_statement no_address = {"DELETE FROM address", NULL};
    spoil(fixture, &no_address, "ann@example.org: no mail can come");
}

static void credentials_can_be_read(void **state)
{
    struct store_fixture *fixture = *state;
    static const struct db_statement sound = {
        "INSERT INTO credential(id, account, kind, label, data, created) "
        "SELECT 1, id, 3, '', '$6$salt$digest', 0 FROM account",
        NULL};
    static const struct db_statement broken = {
        "INSERT INTO credential(id, account, kind, label, data, created) "
        "SELECT 2, id, 4, 'phone', 'SCRAM-SHA-256$', 0 FROM account",
        NULL};
    static const struct db_statement mend = {"DELETE FROM credential WHERE id = 2", NULL};
    store_fixture_execute(fixture, &sound, DB_NO_VALUES);
    spoil_and_mend(fixture, &broken, &mend,
                   "ann@example.org: what is kept of the password \"phone\" is broken");
}

static const struct CMUnitTest tests[] = {
    STORE_TEST(a_sound_store),
    STORE_TEST(a_store_stays_sound_when_messages_go),
    STORE_TEST(counters_are_compared),
    STORE_TEST(uids_and_modseqs_only_grow),
    STORE_TEST(messages_have_their_bodies),
    STORE_TEST(what_hangs_on_others_has_them),
    STORE_TEST(mailboxes_make_a_tree),
    STORE_TEST(subscriptions_are_names),
    STORE_TEST(bodies_belong_to_somebody),
    STORE_TEST(bodies_are_read_whole),
    STORE_TEST(what_is_kept_of_a_body_is_made_anew),
    STORE_TEST(addresses_lead_somewhere),
    STORE_TEST(credentials_can_be_read),
};

STORE_MAIN(tests)
