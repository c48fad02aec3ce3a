/* A command of a client as a struct: RFC 9051 6 and 9, RFC 3501, and the extensions. The text comes
 * whole, with its literals in place ("{3}\r\nabc"); only the messages of APPEND go another way
 * (imap_server.h). Everything lies in the arena or in the text. */
#ifndef IMAP_IMAP_COMMAND_H
#define IMAP_IMAP_COMMAND_H

#include <stdint.h>

#include "imap/imap_sequence.h"

enum {
    IMAP_TAG_MAX = 128,            /* bytes */
    IMAP_COMMAND_NESTING_MAX = 32, /* parentheses in SEARCH */
    IMAP_COMMAND_SEARCH_KEYS_MAX = 1000,
    IMAP_COMMAND_FETCH_ITEMS_MAX = 100,
    IMAP_COMMAND_SECTION_DEPTH_MAX = 100, /* numbers in BODY[1.2.3] */
    IMAP_COMMAND_HEADER_NAMES_MAX = 200,
    IMAP_COMMAND_KEYWORDS_MAX = 64, /* in one list of flags */
    IMAP_COMMAND_KEYWORD_LENGTH_MAX = 128,
    IMAP_COMMAND_PATTERNS_MAX = 64,          /* of LIST */
    IMAP_COMMAND_ID_FIELDS_MAX = 30,         /* RFC 2971 3.3 */
    IMAP_COMMAND_ARENA_MAX = 2 * 1024 * 1024 /* bytes that a command may take when it is read */
};

enum imap_verb {
    IMAP_NO_VERB = 0,
    /* in any state */
    IMAP_CAPABILITY,
    IMAP_NOOP,
    IMAP_LOGOUT,
    IMAP_ID,
    /* before the login */
    IMAP_STARTTLS,
    IMAP_AUTHENTICATE,
    IMAP_LOGIN,
    /* behind it */
    IMAP_ENABLE,
    IMAP_SELECT,
    IMAP_EXAMINE,
    IMAP_CREATE,
    IMAP_DELETE,
    IMAP_RENAME,
    IMAP_SUBSCRIBE,
    IMAP_UNSUBSCRIBE,
    IMAP_LIST,
    IMAP_LSUB,
    IMAP_NAMESPACE,
    IMAP_STATUS,
    IMAP_APPEND,
    IMAP_IDLE,
    IMAP_GETQUOTA,
    IMAP_GETQUOTAROOT,
    IMAP_SETQUOTA,
    IMAP_COMPRESS,
    /* with a mailbox selected */
    IMAP_CHECK,
    IMAP_CLOSE,
    IMAP_UNSELECT,
    IMAP_EXPUNGE,
    IMAP_SEARCH,
    IMAP_SORT,
    IMAP_THREAD,
    IMAP_FETCH,
    IMAP_STORE,
    IMAP_COPY,
    IMAP_MOVE,
    IMAP_VERB_COUNT
};

/* What ENABLE (RFC 5161) has switched, and what implies it (RFC 7162 3.1). A set. */
enum imap_enabled {
    IMAP_ENABLED_CONDSTORE = 1,
    IMAP_ENABLED_QRESYNC = 2,
    IMAP_ENABLED_REV2 = 4
};

/* System flags: a set with the values of enum store_flag. */
enum imap_flag {
    IMAP_FLAG_SEEN = 1,
    IMAP_FLAG_ANSWERED = 2,
    IMAP_FLAG_FLAGGED = 4,
    IMAP_FLAG_DELETED = 8,
    IMAP_FLAG_DRAFT = 16
};

struct imap_flags {
    uint32_t system;
    const struct bytes *keywords; /* without doubles in any case of letters */
    size_t keyword_count;
};

/* ---- FETCH ---- */

enum imap_section_kind {
    IMAP_SECTION_ALL = 0,    /* BODY[], BODY[1.2] */
    IMAP_SECTION_HEADER,     /* BODY[HEADER], BODY[1.HEADER] */
    IMAP_SECTION_FIELDS,     /* HEADER.FIELDS */
    IMAP_SECTION_FIELDS_NOT, /* HEADER.FIELDS.NOT */
    IMAP_SECTION_TEXT,
    IMAP_SECTION_MIME /* BODY[1.MIME] */
};

struct imap_section {
    enum imap_section_kind kind;
    const uint32_t *path;
    size_t depth;
    const struct bytes *fields; /* as the client wrote them */
    size_t field_count;
};

enum imap_fetch_kind {
    IMAP_FETCH_FLAGS = 0,
    IMAP_FETCH_UID,
    IMAP_FETCH_INTERNALDATE,
    IMAP_FETCH_SIZE, /* RFC822.SIZE */
    IMAP_FETCH_ENVELOPE,
    IMAP_FETCH_BODY, /* BODYSTRUCTURE without extension data */
    IMAP_FETCH_BODYSTRUCTURE,
    IMAP_FETCH_MODSEQ,  /* RFC 7162 */
    IMAP_FETCH_SECTION, /* BODY[...], BODY.PEEK[...] */
    IMAP_FETCH_RFC822,  /* rev1: as BODY[], under another name in the answer */
    IMAP_FETCH_RFC822_HEADER,
    IMAP_FETCH_RFC822_TEXT,
    IMAP_FETCH_BINARY, /* BINARY[...], BINARY.PEEK[...] (RFC 3516, RFC 9051) */
    IMAP_FETCH_BINARY_SIZE,
    IMAP_FETCH_PREVIEW,  /* RFC 8970 */
    IMAP_FETCH_SAVEDATE, /* RFC 8514 */
    IMAP_FETCH_EMAILID,  /* RFC 8474 */
    IMAP_FETCH_THREADID
};

struct imap_fetch_item {
    enum imap_fetch_kind kind;
    struct imap_section section; /* SECTION, BINARY, BINARY_SIZE */
    bool is_peek;                /* does not set \Seen */
    bool is_partial;             /* <offset.count> */
    uint64_t offset;
    uint32_t count;
    bool is_lazy; /* PREVIEW (LAZY) */
};

/* ALL, FAST and FULL come as what they stand for; UID FETCH has the item UID (once). */
struct imap_fetch {
    struct imap_sequence sequence;
    const struct imap_fetch_item *items; /* no item twice, but for sections */
    size_t item_count;
    bool has_changed_since; /* RFC 7162 3.1.4.1: MODSEQ is among the items then */
    uint64_t changed_since;
    bool wants_vanished;
};

/* ---- SEARCH, SORT, THREAD ---- */

enum imap_search_kind {
    IMAP_SEARCH_AND = 0, /* all of the children; the root, and every pair of parentheses */
    IMAP_SEARCH_OR,      /* two children */
    IMAP_SEARCH_NOT,     /* one child */
    IMAP_SEARCH_ALL,
    IMAP_SEARCH_FLAGS,    /* has all of `flags` (SEEN, DELETED...) */
    IMAP_SEARCH_NO_FLAGS, /* has none of them (UNSEEN...) */
    IMAP_SEARCH_KEYWORD,
    IMAP_SEARCH_NO_KEYWORD,
    IMAP_SEARCH_RECENT,
    IMAP_SEARCH_NEW, /* RECENT and UNSEEN */
    IMAP_SEARCH_OLD,
    IMAP_SEARCH_SEQUENCE,
    IMAP_SEARCH_UIDS,
    IMAP_SEARCH_FROM, /* text: FROM, TO, CC, BCC, SUBJECT, BODY, TEXT; HEADER has a name too */
    IMAP_SEARCH_TO,
    IMAP_SEARCH_CC,
    IMAP_SEARCH_BCC,
    IMAP_SEARCH_SUBJECT,
    IMAP_SEARCH_HEADER,
    IMAP_SEARCH_BODY,
    IMAP_SEARCH_TEXT,
    IMAP_SEARCH_LARGER,
    IMAP_SEARCH_SMALLER,
    IMAP_SEARCH_BEFORE, /* date: day numbers since 1970-01-01 */
    IMAP_SEARCH_ON,
    IMAP_SEARCH_SINCE,
    IMAP_SEARCH_SENTBEFORE,
    IMAP_SEARCH_SENTON,
    IMAP_SEARCH_SENTSINCE,
    IMAP_SEARCH_SAVEDBEFORE, /* RFC 8514 */
    IMAP_SEARCH_SAVEDON,
    IMAP_SEARCH_SAVEDSINCE,
    IMAP_SEARCH_SAVEDATESUPPORTED,
    IMAP_SEARCH_OLDER, /* RFC 5032: number is seconds */
    IMAP_SEARCH_YOUNGER,
    IMAP_SEARCH_MODSEQ, /* RFC 7162 3.1.5: number or more */
    IMAP_SEARCH_EMAILID,
    IMAP_SEARCH_THREADID
};

struct imap_search_key {
    enum imap_search_kind kind;
    struct imap_search_key *children; /* a list by `next` */
    struct imap_search_key *next;
    uint32_t flags;
    struct bytes text; /* keyword, needle (in the command's charset), EMAILID */
    struct bytes name; /* HEADER */
    struct imap_sequence sequence;
    uint64_t number; /* LARGER, SMALLER, OLDER, YOUNGER, MODSEQ */
    int32_t day;
};

/* RETURN options (RFC 4731, RFC 5182, RFC 9051 6.4.4). A set. */
enum imap_search_return {
    IMAP_RETURN_MIN = 1,
    IMAP_RETURN_MAX = 2,
    IMAP_RETURN_ALL = 4,
    IMAP_RETURN_COUNT = 8,
    IMAP_RETURN_SAVE = 16
};

enum imap_sort_key {
    IMAP_SORT_ARRIVAL = 0,
    IMAP_SORT_CC,
    IMAP_SORT_DATE,
    IMAP_SORT_FROM,
    IMAP_SORT_SIZE,
    IMAP_SORT_SUBJECT,
    IMAP_SORT_TO,
    IMAP_SORT_DISPLAYFROM, /* RFC 5957 */
    IMAP_SORT_DISPLAYTO
};

struct imap_sort_criterion {
    enum imap_sort_key key;
    bool is_reverse;
};

enum {
    IMAP_COMMAND_SORT_KEYS_MAX = 16
};

enum imap_thread_algorithm {
    IMAP_THREAD_ORDEREDSUBJECT = 0,
    IMAP_THREAD_REFERENCES
};

struct imap_search {
    bool has_return; /* RETURN was said: the answer is ESEARCH; () is ALL */
    unsigned returns;
    struct bytes charset; /* as written; data NULL = none: UTF-8 or US-ASCII */
    struct imap_search_key *root;
    bool has_modseq;                                             /* MODSEQ is somewhere in it */
    struct imap_sort_criterion sort[IMAP_COMMAND_SORT_KEYS_MAX]; /* SORT */
    size_t sort_count;
    enum imap_thread_algorithm algorithm; /* THREAD */
};

/* ---- LIST ---- */

enum imap_list_select { /* RFC 5258 3.1, RFC 6154; a set */
    IMAP_LIST_SUBSCRIBED = 1,
    IMAP_LIST_REMOTE = 2,
    IMAP_LIST_RECURSIVEMATCH = 4,
    IMAP_LIST_SPECIAL_USE = 8
};

enum imap_list_return { /* a set */
    IMAP_LIST_RETURN_SUBSCRIBED = 1,
    IMAP_LIST_RETURN_CHILDREN = 2,
    IMAP_LIST_RETURN_SPECIAL_USE = 4,
    IMAP_LIST_RETURN_STATUS = 8
};

enum imap_status_item { /* a set */
    IMAP_STATUS_MESSAGES = 1,
    IMAP_STATUS_RECENT = 2,
    IMAP_STATUS_UIDNEXT = 4,
    IMAP_STATUS_UIDVALIDITY = 8,
    IMAP_STATUS_UNSEEN = 16,
    IMAP_STATUS_DELETED = 32, /* RFC 9051 */
    IMAP_STATUS_SIZE = 64,    /* RFC 8438 */
    IMAP_STATUS_HIGHESTMODSEQ = 128,
    IMAP_STATUS_APPENDLIMIT = 256,     /* RFC 7889 */
    IMAP_STATUS_MAILBOXID = 512,       /* RFC 8474 */
    IMAP_STATUS_DELETED_STORAGE = 1024 /* RFC 9208 */
};

struct imap_list {
    bool is_extended; /* has selection options, several patterns or RETURN */
    unsigned selects;
    unsigned returns;
    unsigned status;              /* RETURN (STATUS (...)) */
    struct bytes reference;       /* decoded like a name */
    const struct bytes *patterns; /* decoded like names; "" asks for the hierarchy's delimiter */
    size_t pattern_count;
};

/* ---- the others ---- */

enum imap_use { /* CREATE (USE (...)), RFC 6154: a set; the bits are 1 << enum store_role */
    IMAP_USE_DRAFTS = 1 << 2,
    IMAP_USE_SENT = 1 << 3,
    IMAP_USE_JUNK = 1 << 4,
    IMAP_USE_TRASH = 1 << 5,
    IMAP_USE_ARCHIVE = 1 << 6,
    IMAP_USE_UNKNOWN = 1 << 30 /* another was asked for: NO [USEATTR] */
};

struct imap_select {
    bool has_condstore;
    bool has_qresync; /* RFC 7162 3.2.5 */
    uint32_t uidvalidity;
    uint64_t modseq;
    struct imap_sequence known_uids; /* count 0 = none said */
    struct imap_sequence match_numbers;
    struct imap_sequence match_uids;
};

enum imap_store_mode {
    IMAP_STORE_SET = 0, /* FLAGS */
    IMAP_STORE_ADD,     /* +FLAGS */
    IMAP_STORE_REMOVE   /* -FLAGS */
};

struct imap_store {
    struct imap_sequence sequence;
    enum imap_store_mode mode;
    bool is_silent;
    struct imap_flags flags;
    bool has_unchanged_since; /* RFC 7162 3.1.3 */
    uint64_t unchanged_since;
};

struct imap_field { /* of ID: a name and a value, data NULL = NIL */
    struct bytes name;
    struct bytes value;
};

enum imap_quota_resource { /* RFC 9208; a set */
    IMAP_QUOTA_STORAGE = 1,
    IMAP_QUOTA_MESSAGE = 2
};

/* One message of APPEND, without its bytes. */
struct imap_append {
    struct imap_flags flags;
    bool has_date;
    int64_t date; /* microseconds since 1970, UTC */
    uint64_t size;
    bool is_binary;  /* a literal8: NUL is content */
    bool is_waiting; /* the client sends it when it is told to */
};

struct imap_command {
    struct bytes tag;
    enum imap_verb verb;
    bool is_uid; /* UID FETCH, UID EXPUNGE... */
    /* The mailbox (SELECT, CREATE, STATUS, APPEND, COPY...), decoded. */
    struct bytes mailbox;
    /* SELECT, EXAMINE, CREATE, DELETE, RENAME: the same as the client wrote it, where it did so in
       another form than ours ("inbox"; RFC 9051 6.3.9.7); else of length 0. */
    struct bytes supplied;
    struct bytes new_name; /* RENAME */
    union {
        struct {
            struct bytes user;
            struct bytes password; /* in wiping memory */
        } login;
        struct {
            struct bytes mechanism; /* upper case */
            struct bytes response;  /* SASL-IR, decoded; data NULL = none */
        } authenticate;
        struct imap_select select; /* and EXAMINE */
        unsigned use;              /* CREATE: enum imap_use */
        struct imap_list list;     /* and LSUB */
        unsigned status;
        struct imap_fetch fetch;
        struct imap_search search; /* SORT, THREAD */
        struct imap_store store;
        struct imap_sequence sequence; /* COPY, MOVE, UID EXPUNGE */
        struct {
            const struct imap_field *fields;
            size_t count;
        } id;
        unsigned enable;   /* enum imap_enabled: those of the words that are known */
        struct bytes root; /* GETQUOTA, SETQUOTA */
    };
};

/* How it is to be read. */
struct imap_command_mode {
    unsigned enabled; /* enum imap_enabled: REV2 makes names UTF-8 */
};

/* Reads tag and verb only, so that a command that is wrong can be answered by its tag. `text` is
   the beginning of the command at least to the first line end. *rest is what stands behind verb and
   blank. FAULT_SYNTAX: tag is empty when it had none. An unknown verb is IMAP_NO_VERB, not a
   fault. */
bool imap_command_read_verb(struct bytes text, struct bytes *tag, enum imap_verb *verb,
                            bool *is_uid, struct bytes *rest, struct fault *fault);

/* Reads a whole command but APPEND; `text` is without the CRLF at its end. Faults: FAULT_SYNTAX
   (BAD), FAULT_LIMIT (BAD or NO [LIMIT]), FAULT_DENIED (NO [CANNOT]: a name that cannot be),
   FAULT_TEMPORARY (memory). Messages are for the client: printable ASCII. */
bool imap_command_parse(struct bytes text, const struct imap_command_mode *mode,
                        struct arena *arena, struct imap_command *command, struct fault *fault);

/* APPEND up to its next message: `text` begins behind the verb (is_first) or behind the bytes of
   the message before, and ends with the head of the literal, "{10+}", without CRLF. An empty text
   where is_first is false is the command's end: *is_end. Fills command->mailbox (is_first) and
   *append. */
bool imap_command_parse_append(struct bytes text, bool is_first,
                               const struct imap_command_mode *mode, struct arena *arena,
                               struct imap_command *command, struct imap_append *append,
                               bool *is_end, struct fault *fault);

/* "FETCH"; for messages and logs. */
const char *imap_verb_name(enum imap_verb verb);

#endif
