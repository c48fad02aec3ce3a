/* Blocks of 64 bytes become three masks, a bit a byte, for CR, LF and dot. A block is clean when
 * every LF stands right behind a CR and every CR right before an LF, and no dot stands behind an
 * LF. */
#include "wire/dot.h"

#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

enum {
    BLOCK_SIZE = 64
};

/* Where the three bytes that matter stand in a block: bit i for byte i. */
struct masks {
    uint64_t cr;
    uint64_t lf;
    uint64_t dot;
};

/* What a block tells the next: bit 0 or nothing. */
struct carry {
    uint64_t after_cr;
    uint64_t at_line_start;
};

typedef struct masks read_block(const char *block);

/* A bit for each of eight bytes that equals the pattern's; exact, also next to each other. */
static inline uint64_t word_matches(uint64_t word, uint64_t pattern)
{
    const uint64_t low_bits = UINT64_C(0x7F7F7F7F7F7F7F7F);
    uint64_t differs = word ^ pattern;
    uint64_t is_zero = ~(((differs & low_bits) + low_bits) | differs | low_bits);
    return (is_zero >> 7) * UINT64_C(0x0102040810204080) >> 56;
}

static inline struct masks read_block_portable(const char *block)
{
    const uint64_t each = UINT64_C(0x0101010101010101);
    struct masks masks = {0, 0, 0};
    for (unsigned i = 0; i < BLOCK_SIZE / 8; i++) {
        uint64_t word;
        memcpy(&word, block + (size_t)8 * i, sizeof word);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        word = __builtin_bswap64(word);
#endif
        masks.cr |= word_matches(word, each * '\r') << 8 * i;
        masks.lf |= word_matches(word, each * '\n') << 8 * i;
        masks.dot |= word_matches(word, each * '.') << 8 * i;
    }
    return masks;
}

#if defined(__SSE2__)
static inline uint64_t quarter(__m128i vector, __m128i pattern)
{
    return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(vector, pattern));
}

/* Written out: a loop over an array costs half the speed at -O2. */
static inline struct masks read_block_vector(const char *block)
{
    const __m128i *vectors = (const __m128i *)(const void *)block;
    const __m128i a = _mm_loadu_si128(vectors);
    const __m128i b = _mm_loadu_si128(vectors + 1);
    const __m128i c = _mm_loadu_si128(vectors + 2);
    const __m128i d = _mm_loadu_si128(vectors + 3);
    const __m128i cr = _mm_set1_epi8('\r');
    const __m128i lf = _mm_set1_epi8('\n');
    const __m128i dot = _mm_set1_epi8('.');
    return (struct masks){
        quarter(a, cr) | quarter(b, cr) << 16 | quarter(c, cr) << 32 | quarter(d, cr) << 48,
        quarter(a, lf) | quarter(b, lf) << 16 | quarter(c, lf) << 32 | quarter(d, lf) << 48,
        quarter(a, dot) | quarter(b, dot) << 16 | quarter(c, dot) << 32 | quarter(d, dot) << 48};
}
#endif

/* The bytes of a block before which something is missing. */
static inline uint64_t find_insertions(struct masks masks, struct carry carry, uint64_t stuffing)
{
    uint64_t after_cr = masks.cr << 1 | carry.after_cr;
    uint64_t at_line_start = masks.lf << 1 | carry.at_line_start;
    return (masks.lf ^ after_cr) | (masks.dot & at_line_start & stuffing);
}

/* Says what is missing before byte `index` of a block, and where that leaves the walk. */
static char insert_before(struct dot *dot, struct masks masks, struct carry carry, unsigned index)
{
    uint64_t bit = UINT64_C(1) << index;
    if (((masks.cr << 1 | carry.after_cr) & bit) != 0) {
        dot->place = DOT_LINE_START;
        return '\n';
    }
    if ((masks.lf & bit) != 0) {
        dot->place = DOT_AFTER_CR;
        return '\r';
    }
    dot->place = DOT_IN_LINE;
    return '.';
}

static inline size_t walk(struct dot *dot, struct bytes piece, char *insertion, read_block *read)
{
    struct carry carry = {dot->place == DOT_AFTER_CR, dot->place == DOT_LINE_START};
    const uint64_t stuffing = dot->is_stuffing ? UINT64_MAX : 0;
    size_t position = 0;
    while (position < piece.length) {
        size_t left = piece.length - position;
        struct masks masks;
        uint64_t valid = UINT64_MAX;
        if (left >= BLOCK_SIZE) {
            masks = read(piece.data + position);
        } else {
            char last[BLOCK_SIZE] = {0};
            memcpy(last, piece.data + position, left);
            masks = read(last);
            valid = (UINT64_C(1) << left) - 1;
        }
        uint64_t insertions = find_insertions(masks, carry, stuffing) & valid;
        if (insertions != 0) {
            unsigned index = (unsigned)__builtin_ctzll(insertions);
            *insertion = insert_before(dot, masks, carry, index);
            return position + index;
        }
        unsigned last_index = left >= BLOCK_SIZE ? BLOCK_SIZE - 1 : (unsigned)left - 1;
        carry.after_cr = masks.cr >> last_index & 1;
        carry.at_line_start = masks.lf >> last_index & 1;
        position += last_index + 1;
    }
    dot->place = carry.after_cr ? DOT_AFTER_CR : carry.at_line_start ? DOT_LINE_START : DOT_IN_LINE;
    *insertion = 0;
    return piece.length;
}

size_t dot_next_portable(struct dot *dot, struct bytes piece, char *insertion)
{
    return walk(dot, piece, insertion, read_block_portable);
}

size_t dot_next(struct dot *dot, struct bytes piece, char *insertion)
{
#if defined(__SSE2__)
    return walk(dot, piece, insertion, read_block_vector);
#else
    return walk(dot, piece, insertion, read_block_portable);
#endif
}

struct bytes dot_finish(const struct dot *dot)
{
    switch (dot->place) {
    case DOT_LINE_START:
        break;
    case DOT_AFTER_CR:
        return BYTES("\n");
    case DOT_IN_LINE:
        return BYTES("\r\n");
    }
    return BYTES("");
}

/* True when a byte of a block is above 127. */
static inline bool is_high_block(const char *block)
{
#if defined(__SSE2__)
    const __m128i *vectors = (const __m128i *)(const void *)block;
    __m128i both = _mm_or_si128(_mm_loadu_si128(vectors), _mm_loadu_si128(vectors + 1));
    __m128i others = _mm_or_si128(_mm_loadu_si128(vectors + 2), _mm_loadu_si128(vectors + 3));
    return _mm_movemask_epi8(_mm_or_si128(both, others)) != 0;
#else
    uint64_t words[BLOCK_SIZE / 8];
    uint64_t all = 0;
    memcpy(words, block, sizeof words);
    for (size_t i = 0; i < BLOCK_SIZE / 8; i++)
        all |= words[i];
    return (all & UINT64_C(0x8080808080808080)) != 0;
#endif
}

bool dot_has_high_bytes(struct bytes text)
{
    const char *position = text.data;
    size_t left = text.length;
    for (; left >= BLOCK_SIZE; position += BLOCK_SIZE, left -= BLOCK_SIZE) {
        if (is_high_block(position))
            return true;
    }
    for (; left > 0; position++, left--) {
        if ((*position & 0x80) != 0)
            return true;
    }
    return false;
}
