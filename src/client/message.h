/* What a struct ph_message is inside; for the files message_*.c and ph_message*.c only. */
#ifndef CLIENT_MESSAGE_H
#define CLIENT_MESSAGE_H

#include <posthorn/message.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/fault.h"
#include "client/message_source.h"
#include "mail/address_list.h"
#include "mail/compose.h"
#include "mail/mime.h"

enum {
    MESSAGE_NAME_MAX = 76,          /* octets of a field's name */
    MESSAGE_PART_TEXT_MAX = 1 << 12 /* octets of a file name, content type, id or description */
};

/* How the value of a field is understood and written. */
enum message_field_kind {
    MESSAGE_FIELD_TEXT,      /* unstructured */
    MESSAGE_FIELD_ADDRESSES, /* an address list */
    MESSAGE_FIELD_ADDRESS,   /* one address */
    MESSAGE_FIELD_DATE,
    MESSAGE_FIELD_ID, /* one message id */
    MESSAGE_FIELD_IDS
};

/* What is known of a field by its name. */
struct message_field_rule {
    const char *name;
    enum message_field_kind kind;
    bool is_hidden; /* never sent: Bcc */
};

/* The order of this table is the order in which fields are written. */
extern const struct message_field_rule message_field_rules[];
extern const size_t message_field_rule_count;

/* NULL for a name that has no rule: it is unstructured. */
const struct message_field_rule *message_field_rule_find(struct bytes name);

/* A field given by a setter. */
struct message_field {
    const struct message_field_rule *rule; /* or NULL */
    struct buffer name;
    struct address_list addresses; /* of the kinds with addresses */
    struct buffer text;            /* of the others: no CR, LF or NUL */
    size_t size;                   /* its share of header_size */
};

/* An attachment or inline part. Empty texts are absent. */
struct message_part {
    struct message_source source;
    struct buffer filename;
    struct buffer content_type;
    struct buffer content_id;
    struct buffer description;
    bool is_inline;
};

struct ph_message {
    bool is_existing;

    struct message_field *fields;
    size_t field_count;
    size_t field_capacity;
    size_t header_size; /* octets of all that was given for headers */
    size_t address_count;
    struct buffer
        removed; /* an existing message's own fields that are left out: names, "\n" behind each */
    struct buffer id_domain;

    bool has_text;
    bool has_html;
    struct buffer text; /* with CRLF line ends, the last one too */
    struct buffer html;
    struct message_part *parts;
    size_t part_count;
    size_t part_capacity;
    char boundaries[3][MIME_BOUNDARY_MAX + 1]; /* made when first needed */

    struct bytes whole;   /* an existing message in memory; empty for other kinds */
    struct bytes section; /* its header section */
    struct buffer section_memory;
    struct message_source body;

    struct buffer sender;
    struct buffer recipient_text;
    const char **recipients;
    struct compose composition;
};

/* ---- what all of them use (message.c) ---- */

/* Turns a fault into an error; a syntax fault is PH_ERROR_ARGUMENT. Returns false. */
bool message_refuse(struct ph_error *error, const struct fault *fault, const char *what);

bool message_refuse_argument(struct ph_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The text is valid UTF-8 and has no control characters but the tab. */
bool message_text_is_valid(struct bytes text);

/* All addresses of one name, given or an existing message's own. */
bool message_collect(const struct ph_message *message, struct bytes name, struct address_list *list,
                     struct ph_error *error);

void message_part_clear(struct message_part *part);

/* ---- fields (message_field.c) ---- */

/* Sets or adds a field by its name, understood by its rule. */
bool message_field_put(struct ph_message *message, struct bytes name, struct bytes value,
                       bool is_set, struct ph_error *error);

/* Adds addresses that are parsed already to an address field; is_set: in place of those it has. */
bool message_field_put_addresses(struct ph_message *message, struct bytes name,
                                 const struct address_list *addresses, bool is_set,
                                 struct ph_error *error);

/* The first field of a name; NULL when there is none. */
struct message_field *message_field_find(const struct ph_message *message, struct bytes name);

/* Takes the given fields of a name away, and hides an existing message's own. */
bool message_field_remove(struct ph_message *message, struct bytes name, struct ph_error *error);

/* An existing message's own field of that name is left out. */
bool message_field_is_removed(const struct ph_message *message, struct bytes name);

/* Date and Message-ID, where they are missing. */
bool message_field_complete(struct ph_message *message, struct ph_error *error);

void message_field_clear(struct message_field *field);

/* ---- writing (message_write.c, message_tree.c) ---- */

/* Writes the header section of a message, without the fields of its parts and the empty line. */
bool message_write_fields(const struct ph_message *message, struct buffer *out, bool allow_utf8,
                          struct fault *fault);

/* As ph_message_needs_utf8. */
bool message_write_needs_utf8(const struct ph_message *message);

/* Writes the parts of a composed message, from MIME-Version on, into its composition. *is_7bit says
   whether all of it is. */
bool message_tree_write(struct ph_message *message, bool eight_bit, bool *is_7bit,
                        struct fault *fault);

#endif
