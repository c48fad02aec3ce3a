/* The envelope that the headers of a message name (RFC 5322 3.6.2, 3.6.3, 3.6.6). */
#include "client/message.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/auto.h"
#include "mail/header.h"
#include "smtp/smtp_error.h"

/* How many fields of a name there are; a setter gives no more than one. */
static size_t count_fields(const struct ph_message *message, struct bytes name)
{
    size_t count = message_field_find(message, name) != NULL;
    if (message_field_is_removed(message, name))
        return count;
    struct bytes rest = message->section;
    struct header_field own;
    while (header_next(&rest, &own))
        count += bytes_equal_ignoring_case(own.name, name);
    return count;
}

/* A message that was sent again names the envelope in its Resent fields. With more than one block
   of them nothing says which is the latest that counts. */
static bool look_for_resent(const struct ph_message *message, bool *is_resent,
                            struct ph_error *error)
{
    static const struct {
        const char *name;
        bool is_single; /* once in each block (RFC 5322 3.6) */
    } names[] = {{"Resent-Date", true},       {"Resent-From", true}, {"Resent-Sender", true},
                 {"Resent-Message-ID", true}, {"Resent-To", false},  {"Resent-Cc", false},
                 {"Resent-Bcc", false}};
    *is_resent = false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t count = count_fields(message, bytes_from_string(names[i].name));
        if (count > 1 && names[i].is_single)
            return message_refuse_argument(
                error,
                "the message was resent more than once (%zu fields %s): give the sender and "
                "the recipients",
                count, names[i].name);
        *is_resent |= count > 0;
    }
    return true;
}

/* *sender is empty when the field has no address. */
static bool first_of(struct ph_message *message, const char *name, struct buffer *sender,
                     struct ph_error *error)
{
    AUTO(address_list)
    list = ADDRESS_LIST;
    if (!message_collect(message, bytes_from_string(name), &list, error))
        return false;
    const struct address *first = address_list_first(&list);
    if (first != NULL)
        address_print(first, sender);
    return !buffer_is_failed(sender) || smtp_error_memory(error);
}

bool ph_message_sender(struct ph_message *message, const char **sender, struct ph_error *error)
{
    AUTO(buffer)
    found = BUFFER(ADDRESS_TEXT_MAX);
    bool is_resent;
    if (!look_for_resent(message, &is_resent, error) ||
        !first_of(message, is_resent ? "Resent-Sender" : "Sender", &found, error) ||
        (found.length == 0 &&
         !first_of(message, is_resent ? "Resent-From" : "From", &found, error)))
        return false;
    if (found.length == 0)
        return message_refuse_argument(error, "the message has no %s address to send from",
                                       is_resent ? "Resent-From" : "From");
    const char *text = buffer_string(&found);
    if (text == NULL)
        return smtp_error_memory(error);
    *sender = text;
    struct buffer old = message->sender;
    message->sender = found;
    found = old;
    return true;
}

/* ---- recipients ---- */

/* By local part, byte by byte, then by domain without regard to case; the first one first. */
static int compare(const void *left, const void *right)
{
    const char *one = **(const char *const *const *)left;
    const char *other = **(const char *const *const *)right;
    size_t one_length = (size_t)(strrchr(one, '@') - one);
    size_t other_length = (size_t)(strrchr(other, '@') - other);
    if (one_length != other_length)
        return one_length < other_length ? -1 : 1;
    int order = memcmp(one, other, one_length);
    return order != 0 ? order : strcasecmp(one + one_length, other + other_length);
}

static int compare_with_place(const void *left, const void *right)
{
    int order = compare(left, right);
    const char *const *one = *(const char *const *const *)left;
    const char *const *other = *(const char *const *const *)right;
    return order != 0 ? order : (one > other) - (one < other);
}

/* Leaves the first of each mailbox, in the order they came in. */
static bool drop_doubles(const char **recipients, size_t *count, struct ph_error *error)
{
    const char ***sorted = malloc((*count + 1) * sizeof *sorted);
    if (sorted == NULL)
        return smtp_error_memory(error);
    for (size_t i = 0; i < *count; i++)
        sorted[i] = &recipients[i];
    qsort(sorted, *count, sizeof *sorted, compare_with_place);
    /* Of equals the first stays; a later one is marked once its turn as a neighbour is over. */
    for (size_t i = *count; i > 1; i--) {
        if (compare(&sorted[i - 1], &sorted[i - 2]) == 0)
            *sorted[i - 1] = NULL;
    }
    free(sorted);
    size_t kept = 0;
    for (size_t i = 0; i < *count; i++) {
        if (recipients[i] != NULL)
            recipients[kept++] = recipients[i];
    }
    *count = kept;
    return true;
}

static bool collect_recipients(const struct ph_message *message, struct address_list *list,
                               struct ph_error *error)
{
    bool is_resent;
    if (!look_for_resent(message, &is_resent, error))
        return false;
    return message_collect(message, is_resent ? BYTES("Resent-To") : BYTES("To"), list, error) &&
           message_collect(message, is_resent ? BYTES("Resent-Cc") : BYTES("Cc"), list, error) &&
           message_collect(message, is_resent ? BYTES("Resent-Bcc") : BYTES("Bcc"), list, error);
}

/* Prints the mailboxes into text, a NUL behind each, and points at them. */
static const char **print_all(const struct address_list *list, struct buffer *text)
{
    const char **recipients = malloc((list->mailbox_count + 1) * sizeof *recipients);
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].kind == ADDRESS_LIST_MAILBOX) {
            address_print(&list->items[i].address, text);
            buffer_append_char(text, '\0');
        }
    }
    if (recipients == NULL || buffer_is_failed(text)) {
        free(recipients);
        return NULL;
    }
    const char *next = buffer_bytes(text).data;
    for (size_t i = 0; i < list->mailbox_count; i++) {
        recipients[i] = next;
        next += strlen(next) + 1;
    }
    return recipients;
}

bool ph_message_recipients(struct ph_message *message, const char *const **recipients,
                           size_t *count, struct ph_error *error)
{
    AUTO(address_list)
    list = ADDRESS_LIST;
    AUTO(buffer)
    text = BUFFER(message->recipient_text.limit);
    if (!collect_recipients(message, &list, error))
        return false;
    if (list.mailbox_count == 0)
        return message_refuse_argument(error, "the message names no recipient in To, Cc or Bcc");
    size_t found = list.mailbox_count;
    const char **all = print_all(&list, &text);
    if (all == NULL)
        return smtp_error_memory(error);
    if (!drop_doubles(all, &found, error)) {
        free(all);
        return false;
    }
    free(message->recipients);
    message->recipients = all;
    struct buffer old = message->recipient_text;
    message->recipient_text = text;
    text = old;
    *recipients = message->recipients;
    *count = found;
    return true;
}
