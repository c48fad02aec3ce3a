/* Messages: built from parts, or taken as they are, and read from piece by piece when they are
 * sent.
 *
 * A message is either *composed* (ph_message_new: headers and parts are given one by one; RFC 5322,
 * MIME of RFC 2045 to 2049, 2047, 2183, 2231) or *existing* (ph_message_from_...: bytes that are a
 * message already; sent as they are but for Bcc and Resent-Bcc, for header fields beyond ASCII, see
 * struct ph_rendering, and for fields that are set here and then stand in place of those of the
 * same name).
 *
 * Texts are UTF-8 and NUL-terminated unless a length is given; a text that is not valid UTF-8, or a
 * header value with CR, LF, NUL or another control character but the tab, is PH_ERROR_ARGUMENT:
 * nothing that is passed in can add a header field or a line. Every parameter is borrowed for the
 * call only, where the function does not say otherwise. Every function that returns bool leaves the
 * message as it was when it returns false, and fills *error (NULL is allowed). All of them may fail
 * with PH_ERROR_MEMORY; PH_ERROR_LIMIT is one of the limits below. A message belongs to one thread
 * at a time. */
#ifndef POSTHORN_MESSAGE_H
#define POSTHORN_MESSAGE_H

#include <posthorn/transaction.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ph_message;

enum {
    PH_MESSAGE_HEADER_MAX = 1 << 20,   /* bytes of a header section */
    PH_MESSAGE_TEXT_MAX = 1 << 26,     /* bytes of the text and of the HTML; attach what is more */
    PH_MESSAGE_FIELDS_MAX = 1000,      /* header fields given one by one */
    PH_MESSAGE_ADDRESSES_MAX = 100000, /* addresses in all fields together */
    PH_MESSAGE_ATTACHMENTS_MAX = 1000, /* attachments and inline parts */
    PH_MESSAGE_LINE_MAX = 998          /* bytes of a header line without CRLF (RFC 5322 2.1.1) */
};

/* ---- birth and end ---- */

/* A new, empty message. NULL: out of memory, *error says so. Freed by ph_message_free. */
PH_API struct ph_message *ph_message_new(struct ph_error *error);

/* A message from memory: length bytes at data, header section, empty line and body, with any line
 * ends. The bytes are *borrowed until ph_message_free* and never written to. An mbox "From " line
 * in front is left out; a message whose first line is no header field has no header, all of it is
 * body. NULL: PH_ERROR_LIMIT (the header section is too long). RFC 5322 2.1. */
PH_API struct ph_message *ph_message_from_memory(const char *data, size_t length,
                                                 struct ph_error *error);

/* The same from a file, which is opened now, held open until ph_message_free, and read only as far
 * as the header section now; its body is streamed when sent. What is no regular file (a pipe) can
 * be sent once only. NULL: PH_ERROR_BODY with the system's error, or as above. */
PH_API struct ph_message *ph_message_from_file(const char *path, struct ph_error *error);

/* The same from an open descriptor, from its present offset to its end; it stays the caller's and
 * must stay open until ph_message_free. A regular file is read without moving its offset, anything
 * else can be sent once only. */
PH_API struct ph_message *ph_message_from_descriptor(int descriptor, struct ph_error *error);

/* Frees a message with all that it owns; what was borrowed from it ends. NULL is allowed. */
PH_API void ph_message_free(struct ph_message *message);

/* ---- addresses (RFC 5322 3.4, 3.6.2, 3.6.3; RFC 6532) ---- */

enum ph_address_field {
    PH_FROM = 0,
    PH_SENDER, /* one address only */
    PH_REPLY_TO,
    PH_TO,
    PH_CC,
    PH_BCC /* a recipient like the others, but never in what is sent */
};

/* Adds the addresses of a text to a field: "ann@x.example, Bob Ray <bob@x.example>, Friends:
 * carl@x.example;". Quoted strings, comments, groups and the obsolete forms of RFC 5322 4.4 are
 * understood; the text is parsed, never copied through. PH_ERROR_ARGUMENT: it is not an address
 * list, it is empty, or PH_SENDER would have two addresses or a group. In an existing message the
 * first call for a field takes the place of the message's own fields of that name. */
PH_API bool ph_message_add_addresses(struct ph_message *message, enum ph_address_field field,
                                     const char *text, struct ph_error *error);

/* Adds one address, "user@host", with a display name in plain words (UTF-8, unquoted), or NULL for
 * none. */
PH_API bool ph_message_add_address(struct ph_message *message, enum ph_address_field field,
                                   const char *display_name, const char *address,
                                   struct ph_error *error);

/* ph_message_add_addresses by name. */
PH_API bool ph_message_add_from(struct ph_message *message, const char *text,
                                struct ph_error *error);
PH_API bool ph_message_add_reply_to(struct ph_message *message, const char *text,
                                    struct ph_error *error);
PH_API bool ph_message_add_to(struct ph_message *message, const char *text, struct ph_error *error);
PH_API bool ph_message_add_cc(struct ph_message *message, const char *text, struct ph_error *error);
PH_API bool ph_message_add_bcc(struct ph_message *message, const char *text,
                               struct ph_error *error);

/* The one who sent it when From is somebody else or more than one (RFC 5322 3.6.2); takes the place
 * of an earlier one. */
PH_API bool ph_message_set_sender(struct ph_message *message, const char *text,
                                  struct ph_error *error);

/* ---- other headers ---- */

/* The subject; "" is an empty Subject field. RFC 5322 3.6.5. */
PH_API bool ph_message_set_subject(struct ph_message *message, const char *subject,
                                   struct ph_error *error);

/* The date: seconds since 1970-01-01 00:00 UTC, shown with an offset in minutes east of UTC (-1439
 * to 1439). Not given: a composed message is dated when it is first rendered, in UTC. RFC
 * 5322 3.6.1. */
PH_API bool ph_message_set_date(struct ph_message *message, int64_t seconds, int offset_minutes,
                                struct ph_error *error);

/* The message id, "left@right", with or without its brackets. Not given: a composed message gets
 * one of 128 random bits when it is first rendered, at the domain below. RFC 5322 3.6.4. */
PH_API bool ph_message_set_message_id(struct ph_message *message, const char *id,
                                      struct ph_error *error);

/* The domain on the right side of an id that is made here. Not given: the domain of the first From
 * address. */
PH_API bool ph_message_set_id_domain(struct ph_message *message, const char *domain,
                                     struct ph_error *error);

/* The ids of the message(s) answered to, and of the thread, separated by blanks. RFC 5322 3.6.4. */
PH_API bool ph_message_set_in_reply_to(struct ph_message *message, const char *ids,
                                       struct ph_error *error);
PH_API bool ph_message_set_references(struct ph_message *message, const char *ids,
                                      struct ph_error *error);

/* Any other field: set takes the place of all fields of that name, add puts one more behind them.
 * name is the field's name without colon (RFC 5322 3.6.8: printable ASCII), value its text, which
 * is encoded (RFC 2047) and folded as needed. The names of fields above, Resent-From and its kin
 * among them, are understood as by their own functions ("To": an address list). PH_ERROR_ARGUMENT:
 * also for MIME-Version and Content-* in a composed message, which the parts make. */
PH_API bool ph_message_set_header(struct ph_message *message, const char *name, const char *value,
                                  struct ph_error *error);
PH_API bool ph_message_add_header(struct ph_message *message, const char *name, const char *value,
                                  struct ph_error *error);

/* Takes all fields of a name away, an existing message's own too. None there is no error. */
PH_API bool ph_message_remove_header(struct ph_message *message, const char *name,
                                     struct ph_error *error);

/* True when there is a field of that name (in any case), set here or an existing message's own. */
PH_API bool ph_message_has_header(const struct ph_message *message, const char *name);

/* Gives an existing message what submitted mail must have (RFC 6409 8.2, 8.3): Date and Message-ID
 * are made where they are missing. A composed message needs no such call. PH_ERROR_ARGUMENT: no
 * domain for the id is known. */
PH_API bool ph_message_complete(struct ph_message *message, struct ph_error *error);

/* ---- body of a composed message; PH_ERROR_ARGUMENT for an existing one ---- */

/* The body as plain text, and as HTML: with both, readers choose (multipart/alternative, RFC
 * 2046 5.1.4). length bytes of UTF-8 with any line ends; NUL bytes are refused. Copied. A second
 * call takes the place of the first. */
PH_API bool ph_message_set_text(struct ph_message *message, const char *text, size_t length,
                                struct ph_error *error);
PH_API bool ph_message_set_html(struct ph_message *message, const char *html, size_t length,
                                struct ph_error *error);

/* What is to be said about an attachment. Zero is the default of every field; copied. */
struct ph_attachment {
    const char *filename; /* shown to the reader, any UTF-8 without path (RFC 2183 2.3); NULL = the
                             file's own, or none */
    const char *content_type; /* "type/subtype" or "type/subtype; name=value"; NULL = by the file
                                 name's end, else application/octet-stream */
    const char
        *content_id;         /* "logo" or "left@right": an inline part that the HTML body shows as
                                "cid:logo"   (RFC 2392), in multipart/related (RFC 2387); NULL = not */
    const char *description; /* Content-Description (RFC 2045 8), or NULL */
    bool is_inline;          /* Content-Disposition: inline although there is no content id */
};

/* Attaches length bytes. Copied; to avoid that, see the callback. about may be NULL. */
PH_API bool ph_message_attach_memory(struct ph_message *message, const void *data, size_t length,
                                     const struct ph_attachment *about, struct ph_error *error);

/* Attaches a file: opened now, held open until ph_message_free, streamed when sent. Its size is
 * taken now: when it is shorter then, sending fails with PH_ERROR_BODY. What is no regular file (a
 * pipe) can be sent once only. PH_ERROR_BODY with the system's error when it cannot be opened. */
PH_API bool ph_message_attach_file(struct ph_message *message, const char *path,
                                   const struct ph_attachment *about, struct ph_error *error);

/* Attaches what a callback gives, read only when sent, and once only. size: how many bytes it will
 * give, or 0 when not known; when it gives another number, sending fails. context is borrowed until
 * ph_message_free. */
PH_API bool ph_message_attach_callback(struct ph_message *message, ph_body_read *read,
                                       void *context, uint64_t size,
                                       const struct ph_attachment *about, struct ph_error *error);

/* ---- envelope ---- */

/* The sender that the headers name: Resent-Sender, Resent-From in a resent message, else Sender,
 * else From: the first address of the field. *sender is "user@host", borrowed until the message is
 * next changed or freed. PH_ERROR_ARGUMENT: there is none, the field cannot be read, or there is
 * more than one Resent block (RFC 5322 3.6.6). */
PH_API bool ph_message_sender(struct ph_message *message, const char **sender,
                              struct ph_error *error);

/* The recipients that the headers name: every address, groups' members too, of all To, Cc and Bcc
 * fields, or of Resent-To, Resent-Cc, Resent-Bcc in a resent message; in this order, each mailbox
 * once. *recipients is an array of *count strings "user@host", borrowed until the message is next
 * changed or freed. PH_ERROR_ARGUMENT: as above. */
PH_API bool ph_message_recipients(struct ph_message *message, const char *const **recipients,
                                  size_t *count, struct ph_error *error);

/* ---- rendering ---- */

/* What the way out can carry. Zero: 7-bit ASCII only. utf8 says that the server offers SMTPUTF8:
 * UTF-8 headers (RFC 6532) are used where an address cannot do without, with prefer_utf8 wherever
 * there is something beyond ASCII; everywhere else it is encoded (RFC 2047), in an existing message
 * too. eight_bit says that the server offers 8BITMIME (RFC 6152): texts of a composed message need
 * no encoding. */
struct ph_rendering {
    bool utf8;
    bool prefer_utf8;
    bool eight_bit;
};

/* True when the message can go only where SMTPUTF8 is offered: a header field holds an address
 * whose local part is not ASCII. */
PH_API bool ph_message_needs_utf8(const struct ph_message *message);

/* Renders the message for sending: *body, to be put into a struct ph_transaction, gives it piece by
 * piece and with memory that does not depend on the size of attachments; *utf8_headers (may be
 * NULL) says whether SMTPUTF8 must be demanded (ph_transaction.utf8_headers). rendering NULL =
 * zero. body->size is exact where it can be known, else 0. The body is borrowed until the next call
 * with this message that renders, changes or frees it. PH_ERROR_ARGUMENT: a composed message
 * without From, or more than one From address and no Sender (RFC 5322 3.6.2).
 * PH_ERROR_NOT_SUPPORTED: it needs utf8. PH_ERROR_BODY: it has a part that can be sent only once
 * and was. */
PH_API bool ph_message_body(struct ph_message *message, const struct ph_rendering *rendering,
                            struct ph_body *body, bool *utf8_headers, struct ph_error *error);

/* Takes a piece of a rendered message. False = stop. */
typedef bool ph_message_sink(void *context, const char *piece, size_t length);

/* Renders the message into a callback, as ph_message_body does and with its errors; PH_ERROR_BODY
 * also when the sink says false. Line ends of an existing message's body are as they are. */
PH_API bool ph_message_write(struct ph_message *message, const struct ph_rendering *rendering,
                             ph_message_sink *sink, void *context, struct ph_error *error);

/* The same into memory: *data, to be freed with free(3), *length bytes and a NUL behind them. */
PH_API bool ph_message_to_memory(struct ph_message *message, const struct ph_rendering *rendering,
                                 char **data, size_t *length, struct ph_error *error);

#ifdef __cplusplus
}
#endif

#endif
