/* Finding the end of DATA in a stream at memory speed. */
#include "sink_scan.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

static const char data_end[] = {'\r', '\n', '.', '\r', '\n'};

#ifdef __SSE2__
/* Sixteen places at a time: LF followed by a dot is rare enough to look at one by one. */
static const char *find(const char *p, size_t n)
{
    const __m128i line_feed = _mm_set1_epi8('\n');
    const __m128i dot = _mm_set1_epi8('.');
    size_t i = 1;
    for (; i + 17 <= n; i += 16) {
        __m128i here = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
        __m128i next = _mm_loadu_si128((const __m128i *)(const void *)(p + i + 1));
        __m128i both = _mm_and_si128(_mm_cmpeq_epi8(here, line_feed), _mm_cmpeq_epi8(next, dot));
        unsigned mask = (unsigned)_mm_movemask_epi8(both);
        for (; mask != 0; mask &= mask - 1) {
            size_t at = i + (size_t)__builtin_ctz(mask) - 1;
            if (at + sizeof data_end <= n && memcmp(p + at, data_end, sizeof data_end) == 0)
                return p + at;
        }
    }
    return memmem(p + i - 1, n - i + 1, data_end, sizeof data_end);
}
#else
static const char *find(const char *p, size_t n)
{
    return memmem(p, n, data_end, sizeof data_end);
}
#endif

bool sink_scan_data_end(const char *p, size_t n, size_t *taken)
{
    const size_t keep = sizeof data_end - 1;
    *taken = n > keep ? n - keep : 0;
    if (n < sizeof data_end)
        return false;
    const char *end = find(p, n);
    if (end == NULL)
        return false;
    *taken = (size_t)(end - p) + sizeof data_end;
    return true;
}
