/* The keys of SEARCH: RFC 9051 6.4.4, RFC 3501 6.4.4, RFC 5032 (WITHIN), RFC 7162 (MODSEQ), RFC
   8474 (ids), RFC 8514 (SAVEDATE). Read with a stack of our own: no text makes the program's grow.
 */
#include "imap/imap_command_inside.h"

/* Keys that stand for a flag, or for the lack of one, are numbered behind the kinds. */
enum word {
    WORD_FLAGS = 100,
    WORD_NO_FLAGS = 200
};

static const struct imap_token_name words[] = {
    {BYTES_INIT("ALL"), IMAP_SEARCH_ALL},
    {BYTES_INIT("ANSWERED"), WORD_FLAGS + IMAP_FLAG_ANSWERED},
    {BYTES_INIT("BCC"), IMAP_SEARCH_BCC},
    {BYTES_INIT("BEFORE"), IMAP_SEARCH_BEFORE},
    {BYTES_INIT("BODY"), IMAP_SEARCH_BODY},
    {BYTES_INIT("CC"), IMAP_SEARCH_CC},
    {BYTES_INIT("DELETED"), WORD_FLAGS + IMAP_FLAG_DELETED},
    {BYTES_INIT("DRAFT"), WORD_FLAGS + IMAP_FLAG_DRAFT},
    {BYTES_INIT("EMAILID"), IMAP_SEARCH_EMAILID},
    {BYTES_INIT("FLAGGED"), WORD_FLAGS + IMAP_FLAG_FLAGGED},
    {BYTES_INIT("FROM"), IMAP_SEARCH_FROM},
    {BYTES_INIT("HEADER"), IMAP_SEARCH_HEADER},
    {BYTES_INIT("KEYWORD"), IMAP_SEARCH_KEYWORD},
    {BYTES_INIT("LARGER"), IMAP_SEARCH_LARGER},
    {BYTES_INIT("MODSEQ"), IMAP_SEARCH_MODSEQ},
    {BYTES_INIT("NEW"), IMAP_SEARCH_NEW},
    {BYTES_INIT("NOT"), IMAP_SEARCH_NOT},
    {BYTES_INIT("OLD"), IMAP_SEARCH_OLD},
    {BYTES_INIT("OLDER"), IMAP_SEARCH_OLDER},
    {BYTES_INIT("ON"), IMAP_SEARCH_ON},
    {BYTES_INIT("OR"), IMAP_SEARCH_OR},
    {BYTES_INIT("RECENT"), IMAP_SEARCH_RECENT},
    {BYTES_INIT("SAVEDATESUPPORTED"), IMAP_SEARCH_SAVEDATESUPPORTED},
    {BYTES_INIT("SAVEDBEFORE"), IMAP_SEARCH_SAVEDBEFORE},
    {BYTES_INIT("SAVEDON"), IMAP_SEARCH_SAVEDON},
    {BYTES_INIT("SAVEDSINCE"), IMAP_SEARCH_SAVEDSINCE},
    {BYTES_INIT("SEEN"), WORD_FLAGS + IMAP_FLAG_SEEN},
    {BYTES_INIT("SENTBEFORE"), IMAP_SEARCH_SENTBEFORE},
    {BYTES_INIT("SENTON"), IMAP_SEARCH_SENTON},
    {BYTES_INIT("SENTSINCE"), IMAP_SEARCH_SENTSINCE},
    {BYTES_INIT("SINCE"), IMAP_SEARCH_SINCE},
    {BYTES_INIT("SMALLER"), IMAP_SEARCH_SMALLER},
    {BYTES_INIT("SUBJECT"), IMAP_SEARCH_SUBJECT},
    {BYTES_INIT("TEXT"), IMAP_SEARCH_TEXT},
    {BYTES_INIT("THREADID"), IMAP_SEARCH_THREADID},
    {BYTES_INIT("TO"), IMAP_SEARCH_TO},
    {BYTES_INIT("UID"), IMAP_SEARCH_UIDS},
    {BYTES_INIT("UNANSWERED"), WORD_NO_FLAGS + IMAP_FLAG_ANSWERED},
    {BYTES_INIT("UNDELETED"), WORD_NO_FLAGS + IMAP_FLAG_DELETED},
    {BYTES_INIT("UNDRAFT"), WORD_NO_FLAGS + IMAP_FLAG_DRAFT},
    {BYTES_INIT("UNFLAGGED"), WORD_NO_FLAGS + IMAP_FLAG_FLAGGED},
    {BYTES_INIT("UNKEYWORD"), IMAP_SEARCH_NO_KEYWORD},
    {BYTES_INIT("UNSEEN"), WORD_NO_FLAGS + IMAP_FLAG_SEEN},
    {BYTES_INIT("YOUNGER"), IMAP_SEARCH_YOUNGER},
};

/* A key whose children are being read. */
struct open_key {
    struct imap_search_key *key;
    struct imap_search_key **tail; /* where the next child goes */
    size_t wanted;                 /* children to come; parentheses end by ")" */
    size_t count;                  /* children that are there or begun */
};

struct keys {
    struct open_key open[IMAP_COMMAND_NESTING_MAX + 1]; /* the root first */
    size_t depth;
    size_t count;
};

static struct imap_search_key *new_key(struct imap_tokens *tokens, enum imap_search_kind kind)
{
    struct imap_search_key *key = imap_token_allocate(tokens, 1, sizeof *key);
    if (key != NULL)
        key->kind = kind;
    return key;
}

/* ---- Keys without children ---- */

/* RFC 7162 3.1.5: entry-name SP entry-type-req before the number say whose modseq is meant; a
   message has one. */
static bool read_modseq(struct imap_tokens *tokens, struct imap_search_key *key)
{
    static const struct imap_token_name types[] = {
        {BYTES_INIT("ALL"), 0}, {BYTES_INIT("PRIV"), 0}, {BYTES_INIT("SHARED"), 0}};
    int c = imap_token_peek(tokens);
    if (c == '"' || c == '{') {
        struct bytes entry;
        unsigned type;
        if (!imap_token_take_string(tokens, "entry", &entry) || !imap_token_take_blank(tokens) ||
            !imap_token_take_name(tokens, "entry type", types, sizeof types / sizeof *types,
                                  &type) ||
            !imap_token_take_blank(tokens))
            return false;
    }
    return imap_token_take_modseq(tokens, &key->number);
}

static bool read_argument(struct imap_tokens *tokens, struct imap_search_key *key)
{
    switch (key->kind) {
    case IMAP_SEARCH_KEYWORD:
    case IMAP_SEARCH_NO_KEYWORD:
        return imap_token_take_atom(tokens, "keyword", &key->text);
    case IMAP_SEARCH_UIDS:
        return imap_token_take_sequence(tokens, &key->sequence);
    case IMAP_SEARCH_HEADER:
        return imap_token_take_astring(tokens, "header field", &key->name) &&
               imap_token_take_blank(tokens) && imap_token_take_astring(tokens, "text", &key->text);
    case IMAP_SEARCH_LARGER:
    case IMAP_SEARCH_SMALLER:
        return imap_token_take_number(tokens, "size", 0, INT64_MAX, &key->number);
    case IMAP_SEARCH_OLDER:
    case IMAP_SEARCH_YOUNGER:
        return imap_token_take_number(tokens, "number of seconds", 1, UINT32_MAX, &key->number);
    case IMAP_SEARCH_BEFORE:
    case IMAP_SEARCH_ON:
    case IMAP_SEARCH_SINCE:
    case IMAP_SEARCH_SENTBEFORE:
    case IMAP_SEARCH_SENTON:
    case IMAP_SEARCH_SENTSINCE:
    case IMAP_SEARCH_SAVEDBEFORE:
    case IMAP_SEARCH_SAVEDON:
    case IMAP_SEARCH_SAVEDSINCE:
        return imap_token_take_date(tokens, &key->day);
    case IMAP_SEARCH_MODSEQ:
        return read_modseq(tokens, key);
    case IMAP_SEARCH_EMAILID:
    case IMAP_SEARCH_THREADID:
        return imap_token_take_atom(tokens, "object id", &key->text);
    default:
        return imap_token_take_astring(tokens, "text", &key->text);
    }
}

static bool has_argument(enum imap_search_kind kind)
{
    switch (kind) {
    case IMAP_SEARCH_ALL:
    case IMAP_SEARCH_FLAGS:
    case IMAP_SEARCH_NO_FLAGS:
    case IMAP_SEARCH_RECENT:
    case IMAP_SEARCH_NEW:
    case IMAP_SEARCH_OLD:
    case IMAP_SEARCH_SAVEDATESUPPORTED:
        return false;
    default:
        return true;
    }
}

/* What stands behind the word; its number says which. */
static bool read_leaf(struct imap_tokens *tokens, unsigned word, struct imap_search_key *key)
{
    if (word >= WORD_NO_FLAGS) {
        key->kind = IMAP_SEARCH_NO_FLAGS;
        key->flags = word - WORD_NO_FLAGS;
    } else if (word >= WORD_FLAGS) {
        key->kind = IMAP_SEARCH_FLAGS;
        key->flags = word - WORD_FLAGS;
    } else {
        key->kind = (enum imap_search_kind)word;
    }
    return !has_argument(key->kind) ||
           (imap_token_take_blank(tokens) && read_argument(tokens, key));
}

/* ---- Keys with children ---- */

/* Gives the innermost open key one more child. */
static bool add_child(struct imap_tokens *tokens, struct keys *keys, struct imap_search_key *key)
{
    struct open_key *parent = &keys->open[keys->depth - 1];
    if (++keys->count > IMAP_COMMAND_SEARCH_KEYS_MAX)
        return imap_token_refuse(tokens, FAULT_LIMIT, "too many keys");
    *parent->tail = key;
    parent->tail = &key->next;
    parent->count++;
    if (parent->wanted > 0)
        parent->wanted--;
    return true;
}

static bool open_key(struct imap_tokens *tokens, struct keys *keys, enum imap_search_kind kind,
                     size_t wanted)
{
    struct imap_search_key *key = new_key(tokens, kind);
    if (key == NULL || !add_child(tokens, keys, key))
        return false;
    if (keys->depth > IMAP_COMMAND_NESTING_MAX)
        return imap_token_refuse(tokens, FAULT_LIMIT, "keys are nested too deep");
    keys->open[keys->depth++] =
        (struct open_key){.key = key, .tail = &key->children, .wanted = wanted};
    return true;
}

/* An OR that stands in an OR adds a child to it, so that the long chains that clients write do not
   nest. */
static bool open_or(struct imap_tokens *tokens, struct keys *keys)
{
    struct open_key *innermost = &keys->open[keys->depth - 1];
    if (innermost->key->kind != IMAP_SEARCH_OR)
        return open_key(tokens, keys, IMAP_SEARCH_OR, 2);
    innermost->wanted++;
    if (++keys->count > IMAP_COMMAND_SEARCH_KEYS_MAX)
        return imap_token_refuse(tokens, FAULT_LIMIT, "too many keys");
    return true;
}

/* An OR of many children becomes ORs of two, in a tree as low as can be. */
static bool pair_children(struct imap_tokens *tokens, struct open_key *open)
{
    while (open->count > 2) {
        struct imap_search_key **place = &open->key->children;
        size_t pairs = open->count / 2;
        /* Of 3, one pair and one alone; the last round leaves two. */
        for (size_t i = 0; i < pairs; i++) {
            struct imap_search_key *pair = new_key(tokens, IMAP_SEARCH_OR);
            if (pair == NULL)
                return false;
            pair->children = *place;
            pair->next = pair->children->next->next;
            pair->children->next->next = NULL;
            *place = pair;
            place = &pair->next;
        }
        open->count -= pairs;
    }
    return true;
}

/* Those keys end that want no more children. */
static bool close_full(struct imap_tokens *tokens, struct keys *keys)
{
    while (keys->depth > 1) {
        struct open_key *innermost = &keys->open[keys->depth - 1];
        if (innermost->key->kind == IMAP_SEARCH_AND || innermost->wanted > 0)
            return true;
        if (innermost->key->kind == IMAP_SEARCH_OR && !pair_children(tokens, innermost))
            return false;
        keys->depth--;
    }
    return true;
}

/* Takes the beginning of a key, or a whole one: *is_whole. */
static bool read_key(struct imap_tokens *tokens, struct keys *keys, struct imap_search *search,
                     bool *is_whole)
{
    int c = imap_token_peek(tokens);
    unsigned word = IMAP_SEARCH_SEQUENCE;
    *is_whole = false;
    if (imap_token_try_char(tokens, '('))
        return open_key(tokens, keys, IMAP_SEARCH_AND, 0);
    bool is_sequence = (c >= '0' && c <= '9') || c == '*' || c == '$';
    if (!is_sequence &&
        !imap_token_take_name(tokens, "key", words, sizeof words / sizeof *words, &word))
        return false;
    if (word == IMAP_SEARCH_OR || word == IMAP_SEARCH_NOT)
        return imap_token_take_blank(tokens) &&
               (word == IMAP_SEARCH_OR ? open_or(tokens, keys)
                                       : open_key(tokens, keys, IMAP_SEARCH_NOT, 1));
    *is_whole = true;
    search->has_modseq = search->has_modseq || word == IMAP_SEARCH_MODSEQ;
    struct imap_search_key *key = new_key(tokens, IMAP_SEARCH_SEQUENCE);
    if (key == NULL || !add_child(tokens, keys, key))
        return false;
    return (is_sequence ? imap_token_take_sequence(tokens, &key->sequence)
                        : read_leaf(tokens, word, key)) &&
           close_full(tokens, keys);
}

/* Behind a whole key: ")" as often as it stands there, then a blank or the end. */
static bool read_between(struct imap_tokens *tokens, struct keys *keys, bool *has_more)
{
    while (keys->depth > 1 && keys->open[keys->depth - 1].key->kind == IMAP_SEARCH_AND &&
           imap_token_try_char(tokens, ')')) {
        keys->depth--;
        if (!close_full(tokens, keys))
            return false;
    }
    *has_more = keys->depth > 1 || !imap_token_is_at_end(tokens);
    return !*has_more || imap_token_take_blank(tokens);
}

bool imap_command_search_key(struct imap_tokens *tokens, struct imap_search *search)
{
    struct keys keys;
    bool has_more = true;
    search->root = new_key(tokens, IMAP_SEARCH_AND);
    if (search->root == NULL)
        return false;
    keys.open[0] = (struct open_key){.key = search->root, .tail = &search->root->children};
    keys.depth = 1;
    keys.count = 0;
    while (has_more) {
        bool is_whole;
        if (!read_key(tokens, &keys, search, &is_whole) ||
            (is_whole && !read_between(tokens, &keys, &has_more)))
            return false;
    }
    return true;
}
