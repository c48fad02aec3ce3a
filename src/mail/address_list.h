/* Address lists as header fields have them: RFC 5322 3.4 with groups and comments, 4.4 (obsolete
 * forms) on reading, RFC 6532. Nothing is guessed: what is not a list is refused whole. */
#ifndef MAIL_ADDRESS_LIST_H
#define MAIL_ADDRESS_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/fault.h"
#include "base/scan.h"
#include "mail/address.h"
#include "mail/header_writer.h"

enum {
    ADDRESS_LIST_TEXT_MAX = 1 << 20,    /* bytes of a list that is read */
    ADDRESS_LIST_COUNT_MAX = 100000,    /* mailboxes of a list */
    ADDRESS_LIST_COMMENT_DEPTH_MAX = 50 /* comments in comments */
};

enum address_list_kind {
    ADDRESS_LIST_MAILBOX,
    ADDRESS_LIST_GROUP,    /* the mailboxes behind it are its members... */
    ADDRESS_LIST_GROUP_END /* ...up to this */
};

/* Read only. */
struct address_list_item {
    enum address_list_kind kind;
    size_t name_start; /* the display name in names, empty for none; without quotes, UTF-8 */
    size_t name_length;
    struct address address; /* of a mailbox */
};

struct address_list {
    struct address_list_item *items;
    size_t count;
    size_t capacity;
    size_t mailbox_count;
    struct buffer names;
};

#define ADDRESS_LIST ((struct address_list){.names = {.limit = ADDRESS_LIST_TEXT_MAX}})

/* Accepts NULL. */
void address_list_clear(struct address_list *list);

/* Reads a list, unfolded, and appends it. False: the list is as it was; FAULT_SYNTAX says near
   what, FAULT_LIMIT, or memory. An empty text adds nothing. Encoded words in display names are
   decoded. */
bool address_list_parse(struct address_list *list, struct bytes text, struct fault *fault);

/* Appends one mailbox. The name is plain text; empty for none. */
bool address_list_add(struct address_list *list, struct bytes name, const struct address *address,
                      struct fault *fault);

/* Appends copies of all items of another list. */
bool address_list_append(struct address_list *list, const struct address_list *other,
                         struct fault *fault);

/* The display name of an item; borrowed until the list is changed. */
struct bytes address_list_name(const struct address_list *list,
                               const struct address_list_item *item);

/* The first mailbox; NULL when there is none. Borrowed as above. */
const struct address *address_list_first(const struct address_list *list);

/* A mailbox has a local part that is not ASCII: only UTF-8 headers can hold it. */
bool address_list_needs_utf8(const struct address_list *list);

/* Something in it is not ASCII. */
bool address_list_is_ascii(const struct address_list *list);

/* Writes the list as the value of a field: names as they are, quoted or encoded as they need it,
   addresses in their normal form. Without allow_utf8 domains are A-labels; the list must then not
   need UTF-8. */
bool address_list_write(const struct address_list *list, struct header_writer *writer,
                        bool allow_utf8, struct fault *fault);

/* For address_list_parse.c. */

/* atext (RFC 5322 3.2.3) and everything beyond ASCII (RFC 6532 3.2). */
extern const struct scan_class address_list_atom_characters;

bool address_list_add_item(struct address_list *list, enum address_list_kind kind,
                           struct bytes name, const struct address *address, struct fault *fault);

/* Back to what the list was. */
void address_list_shorten(struct address_list *list, size_t count, size_t mailbox_count,
                          size_t names_length);

#endif
