/* What the client is told of the view: EXPUNGE or VANISHED first, which change the numbers of the
 * others, then EXISTS, then flags. */
#include "session/imap_view.h"

#include "imap/imap_write.h"
#include "store/store_delivery.h"

/* Those from index `from` on move down behind those that were kept. */
static void close_gap(struct imap_view *view, size_t kept, size_t from)
{
    if (kept == from)
        return;
    memmove(&view->messages[kept], &view->messages[from],
            (view->count - from) * sizeof *view->messages);
    view->count -= from - kept;
    view->told -= from - kept;
}

static void write_expunge(struct buffer *out, size_t number)
{
    buffer_append(out, BYTES("* "));
    imap_write_number(out, number);
    buffer_append(out, BYTES(" EXPUNGE\r\n"));
}

/* In ascending order; each number counts without those before it that were told. */
static bool tell_expunged(struct imap_view *view, struct buffer *out, size_t most)
{
    size_t kept = 0;
    size_t at = 0;
    for (; at < view->told && view->gone > 0 && out->length < most; at++) {
        if ((view->messages[at].flags & IMAP_VIEW_GONE) == 0) {
            view->messages[kept++] = view->messages[at];
            continue;
        }
        write_expunge(out, kept + 1);
        view->gone--;
    }
    close_gap(view, kept, at);
    return view->gone == 0;
}

/* RFC 7162 3.2.10: UIDs instead of numbers, many in one response. */
static bool tell_vanished(struct imap_view *view, struct buffer *out, size_t most)
{
    struct imap_sequence_writer writer;
    if (out->length >= most)
        return false;
    buffer_append(out, BYTES("* VANISHED "));
    imap_sequence_begin(&writer, out);
    size_t kept = 0;
    size_t at = 0;
    bool has_any = false;
    for (; at < view->told && view->gone > 0 && (!has_any || out->length < most); at++) {
        if ((view->messages[at].flags & IMAP_VIEW_GONE) == 0) {
            view->messages[kept++] = view->messages[at];
            continue;
        }
        imap_sequence_add(&writer, view->messages[at].uid);
        has_any = true;
        view->gone--;
    }
    imap_sequence_end(&writer);
    buffer_append(out, BYTES("\r\n"));
    close_gap(view, kept, at);
    return view->gone == 0;
}

static void tell_exists(struct imap_view *view, bool has_recent, struct buffer *out)
{
    buffer_append(out, BYTES("* "));
    imap_write_number(out, view->count);
    buffer_append(out, BYTES(" EXISTS\r\n"));
    view->told = view->count;
    if (!has_recent)
        return;
    buffer_append(out, BYTES("* "));
    imap_write_number(out, view->recent);
    buffer_append(out, BYTES(" RECENT\r\n"));
}

void imap_view_tell_flags(const struct imap_view *view, bool is_read_only, struct buffer *out)
{
    const uint64_t system = STORE_FLAG_SEEN | STORE_FLAG_ANSWERED | STORE_FLAG_FLAGGED |
                            STORE_FLAG_DELETED | STORE_FLAG_DRAFT;
    uint64_t all = system;
    size_t used = 0;
    for (size_t i = 0; i < view->keywords.count; i++)
        if (view->keywords.names[i].length > 0) {
            all |= (uint64_t)1 << (STORE_KEYWORD_FIRST + i);
            used++;
        }
    buffer_append(out, BYTES("* FLAGS "));
    imap_write_flags(out, all, false, view->keywords.names, view->keywords.count);
    buffer_append(out, BYTES("\r\n* OK [PERMANENTFLAGS "));
    if (is_read_only) {
        buffer_append(out, BYTES("()] No flags can be changed\r\n"));
        return;
    }
    imap_write_flags(out, all, false, view->keywords.names, view->keywords.count);
    /* RFC 9051 7.1, PERMANENTFLAGS: "\*" says that new keywords can be made. */
    if (used < STORE_KEYWORDS_MAX && !buffer_is_failed(out)) {
        buffer_truncate(out, out->length - 1);
        buffer_append(out, BYTES(" \\*)"));
    }
    buffer_append(out, BYTES("] Flags that are kept\r\n"));
}

void imap_view_tell_message(const struct imap_view *view, size_t index, bool has_flags,
                            const struct imap_view_telling *how, struct buffer *out)
{
    const struct imap_view_message *message = &view->messages[index];
    buffer_append(out, BYTES("* "));
    imap_write_number(out, index + 1);
    buffer_append(out, BYTES(" FETCH ("));
    const char *blank = "";
    if (how->wants_uid) {
        buffer_append(out, BYTES("UID "));
        imap_write_number(out, message->uid);
        blank = " ";
    }
    if (has_flags) {
        buffer_append_string(out, blank);
        buffer_append(out, BYTES("FLAGS "));
        imap_write_flags(out, message->flags & IMAP_VIEW_STORED,
                         how->has_recent && (message->flags & IMAP_VIEW_RECENT) != 0,
                         view->keywords.names, view->keywords.count);
        blank = " ";
    }
    if (how->wants_modseq) {
        buffer_append_string(out, blank);
        buffer_append(out, BYTES("MODSEQ ("));
        imap_write_number(out, imap_view_modseq_of(view, message));
        buffer_append_char(out, ')');
    }
    buffer_append(out, BYTES(")\r\n"));
}

static bool tell_flags(struct imap_view *view, const struct imap_view_telling *how,
                       struct buffer *out, size_t most)
{
    size_t at = view->untold_from;
    for (; at < view->told && view->untold > 0; at++) {
        struct imap_view_message *message = &view->messages[at];
        bool has_flags = (message->flags & IMAP_VIEW_UNTOLD) != 0;
        bool has_modseq = (message->flags & IMAP_VIEW_SILENT) != 0;
        if (!has_flags && !has_modseq)
            continue;
        if (out->length >= most)
            break;
        if (has_flags || how->wants_modseq)
            imap_view_tell_message(view, at, has_flags, how, out);
        message->flags &= ~(IMAP_VIEW_UNTOLD | IMAP_VIEW_SILENT);
        view->untold--;
    }
    view->untold_from = view->untold == 0 ? 0 : at;
    return view->untold == 0;
}

bool imap_view_tell(struct imap_view *view, const struct imap_view_telling *how, struct buffer *out,
                    size_t most)
{
    if (how->allows_expunge && view->gone > 0) {
        view->untold_from = 0;
        if (!(how->wants_vanished ? tell_vanished(view, out, most)
                                  : tell_expunged(view, out, most)))
            return false;
    }
    if (view->count > view->told)
        tell_exists(view, how->has_recent, out);
    if (view->has_untold_keywords) {
        imap_view_tell_flags(view, how->is_read_only, out);
        view->has_untold_keywords = false;
    }
    return tell_flags(view, how, out, most);
}

bool imap_view_tell_has_news(const struct imap_view *view, bool allows_expunge)
{
    return (allows_expunge && view->gone > 0) || view->count > view->told || view->untold > 0 ||
           view->has_untold_keywords;
}
