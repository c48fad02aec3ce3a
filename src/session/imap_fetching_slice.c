/* Reads the messages of a slice, as many as it takes, in runs of UIDs that follow one another. */
#include "session/imap_fetching_slice.h"

#include "session/imap_context.h"

enum {
    GAP_MAX = 3, /* numbers that are read over rather than asked around */
    /* Rows that PostgreSQL sends while it is not known how large they are. */
    ROWS_FIRST_DATA = 4,
    ROWS_FIRST_HEADER = 16,
    ROWS_FIRST = 128
};

/* What is read by one statement. */
struct run {
    size_t end;    /* the slot behind its last */
    size_t wanted; /* rows that are asked for */
    size_t read;   /* and that came */
    bool has_room; /* the slice was not full when they ended */
};

void imap_fetching_slice_clear(struct imap_fetching_slice *slice)
{
    buffer_clear(&slice->text);
    buffer_clear(&slice->scratch);
    buffer_clear(&slice->decoded);
}

/* On SQLite a row that is not taken costs nothing; PostgreSQL sends what was asked for. */
static size_t rows_to_ask(const struct imap_fetching_slice *slice, const struct db *db, size_t most)
{
    size_t rows = ROWS_FIRST;
    if (db_kind(db) == DB_SQLITE)
        return most;
    if (slice->typical > 0)
        rows = (slice->size - slice->text.length) / slice->typical + 1;
    else if ((slice->plan->wants & STORE_FETCH_DATA) != 0)
        rows = ROWS_FIRST_DATA;
    else if ((slice->plan->wants & STORE_FETCH_HEADER) != 0)
        rows = ROWS_FIRST_HEADER;
    return rows < most ? rows : most;
}

static struct run plan_run(const struct imap_fetching_slice *slice, const struct db *db)
{
    const struct imap_fetching_slot *slots = slice->slots;
    size_t end = slice->done + 1;
    while (end < slice->count && slots[end].number - slots[end - 1].number <= GAP_MAX)
        end++;
    size_t most = slots[end - 1].number - slots[slice->done].number + 1;
    return (struct run){.end = end, .wanted = rows_to_ask(slice, db, most)};
}

static void note_size(struct imap_fetching_slice *slice, const struct store_fetched *row,
                      size_t written)
{
    size_t size = row->prefix.length + row->data.length + row->header.length +
                  row->envelope.length + row->structure.length;
    if (size < written)
        size = written;
    slice->typical = slice->typical == 0 ? size : (slice->typical * 7 + size) / 8;
}

/* Slots whose messages come no more. */
static void leave_out(struct imap_fetching_slice *slice, size_t end)
{
    slice->has_gone = slice->has_gone || slice->done < end;
    slice->done = end;
}

/* False: the run is over, by a fault when *fault has one. */
static bool take_row(struct imap_fetching_slice *slice, struct db *db,
                     const struct store_fetched *row, const struct run *run, struct fault *fault)
{
    size_t at = slice->done;
    while (at < run->end && slice->slots[at].uid < row->uid)
        at++;
    leave_out(slice, at);
    if (at == run->end)
        return false;
    if (slice->slots[at].uid > row->uid)
        return true;
    size_t before = slice->text.length;
    switch (imap_fetching_message_write(slice, db, &slice->slots[at], row, fault)) {
    case IMAP_FETCHING_WRITTEN:
        note_size(slice, row, slice->text.length - before);
        break;
    case IMAP_FETCHING_LEFT_OUT:
        break;
    case IMAP_FETCHING_PAUSED:
    case IMAP_FETCHING_FAILED:
        return false;
    }
    slice->done++;
    return slice->done < run->end;
}

static bool read_run(struct imap_fetching_slice *slice, struct db *db, struct fault *fault)
{
    struct run run = plan_run(slice, db);
    struct store_fetched row;
    AUTO(store_fetch)
    fetch = {0};
    if (!store_fetch_open(&fetch, db, slice->mailbox, slice->slots[slice->done].uid,
                          slice->slots[run.end - 1].uid, run.wanted, slice->plan->wants, fault))
        return false;
    bool goes_on = true;
    while (goes_on && slice->text.length < slice->size && store_fetch_next(&fetch, &row)) {
        run.read++;
        goes_on = take_row(slice, db, &row, &run, fault);
    }
    run.has_room = goes_on && slice->text.length < slice->size;
    if (fault->kind != FAULT_NONE || !store_fetch_finish(&fetch, fault))
        return false;
    if (run.has_room && run.read < run.wanted)
        leave_out(slice, run.end);
    return true;
}

static bool go_on(struct imap_fetching_slice *slice, struct db *db, struct fault *fault)
{
    if (!slice->rest.is_open)
        return true;
    switch (imap_fetching_message_go_on(slice, db, &slice->slots[slice->done], fault)) {
    case IMAP_FETCHING_FAILED:
        return false;
    case IMAP_FETCHING_PAUSED:
        return true;
    default:
        slice->done++;
        return true;
    }
}

bool imap_fetching_slice_run(struct imap_fetching_slice *slice, struct db *db, struct fault *fault)
{
    fault_clear(fault);
    /* At once: it would double, and copy, up to there. */
    buffer_reserve(&slice->text, slice->size + slice->size / 4);
    if (!go_on(slice, db, fault))
        return false;
    while (!slice->rest.is_open && slice->done < slice->count && slice->text.length < slice->size &&
           !buffer_is_failed(&slice->text)) {
        if (!read_run(slice, db, fault))
            return false;
    }
    return !buffer_is_failed(&slice->text) || fault_set_memory(fault);
}
