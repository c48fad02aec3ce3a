/* Finds bare names in address fields by a walk over RFC 5322's separators, without judging the
 * rest. */
#include "cli/sendmail_qualify.h"

#include <string.h>

#include "base/scan.h"

/* Where a mailbox of the list begins and what was met in it. */
struct mailbox {
    size_t words;         /* atoms outside of <...> */
    const char *word_end; /* behind the last of them */
    size_t inner_words;   /* atoms within <...> */
    const char *inner_end;
    bool has_angle;
    bool has_more; /* an "@", a quoted string, a route: not a bare name */
};

static bool is_address_field(struct bytes field)
{
    static const struct bytes names[] = {
        BYTES_INIT("From"),        BYTES_INIT("Sender"),     BYTES_INIT("Reply-To"),
        BYTES_INIT("To"),          BYTES_INIT("Cc"),         BYTES_INIT("Bcc"),
        BYTES_INIT("Resent-From"), BYTES_INIT("Resent-To"),  BYTES_INIT("Resent-Sender"),
        BYTES_INIT("Resent-Cc"),   BYTES_INIT("Resent-Bcc"),
    };
    struct bytes name;
    struct bytes value;
    bytes_split(field, ':', &name, &value);
    name = bytes_trim_end(name);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (bytes_equal_ignoring_case(name, names[i]))
            return true;
    }
    return false;
}

/* Takes what follows an opening character up to its closing one: a quoted string, a comment (which
   may hold others, RFC 5322 3.2.2) or a domain literal. */
static void take_enclosed(struct scan *scan, int open, int close)
{
    size_t depth = 1;
    while (depth > 0 && !scan_is_at_end(scan)) {
        int c = scan_take(scan);
        if (c == '\\')
            scan_take(scan);
        else if (c == close)
            depth--;
        else if (c == open)
            depth++;
    }
}

static bool is_word_character(int c)
{
    return c > ' ' && c != 127 && strchr("()<>[]:;@\\,\"", c) == NULL;
}

static void take_word(struct scan *scan, bool is_inner, struct mailbox *mailbox)
{
    while (is_word_character(scan_peek(scan)))
        scan_take(scan);
    if (is_inner) {
        mailbox->inner_words++;
        mailbox->inner_end = scan->position;
    } else {
        mailbox->words++;
        mailbox->word_end = scan->position;
    }
}

/* Takes one mailbox up to the separator behind it, which stays; returns that, or -1 at the end. */
static int take_mailbox(struct scan *scan, struct mailbox *mailbox)
{
    bool is_inner = false;
    for (;;) {
        int c = scan_peek(scan);
        if (c < 0 || (!is_inner && (c == ',' || c == ';' || c == ':')))
            return c;
        if (is_word_character(c)) {
            take_word(scan, is_inner, mailbox);
            continue;
        }
        scan_take(scan);
        if (c == '(') {
            take_enclosed(scan, '(', ')');
        } else if (c == '"') {
            take_enclosed(scan, -1, '"');
            mailbox->has_more = mailbox->has_more || is_inner || !mailbox->has_angle;
        } else if (c == '<') {
            is_inner = true;
            mailbox->has_angle = true;
            mailbox->has_more = false;
        } else if (c == '>') {
            is_inner = false;
        } else if (c == '@' || c == '[' || c == '\\' || c == ',' || c == ':' || c == ';') {
            mailbox->has_more = true;
        }
    }
}

void sendmail_qualify(struct bytes field, const char *domain, struct buffer *out)
{
    if (!is_address_field(field)) {
        buffer_append(out, field);
        return;
    }
    struct scan scan = scan_of(field);
    scan_take_until_char(&scan, ':');
    scan_take(&scan);
    const char *written = field.data;
    while (!scan_is_at_end(&scan)) {
        struct mailbox mailbox = {0};
        int separator = take_mailbox(&scan, &mailbox);
        const char *end = mailbox.has_angle ? mailbox.inner_end : mailbox.word_end;
        size_t words = mailbox.has_angle ? mailbox.inner_words : mailbox.words;
        /* What stands before a colon is the name of a group. */
        if (words == 1 && !mailbox.has_more && separator != ':') {
            buffer_append(out, bytes_of(written, (size_t)(end - written)));
            buffer_append_format(out, "@%s", domain);
            written = end;
        }
        scan_take(&scan);
    }
    buffer_append(out, bytes_of(written, (size_t)(field.data + field.length - written)));
}
