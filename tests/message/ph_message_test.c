/* The message door: what it refuses, whom it names, what it sends. */
#include <posthorn/message.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "failing_allocation.h"
#include "unit.h"

/* ---- what the tests share ---- */

static struct ph_message *new_message(void)
{
    struct ph_message *message = ph_message_new(NULL);
    assert_non_null(message);
    assert_true(ph_message_add_from(message, "ann@x.example", NULL));
    assert_true(ph_message_add_to(message, "bob@y.example", NULL));
    assert_true(ph_message_set_date(message, 0, 0, NULL));
    assert_true(ph_message_set_message_id(message, "1@x", NULL));
    return message;
}

static struct ph_message *existing(const char *text)
{
    struct ph_error error = {0};
    struct ph_message *message = ph_message_from_memory(text, strlen(text), &error);
    if (message == NULL)
        fail_msg("%s", error.message);
    return message;
}

/* The rendered message; to be freed. */
static char *rendered(struct ph_message *message, const struct ph_rendering *rendering)
{
    struct ph_error error = {0};
    char *data;
    size_t length;
    if (!ph_message_to_memory(message, rendering, &data, &length, &error))
        fail_msg("%s", error.message);
    assert_int_equal(strlen(data), length);
    return data;
}

static void assert_rendered(struct ph_message *message, const char *expected)
{
    char *data = rendered(message, NULL);
    assert_string_equal(data, expected);
    free(data);
}

static bool holds(struct ph_message *message, const struct ph_rendering *rendering,
                  const char *wanted)
{
    char *data = rendered(message, rendering);
    bool is_there = strstr(data, wanted) != NULL;
    free(data);
    return is_there;
}

/* The recipients in one line, separated by blanks; or the kind of the error. */
static void assert_recipients(struct ph_message *message, const char *expected)
{
    const char *const *recipients;
    size_t count;
    struct ph_error error = {0};
    char line[1000] = "";
    if (!ph_message_recipients(message, &recipients, &count, &error)) {
        assert_string_equal(ph_error_kind_name(error.kind), expected);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            strcat(line, " ");
        strcat(line, recipients[i]);
    }
    assert_string_equal(line, expected);
}

static void assert_sender(struct ph_message *message, const char *expected)
{
    const char *sender;
    struct ph_error error = {0};
    if (ph_message_sender(message, &sender, &error))
        assert_string_equal(sender, expected);
    else
        assert_string_equal(ph_error_kind_name(error.kind), expected);
}

/* A file with this content, open and without a name. */
static int file_with(const char *content, size_t length)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    int descriptor = dup(fileno(file));
    fclose(file);
    assert_int_equal(write(descriptor, content, length), (ssize_t)length);
    assert_int_equal(lseek(descriptor, 0, SEEK_SET), 0);
    return descriptor;
}

static int pipe_with(const char *content)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], content, strlen(content)), (ssize_t)strlen(content));
    close(ends[1]);
    return ends[0];
}

/* ---- nothing gets in ---- */

static bool set_to(struct ph_message *message, const char *text, struct ph_error *error)
{
    return ph_message_add_addresses(message, PH_TO, text, error);
}

static bool set_display_name(struct ph_message *message, const char *text, struct ph_error *error)
{
    return ph_message_add_address(message, PH_TO, text, "a@b", error);
}

static bool set_address(struct ph_message *message, const char *text, struct ph_error *error)
{
    return ph_message_add_address(message, PH_TO, "A", text, error);
}

static bool set_value(struct ph_message *message, const char *text, struct ph_error *error)
{
    return ph_message_set_header(message, "X-Test", text, error);
}

static bool add_value(struct ph_message *message, const char *text, struct ph_error *error)
{
    return ph_message_add_header(message, "X-Test", text, error);
}

static bool set_name(struct ph_message *message, const char *text, struct ph_error *error)
{
    return ph_message_set_header(message, text, "x", error);
}

static bool remove_name(struct ph_message *message, const char *text, struct ph_error *error)
{
    return ph_message_remove_header(message, text, error);
}

static bool set_date_text(struct ph_message *message, const char *text, struct ph_error *error)
{
    return ph_message_set_header(message, "Date", text, error);
}

static bool set_filename(struct ph_message *message, const char *text, struct ph_error *error)
{
    struct ph_attachment about = {.filename = text};
    return ph_message_attach_memory(message, "x", 1, &about, error);
}

static bool set_content_type(struct ph_message *message, const char *text, struct ph_error *error)
{
    struct ph_attachment about = {.content_type = text};
    return ph_message_attach_memory(message, "x", 1, &about, error);
}

static bool set_content_id(struct ph_message *message, const char *text, struct ph_error *error)
{
    struct ph_attachment about = {.content_id = text};
    return ph_message_attach_memory(message, "x", 1, &about, error);
}

static bool set_description(struct ph_message *message, const char *text, struct ph_error *error)
{
    struct ph_attachment about = {.description = text};
    return ph_message_attach_memory(message, "x", 1, &about, error);
}

static void no_setter_takes_a_line_end(void **state)
{
    (void)state;
    static bool (*const setters[])(struct ph_message *, const char *, struct ph_error *) = {
        ph_message_add_from,
        ph_message_add_reply_to,
        ph_message_add_to,
        ph_message_add_cc,
        ph_message_add_bcc,
        ph_message_set_sender,
        ph_message_set_subject,
        ph_message_set_message_id,
        ph_message_set_id_domain,
        ph_message_set_in_reply_to,
        ph_message_set_references,
        set_to,
        set_display_name,
        set_address,
        set_value,
        add_value,
        set_name,
        remove_name,
        set_date_text,
        set_filename,
        set_content_type,
        set_content_id,
        set_description,
    };
    static const char *const texts[] = {
        "a@b\r\nBcc: c@d",
        "a@b\nBcc: c@d",
        "a@b\rBcc: c@d",
        "\r\n",
        "a@b\r\n\r\nbody",
        "<a@b>\r\n <c@d>",
        "\"a\r\nb\"@c",
        "text/plain\r\nX: y",
        "a\x01"
        "b",
        "a\x7f"
        "b",
        "a\xff"
        "b",
        "a\xed\xa0\x80"
        "b",
        "x\r\nX-Evil: yes",
        "=?x\r\n X-Evil: y?=",
    };
    struct ph_message *message = new_message();
    char *before = rendered(message, NULL);
    for (size_t i = 0; i < sizeof setters / sizeof *setters; i++) {
        for (size_t j = 0; j < sizeof texts / sizeof *texts; j++) {
            struct ph_error error = {0};
            if (setters[i](message, texts[j], &error))
                fail_msg("setter %zu takes text %zu", i, j);
            assert_int_equal(error.kind, PH_ERROR_ARGUMENT);
            assert_true(error.message[0] != '\0');
        }
        assert_rendered(message, before);
    }
    free(before);
    ph_message_free(message);
}

static void texts_that_are_not(void **state)
{
    (void)state;
    struct ph_message *message = new_message();
    struct ph_error error;
    assert_false(ph_message_set_text(message, "a\0b", 3, &error));
    assert_int_equal(error.kind, PH_ERROR_ARGUMENT);
    assert_false(ph_message_set_html(message, "\xc3", 1, &error));
    assert_int_equal(error.kind, PH_ERROR_ARGUMENT);
    ph_message_free(message);
}

static void names_that_are_made_here(void **state)
{
    (void)state;
    static const char *const names[] = {"MIME-Version", "content-type", "Content-ID", "",
                                        "a b",          "a:",           "ä"};
    struct ph_message *message = new_message();
    struct ph_error error;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_false(ph_message_set_header(message, names[i], "x", &error));
        assert_int_equal(error.kind, PH_ERROR_ARGUMENT);
        assert_false(ph_message_add_header(message, names[i], "x", &error));
    }
    assert_false(ph_message_add_addresses(message, (enum ph_address_field)99, "a@b", &error));
    assert_int_equal(error.kind, PH_ERROR_ARGUMENT);
    ph_message_free(message);
}

/* ---- headers ---- */

static void headers_as_set(void **state)
{
    (void)state;
    struct ph_message *message = new_message();
    assert_true(ph_message_add_to(message, "Carl <carl@y.example>", NULL));
    assert_true(ph_message_set_header(message, "cc", "dora@y.example", NULL));
    assert_true(ph_message_add_header(message, "CC", "emil@y.example", NULL));
    assert_true(ph_message_set_header(message, "Reply-To", "old@x.example", NULL));
    assert_true(ph_message_set_header(message, "reply-to", "new@x.example", NULL));
    assert_true(ph_message_set_subject(message, "one", NULL));
    assert_true(ph_message_add_header(message, "Subject", "two", NULL));
    assert_true(ph_message_add_header(message, "X-A", "1", NULL));
    assert_true(ph_message_add_header(message, "x-a", "2", NULL));
    assert_true(ph_message_set_header(message, "X-B", "3", NULL));
    assert_true(ph_message_set_header(message, "X-B", "4", NULL));
    assert_true(ph_message_add_header(message, "X-C", "5", NULL));
    assert_true(ph_message_remove_header(message, "x-c", NULL));
    assert_true(ph_message_remove_header(message, "never-there", NULL));
    assert_true(ph_message_has_header(message, "SUBJECT"));
    assert_false(ph_message_has_header(message, "X-C"));
    assert_rendered(message, "Date: Thu, 1 Jan 1970 00:00:00 +0000\r\n"
                             "From: ann@x.example\r\n"
                             "Reply-To: new@x.example\r\n"
                             "To: bob@y.example, Carl <carl@y.example>\r\n"
                             "Cc: dora@y.example, emil@y.example\r\n"
                             "Subject: two\r\n"
                             "Message-ID: <1@x>\r\n"
                             "X-A: 1\r\n"
                             "x-a: 2\r\n"
                             "X-B: 4\r\n"
                             "MIME-Version: 1.0\r\n"
                             "Content-Type: text/plain; charset=utf-8\r\n"
                             "Content-Transfer-Encoding: 7bit\r\n"
                             "\r\n");
    ph_message_free(message);
}

/* Date and Message-ID are made once, and stay. */
static void what_is_missing_is_made(void **state)
{
    (void)state;
    struct ph_message *message = ph_message_new(NULL);
    assert_true(ph_message_add_from(message, "ann@bücher.example", NULL));
    char *first = rendered(message, NULL);
    assert_non_null(strstr(first, "Date: "));
    assert_non_null(strstr(first, "@xn--bcher-kva.example>\r\n"));
    assert_rendered(message, first);
    free(first);
    ph_message_free(message);

    message = ph_message_new(NULL);
    assert_true(ph_message_add_from(message, "ann@x.example", NULL));
    assert_true(ph_message_set_id_domain(message, "ids.example", NULL));
    assert_true(holds(message, NULL, "@ids.example>\r\n"));
    ph_message_free(message);
}

static void an_author_is_needed(void **state)
{
    (void)state;
    struct ph_message *message = ph_message_new(NULL);
    struct ph_error error;
    struct ph_body body;
    assert_false(ph_message_body(message, NULL, &body, NULL, &error));
    assert_int_equal(error.kind, PH_ERROR_ARGUMENT);
    assert_true(ph_message_add_from(message, "a@x, b@x", NULL));
    assert_false(ph_message_body(message, NULL, &body, NULL, &error));
    assert_int_equal(error.kind, PH_ERROR_ARGUMENT);
    assert_false(ph_message_set_sender(message, "a@x, b@x", &error));
    assert_false(ph_message_set_sender(message, "G: a@x;", &error));
    assert_false(ph_message_set_sender(message, "", &error));
    assert_true(ph_message_set_sender(message, "a@x", NULL));
    assert_true(ph_message_set_sender(message, "c@x", NULL));
    assert_true(ph_message_body(message, NULL, &body, NULL, NULL));
    assert_sender(message, "c@x");
    ph_message_free(message);
}

/* ---- the envelope ---- */

static void envelopes(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        const char *sender;
        const char *recipients;
    } cases[] = {
        {"From: a@x\nTo: b@x\n", "a@x", "b@x"},
        {"From: a@x, c@x\nSender: s@x\nTo: b@x\n", "s@x", "b@x"},
        {"From: \"A, B\" <a@x>, c@x\nCc: b@x\n", "a@x", "b@x"},
        /* All fields of a name, in the order To, Cc, Bcc; each mailbox once. */
        {"From: a@x\nBcc: e@x\nTo: b@x\nCc: d@x\nTo: c@x, B@x\nBcc: f@x,\n g@x\nCc: b@X\n", "a@x",
         "b@x c@x B@x d@x e@x f@x g@x"},
        {"From: a@x\nTo: G: b@x, \"c d\"@x;, H:;\n", "a@x", "b@x \"c d\"@x"},
        {"From: a@x\nTo: \"quoted\"@x, quoted@x\n", "a@x", "quoted@x"},
        {"From: a@x\nTo: undisclosed-recipients:;\n", "a@x", "invalid argument"},
        {"From: a@x\n", "a@x", "invalid argument"},
        {"To: b@x\n", "invalid argument", "b@x"},
        {"From: G:;\nTo: b@x\n", "invalid argument", "b@x"},
        {"From: no address\nTo: b@x, and none\n", "invalid argument", "invalid argument"},
        {"from : a@x\nTO\t: b@x\n", "a@x", "b@x"},
        /* RFC 5322 3.6.6 */
        {"Resent-Date: x\nResent-From: r@x\nResent-To: q@x\nResent-Bcc: p@x\nFrom: a@x\nTo: b@x\n",
         "r@x", "q@x p@x"},
        {"Resent-From: r@x\nResent-Sender: s@x\nResent-Cc: q@x\nFrom: a@x\nTo: b@x\n", "s@x",
         "q@x"},
        {"Resent-To: q@x\nFrom: a@x\nTo: b@x\n", "invalid argument", "q@x"},
        {"Resent-Date: x\nResent-From: r@x\nResent-To: q@x\n"
         "Resent-Date: y\nResent-From: s@x\nResent-To: t@x\nFrom: a@x\nTo: b@x\n",
         "invalid argument", "invalid argument"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[1000];
        snprintf(text, sizeof text, "%s\nbody\n", cases[i].header);
        struct ph_message *message = existing(text);
        assert_sender(message, cases[i].sender);
        assert_recipients(message, cases[i].recipients);
        ph_message_free(message);
    }
}

static void envelope_of_a_new_message(void **state)
{
    (void)state;
    struct ph_message *message = new_message();
    assert_true(ph_message_add_bcc(message, "Secret <secret@y.example>, bob@Y.example", NULL));
    assert_true(ph_message_add_cc(message, "carl@y.example", NULL));
    assert_sender(message, "ann@x.example");
    assert_recipients(message, "bob@y.example carl@y.example secret@y.example");
    assert_false(holds(message, NULL, "secret"));
    assert_true(ph_message_set_header(message, "Resent-From", "r@x.example", NULL));
    assert_true(ph_message_set_header(message, "Resent-Bcc", "hidden@x.example", NULL));
    assert_sender(message, "r@x.example");
    assert_recipients(message, "hidden@x.example");
    assert_false(holds(message, NULL, "hidden"));
    ph_message_free(message);
}

static void many_recipients(void **state)
{
    (void)state;
    enum {
        MANY = 5000
    };
    struct ph_message *message = new_message();
    char address[40];
    for (int i = 0; i < MANY; i++) {
        snprintf(address, sizeof address, "u%d@y.example", i % (MANY / 2));
        assert_true(ph_message_add_bcc(message, address, NULL));
    }
    const char *const *recipients;
    size_t count;
    assert_true(ph_message_recipients(message, &recipients, &count, NULL));
    assert_int_equal(count, MANY / 2 + 1);
    assert_string_equal(recipients[1], "u0@y.example");
    assert_string_equal(recipients[MANY / 2], "u2499@y.example");
    ph_message_free(message);
}

/* ---- existing messages ---- */

static void blind_copies_never_leave(void **state)
{
    (void)state;
    static const char *const headers[] = {
        "Bcc: s@x\n",
        "bcc:s@x\n",
        "BCC : s@x\n",
        "Bcc\t: s@x\r\n",
        "Bcc: s@x,\r\n s@y,\n\ts@z\n",
        "Resent-Bcc: s@x\n",
        "X: y\rBcc: s@x\n",
        "Bcc: s@x\nBcc: s@x\nSubject: z\nBcc: s@x\n",
        "not a field\nBcc: s@x\n",
    };
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        char text[1000];
        snprintf(text, sizeof text, "From: a@b\n%s\nBody\n", headers[i]);
        char copy[1000];
        strcpy(copy, text);
        struct ph_message *message = existing(text);
        char *data = rendered(message, NULL);
        if (strstr(data, "s@x") != NULL || strstr(data, "s@y") != NULL ||
            strstr(data, "cc") != NULL)
            fail_msg("%s", data);
        assert_non_null(strstr(data, "\r\n\r\nBody\n"));
        free(data);
        struct ph_body body;
        assert_true(ph_message_body(message, NULL, &body, NULL, NULL));
        assert_int_equal(body.kind, PH_BODY_CALLBACK);
        ph_message_free(message);
        assert_string_equal(text, copy);
    }
}

/* Where nothing is changed nothing is copied. */
static void untouched_bytes(void **state)
{
    (void)state;
    const char *text = "From: a@b\nTo: c@d\n\nBcc: of the body\n";
    struct ph_message *message = existing(text);
    struct ph_body body;
    bool utf8_headers = true;
    assert_true(ph_message_body(message, NULL, &body, &utf8_headers, NULL));
    assert_int_equal(body.kind, PH_BODY_MEMORY);
    assert_ptr_equal(body.data, text);
    assert_int_equal(body.length, strlen(text));
    assert_false(utf8_headers);
    assert_rendered(message, "From: a@b\r\nTo: c@d\r\n\r\nBcc: of the body\n");
    ph_message_free(message);
}

static void odd_beginnings(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *sent;
    } cases[] = {
        {"From ann@x Mon Nov 23 17:48:08 2026\nFrom: a@b\n\nx\n", "From: a@b\r\n\r\nx\n"},
        {"no header: at all\n", "\r\nno header: at all\n"},
        {"\nbody\n", "\r\nbody\n"},
        {"", "\r\n"},
        {"From ", "\r\n"},
        {"Subject: only", "Subject: only\r\n\r\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ph_message *message = existing(cases[i].text);
        assert_rendered(message, cases[i].sent);
        ph_message_free(message);
        int descriptor = pipe_with(cases[i].text);
        message = ph_message_from_descriptor(descriptor, NULL);
        assert_rendered(message, cases[i].sent);
        ph_message_free(message);
        close(descriptor);
    }
}

static void fields_set_over_existing_ones(void **state)
{
    (void)state;
    struct ph_message *message =
        existing("Received: x\nSubject: old\nX-A: 1\nTo: b@x\nsubject: older\nFrom: a@x\n\nbody\n");
    struct ph_error error;
    assert_true(ph_message_set_subject(message, "new", NULL));
    assert_true(ph_message_add_header(message, "X-A", "2", NULL));
    assert_true(ph_message_add_to(message, "c@x", NULL));
    assert_true(ph_message_add_to(message, "d@x", NULL));
    assert_recipients(message, "c@x d@x");
    assert_rendered(message, "To: c@x, d@x\r\nSubject: new\r\nX-A: 2\r\nReceived: x\r\nX-A: 1\r\n"
                             "From: a@x\r\n\r\nbody\n");
    assert_true(ph_message_remove_header(message, "x-a", NULL));
    assert_false(ph_message_has_header(message, "X-A"));
    assert_false(holds(message, NULL, "X-A"));
    assert_false(ph_message_has_header(message, "Date"));
    assert_true(ph_message_complete(message, NULL));
    assert_true(ph_message_has_header(message, "Date"));
    assert_true(holds(message, NULL, "@x>\r\n"));
    assert_false(ph_message_set_text(message, "x", 1, &error));
    assert_int_equal(error.kind, PH_ERROR_ARGUMENT);
    assert_false(ph_message_attach_memory(message, "x", 1, NULL, &error));
    assert_int_equal(error.kind, PH_ERROR_ARGUMENT);
    ph_message_free(message);

    message = existing("Message-ID: <1@x>\nDate: x\n\n");
    assert_true(ph_message_complete(message, NULL));
    assert_rendered(message, "Message-ID: <1@x>\r\nDate: x\r\n\r\n");
    ph_message_free(message);
    message = existing("Subject: x\n\n");
    assert_false(ph_message_complete(message, &error));
    assert_int_equal(error.kind, PH_ERROR_ARGUMENT);
    ph_message_free(message);
}

/* A file can be sent again and again, and its offset stays; a pipe can be sent once. */
static void files_and_pipes(void **state)
{
    (void)state;
    static const char text[] = "skipped\nFrom: a@b\nBcc: s@x\n\nthe body\n";
    int file = file_with(text, sizeof text - 1);
    assert_int_equal(lseek(file, 8, SEEK_SET), 8);
    struct ph_message *message = ph_message_from_descriptor(file, NULL);
    assert_non_null(message);
    struct ph_body body;
    for (int i = 0; i < 2; i++)
        assert_rendered(message, "From: a@b\r\n\r\nthe body\n");
    assert_true(ph_message_body(message, NULL, &body, NULL, NULL));
    assert_int_equal(body.size, strlen("From: a@b\r\n\r\nthe body\n"));
    assert_int_equal(lseek(file, 0, SEEK_CUR), 8);
    ph_message_free(message);
    assert_int_equal(lseek(file, 0, SEEK_CUR), 8);
    close(file);

    int pipe = pipe_with(text + 8);
    struct ph_error error;
    message = ph_message_from_descriptor(pipe, NULL);
    assert_non_null(message);
    assert_true(ph_message_body(message, NULL, &body, NULL, NULL));
    assert_int_equal(body.size, 0);
    assert_rendered(message, "From: a@b\r\n\r\nthe body\n");
    assert_false(ph_message_body(message, NULL, &body, NULL, &error));
    assert_int_equal(error.kind, PH_ERROR_BODY);
    ph_message_free(message);
    close(pipe);

    assert_null(ph_message_from_file("/nonexistent/message", &error));
    assert_int_equal(error.kind, PH_ERROR_BODY);
    assert_int_equal(error.system_error, ENOENT);
    assert_null(ph_message_from_file("/", &error));
    assert_int_equal(error.kind, PH_ERROR_BODY);
    assert_null(ph_message_from_descriptor(-1, &error));
    assert_int_equal(error.kind, PH_ERROR_BODY);
}

static void a_file_that_shrinks(void **state)
{
    (void)state;
    static const char text[] = "From: a@b\n\nthe body\n";
    int file = file_with(text, sizeof text - 1);
    struct ph_message *message = ph_message_from_descriptor(file, NULL);
    assert_int_equal(ftruncate(file, 15), 0);
    struct ph_error error;
    char *data;
    size_t length;
    assert_false(ph_message_to_memory(message, NULL, &data, &length, &error));
    assert_int_equal(error.kind, PH_ERROR_BODY);
    ph_message_free(message);
    close(file);
}

static void headers_beyond_ascii(void **state)
{
    (void)state;
    struct ph_rendering utf8 = {.utf8 = true};
    struct ph_rendering prefer = {.utf8 = true, .prefer_utf8 = true};
    struct ph_body body;
    bool utf8_headers = false;
    struct ph_message *message =
        existing("From: J\xc3\xb6rg <j@x>\nSubject: \xc3\xa4\n b\nX-Latin: \xe4\n\n\xc3\xa4\n");
    assert_false(ph_message_needs_utf8(message));
    assert_rendered(message, "From: =?UTF-8?B?SsO2cmc=?= <j@x>\r\nSubject: =?UTF-8?B?w6Q=?= b\r\n"
                             "X-Latin: \xe4\r\n\r\n\xc3\xa4\n");
    /* SMTPUTF8 is asked for only where nothing else will do, or by choice. */
    assert_true(holds(message, &utf8, "Subject: =?UTF-8?B?w6Q=?= b\r\n"));
    assert_true(ph_message_body(message, &utf8, &body, &utf8_headers, NULL));
    assert_false(utf8_headers);
    assert_true(holds(message, &prefer, "Subject: \xc3\xa4\r\n b\r\n"));
    assert_true(ph_message_body(message, &prefer, &body, &utf8_headers, NULL));
    assert_true(utf8_headers);
    assert_true(ph_message_body(message, NULL, &body, &utf8_headers, NULL));
    assert_false(utf8_headers);
    ph_message_free(message);

    message = existing("From: j\xc3\xb6rg@x\nSubject: \xc3\xa4\n\n");
    struct ph_error error;
    assert_true(ph_message_needs_utf8(message));
    assert_false(ph_message_body(message, NULL, &body, &utf8_headers, &error));
    assert_int_equal(error.kind, PH_ERROR_NOT_SUPPORTED);
    assert_true(ph_message_body(message, &utf8, &body, &utf8_headers, NULL));
    assert_true(utf8_headers);
    assert_true(holds(message, &utf8, "Subject: \xc3\xa4\r\n"));
    ph_message_free(message);
}

/* ---- what the way out can carry ---- */

static void utf8_where_it_is_needed(void **state)
{
    (void)state;
    struct ph_rendering utf8 = {.utf8 = true};
    struct ph_rendering prefer = {.utf8 = true, .prefer_utf8 = true};
    struct ph_body body;
    struct ph_error error;
    bool utf8_headers = true;
    struct ph_message *message = new_message();
    assert_true(ph_message_set_subject(message, "ä", NULL));
    assert_true(ph_message_add_bcc(message, "ö@y.example", NULL));
    assert_false(ph_message_needs_utf8(message));
    assert_true(ph_message_body(message, &utf8, &body, &utf8_headers, NULL));
    assert_false(utf8_headers);
    assert_int_equal(body.content, PH_CONTENT_7BIT);
    assert_true(ph_message_body(message, &prefer, &body, &utf8_headers, NULL));
    assert_true(utf8_headers);
    assert_int_equal(body.content, PH_CONTENT_8BIT);
    assert_true(holds(message, &prefer, "Subject: ä\r\n"));
    assert_true(ph_message_add_cc(message, "ü@y.example", NULL));
    assert_true(ph_message_needs_utf8(message));
    assert_false(ph_message_body(message, NULL, &body, &utf8_headers, &error));
    assert_int_equal(error.kind, PH_ERROR_NOT_SUPPORTED);
    assert_true(ph_message_body(message, &utf8, &body, &utf8_headers, NULL));
    assert_true(utf8_headers);
    assert_true(holds(message, &utf8, "Cc: ü@y.example\r\n"));
    ph_message_free(message);
}

static void encodings_by_content(void **state)
{
    (void)state;
    struct ph_rendering eight_bit = {.eight_bit = true};
    struct ph_message *message = new_message();
    assert_true(ph_message_set_text(message, "plain", 5, NULL));
    assert_true(holds(message, NULL, "Content-Transfer-Encoding: 7bit\r\n\r\nplain\r\n"));
    static const char umlaut[] = "some text with one \xc3\xa4 in it\n";
    assert_true(ph_message_set_text(message, umlaut, sizeof umlaut - 1, NULL));
    assert_true(
        holds(message, NULL, "quoted-printable\r\n\r\nsome text with one =C3=A4 in it\r\n"));
    assert_true(holds(message, &eight_bit, "8bit\r\n\r\nsome text with one \xc3\xa4 in it\r\n"));
    char line[2000];
    memset(line, 'x', sizeof line);
    assert_true(ph_message_set_text(message, line, sizeof line, NULL));
    assert_true(holds(message, &eight_bit, "quoted-printable"));
    ph_message_free(message);
}

/* ---- attachments ---- */

/* Counts down the bytes it still gives; fails at 0 when told to. */
struct countdown {
    uint64_t left;
    bool fails;
};

static ssize_t count_down(void *context, char *buffer, size_t size)
{
    struct countdown *countdown = context;
    if (countdown->left == 0)
        return countdown->fails ? -1 : 0;
    size_t count = countdown->left < size ? (size_t)countdown->left : size;
    memset(buffer, 'x', count);
    countdown->left -= count;
    return (ssize_t)count;
}

static void callbacks(void **state)
{
    (void)state;
    static const struct {
        struct countdown countdown;
        uint64_t said;
        bool is_fine;
    } cases[] = {
        {{1000, false}, 1000, true}, {{1000, false}, 0, true}, {{1000, false}, 999, false},
        {{999, false}, 1000, false}, {{500, true}, 0, false},  {{0, true}, 0, false},
        {{0, false}, 0, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct countdown countdown = cases[i].countdown;
        struct ph_message *message = new_message();
        struct ph_body body;
        struct ph_error error;
        char *data;
        size_t length;
        assert_true(
            ph_message_attach_callback(message, count_down, &countdown, cases[i].said, NULL, NULL));
        assert_true(ph_message_body(message, NULL, &body, NULL, NULL));
        assert_int_equal(body.size > 0, cases[i].said > 0);
        uint64_t size = body.size;
        if (ph_message_to_memory(message, NULL, &data, &length, &error)) {
            assert_true(cases[i].is_fine);
            assert_true(size == 0 || size == length);
            free(data);
            /* Once only. */
            assert_false(ph_message_body(message, NULL, &body, NULL, &error));
        } else {
            assert_false(cases[i].is_fine);
        }
        assert_int_equal(error.kind, PH_ERROR_BODY);
        ph_message_free(message);
    }
}

static void attachments_that_cannot_be(void **state)
{
    (void)state;
    static const char *const types[] = {"multipart/mixed", "Multipart/x; boundary=a", "text",
                                        "text/plain; charset", "text/plain, x"};
    struct ph_message *message = new_message();
    struct ph_error error;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        assert_false(set_content_type(message, types[i], &error));
        assert_int_equal(error.kind, PH_ERROR_ARGUMENT);
    }
    assert_false(set_content_id(message, "a b", &error));
    assert_false(set_content_id(message, "<a@b>", &error));
    assert_false(ph_message_attach_callback(message, NULL, NULL, 0, NULL, &error));
    assert_int_equal(error.kind, PH_ERROR_ARGUMENT);
    assert_false(ph_message_attach_file(message, "/nonexistent/file", NULL, &error));
    assert_int_equal(error.kind, PH_ERROR_BODY);
    assert_int_equal(error.system_error, ENOENT);
    assert_false(holds(message, NULL, "multipart"));
    ph_message_free(message);
}

/* A file attached may be unlinked; one cut short is noticed. */
static void attached_files(void **state)
{
    (void)state;
    char path[] = "/tmp/posthorn-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(write(file, "content", 7), 7);
    struct ph_message *message = new_message();
    assert_true(ph_message_attach_file(message, path, NULL, NULL));
    assert_int_equal(unlink(path), 0);
    assert_true(holds(message, NULL, "\r\n\r\nY29udGVudA==\r\n--"));
    assert_true(holds(message, NULL, "Content-Disposition: attachment; filename=posthorn-"));
    assert_int_equal(ftruncate(file, 3), 0);
    char *data;
    size_t length;
    struct ph_error error;
    assert_false(ph_message_to_memory(message, NULL, &data, &length, &error));
    assert_int_equal(error.kind, PH_ERROR_BODY);
    ph_message_free(message);
    close(file);
}

/* The size is exact, whatever the pieces, and a second reading gives the same bytes. */
static void sizes_are_exact(void **state)
{
    (void)state;
    struct ph_message *message = new_message();
    assert_true(ph_message_set_text(message, "täxt \nmore", 11, NULL));
    assert_true(ph_message_set_html(message, "<p>", 3, NULL));
    struct ph_attachment logo = {.filename = "logo.png", .content_id = "logo"};
    assert_true(ph_message_attach_memory(message, "0123456789", 10, &logo, NULL));
    struct ph_attachment mail = {.filename = "a.eml"};
    assert_true(ph_message_attach_memory(message, "From: x@y\n\ninner\n", 17, &mail, NULL));
    char *whole = rendered(message, NULL);
    for (size_t size = 1; size < 200; size = size * 3 / 2 + 1) {
        struct ph_body body;
        assert_true(ph_message_body(message, NULL, &body, NULL, NULL));
        assert_int_equal(body.size, strlen(whole));
        size_t at = 0;
        char piece[200];
        ssize_t count;
        while ((count = body.read(body.context, piece, size)) > 0) {
            assert_memory_equal(piece, whole + at, (size_t)count);
            at += (size_t)count;
        }
        assert_int_equal(count, 0);
        assert_int_equal(at, strlen(whole));
    }
    free(whole);
    ph_message_free(message);
}

static bool stop_at_once(void *context, const char *piece, size_t length)
{
    (void)piece;
    (void)length;
    ++*(int *)context;
    return false;
}

static void a_sink_that_stops(void **state)
{
    (void)state;
    struct ph_message *message = new_message();
    struct ph_error error;
    int calls = 0;
    assert_false(ph_message_write(message, NULL, stop_at_once, &calls, &error));
    assert_int_equal(error.kind, PH_ERROR_BODY);
    assert_int_equal(calls, 1);
    ph_message_free(message);
}

/* ---- limits ---- */

static void limits(void **state)
{
    (void)state;
    struct ph_error error;
    char *long_text = malloc(PH_MESSAGE_HEADER_MAX + 2);
    assert_non_null(long_text);
    memset(long_text, 'x', PH_MESSAGE_HEADER_MAX + 1);
    long_text[PH_MESSAGE_HEADER_MAX + 1] = '\0';

    struct ph_message *message = new_message();
    assert_false(ph_message_set_subject(message, long_text, &error));
    assert_int_equal(error.kind, PH_ERROR_LIMIT);
    assert_false(set_filename(message, long_text, &error));
    assert_int_equal(error.kind, PH_ERROR_LIMIT);
    for (int i = 0; ph_message_add_header(message, "X-A", "y", &error); i++)
        assert_true(i < PH_MESSAGE_FIELDS_MAX);
    assert_int_equal(error.kind, PH_ERROR_LIMIT);
    for (int i = 0; set_filename(message, "x", &error); i++)
        assert_true(i < PH_MESSAGE_ATTACHMENTS_MAX);
    assert_int_equal(error.kind, PH_ERROR_LIMIT);
    /* A single word that no line holds, where no encoding can break it. */
    memcpy(long_text, "<a@", 3);
    long_text[997] = '>';
    long_text[998] = '\0';
    assert_false(ph_message_set_references(message, long_text, &error));
    ph_message_free(message);

    memset(long_text, 'x', PH_MESSAGE_HEADER_MAX + 1);
    memcpy(long_text, "A: ", 3);
    assert_null(ph_message_from_memory(long_text, PH_MESSAGE_HEADER_MAX + 1, &error));
    assert_int_equal(error.kind, PH_ERROR_LIMIT);
    int file = file_with(long_text, PH_MESSAGE_HEADER_MAX + 1);
    assert_null(ph_message_from_descriptor(file, &error));
    assert_int_equal(error.kind, PH_ERROR_LIMIT);
    close(file);
    message = ph_message_from_memory(long_text, PH_MESSAGE_HEADER_MAX, &error);
    assert_non_null(message);
    ph_message_free(message);
    free(long_text);

    char *text = calloc(1, PH_MESSAGE_TEXT_MAX + 1);
    assert_non_null(text);
    message = new_message();
    assert_false(ph_message_set_text(message, text, PH_MESSAGE_TEXT_MAX + 1, &error));
    assert_int_equal(error.kind, PH_ERROR_LIMIT);
    ph_message_free(message);
    free(text);
}

/* ---- memory ---- */

static bool build_and_render(void)
{
    struct ph_error error = {0};
    const char *const *recipients;
    const char *sender;
    size_t count;
    char *data = NULL;
    struct ph_attachment about = {.filename = "ä b.txt", .description = "ö"};
    struct ph_message *message = ph_message_new(&error);
    bool is_done = message != NULL &&
                   ph_message_add_from(message, "Ä <a@bücher.example>", &error) &&
                   ph_message_add_to(message, "G: b@c, \"d e\" <f@g>;", &error) &&
                   ph_message_add_bcc(message, "h@i", &error) &&
                   ph_message_set_subject(message, "ü", &error) &&
                   ph_message_set_text(message, "ä", 2, &error) &&
                   ph_message_set_html(message, "<p>", 3, &error) &&
                   ph_message_attach_memory(message, "x", 1, &about, &error) &&
                   ph_message_sender(message, &sender, &error) &&
                   ph_message_recipients(message, &recipients, &count, &error) &&
                   ph_message_to_memory(message, NULL, &data, &count, &error);
    failing_allocation_stop();
    if (!is_done && error.kind != PH_ERROR_MEMORY && error.kind != PH_ERROR_LIMIT &&
        error.kind != PH_ERROR_BODY)
        fail_msg("%s", error.message);
    free(data);
    ph_message_free(message);
    return is_done;
}

static bool take_existing(void)
{
    static const char text[] = "From: \xc3\xa4 <a@b>\nTo: c@d\nBcc: e@f\n\nbody\n";
    struct ph_error error = {0};
    const char *const *recipients;
    size_t count;
    char *data = NULL;
    struct ph_message *message = ph_message_from_memory(text, sizeof text - 1, &error);
    bool is_done = message != NULL && ph_message_set_subject(message, "x", &error) &&
                   ph_message_complete(message, &error) &&
                   ph_message_recipients(message, &recipients, &count, &error) &&
                   ph_message_to_memory(message, NULL, &data, &count, &error);
    free(data);
    ph_message_free(message);
    return is_done;
}

static void memory_runs_out(void **state)
{
    (void)state;
    bool (*const stories[])(void) = {build_and_render, take_existing};
    for (size_t i = 0; i < 2; i++) {
        bool was_refused = true;
        for (size_t count = 0; was_refused; count++) {
            failing_allocation_start(count);
            bool is_done = stories[i]();
            was_refused = failing_allocation_stop();
            assert_true(is_done || was_refused);
            assert_true(count < 10000);
        }
    }
}

/* Megabytes stream through what fits in a few hundred kilobytes. */
static void memory_does_not_grow(void **state)
{
    (void)state;
    enum {
        BYTES_STREAMED = 64 << 20
    };
    struct countdown countdown = {.left = BYTES_STREAMED};
    struct ph_message *message = new_message();
    struct ph_body body;
    static char piece[65536];
    assert_true(
        ph_message_attach_callback(message, count_down, &countdown, BYTES_STREAMED, NULL, NULL));
    assert_true(ph_message_body(message, NULL, &body, NULL, NULL));
    assert_true(body.read(body.context, piece, sizeof piece) > 0);
    /* All that is needed was allocated for the first pieces: from here on nothing may be. */
    uint64_t total = sizeof piece;
    total += (uint64_t)body.read(body.context, piece, sizeof piece);
    ssize_t count;
    failing_allocation_start(0);
    while ((count = body.read(body.context, piece, sizeof piece)) > 0)
        total += (uint64_t)count;
    failing_allocation_stop();
    assert_int_equal(count, 0);
    assert_true(total == body.size);
    ph_message_free(message);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(no_setter_takes_a_line_end),
    cmocka_unit_test(texts_that_are_not),
    cmocka_unit_test(names_that_are_made_here),
    cmocka_unit_test(headers_as_set),
    cmocka_unit_test(what_is_missing_is_made),
    cmocka_unit_test(an_author_is_needed),
    cmocka_unit_test(envelopes),
    cmocka_unit_test(envelope_of_a_new_message),
    cmocka_unit_test(many_recipients),
    cmocka_unit_test(blind_copies_never_leave),
    cmocka_unit_test(untouched_bytes),
    cmocka_unit_test(odd_beginnings),
    cmocka_unit_test(fields_set_over_existing_ones),
    cmocka_unit_test(files_and_pipes),
    cmocka_unit_test(a_file_that_shrinks),
    cmocka_unit_test(headers_beyond_ascii),
    cmocka_unit_test(utf8_where_it_is_needed),
    cmocka_unit_test(encodings_by_content),
    cmocka_unit_test(callbacks),
    cmocka_unit_test(attachments_that_cannot_be),
    cmocka_unit_test(attached_files),
    cmocka_unit_test(sizes_are_exact),
    cmocka_unit_test(a_sink_that_stops),
    cmocka_unit_test(limits),
    cmocka_unit_test(memory_runs_out),
    cmocka_unit_test(memory_does_not_grow),
};

UNIT_MAIN(tests)
