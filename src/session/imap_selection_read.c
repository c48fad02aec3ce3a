/* What workers read for a selection: the mailbox, its view, what changed. Each answer is one
 * consistent state of the store. */
#include "session/imap_selection_inside.h"

#include <stdlib.h>

#include "db/db.h"

/* ---- rows ---- */

/* Appends the messages from UID 1 to below `uidnext` to the view. */
static bool read_rows(struct imap_view *view, struct db *db, int64_t mailbox, uint32_t uidnext,
                      struct store_view_message *rows, struct fault *fault)
{
    size_t count = STORE_VIEW_ROWS;
    for (uint32_t uid = 1; count == STORE_VIEW_ROWS; uid = rows[count - 1].uid + 1) {
        if (!store_view_read(db, mailbox, uid, rows, &count, fault))
            return false;
        for (size_t i = 0; i < count && rows[i].uid < uidnext; i++)
            if (!imap_view_add(view, &rows[i], fault))
                return false;
        if (count == 0 || rows[count - 1].uid >= uidnext - 1)
            return true;
    }
    return true;
}

static bool read_messages(struct imap_selection *selection, struct db *db, struct fault *fault)
{
    const struct store_mailbox *mailbox = &selection->opened;
    size_t most = mailbox->messages < STORE_VIEW_ROWS ? (size_t)mailbox->messages : STORE_VIEW_ROWS;
    struct store_view_message *rows = malloc(STORE_VIEW_ROWS * sizeof *rows);
    if (rows == NULL)
        return fault_set_memory(fault);
    bool is_done =
        (most == 0 || imap_view_reserve(&selection->view, (size_t)mailbox->messages, fault)) &&
        read_rows(&selection->view, db, mailbox->id, mailbox->uidnext, rows, fault);
    free(rows);
    return is_done;
}

static void begin_view(struct imap_selection *selection)
{
    struct imap_view *view = &selection->view;
    imap_view_clear(view);
    view->modseq = selection->opened.modseq;
    view->uidnext = selection->opened.uidnext;
    view->recent_from = selection->recent_from;
}

/* ---- opening ---- */

static bool find(struct imap_selection *selection, struct db *db, bool *is_found)
{
    bool is_there = false;
    if (!store_mailbox_find(db, selection->account, bytes_from_string(selection->name), false,
                            &selection->opened, &is_there, &selection->fault))
        return false;
    *is_found = is_there && selection->opened.is_selectable;
    return true;
}

/* What is \Recent for this session. One that only looks leaves it so for others. */
static void find_recent(struct imap_selection *selection)
{
    const struct store_mailbox *opened = &selection->opened;
    if (!selection->is_rev2)
        selection->recent_from =
            store_news_recent(selection->services->store, opened->id, opened->recent,
                              opened->uidnext, !selection->is_read_only);
}

/* The mailbox and, of a small one, its messages; in a transaction. */
static bool read_opened(struct imap_selection *selection, struct db *db, bool *is_found)
{
    int64_t before = selection->opened.id;
    if (!find(selection, db, is_found))
        return false;
    *is_found = *is_found && selection->opened.id == before;
    if (!*is_found)
        return true;
    find_recent(selection);
    begin_view(selection);
    if (!store_keywords_read(db, before, &selection->view.keywords, &selection->fault))
        return false;
    if (!selection->is_eager && selection->opened.messages > IMAP_SELECTION_EAGER)
        return selection->recent_from == 0 ||
               store_view_count(db, before, selection->recent_from, &selection->recent_count,
                                &selection->fault);
    if (!read_messages(selection, db, &selection->fault))
        return false;
    imap_view_tell_all(&selection->view);
    selection->is_loaded = true;
    return true;
}

/* Hears of the mailbox before it is read, so that nothing happens in between unheard. */
static void open_mailbox(struct imap_selection *selection, struct db *db)
{
    struct fault *fault = &selection->fault;
    bool is_found = false;
    selection->status = IMAP_SELECTION_FAILED;
    if (!find(selection, db, &is_found))
        return;
    selection->status = is_found ? IMAP_SELECTION_FAILED : IMAP_SELECTION_NONE;
    if (!is_found)
        return;
    selection->watch.mailbox = selection->opened.id;
    if (!store_news_watch_begin(selection->services->store, &selection->watch, fault))
        return;
    selection->is_watching = true;
    if (!db_begin(db, DB_READ, fault))
        return;
    bool is_read = read_opened(selection, db, &is_found);
    db_rollback(db);
    if (is_read)
        selection->status = is_found ? IMAP_SELECTION_READY : IMAP_SELECTION_NONE;
}

/* ---- loading later ---- */

/* The mailbox as SELECT told it: what is there of that time, and in the place of what went since,
   messages that are gone. */
static bool add_gone(struct imap_selection *selection, struct db *db)
{
    struct imap_view *view = &selection->view;
    const struct store_mailbox *opened = &selection->opened;
    if (view->count >= opened->messages || opened->uidnext < 2)
        return true;
    struct store_vanished vanished = {0};
    const struct store_uid_range all = {1, opened->uidnext - 1};
    if (!store_vanished_read(db, opened->id, opened->modseq, &all, 1, &vanished, &selection->fault))
        return false;
    bool is_done = imap_view_add_gone(view, vanished.ranges, vanished.count,
                                      (size_t)opened->messages - view->count, &selection->fault);
    store_vanished_clear(&vanished);
    return is_done;
}

static bool read_later(struct imap_selection *selection, struct db *db)
{
    begin_view(selection);
    return store_keywords_read(db, selection->opened.id, &selection->view.keywords,
                               &selection->fault) &&
           read_messages(selection, db, &selection->fault) && add_gone(selection, db);
}

static void load(struct imap_selection *selection, struct db *db)
{
    selection->status = IMAP_SELECTION_FAILED;
    if (!db_begin(db, DB_READ, &selection->fault))
        return;
    bool is_read = read_later(selection, db);
    db_rollback(db);
    if (!is_read) {
        imap_view_clear(&selection->view);
        return;
    }
    imap_view_tell_all(&selection->view);
    selection->is_loaded = true;
    selection->status = IMAP_SELECTION_READY;
}

/* ---- what changed ---- */

/* Every UID that is not among the rows. */
static bool list_absent(struct store_changes *changes, struct fault *fault)
{
    struct store_vanished *vanished = &changes->vanished;
    vanished->ranges = malloc((changes->count + 1) * sizeof *vanished->ranges);
    if (vanished->ranges == NULL)
        return fault_set_memory(fault);
    uint32_t next = 1;
    for (size_t i = 0; i <= changes->count; i++) {
        uint32_t uid = i < changes->count ? changes->messages[i].uid : changes->mailbox.uidnext;
        if (uid > next)
            vanished->ranges[vanished->count++] = (struct store_uid_range){next, uid - 1};
        next = uid + 1;
    }
    return true;
}

/* The log of changes does not reach back: everything is read, and counts as changed where it is
   other than in the view. Rows that are newer than the mailbox's counters wait for the next time.
 */
static bool read_whole(struct imap_selection *selection, struct db *db)
{
    struct store_changes *changes = selection->changes;
    size_t room = (size_t)changes->mailbox.messages + STORE_VIEW_ROWS;
    changes->messages = malloc(room * sizeof *changes->messages);
    if (changes->messages == NULL)
        return fault_set_memory(&selection->fault);
    uint32_t uid = 1;
    for (size_t count = STORE_VIEW_ROWS; count == STORE_VIEW_ROWS;) {
        if (room - changes->count < STORE_VIEW_ROWS)
            break;
        struct store_view_message *rows = &changes->messages[changes->count];
        if (!store_view_read(db, selection->opened.id, uid, rows, &count, &selection->fault))
            return false;
        size_t kept = count;
        while (kept > 0 && rows[kept - 1].uid >= changes->mailbox.uidnext)
            kept--;
        changes->count += kept;
        if (kept < count)
            break;
        if (count > 0)
            uid = rows[count - 1].uid + 1;
    }
    return list_absent(changes, &selection->fault);
}

static void sync_view(struct imap_selection *selection, struct db *db)
{
    const struct imap_view *view = &selection->view;
    struct store_changes *changes = selection->changes;
    selection->status = IMAP_SELECTION_FAILED;
    if (!store_changes_read(db, selection->opened.id, view->modseq, view->uidnext, changes,
                            &selection->fault))
        return;
    if (changes->is_gone) {
        selection->status = IMAP_SELECTION_GONE;
        return;
    }
    if (!changes->is_whole && !read_whole(selection, db))
        return;
    selection->status = IMAP_SELECTION_READY;
}

/* ---- QRESYNC ---- */

static void read_vanished(struct imap_selection *selection, struct db *db)
{
    struct imap_selection_vanished *asked = selection->vanished;
    bool is_read = store_vanished_read(db, selection->opened.id, asked->since, asked->within,
                                       asked->within_count, &asked->vanished, &selection->fault);
    selection->status = is_read ? IMAP_SELECTION_READY : IMAP_SELECTION_FAILED;
}

void imap_selection_read_work(struct worker_job *job, void *context)
{
    struct imap_selection *selection = (struct imap_selection *)job;
    if (context == NULL) {
        selection->status = IMAP_SELECTION_FAILED;
        fault_set(&selection->fault, FAULT_TEMPORARY, "the store cannot be reached");
        return;
    }
    switch (selection->work) {
    case IMAP_SELECTION_OPENS:
        open_mailbox(selection, context);
        return;
    case IMAP_SELECTION_LOADS:
        load(selection, context);
        return;
    case IMAP_SELECTION_SYNCS:
        sync_view(selection, context);
        return;
    case IMAP_SELECTION_READS_VANISHED:
        read_vanished(selection, context);
        return;
    }
}
