/* Does a message fit the keys of a SEARCH, as far as what was read of it tells? */
#ifndef SESSION_IMAP_SEARCHING_MATCH_H
#define SESSION_IMAP_SEARCHING_MATCH_H

#include "mail/message_envelope.h"
#include "session/imap_searching_program.h"

enum imap_searching_answer {
    IMAP_SEARCHING_NO = 0,
    IMAP_SEARCHING_YES,
    IMAP_SEARCHING_UNKNOWN /* more must be read of it */
};

/* As the view knows it. */
struct imap_searching_candidate {
    uint32_t number;
    uint32_t uid;
    uint64_t flags;
    uint64_t modseq;
    enum imap_searching_answer answer;
};

/* What a worker needs to look into messages, one after another. Zero at the start, with db, mailbox
   and the limit of text set. */
struct imap_searching_reader {
    struct db *db;
    int64_t mailbox;
    struct message_search *search; /* made when it is first needed */
    struct buffer text;            /* addresses */
    struct buffer rest;            /* a piece of a large message */
    const struct store_fetched *message;
    struct message_envelope envelope;
    bool has_envelope; /* it was read */
    uint64_t bytes;    /* read so far, about */
    struct fault fault;
};
void imap_searching_match_reader_init(struct imap_searching_reader *reader, struct db *db,
                                      int64_t mailbox);
void imap_searching_match_reader_clear(struct imap_searching_reader *reader);

/* Keys of the view. */
enum imap_searching_answer
imap_searching_match_view(const struct imap_searching_program *program,
                          const struct imap_searching_candidate *candidate);

/* Keys up to a level; `message` has what program->wants of that level asks for. When something goes
   wrong reader->fault is set. */
enum imap_searching_answer imap_searching_match(const struct imap_searching_program *program,
                                                enum imap_searching_level level,
                                                const struct imap_searching_candidate *candidate,
                                                struct imap_searching_reader *reader,
                                                const struct store_fetched *message);

#endif
