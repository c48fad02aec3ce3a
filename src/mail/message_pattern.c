/* Two rare bytes of the pattern are looked for in a block of places at once; only where both stand
 * is the rest compared. Texts in ASCII are searched where they lie. */
#include "mail/message_pattern.h"

enum {
    BLOCK = 32,        /* places that are looked at at once */
    CALM = 32,         /* bytes of ASCII in a row, after which folding is not worth it */
    FOLD_STEP = 4096,  /* bytes folded at once */
    FOLDED_MAX = 65536 /* of those: a character gives 18 at most, of 4 bytes each */
};

typedef unsigned char block __attribute__((vector_size(BLOCK)));

/* How common a byte is: letters and blanks are in every text. */
static unsigned frequency(unsigned char c)
{
    static const char common[] = "zqxjkvbywgpfmucdlhrsniotae ";
    const char *place = c == 0 ? NULL : strchr(common, c);
    if (place != NULL)
        return 20 + (unsigned)(place - common);
    if (c >= '0' && c <= '9')
        return 15;
    if (c == '.' || c == ',' || c == '-' || c == '=' || c == '\r' || c == '\n' || c == '/')
        return 18;
    /* Beyond ASCII: what begins a letter stands before each of a whole alphabet. */
    return c >= 0xc0 ? 10 : c >= 0x80 ? 5 : 8;
}

static size_t find_rarest(struct bytes text, size_t except)
{
    size_t best = except == 0 ? text.length - 1 : 0;
    for (size_t i = 0; i < text.length; i++) {
        if (i != except &&
            frequency((unsigned char)text.data[i]) < frequency((unsigned char)text.data[best]))
            best = i;
    }
    return best;
}

void message_pattern_init(struct message_pattern *pattern, struct bytes text)
{
    *pattern = (struct message_pattern){.text = text};
    if (text.length == 0)
        return;
    pattern->places[0] = find_rarest(text, BYTES_NOT_FOUND);
    pattern->places[1] = find_rarest(text, pattern->places[0]);
    for (unsigned i = 0; i < 2; i++) {
        char c = text.data[pattern->places[i]];
        pattern->bytes[i] = (unsigned char)c;
        /* A small letter is what both cases are with this bit set, and nothing else is. */
        pattern->masks[i] = c >= 'a' && c <= 'z' ? 0x20 : 0;
    }
}

static bool is_at(const struct message_pattern *pattern, const char *text)
{
    for (size_t i = 0; i < pattern->text.length; i++) {
        if (bytes_lower_char(text[i]) != pattern->text.data[i])
            return false;
    }
    return true;
}

static bool is_at_one_of(const struct message_pattern *pattern, const char *text, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if ((((unsigned char)text[pattern->places[0] + i]) | pattern->masks[0]) ==
                pattern->bytes[0] &&
            is_at(pattern, text + i))
            return true;
    }
    return false;
}

static bool has_candidate(const struct message_pattern *pattern, const char *text)
{
    block first;
    block second;
    memcpy(&first, text + pattern->places[0], sizeof first);
    memcpy(&second, text + pattern->places[1], sizeof second);
    block both = (block)((first | pattern->masks[0]) == pattern->bytes[0]) &
                 (block)((second | pattern->masks[1]) == pattern->bytes[1]);
    uint64_t words[BLOCK / sizeof(uint64_t)];
    memcpy(words, &both, sizeof words);
    return (words[0] | words[1] | words[2] | words[3]) != 0;
}

bool message_pattern_is_in(const struct message_pattern *pattern, struct bytes text)
{
    if (pattern->text.length == 0)
        return true;
    if (text.length < pattern->text.length)
        return false;
    size_t places = text.length - pattern->text.length + 1;
    const char *place = text.data;
    for (; places >= BLOCK; places -= BLOCK, place += BLOCK) {
        if (has_candidate(pattern, place) && is_at_one_of(pattern, place, BLOCK))
            return true;
    }
    return is_at_one_of(pattern, place, places);
}

size_t message_pattern_ascii(struct bytes text)
{
    size_t place = 0;
    for (; text.length - place >= BLOCK; place += BLOCK) {
        uint64_t words[BLOCK / sizeof(uint64_t)];
        memcpy(words, text.data + place, sizeof words);
        if (((words[0] | words[1] | words[2] | words[3]) & UINT64_C(0x8080808080808080)) != 0)
            break;
    }
    while (place < text.length && (unsigned char)text.data[place] < 0x80)
        place++;
    return place;
}

/* ---- in pieces ---- */

void message_pattern_matcher_begin(struct message_matcher *matcher,
                                   const struct message_pattern *pattern)
{
    matcher->pattern = pattern;
    matcher->fold = (struct message_fold){0};
    matcher->folded.limit = FOLDED_MAX * 2;
    matcher->tail.limit = 2 * pattern->text.length;
    buffer_reset(&matcher->folded);
    buffer_reset(&matcher->tail);
    matcher->is_found = pattern->text.length == 0;
}

void message_pattern_matcher_clear(struct message_matcher *matcher)
{
    buffer_clear(&matcher->folded);
    buffer_clear(&matcher->tail);
}

/* ASCII, or folded. What stands over the border of two pieces is found in the tail. */
static void feed_piece(struct message_matcher *matcher, struct bytes piece)
{
    const struct message_pattern *pattern = matcher->pattern;
    struct buffer *tail = &matcher->tail;
    size_t keep = pattern->text.length - 1;
    size_t before = tail->length;
    buffer_append(tail, bytes_slice(piece, 0, keep));
    if ((before > 0 && message_pattern_is_in(pattern, buffer_bytes(tail))) ||
        message_pattern_is_in(pattern, piece)) {
        matcher->is_found = true;
        return;
    }
    if (piece.length > keep) {
        buffer_reset(tail);
        buffer_append(tail, bytes_skip(piece, piece.length - keep));
    } else if (tail->length > keep) {
        buffer_consume(tail, tail->length - keep);
    }
}

/* Up to where the text is ASCII again for a while. */
static size_t find_calm(struct bytes in)
{
    size_t calm = 0;
    size_t i = 0;
    for (; i < in.length && i < FOLD_STEP && calm < CALM; i++)
        calm = (unsigned char)in.data[i] < 0x80 ? calm + 1 : 0;
    return i;
}

static void feed_folded(struct message_matcher *matcher)
{
    feed_piece(matcher, buffer_bytes(&matcher->folded));
    if (!buffer_is_failed(&matcher->folded))
        buffer_reset(&matcher->folded);
}

bool message_pattern_matcher_feed(struct message_matcher *matcher, struct bytes in)
{
    while (in.length > 0 && !matcher->is_found && !buffer_is_failed(&matcher->folded)) {
        size_t count = message_fold_is_at_rest(&matcher->fold) ? message_pattern_ascii(in) : 0;
        if (count > 0) {
            feed_piece(matcher, bytes_slice(in, 0, count));
        } else {
            count = find_calm(in);
            message_fold_feed(&matcher->fold, bytes_slice(in, 0, count), &matcher->folded);
            feed_folded(matcher);
        }
        in = bytes_skip(in, count);
    }
    return !buffer_is_failed(&matcher->folded) && !buffer_is_failed(&matcher->tail);
}

bool message_pattern_matcher_finish(struct message_matcher *matcher)
{
    if (!matcher->is_found) {
        message_fold_finish(&matcher->fold, &matcher->folded);
        feed_folded(matcher);
    }
    return !buffer_is_failed(&matcher->folded) && !buffer_is_failed(&matcher->tail);
}
