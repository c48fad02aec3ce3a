/* Keeping a message that has come in: the body once, one row for each mailbox, one for each far
 * recipient, in one job. */
#ifndef STORE_STORE_DELIVERY_H
#define STORE_STORE_DELIVERY_H

#include "mail/message_parser.h"
#include "store/store_draft.h"
#include "store/store_jobs.h"
#include "store/store_sending.h"

/* System flags (RFC 9051 2.3.2); a set, kept in message.flags. */
enum store_flag {
    STORE_FLAG_SEEN = 1,
    STORE_FLAG_ANSWERED = 2,
    STORE_FLAG_FLAGGED = 4,
    STORE_FLAG_DELETED = 8,
    STORE_FLAG_DRAFT = 16,
    /* Nobody's flag: in every row, and in none that is told of. SQLite keeps 0 and 1 in no byte and
       64 to 127 in one, and writes a row where it is only if its size stays. */
    STORE_FLAG_KEPT = 64
};

/* Flags as they are told, from those of a row. */
static inline uint64_t store_flags_told(int64_t kept)
{
    return (uint64_t)kept & ~(uint64_t)STORE_FLAG_KEPT;
}

enum store_delivery_outcome {
    STORE_DELIVERY_KEPT = 0,
    STORE_DELIVERY_OVER_QUOTA_BYTES, /* 552 5.2.2, or 452 4.2.2 when it may fit later */
    STORE_DELIVERY_OVER_QUOTA_MESSAGES,
    STORE_DELIVERY_NO_MAILBOX /* it was removed meanwhile */
};

/* One mailbox that the message goes to. */
struct store_delivery_local {
    int64_t account;
    int64_t mailbox;
    struct bytes prefix; /* header fields of this copy: Return-Path, Delivered-To, Received */
    uint32_t flags;      /* system flags to begin with */
    /* Filled when the job is done. */
    enum store_delivery_outcome outcome;
    int64_t uid;
    int64_t modseq;
};

/* What the body of a message is (RFC 6152, RFC 3030), as MAIL announced it. */
enum store_body_kind {
    STORE_BODY_7BIT = 0,
    STORE_BODY_8BIT,
    STORE_BODY_BINARY
};

/* One far recipient, to be kept for the queue. */
struct store_delivery_far {
    struct bytes recipient;          /* as on the wire */
    struct bytes route;              /* what it is tried by: delivery/relay.h */
    struct bytes original_recipient; /* DSN ORCPT, "" = none */
    unsigned notify;                 /* DSN NOTIFY, enum ph_notify */
};

/* Filled by the caller, borrowed until job.done. The same mailbox may come once only. */
struct store_delivery {
    struct store_job job; /* run, weight and mailboxes are set by store_delivery_submit */
    struct store *store;
    int64_t id; /* of the message (store_id_make): in logs, and the id of its body */
    struct store_draft *draft;
    const struct message_parsed *parsed;
    int64_t received; /* microseconds since 1970, UTC: the internal date */
    struct store_delivery_local *locals;
    size_t local_count;
    struct store_delivery_far *fars;
    size_t far_count;
    struct bytes far_prefix;        /* our Received field, for far copies */
    enum store_body_kind body_kind; /* of far copies */
    bool is_utf8;                   /* SMTPUTF8 was asked for */
    /* For submissions: counted with the commit; past it the job fails with FAULT_LIMIT and
       is_over_sending_limit. NULL = not counted. */
    const struct store_sending_limits *sending_limits;
    bool is_over_sending_limit;
    struct bytes sender;      /* the envelope's, for the queue; empty = <> */
    struct bytes envelope_id; /* DSN ENVID */
    unsigned return_content;  /* DSN RET, enum ph_return_content */
    int64_t account;          /* who submitted it; 0 = nobody */
    /* All mailboxes or none: a local recipient that cannot be served undoes the whole job, with
       FAULT_LIMIT (quota) or FAULT_PERMANENT (no mailbox); the outcomes say whose fault it was.
       Else (LMTP) the others are kept, and the job fails only when nobody could be served. */
    bool is_all_or_nothing;
    /* From ourselves: quotas do not hold it up, and when nobody can have it, it is lost without
       fault. */
    bool is_report;
    /* A report to the sender that this was delivered, in the same transaction; NULL = none. It is
       left out where a mailbox was refused. `mailboxes`: memory for the numbers of both together.
     */
    struct store_delivery *report;
    int64_t *mailboxes;
    bool is_report_kept; /* the answer */
};

/* Sets the job up and submits it. `job.done` is the caller's. */
void store_delivery_submit(struct store_delivery *delivery);

#endif
