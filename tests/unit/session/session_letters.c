/* Deliveries and removals by jobs of the store. */
#include "session/session_letters.h"

#include <pthread.h>
#include <stdlib.h>

#include "store/store_delivery.h"
#include "store/store_maildrop.h"

const char letters_prefix[] = "Return-Path: <a@away.example>\r\n";

struct letter {
    struct store_delivery delivery; /* first */
    struct message_parsed parsed;
    struct store_delivery_local local;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t has_ended = PTHREAD_COND_INITIALIZER;
static size_t ended;

static void tell_end(struct store_job *job)
{
    pthread_mutex_lock(&mutex);
    ended += job->is_done;
    pthread_cond_signal(&has_ended);
    pthread_mutex_unlock(&mutex);
}

static void wait_for(size_t count)
{
    pthread_mutex_lock(&mutex);
    while (ended < count)
        pthread_cond_wait(&has_ended, &mutex);
    pthread_mutex_unlock(&mutex);
}

struct store_account letters_ann(struct house *house)
{
    struct store_account ann;
    bool is_found;
    assert_true(
        store_account_find(house->reader, BYTES("ann@home.example"), &ann, &is_found, NULL));
    assert_true(is_found);
    return ann;
}

static void post(struct house *house, struct letter *letter, const struct store_account *account,
                 struct bytes text)
{
    *letter = (struct letter){
        .parsed = {.header = BYTES("header"),
                   .envelope = BYTES("envelope"),
                   .structure = BYTES("structure"),
                   .size = text.length},
        .local = {.account = account->id,
                  .mailbox = account->inbox,
                  .prefix = bytes_from_string(letters_prefix)},
        .delivery = {.job = {.done = tell_end},
                     .store = house->store,
                     .id = store_id_make(house->store),
                     .local_count = 1},
    };
    letter->delivery.draft = store_draft_new(house->store, NULL);
    assert_non_null(letter->delivery.draft);
    while (text.length > 0) {
        struct bytes piece = bytes_slice(text, 0, 64 * 1024);
        text = bytes_skip(text, piece.length);
        if (store_draft_is_full(letter->delivery.draft))
            assert_true(store_draft_spill(letter->delivery.draft, NULL));
        assert_true(store_draft_append(letter->delivery.draft, piece, NULL));
    }
    letter->delivery.parsed = &letter->parsed;
    letter->delivery.locals = &letter->local;
    store_delivery_submit(&letter->delivery);
}

void letters_put(struct house *house, const struct bytes *texts, size_t count)
{
    struct store_account ann = letters_ann(house);
    struct letter *letters = calloc(count, sizeof *letters);
    assert_non_null(letters);
    ended = 0;
    for (size_t i = 0; i < count; i++)
        post(house, &letters[i], &ann, texts[i]);
    wait_for(count);
    for (size_t i = 0; i < count; i++)
        store_draft_free(letters[i].delivery.draft);
    free(letters);
}

void letters_put_one(struct house *house, const char *text)
{
    struct bytes bytes = bytes_from_string(text);
    letters_put(house, &bytes, 1);
}

void letters_remove(struct house *house, uint32_t uid)
{
    struct store_removal removal = {.job = {.done = tell_end},
                                    .store = house->store,
                                    .mailbox = letters_ann(house).inbox,
                                    .uids = &uid,
                                    .count = 1};
    ended = 0;
    store_removal_submit(&removal);
    wait_for(1);
}
