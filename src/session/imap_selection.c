/* Life of a selection, and what it hears. The worker's part is in imap_selection_read.c. */
#include "session/imap_selection_inside.h"

#include <stdlib.h>

#include "base/clock.h"

/* ---- hearing: any thread ---- */

/* Keeps what is new for the loop. False: the loop need not be told. */
static bool keep_news(struct imap_selection *selection, const struct store_news *news)
{
    switch (news->kind) {
    case STORE_NEWS_GONE:
        selection->is_removed = true;
        break;
    case STORE_NEWS_ADDED:
        if (selection->added_count < IMAP_SELECTION_ADDED_MAX)
            selection->added[selection->added_count++] = *news;
        break;
    case STORE_NEWS_CHANGED:
        selection->must_read = selection->must_read || news->modseq == 0;
        break;
    }
    if (news->modseq > selection->heard_modseq)
        selection->heard_modseq = news->modseq;
    bool is_to_post = selection->wants_news && !selection->is_posted;
    selection->is_posted = selection->is_posted || is_to_post;
    return is_to_post;
}

static void hear(struct store_watch *watch, const struct store_news *news)
{
    struct imap_selection *selection =
        (struct imap_selection *)((char *)watch - offsetof(struct imap_selection, watch));
    pthread_mutex_lock(&selection->lock);
    bool is_to_post = keep_news(selection, news);
    pthread_mutex_unlock(&selection->lock);
    if (is_to_post)
        loop_post(selection->loop, &selection->heard);
}

/* ---- life ---- */

static void free_vanished(struct imap_selection *selection)
{
    if (selection->vanished == NULL)
        return;
    store_vanished_clear(&selection->vanished->vanished);
    free(selection->vanished->within);
    free(selection->vanished);
    selection->vanished = NULL;
}

static void free_changes(struct imap_selection *selection)
{
    if (selection->changes == NULL)
        return;
    store_changes_clear(selection->changes);
    free(selection->changes);
    selection->changes = NULL;
}

/* Messages that this session was told of as \Recent are so for nobody else (RFC 3501 2.3.2). Told
   when the session has seen them all: a job for each new message would be one for each session. */
static void raise_recent(struct imap_selection *selection)
{
    uint32_t uid = selection->view.uidnext;
    if (!selection->is_read_only && !selection->is_rev2 && uid > selection->raised &&
        uid > selection->opened.recent) {
        selection->raised = uid;
        store_view_raise_recent(selection->services->store, selection->opened.id, uid);
    }
}

/* What was posted to the loop comes first. */
static void free_when_idle(struct imap_selection *selection)
{
    selection->is_freed = true;
    if (selection->is_working)
        return;
    if (selection->is_watching)
        store_news_watch_end(selection->services->store, &selection->watch);
    selection->is_watching = false;
    if (selection->is_posted)
        return;
    free_changes(selection);
    free_vanished(selection);
    imap_view_clear(&selection->view);
    pthread_mutex_destroy(&selection->lock);
    free(selection->saved);
    free(selection->name);
    free(selection);
}

void imap_selection_free(struct imap_selection *selection)
{
    if (selection == NULL)
        return;
    selection->told = NULL;
    selection->news = NULL;
    if (!selection->is_working && selection->opened.id != 0)
        raise_recent(selection);
    free_when_idle(selection);
}

static void come_to_loop(struct loop_task *task)
{
    struct imap_selection *selection =
        (struct imap_selection *)((char *)task - offsetof(struct imap_selection, heard));
    pthread_mutex_lock(&selection->lock);
    selection->is_posted = false;
    pthread_mutex_unlock(&selection->lock);
    if (selection->is_freed)
        free_when_idle(selection);
    else
        selection->news->run(selection->news);
}

/* ---- asking workers ---- */

/* What comes is \Recent for the first who takes it in. */
static void find_recent(struct imap_selection *selection, uint32_t uidnext)
{
    struct imap_view *view = &selection->view;
    if (selection->is_rev2 || uidnext <= view->uidnext)
        return;
    uint32_t from = store_news_recent(selection->services->store, selection->opened.id,
                                      view->uidnext, uidnext, !selection->is_read_only);
    /* Those before keep what they are. */
    view->recent_from = from;
}

static void finish_sync(struct imap_selection *selection)
{
    struct fault *fault = &selection->fault;
    if (selection->status == IMAP_SELECTION_READY)
        find_recent(selection, selection->changes->mailbox.uidnext);
    if (selection->status == IMAP_SELECTION_READY &&
        !imap_view_apply(&selection->view, selection->changes, fault))
        selection->status = IMAP_SELECTION_FAILED;
    free_changes(selection);
    pthread_mutex_lock(&selection->lock);
    selection->must_read = selection->must_read || selection->status == IMAP_SELECTION_FAILED;
    selection->is_removed = selection->is_removed || selection->status == IMAP_SELECTION_GONE;
    pthread_mutex_unlock(&selection->lock);
}

static void come_back(struct loop_task *task)
{
    struct imap_selection *selection =
        (struct imap_selection *)((char *)task - offsetof(struct imap_selection, job.done));
    selection->is_working = false;
    if (selection->is_freed) {
        free_when_idle(selection);
        return;
    }
    if (selection->work == IMAP_SELECTION_SYNCS)
        finish_sync(selection);
    if (selection->status == IMAP_SELECTION_FAILED)
        session_services_tell_trouble(selection->services, SESSION_TROUBLE_READ, selection->session,
                                      &selection->fault, loop_now(selection->loop));
    selection->told->run(selection->told);
}

static enum imap_selection_status submit(struct imap_selection *selection,
                                         enum imap_selection_work work)
{
    assert(!selection->is_working);
    selection->work = work;
    selection->is_working = true;
    selection->status = IMAP_SELECTION_WAITS;
    fault_clear(&selection->fault);
    selection->job = (struct worker_job){
        .run = imap_selection_read_work, .done = {.run = come_back}, .loop = selection->loop};
    worker_submit(selection->services->workers, &selection->job);
    return IMAP_SELECTION_WAITS;
}

struct imap_selection *imap_selection_new(const struct imap_context *context, struct bytes name,
                                          bool is_read_only, bool is_eager, struct loop_task *told,
                                          struct loop_task *news, struct fault *fault)
{
    struct imap_selection *selection = calloc(1, sizeof *selection);
    char *copy = malloc(name.length + 1);
    if (selection == NULL || copy == NULL) {
        free(selection);
        free(copy);
        fault_set_memory(fault);
        return NULL;
    }
    if (name.length > 0)
        memcpy(copy, name.data, name.length);
    copy[name.length] = '\0';
    selection->name = copy;
    selection->services = context->services;
    selection->loop = context->identity->loop;
    selection->session = context->identity->id;
    selection->account = context->account->id;
    selection->is_read_only = is_read_only;
    selection->is_rev2 = imap_context_is_rev2(context);
    selection->is_eager = is_eager;
    selection->told = told;
    selection->news = news;
    selection->watch.hear = hear;
    selection->heard.run = come_to_loop;
    pthread_mutex_init(&selection->lock, NULL);
    imap_view_init(&selection->view);
    submit(selection, IMAP_SELECTION_OPENS);
    return selection;
}

enum imap_selection_status imap_selection_load(struct imap_selection *selection)
{
    pthread_mutex_lock(&selection->lock);
    bool is_removed = selection->is_removed;
    pthread_mutex_unlock(&selection->lock);
    if (is_removed)
        return selection->status = IMAP_SELECTION_GONE;
    if (selection->is_loaded)
        return selection->status = IMAP_SELECTION_READY;
    return submit(selection, IMAP_SELECTION_LOADS);
}

enum imap_selection_status imap_selection_read_vanished(struct imap_selection *selection,
                                                        struct imap_selection_vanished *asked)
{
    free_vanished(selection);
    selection->vanished = asked;
    return submit(selection, IMAP_SELECTION_READS_VANISHED);
}

const struct imap_selection_vanished *
imap_selection_vanished(const struct imap_selection *selection)
{
    return selection->vanished;
}

/* ---- keeping in step ---- */

/* What was heard and may be taken in; it is forgotten. */
static unsigned take_heard(struct imap_selection *selection, struct store_news *added)
{
    unsigned count = 0;
    pthread_mutex_lock(&selection->lock);
    if (selection->is_loaded && !selection->is_removed && !selection->must_read) {
        count = selection->added_count;
        memcpy(added, selection->added, count * sizeof *added);
        selection->added_count = 0;
    }
    pthread_mutex_unlock(&selection->lock);
    return count;
}

/* New messages that follow what the view shows are taken in as they were heard. The lock is not
   held meanwhile: who tells us holds that of the newsroom, which we ask. */
static void take_added(struct imap_selection *selection)
{
    struct imap_view *view = &selection->view;
    struct store_news added[IMAP_SELECTION_ADDED_MAX];
    unsigned count = take_heard(selection, added);
    for (unsigned i = 0; i < count; i++) {
        const struct store_news *news = &added[i];
        const struct store_view_message message = {news->uid, news->flags, news->modseq};
        if (news->modseq != view->modseq + 1 || news->uid < view->uidnext)
            continue;
        find_recent(selection, news->uid + 1);
        if (!imap_view_add(view, &message, NULL))
            break;
        view->modseq = news->modseq;
        view->uidnext = news->uid + 1;
    }
}

static bool is_behind(const struct imap_selection *selection)
{
    return selection->is_removed || selection->must_read ||
           selection->heard_modseq >
               (selection->is_loaded ? selection->view.modseq : selection->opened.modseq);
}

bool imap_selection_is_behind(const struct imap_selection *selection)
{
    struct imap_selection *locked = (struct imap_selection *)selection;
    pthread_mutex_lock(&locked->lock);
    bool is_so = is_behind(selection);
    pthread_mutex_unlock(&locked->lock);
    return is_so;
}

enum imap_selection_status imap_selection_sync(struct imap_selection *selection)
{
    take_added(selection);
    pthread_mutex_lock(&selection->lock);
    bool is_removed = selection->is_removed;
    bool is_to_read = selection->is_loaded && !is_removed && is_behind(selection);
    if (is_to_read) {
        /* What was heard until now is in what will be read. */
        selection->must_read = false;
        selection->heard_modseq = 0;
        selection->added_count = 0;
    }
    pthread_mutex_unlock(&selection->lock);
    if (is_removed)
        return selection->status = IMAP_SELECTION_GONE;
    if (!is_to_read)
        return selection->status = IMAP_SELECTION_READY;
    selection->changes = calloc(1, sizeof *selection->changes);
    if (selection->changes != NULL)
        return submit(selection, IMAP_SELECTION_SYNCS);
    fault_set_memory(&selection->fault);
    pthread_mutex_lock(&selection->lock);
    selection->must_read = true;
    pthread_mutex_unlock(&selection->lock);
    return selection->status = IMAP_SELECTION_FAILED;
}

void imap_selection_saw(struct imap_selection *selection, uint64_t modseq)
{
    unsigned kept = 0;
    pthread_mutex_lock(&selection->lock);
    for (unsigned i = 0; i < selection->added_count; i++)
        if (selection->added[i].modseq > modseq)
            selection->added[kept++] = selection->added[i];
    selection->added_count = kept;
    pthread_mutex_unlock(&selection->lock);
}

void imap_selection_listen(struct imap_selection *selection, bool wants_news)
{
    pthread_mutex_lock(&selection->lock);
    selection->wants_news = wants_news;
    pthread_mutex_unlock(&selection->lock);
}

/* ---- what it is ---- */

enum imap_selection_status imap_selection_status(const struct imap_selection *selection)
{
    return selection->status;
}

const struct fault *imap_selection_fault(const struct imap_selection *selection)
{
    return &selection->fault;
}

int64_t imap_selection_mailbox(const struct imap_selection *selection)
{
    /* Until it is open it is in the hands of a worker. */
    bool is_opening = selection->is_working && selection->work == IMAP_SELECTION_OPENS;
    return is_opening ? 0 : selection->opened.id;
}

bool imap_selection_is_loaded(const struct imap_selection *selection)
{
    return selection->is_loaded;
}

uint64_t imap_selection_recent(const struct imap_selection *selection)
{
    return selection->is_loaded ? selection->view.recent : selection->recent_count;
}

bool imap_selection_is_read_only(const struct imap_selection *selection)
{
    return selection->is_read_only;
}

const struct store_mailbox *imap_selection_opened(const struct imap_selection *selection)
{
    return &selection->opened;
}

struct imap_view *imap_selection_view(struct imap_selection *selection)
{
    return &selection->view;
}

/* ---- "$" ---- */

void imap_selection_save(struct imap_selection *selection, struct store_uid_range *taken,
                         size_t count)
{
    free(selection->saved);
    selection->saved = taken;
    selection->saved_count = count;
}

bool imap_selection_resolve(struct imap_selection *selection, const struct imap_sequence *sequence,
                            bool is_uid, struct arena *arena, struct imap_range **numbers,
                            size_t *count, struct fault *fault)
{
    if (!sequence->is_saved)
        return imap_view_resolve(&selection->view, sequence, is_uid, arena, numbers, count, fault);
    struct imap_range *ranges = arena_allocate_array(arena, selection->saved_count, sizeof *ranges);
    if (ranges == NULL)
        return fault_set_memory(fault);
    for (size_t i = 0; i < selection->saved_count; i++)
        ranges[i] = (struct imap_range){selection->saved[i].first, selection->saved[i].last};
    struct imap_sequence saved = {.ranges = ranges, .count = selection->saved_count};
    return imap_view_resolve(&selection->view, &saved, true, arena, numbers, count, fault);
}
