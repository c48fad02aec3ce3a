/* SEARCH, SORT and THREAD in a whole server: what is said of every kind of key, and random keys
 * against a plain evaluation of what the messages are made of. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session/session_house.h"

enum {
    TEXT_MAX = 4096,
    MESSAGES = 80
};

static int set_up(void **state)
{
    static const struct house_wish wish = {.imap = &imap_session_listener_face};
    *state = house_open(&wish);
    return 0;
}

static struct caller log_in(struct house *house, const char *select)
{
    struct caller caller = house_call(house, HOUSE_IMAP);
    /* A command goes out in pieces, none of which is to wait for the one before. */
    setsockopt(caller.descriptor, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    caller_command(&caller, "LOGIN ann@home.example secret", "OK");
    caller_command(&caller, select, "OK");
    return caller;
}

static void append(struct caller *caller, const char *options, const char *text)
{
    size_t size = strlen(text) + strlen(options) + 64;
    char *command = malloc(size);
    snprintf(command, size, "APPEND INBOX %s%s{%zu+}\r\n%s", options, options[0] == '\0' ? "" : " ",
             strlen(text), text);
    caller_command(caller, command, "OK");
    free(command);
}

/* The untagged response of a kind in what came, without its CRLF. */
static const char *line_of(const char *reply, const char *kind)
{
    static char line[TEXT_MAX * 16];
    const char *start = strstr(reply, kind);
    if (start == NULL)
        fail_msg("no %s in \"%s\"", kind, reply);
    size_t length = strcspn(start, "\r");
    assert_true(length < sizeof line);
    memcpy(line, start, length);
    line[length] = '\0';
    return line;
}

static void check(struct caller *caller, const char *command, const char *kind,
                  const char *expected)
{
    const char *line = line_of(caller_command(caller, command, "OK"), kind);
    if (strcmp(line, expected) != 0)
        fail_msg("%s: \"%s\", not \"%s\"", command, line, expected);
}

static void check_search(struct caller *caller, const char *keys, const char *numbers)
{
    char command[TEXT_MAX];
    char expected[TEXT_MAX];
    snprintf(command, sizeof command, "SEARCH %s", keys);
    snprintf(expected, sizeof expected, "* SEARCH%s%s", numbers[0] == '\0' ? "" : " ", numbers);
    check(caller, command, "* SEARCH", expected);
}

static const char first[] = "From: Ann Author <ann@a.example>\r\n"
                            "To: bob@b.example, Carl <carl@c.example>\r\n"
                            "Subject: The first =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\n"
                            "Date: Mon, 1 Jan 2024 23:30:00 -0200\r\n"
                            "Message-ID: <1@a.example>\r\n"
                            "X-Thing: value one\r\n\r\nBody of the first.\r\n";
static const char second[] = "From: bob@b.example\r\n"
                             "To: ann@a.example\r\nCc: Dora <dora@d.example>\r\n"
                             "Bcc: hidden@h.example\r\n"
                             "Subject: Re: The first gr\xc3\xbc\xc3\x9f"
                             "e\r\n"
                             "Date: Wed, 3 Jan 2024 12:00:00 +0000\r\n"
                             "Message-ID: <2@b.example>\r\nReferences: <1@a.example>\r\n"
                             "Content-Type: text/plain; charset=iso-8859-1\r\n"
                             "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
                             "M=FCller wor=\r\nds\r\n";
static const char third[] = "From: \"Zed\" <zed@z.example>\r\nSubject: alone\r\n\r\n"
                            "nothing but a body that is a little longer than the others\r\n";

static void put_three(struct caller *caller)
{
    append(caller, "(\\Seen \\Flagged) \" 2-Feb-2024 10:00:00 +0000\"", first);
    append(caller, "(\\Answered $Work) \" 3-Feb-2024 23:59:59 +0000\"", second);
    append(caller, "(\\Deleted \\Draft) \"10-Feb-2024 00:00:00 +0000\"", third);
}

static void keys(void **state)
{
    struct caller caller = log_in(*state, "SELECT INBOX");
    put_three(&caller);
    static const char *const cases[][2] = {
        {"ALL", "1 2 3"},
        {"SEEN", "1"},
        {"UNSEEN", "2 3"},
        {"FLAGGED", "1"},
        {"UNFLAGGED", "2 3"},
        {"ANSWERED", "2"},
        {"DELETED", "3"},
        {"UNDELETED", "1 2"},
        {"DRAFT", "3"},
        {"KEYWORD $work", "2"},
        {"UNKEYWORD $Work", "1 3"},
        {"KEYWORD other", ""},
        {"UNKEYWORD other", "1 2 3"},
        {"2:*", "2 3"},
        {"*", "3"},
        {"UID 1,3", "1 3"},
        {"UID 900:*", "3"},
        {"NOT 2", "1 3"},
        {"OR SEEN DELETED", "1 3"},
        {"SEEN DELETED", ""},
        {"NOT (OR SEEN DELETED)", "2"},
        {"FROM ann", "1"},
        {"FROM author", "1"},
        {"FROM \"<ann@a.example>\"", "1"},
        {"FROM B.EXAMPLE", "2"},
        {"TO carl", "1"},
        {"TO \"carl <CARL@\"", "1"},
        {"CC dora", "2"},
        {"CC bob", ""},
        {"BCC hidden", "2"},
        {"SUBJECT first", "1 2"},
        {"SUBJECT {7+}\r\nGR\xc3\x9cSSE", "1 2"},
        {"CHARSET UTF-8 SUBJECT {7+}\r\ngr\xc3\xbc\xc3\x9f"
         "e",
         "1 2"},
        {"CHARSET ISO-8859-1 SUBJECT {5+}\r\ngr\xfc\xdf"
         "e",
         "1 2"},
        {"SUBJECT \"utf-8\"", ""},
        {"HEADER x-thing VALUE", "1"},
        {"HEADER X-Thing \"\"", "1"},
        {"HEADER X-Other \"\"", ""},
        {"HEADER Message-ID 2@b", "2"},
        {"BODY body", "1 3"},
        {"BODY \"zed\"", ""},
        {"BODY {7+}\r\nm\xc3\xbcller", "2"},
        {"BODY words", "2"},
        {"TEXT zed", "3"},
        {"TEXT words", "2"},
        {"TEXT x-thing", "1"},
        {"TEXT \"thing: value one\"", "1"},
        {"TEXT {7+}\r\nGR\xc3\xbc\xc3\x9f"
         "E",
         "1 2"},
        {"LARGER 300", "2"},
        {"SMALLER 200", "3"},
        {"BEFORE 3-Feb-2024", "1"},
        {"ON 3-Feb-2024", "2"},
        {"SINCE 3-Feb-2024", "2 3"},
        /* RFC 9051 6.4.4: whatever the zone; it was the second in UTC. */
        {"SENTON 1-Jan-2024", "1"},
        {"SENTON 2-Jan-2024", ""},
        {"SENTBEFORE 3-Jan-2024", "1"},
        {"SENTSINCE 2-Jan-2024", "2"},
        {"SENTSINCE 1-Jan-2024", "1 2"},
        {"NOT SENTSINCE 1-Jan-1980", "3"},
        {"YOUNGER 60", ""},
        {"OLDER 60", "1 2 3"},
        {"OLDER 4000000000", ""},
        {"SAVEDSINCE 1-Jan-2025", "1 2 3"},
        {"SAVEDBEFORE 1-Jan-2025", ""},
        {"SAVEDATESUPPORTED", "1 2 3"},
        {"EMAILID M123", ""},
        {"THREADID T123", ""},
        {"UNSEEN SUBJECT alone TEXT longer", "3"},
        {"OR SUBJECT alone BODY words", "2 3"},
        {"OR SEEN TEXT words", "1 2"},
        {"NOT BODY words", "1 3"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_search(&caller, cases[i][0], cases[i][1]);
    check(&caller, "UID SEARCH 2:3 NOT DELETED", "* SEARCH", "* SEARCH 2");
    caller_hang_up(&caller);
}

static void extended_answers(void **state)
{
    struct caller caller = log_in(*state, "SELECT INBOX");
    put_three(&caller);
    caller_command(&caller, "STORE 1 +FLAGS (\\Deleted)", "OK");
    caller_command(&caller, "EXPUNGE", "OK");
    append(&caller, "", third);
    /* Numbers 1, 2, 3 are now UIDs 3... without those that went: 2 and 4. */
    caller.commands = 100;
    check(&caller, "SEARCH RETURN () ALL", "* ESEARCH", "* ESEARCH (TAG \"t101\") ALL 1:2");
    check(&caller, "UID SEARCH RETURN (ALL) ALL", "* ESEARCH",
          "* ESEARCH (TAG \"t102\") UID ALL 2,4");
    check(&caller, "SEARCH RETURN (MIN MAX COUNT ALL) ALL", "* ESEARCH",
          "* ESEARCH (TAG \"t103\") MIN 1 MAX 2 COUNT 2 ALL 1:2");
    check(&caller, "UID SEARCH RETURN (MIN) BODY body", "* ESEARCH",
          "* ESEARCH (TAG \"t104\") UID MIN 4");
    check(&caller, "UID SEARCH RETURN (MAX) ALL", "* ESEARCH",
          "* ESEARCH (TAG \"t105\") UID MAX 4");
    check(&caller, "SEARCH RETURN (MIN MAX) BODY words", "* ESEARCH",
          "* ESEARCH (TAG \"t106\") MIN 1 MAX 1");
    check(&caller, "SEARCH RETURN (MIN MAX ALL) BODY absent", "* ESEARCH",
          "* ESEARCH (TAG \"t107\")");
    check(&caller, "SEARCH RETURN (COUNT) BODY absent", "* ESEARCH",
          "* ESEARCH (TAG \"t108\") COUNT 0");
    caller_command(&caller, "UNSELECT", "OK");
    caller_command(&caller, "ENABLE IMAP4rev2", "OK");
    caller_command(&caller, "SELECT INBOX", "OK");
    check(&caller, "SEARCH ALL", "* ESEARCH", "* ESEARCH (TAG \"t112\") ALL 1:2");
    caller_hang_up(&caller);
}

/* RFC 5182 */
static void saved_results(void **state)
{
    struct caller caller = log_in(*state, "SELECT INBOX");
    put_three(&caller);
    const char *reply = caller_command(&caller, "SEARCH RETURN (SAVE) UNSEEN", "OK");
    assert_null(strstr(reply, "SEARCH"));
    check_search(&caller, "$", "2 3");
    check_search(&caller, "UID $", "2 3");
    check_search(&caller, "NOT $", "1");
    caller_command(&caller, "SEARCH RETURN (SAVE MIN) $", "OK");
    check_search(&caller, "$", "2");
    caller_command(&caller, "SEARCH RETURN (SAVE MIN MAX) ALL", "OK");
    check_search(&caller, "$", "1 3");
    caller_command(&caller, "SEARCH RETURN (SAVE MIN COUNT) ALL", "OK");
    check_search(&caller, "$", "1 2 3");
    caller_command(&caller, "SEARCH RETURN (SAVE MAX) TEXT body", "OK");
    check_search(&caller, "$", "3");
    caller_command(&caller, "SEARCH RETURN (SAVE) CHARSET X-NONE ALL", "NO [BADCHARSET");
    check_search(&caller, "$", "");
    caller_hang_up(&caller);
}

/* RFC 7162 3.1.5, 3.1.10 */
static void modseqs(void **state)
{
    struct caller caller = log_in(*state, "SELECT INBOX (CONDSTORE)");
    put_three(&caller);
    unsigned long modseq[3];
    for (size_t i = 0; i < 3; i++) {
        char command[64];
        snprintf(command, sizeof command, "FETCH %zu (MODSEQ)", i + 1);
        const char *reply = strstr(caller_command(&caller, command, "OK"), "MODSEQ (");
        assert_non_null(reply);
        modseq[i] = strtoul(reply + 8, NULL, 10);
    }
    char command[128];
    char expected[128];
    snprintf(command, sizeof command, "SEARCH MODSEQ %lu", modseq[1]);
    snprintf(expected, sizeof expected, "* SEARCH 2 3 (MODSEQ %lu)", modseq[2]);
    check(&caller, command, "* SEARCH", expected);
    check(&caller, "SEARCH MODSEQ 99999999", "* SEARCH", "* SEARCH");
    caller.commands = 10;
    snprintf(command, sizeof command, "SEARCH RETURN (MIN) MODSEQ %lu", modseq[1]);
    snprintf(expected, sizeof expected, "* ESEARCH (TAG \"t11\") MIN 2 MODSEQ %lu", modseq[1]);
    check(&caller, command, "* ESEARCH", expected);
    snprintf(command, sizeof command, "SORT (REVERSE ARRIVAL) UTF-8 MODSEQ %lu", modseq[1]);
    snprintf(expected, sizeof expected, "* SORT 3 2 (MODSEQ %lu)", modseq[2]);
    check(&caller, command, "* SORT", expected);
    caller_hang_up(&caller);
}

static void refusals(void **state)
{
    struct caller caller = log_in(*state, "SELECT INBOX");
    const char *reply =
        caller_command(&caller, "SEARCH CHARSET X-UNKNOWN TEXT x", "NO [BADCHARSET (US-ASCII ");
    assert_non_null(strstr(reply, " UTF-8 "));
    assert_null(strstr(reply, "* SEARCH"));
    caller_command(&caller, "SORT (SUBJECT) X-UNKNOWN ALL", "NO [BADCHARSET");
    caller_command(&caller, "SEARCH 1:5", "BAD");
    char *command = malloc(10000);
    snprintf(command, 10000, "SEARCH TEXT {5000+}\r\n%5000s", "x");
    caller_command(&caller, command, "NO [LIMIT]");
    free(command);
    check(&caller, "SEARCH ALL", "* SEARCH", "* SEARCH");
    check(&caller, "SEARCH TEXT x", "* SEARCH", "* SEARCH");
    check(&caller, "SORT (SUBJECT) UTF-8 ALL", "* SORT", "* SORT");
    check(&caller, "THREAD REFERENCES UTF-8 ALL", "* THREAD", "* THREAD");
    caller_hang_up(&caller);
}

static void sorting(void **state)
{
    struct caller caller = log_in(*state, "SELECT INBOX");
    put_three(&caller);
    static const char *const cases[][2] = {
        {"(ARRIVAL)", "1 2 3"},   {"(REVERSE ARRIVAL)", "3 2 1"},
        {"(SIZE)", "3 1 2"},      {"(REVERSE SIZE)", "2 1 3"},
        {"(SUBJECT)", "3 1 2"},   {"(SUBJECT REVERSE DATE)", "3 2 1"},
        {"(FROM)", "1 2 3"},      {"(REVERSE FROM)", "3 2 1"},
        {"(TO)", "3 2 1"},        {"(CC)", "1 3 2"},
        {"(DATE)", "1 2 3"},      {"(DISPLAYFROM)", "1 2 3"},
        {"(DISPLAYTO)", "3 2 1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char command[128];
        char expected[128];
        snprintf(command, sizeof command, "SORT %s UTF-8 ALL", cases[i][0]);
        snprintf(expected, sizeof expected, "* SORT %s", cases[i][1]);
        check(&caller, command, "* SORT", expected);
    }
    check(&caller, "UID SORT (REVERSE DATE) UTF-8 BODY body", "* SORT", "* SORT 3 1");
    check(&caller, "THREAD REFERENCES UTF-8 ALL", "* THREAD", "* THREAD (1 2)(3)");
    check(&caller, "THREAD ORDEREDSUBJECT UTF-8 ALL", "* THREAD", "* THREAD (1 2)(3)");
    check(&caller, "UID THREAD REFERENCES UTF-8 2:3", "* THREAD", "* THREAD (2)(3)");
    caller_hang_up(&caller);
}

/* What is kept of a mailbox goes with it: new messages, removed ones, other sessions, mailboxes
   with the same UIDs. */
static void sorted_again(void **state)
{
    static const char fourth[] = "From: carl@c.example\r\nSubject: Fwd: Alone\r\n"
                                 "References: <2@b.example>\r\n\r\ntext\r\n";
    struct caller caller = log_in(*state, "SELECT INBOX");
    put_three(&caller);
    check(&caller, "SORT (SUBJECT) UTF-8 2", "* SORT", "* SORT 2");
    check(&caller, "SORT (SUBJECT) UTF-8 ALL", "* SORT", "* SORT 3 1 2");
    check(&caller, "THREAD REFERENCES UTF-8 ALL", "* THREAD", "* THREAD (1 2)(3)");
    append(&caller, "\"01-Jan-2030 00:00:00 +0000\"", fourth);
    check(&caller, "SORT (SUBJECT) UTF-8 ALL", "* SORT", "* SORT 3 4 1 2");
    check(&caller, "THREAD REFERENCES UTF-8 ALL", "* THREAD", "* THREAD (1 2 4)(3)");
    struct caller other = log_in(*state, "SELECT INBOX");
    check(&other, "SORT (SUBJECT) UTF-8 ALL", "* SORT", "* SORT 3 4 1 2");
    caller_command(&caller, "STORE 1 +FLAGS (\\Deleted)", "OK");
    caller_command(&caller, "STORE 3 -FLAGS (\\Deleted)", "OK");
    caller_command(&caller, "EXPUNGE", "OK");
    check(&caller, "SORT (SUBJECT) UTF-8 ALL", "* SORT", "* SORT 2 3 1");
    check(&caller, "UID SORT (REVERSE SUBJECT) UTF-8 ALL", "* SORT", "* SORT 2 3 4");
    check(&caller, "THREAD REFERENCES UTF-8 ALL", "* THREAD", "* THREAD (1 3)(2)");
    caller_command(&other, "NOOP", "OK");
    check(&other, "SORT (SUBJECT) UTF-8 ALL", "* SORT", "* SORT 2 3 1");
    caller_command(&caller, "CREATE Copies", "OK");
    caller_command(&caller, "COPY 2:3 Copies", "OK");
    caller_command(&caller, "SELECT Copies", "OK");
    check(&caller, "SORT (SUBJECT) UTF-8 ALL", "* SORT", "* SORT 1 2");
    check(&caller, "SORT (REVERSE FROM) UTF-8 ALL", "* SORT", "* SORT 1 2");
    check(&caller, "THREAD ORDEREDSUBJECT UTF-8 ALL", "* THREAD", "* THREAD (1 2)");
    caller_hang_up(&caller);
    caller_hang_up(&other);
}

/* Two sessions extend what is kept at the same time, each on a worker of its own. */
static void sorted_together(void **state)
{
    struct caller one = log_in(*state, "SELECT INBOX");
    struct caller other = log_in(*state, "SELECT INBOX");
    for (unsigned i = 0; i < 20; i++) {
        char text[TEXT_MAX];
        char expected[TEXT_MAX];
        snprintf(text, sizeof text, "Subject: %u\r\nMessage-ID: <%u@x.example>\r\n\r\ntext\r\n",
                 i * 7 % 10, i);
        append(&one, "", text);
        caller_command(&other, "NOOP", "OK");
        const char *command = i % 2 == 0 ? "x UID SORT (SUBJECT REVERSE ARRIVAL) UTF-8 ALL\r\n"
                                         : "x UID THREAD REFERENCES UTF-8 ALL\r\n";
        const char *kind = i % 2 == 0 ? "* SORT" : "* THREAD";
        caller_say(&one, command);
        caller_say(&other, command);
        snprintf(expected, sizeof expected, "%s", line_of(caller_hear_until(&one, "x OK"), kind));
        assert_string_equal(line_of(caller_hear_until(&other, "x OK"), kind), expected);
    }
    check(&one, "UID SORT (SUBJECT) UTF-8 ALL", "* SORT",
          "* SORT 1 11 4 14 7 17 10 20 3 13 6 16 9 19 2 12 5 15 8 18");
    caller_hang_up(&one);
    caller_hang_up(&other);
}

/* What lies behind the first piece of a body. */
static void large_messages(void **state)
{
    enum {
        SIZE = 1200000
    };
    struct caller caller = log_in(*state, "SELECT INBOX");
    char *text = malloc(SIZE + 1);
    memset(text, 'x', SIZE);
    text[SIZE] = '\0';
    memcpy(text, "Subject: large\r\n\r\n", 18);
    for (size_t i = 80; i < SIZE - 2; i += 80)
        memcpy(text + i, "\r\n", 2);
    /* Over the border of what comes with the row, over one behind it, and at the end. */
    memcpy(text + 256 * 1024 - 3, "border", 6);
    memcpy(text + 512 * 1024 - 3, "farther", 7);
    memcpy(text + SIZE - 6, "last\r\n", 6);
    append(&caller, "", text);
    check_search(&caller, "BODY border", "1");
    check_search(&caller, "TEXT farther", "1");
    check_search(&caller, "TEXT last", "1");
    check_search(&caller, "BODY absent", "");
    check_search(&caller, "BODY border BODY farther BODY last NOT BODY absent", "1");
    free(text);
    caller_hang_up(&caller);
}

/* ---- random keys ---- */

struct made {
    bool is_seen;
    bool is_flagged;
    unsigned day; /* of February */
    unsigned subject;
    unsigned sender;
    unsigned word;
    size_t size;
};

static const char *const words[] = {"apple", "banana", "cherry", "\xc3\xa4pfel"};

static void make(struct caller *caller, struct made *made)
{
    char text[TEXT_MAX];
    char options[128];
    *made = (struct made){.is_seen = rand() % 2 == 0,
                          .is_flagged = rand() % 4 == 0,
                          .day = 1 + (unsigned)rand() % 20,
                          .subject = (unsigned)rand() % 4,
                          .sender = (unsigned)rand() % 3,
                          .word = (unsigned)rand() % 4};
    snprintf(options, sizeof options, "(%s%s) \"%02u-Feb-2024 12:00:00 +0000\"",
             made->is_seen ? "\\Seen " : "", made->is_flagged ? "\\Flagged" : "\\Draft", made->day);
    snprintf(text, sizeof text, "From: %s@a.example\r\nSubject: on %s\r\n\r\nhere is %s, %0*d\r\n",
             words[made->sender], words[made->subject], words[made->word], 1 + rand() % 50, 0);
    made->size = strlen(text);
    append(caller, options, text);
}

/* Appends a random key to the text; fits[i]: message i fits. */
static void put_key(char *text, const struct made *made, bool *fits, unsigned depth)
{
    char *end = text + strlen(text);
    bool one[MESSAGES];
    bool other[MESSAGES];
    unsigned kind = (unsigned)rand() % (depth > 0 ? 12 : 9);
    unsigned choice = (unsigned)rand() % 4;
    unsigned day = 1 + (unsigned)rand() % 20;
    static const char *const names[] = {"SEEN", "UNFLAGGED", "SINCE",  "BEFORE", "SUBJECT",
                                        "FROM", "BODY",      "LARGER", "TEXT"};
    if (kind < 9)
        end += sprintf(end, "%s", names[kind]);
    if (kind == 2 || kind == 3)
        end += sprintf(end, " %u-Feb-2024", day);
    if (kind == 4 || kind == 5 || kind == 6 || kind == 8)
        end += sprintf(end, " {%zu+}\r\n%s", strlen(words[choice]), words[choice]);
    if (kind == 7)
        end += sprintf(end, " %u", 70 + day);
    if (kind == 9) {
        end += sprintf(end, "NOT ");
        put_key(text, made, one, depth - 1);
    } else if (kind == 10) {
        end += sprintf(end, "OR ");
        put_key(text, made, one, depth - 1);
        strcat(text, " ");
        put_key(text, made, other, depth - 1);
    } else if (kind == 11) {
        end += sprintf(end, "(");
        put_key(text, made, one, depth - 1);
        strcat(text, " ");
        put_key(text, made, other, depth - 1);
        strcat(text, ")");
    }
    for (size_t i = 0; i < MESSAGES; i++) {
        const struct made *message = &made[i];
        const bool answers[] = {
            message->is_seen,
            !message->is_flagged,
            message->day >= day,
            message->day<day, message->subject == choice, message->sender == choice,
                         message->word == choice, message->size> 70 +
                day,
            message->subject == choice || message->sender == choice || message->word == choice,
            kind == 9 && !one[i],
            kind == 10 && (one[i] || other[i]),
            kind == 11 && one[i] && other[i]};
        fits[i] = answers[kind];
    }
}

static void random_keys(void **state)
{
    static struct made made[MESSAGES];
    struct caller caller = log_in(*state, "SELECT INBOX");
    srand(3);
    for (size_t i = 0; i < MESSAGES; i++)
        make(&caller, &made[i]);
    for (unsigned round = 0; round < 1000; round++) {
        char keys_text[TEXT_MAX] = "";
        char expected[TEXT_MAX] = "";
        bool fits[MESSAGES];
        put_key(keys_text, made, fits, 3);
        for (size_t i = 0; i < MESSAGES; i++) {
            if (fits[i])
                sprintf(expected + strlen(expected), "%s%zu", expected[0] == '\0' ? "" : " ",
                        i + 1);
        }
        check_search(&caller, keys_text, expected);
    }
    caller_hang_up(&caller);
}

/* A client that goes while a worker looks. */
static void hanging_up(void **state)
{
    struct caller caller = log_in(*state, "SELECT INBOX");
    for (size_t i = 0; i < 20; i++)
        append(&caller, "", third);
    for (size_t i = 0; i < 20; i++) {
        struct caller other = log_in(*state, "SELECT INBOX");
        caller_say(&other, i % 2 == 0 ? "x SEARCH TEXT absent\r\n"
                                      : "x THREAD REFERENCES UTF-8 TEXT body\r\n");
        caller_reset(&other);
    }
    check_search(&caller, "TEXT absent", "");
    caller_hang_up(&caller);
    house_check(*state);
}

static void without_memory(void **state)
{
    struct house *house = *state;
    static const char *const commands[] = {"SEARCH TEXT words", "SORT (SUBJECT) UTF-8 ALL",
                                           "THREAD REFERENCES UTF-8 ALL",
                                           "SEARCH RETURN (SAVE COUNT) OR SEEN BODY words"};
    struct caller caller = log_in(house, "SELECT INBOX");
    put_three(&caller);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        bool was_refused = true;
        for (size_t count = 0; was_refused && count < 500; count++) {
            struct caller other = log_in(house, "SELECT INBOX");
            house_take_memory(house, count);
            char text[128];
            snprintf(text, sizeof text, "x %s\r\n", commands[i]);
            caller_say(&other, text);
            /* An answer, a refusal or the end of the connection, but no silence. */
            while (caller_hear_code(&other) == 0)
                break;
            was_refused = house_restore_memory(house);
            caller_reset(&other);
        }
        assert_false(was_refused);
        check_search(&caller, "TEXT words", "2");
    }
    caller_hang_up(&caller);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, house_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(keys),           TEST(extended_answers), TEST(saved_results), TEST(modseqs),
        TEST(refusals),       TEST(sorting),          TEST(sorted_again),  TEST(sorted_together),
        TEST(large_messages), TEST(random_keys),      TEST(hanging_up),    TEST(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
