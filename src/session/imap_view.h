/* The selected mailbox as the client knows it: numbers, UIDs, flags and modseqs, and what it has
 * yet to be told. Only memory: no store, no loop. A message that was removed keeps its number until
 * the client has been told (RFC 9051 7.5.1); a new one has none until then. */
#ifndef SESSION_IMAP_VIEW_H
#define SESSION_IMAP_VIEW_H

#include "base/buffer.h"
#include "imap/imap_sequence.h"
#include "store/store_view.h"

enum {
    IMAP_VIEW_MESSAGES_MAX = 100 * 1000 * 1000
};

/* In view.messages[].flags, above the bits of the store. */
#define IMAP_VIEW_RECENT ((uint64_t)1 << 63)
#define IMAP_VIEW_GONE   ((uint64_t)1 << 62) /* removed, and the client was not told */
#define IMAP_VIEW_UNTOLD ((uint64_t)1 << 7)  /* flags changed, and the client was not told */
#define IMAP_VIEW_SILENT ((uint64_t)1 << 6)  /* the modseq: only for those who want modseqs */
#define IMAP_VIEW_STORED                                                                           \
    (~(IMAP_VIEW_RECENT | IMAP_VIEW_GONE | IMAP_VIEW_UNTOLD | IMAP_VIEW_SILENT))

struct imap_view_message {
    uint32_t uid;
    uint32_t modseq_above; /* imap_view.modseq_base */
    uint64_t flags;
};

struct imap_view {
    struct imap_view_message *messages; /* by UID; number = index + 1 */
    size_t count;                       /* those behind `told` are new to the client */
    size_t told;
    size_t capacity;
    size_t gone;        /* how many are IMAP_VIEW_GONE */
    size_t untold;      /* how many are IMAP_VIEW_UNTOLD or IMAP_VIEW_SILENT; the told only */
    size_t untold_from; /* the index of the first of them, or before it */
    size_t recent;      /* how many are IMAP_VIEW_RECENT */
    uint64_t modseq_base;
    uint64_t modseq;      /* the view shows the mailbox as it stood at this modseq */
    uint32_t uidnext;     /* of the mailbox then */
    uint32_t recent_from; /* UIDs from here on are \Recent in this session; 0 = none are */
    struct store_keywords keywords;
    bool has_untold_keywords; /* the client does not know all of them */
};

void imap_view_init(struct imap_view *view);
void imap_view_clear(struct imap_view *view);

/* Memory for so many, exactly; before adding what SELECT reads. */
bool imap_view_reserve(struct imap_view *view, size_t count, struct fault *fault);
/* A message with a higher UID than all before. False: memory. */
bool imap_view_add(struct imap_view *view, const struct store_view_message *message,
                   struct fault *fault);
/* Messages that were there once and are not: the first `missing` UIDs of these ranges, which are in
   order, that the view does not have. As many as there are; fewer are FAULT_BUG. */
bool imap_view_add_gone(struct imap_view *view, const struct store_uid_range *ranges, size_t count,
                        size_t missing, struct fault *fault);
/* All that is there counts as told: what SELECT's EXISTS says. */
void imap_view_tell_all(struct imap_view *view);

/* Takes in what happened. False: memory; the view is as it was. */
bool imap_view_apply(struct imap_view *view, const struct store_changes *changes,
                     struct fault *fault);

/* The names of the keywords, copied; told as FLAGS when they are others than before. */
bool imap_view_set_keywords(struct imap_view *view, const struct store_keywords *keywords,
                            struct fault *fault);

/* Our own changes, known without asking the store. imap_view_set_flags: as the job did it on all
   messages of these numbers that are not in `refused`; is_silent: the client is not told (but of
   modseqs where it wants them). imap_view_remove: they are to be told as removed. When modseq is
   the one that follows view->modseq, the view is then up to date with it. */
void imap_view_set_flags(struct imap_view *view, const struct imap_range *numbers, size_t count,
                         int mode, uint64_t bits, uint64_t modseq, bool is_silent,
                         const struct store_uid_range *refused, size_t refused_count);
void imap_view_remove(struct imap_view *view, const struct store_uid_range *uids, size_t count,
                      uint64_t modseq);

/* The flags of these messages are to be told, whatever was said of them. */
void imap_view_tell_again(struct imap_view *view, const struct imap_range *numbers, size_t count);

static inline uint64_t imap_view_modseq_of(const struct imap_view *view,
                                           const struct imap_view_message *message)
{
    return view->modseq_base + message->modseq_above;
}

/* The index of the first message with this UID or a higher one, among all. */
size_t imap_view_find(const struct imap_view *view, uint32_t uid);

/* The messages that a set names, as ranges of numbers (told ones only, those that are gone among
   them) in the arena. is_uid: it names UIDs, and unknown ones fall away. A number past the last is
   FAULT_SYNTAX (BAD). */
bool imap_view_resolve(const struct imap_view *view, const struct imap_sequence *sequence,
                       bool is_uid, struct arena *arena, struct imap_range **numbers, size_t *count,
                       struct fault *fault);

/* The highest UID of pairs, a number and the UID that a client knows for it (the n-th number of one
   set and the n-th of the other), that are so in the view too; 0 = none. Up to there the client
   knows of all that went (RFC 7162 3.2.5.2). */
uint32_t imap_view_match(const struct imap_view *view, const struct imap_sequence *numbers,
                         const struct imap_sequence *uids);

/* The same messages as ranges of UIDs that hold no others, without those that are gone: for the
   store. To be freed. False: memory. */
bool imap_view_uid_ranges(const struct imap_view *view, const struct imap_range *numbers,
                          size_t count, struct store_uid_range **ranges, size_t *range_count,
                          struct fault *fault);

struct imap_view_telling {
    bool allows_expunge; /* false during FETCH, STORE, SEARCH (RFC 9051 7.5.1) */
    bool wants_vanished; /* QRESYNC: VANISHED instead of EXPUNGE */
    bool wants_modseq;   /* CONDSTORE: MODSEQ with FLAGS */
    bool wants_uid;      /* in FETCH responses too (UID commands, QRESYNC) */
    bool has_recent;     /* rev1 */
    bool is_read_only;   /* by EXAMINE: no flag is permanent */
};
/* Writes untagged EXPUNGE or VANISHED, EXISTS, RECENT, FLAGS and FETCH, and counts it as told.
   Stops early when *out holds `most` bytes: false, call again. */
bool imap_view_tell(struct imap_view *view, const struct imap_view_telling *how, struct buffer *out,
                    size_t most);

/* Untagged FLAGS and OK [PERMANENTFLAGS]. */
void imap_view_tell_flags(const struct imap_view *view, bool is_read_only, struct buffer *out);
/* Untagged FETCH of one message with what `how` wants; FLAGS where has_flags. */
void imap_view_tell_message(const struct imap_view *view, size_t index, bool has_flags,
                            const struct imap_view_telling *how, struct buffer *out);

/* Something is there that imap_view_tell would say. */
bool imap_view_tell_has_news(const struct imap_view *view, bool allows_expunge);

#endif
