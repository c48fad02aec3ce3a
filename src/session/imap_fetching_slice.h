/* A piece of the answer to a FETCH: some messages of the view, of which a worker writes as many as
 * fill a slice, or a part of one that is larger. */
#ifndef SESSION_IMAP_FETCHING_SLICE_H
#define SESSION_IMAP_FETCHING_SLICE_H

#include "base/buffer.h"
#include "mail/transfer_decoder.h"
#include "session/imap_context.h"
#include "session/imap_fetching_plan.h"
#include "store/store_fetch.h"

enum {
    IMAP_FETCHING_SLICE_MAX = 4 * IMAP_SLICE,  /* bytes of a slice for who reads them at once */
    IMAP_FETCHING_SLOTS_MAX = 2048,            /* messages that are handed to a worker at once */
    IMAP_FETCHING_STRUCTURE_MAX = 1024 * 1024, /* bytes of a stored body structure that is printed
                                                  part by part */
    IMAP_FETCHING_TEXT_MAX = 15 * 1024 * 1024  /* bytes of a slice: a structure is in one piece;
                                                  below what the engine takes */
};

/* A message as the view had it. */
struct imap_fetching_slot {
    uint32_t number;
    uint32_t uid;
    uint64_t flags;
    uint64_t modseq;
    bool tells_seen; /* it becomes \Seen by this command: FLAGS say so, asked for or not */
};

/* What is left of an item that is larger than a slice: bytes of the message, perhaps to be
   decoded. It goes on by what a row of the body has, STORE_FETCH_DATA_MAX bytes at most. */
struct imap_fetching_rest {
    bool is_open;
    size_t item;
    uint64_t prefix_size; /* of the message */
    uint64_t offset;      /* in the message */
    uint64_t end;
    bool is_binary;
    struct transfer_decoder decoder;
    uint64_t skip; /* decoded bytes that are not wanted, before those that are */
    uint64_t left; /* decoded bytes that are still to come */
};

/* In nobody's hands but a worker's while it works. */
struct imap_fetching_slice {
    const struct imap_fetching_plan *plan;
    int64_t mailbox;
    const struct bytes *keywords; /* of the view: names by bit */
    size_t keyword_count;
    struct imap_fetching_slot *slots;
    size_t count;
    size_t done;                    /* of them */
    size_t size;                    /* bytes of text that fill it, about */
    struct imap_fetching_rest rest; /* of slots[done] */
    size_t typical;                 /* bytes that a message took, about; 0 = not known */
    struct buffer scratch;
    struct buffer decoded;

    /* The answer. */
    struct buffer text; /* whole lines, but where `rest` is open */
    bool has_gone;      /* a message was no longer there */
    bool has_unknown_encoding;
    bool is_damaged;
    struct fault damage; /* why */
};

void imap_fetching_slice_clear(struct imap_fetching_slice *slice);

/* Writes until the text has slice->size bytes, about, or all slots are done. False: what the text
   holds is of no use. */
bool imap_fetching_slice_run(struct imap_fetching_slice *slice, struct db *db, struct fault *fault);

/* ---- one message ---- */

enum imap_fetching_outcome {
    IMAP_FETCHING_WRITTEN = 0,
    IMAP_FETCHING_PAUSED,   /* the slice is full, `rest` is open */
    IMAP_FETCHING_LEFT_OUT, /* an encoding is unknown, or what was stored is damaged; noted */
    IMAP_FETCHING_FAILED    /* fault */
};

/* Writes the line of a message from its first item on. Where the view has all, row and db may be
   NULL. */
enum imap_fetching_outcome imap_fetching_message_write(struct imap_fetching_slice *slice,
                                                       struct db *db,
                                                       const struct imap_fetching_slot *slot,
                                                       const struct store_fetched *row,
                                                       struct fault *fault);
/* Goes on with the item that is open and the items behind it. */
enum imap_fetching_outcome imap_fetching_message_go_on(struct imap_fetching_slice *slice,
                                                       struct db *db,
                                                       const struct imap_fetching_slot *slot,
                                                       struct fault *fault);

/* ---- sections ---- */

/* Appends the value of SECTION, BINARY or BINARY_SIZE. PAUSED: `rest` is open, go on. */
enum imap_fetching_outcome imap_fetching_section_write(struct imap_fetching_slice *slice,
                                                       struct db *db,
                                                       const struct store_fetched *row,
                                                       const struct imap_fetching_item *item,
                                                       struct fault *fault);
/* Appends what is open until the slice is full; row NULL: it is read by range. */
enum imap_fetching_outcome imap_fetching_section_go_on(struct imap_fetching_slice *slice,
                                                       struct db *db, uint32_t uid,
                                                       const struct store_fetched *row,
                                                       struct fault *fault);

#endif
