/* The thread that keeps SQLite's log short. */
#include "store/store_checkpoint.h"

#include <pthread.h>
#include <stdlib.h>

struct store_checkpoint {
    struct db *db;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t has_work;
    bool is_wanted;
    bool is_stopping;
};

static bool wait_for_work(struct store_checkpoint *checkpoint)
{
    pthread_mutex_lock(&checkpoint->mutex);
    while (!checkpoint->is_wanted && !checkpoint->is_stopping)
        pthread_cond_wait(&checkpoint->has_work, &checkpoint->mutex);
    checkpoint->is_wanted = false;
    bool goes_on = !checkpoint->is_stopping;
    pthread_mutex_unlock(&checkpoint->mutex);
    return goes_on;
}

static void *copy(void *argument)
{
    struct store_checkpoint *checkpoint = argument;
    uint64_t left;
    /* What fails is tried again when the log has grown. */
    while (wait_for_work(checkpoint))
        db_checkpoint(checkpoint->db, &left, NULL);
    return NULL;
}

struct store_checkpoint *store_checkpoint_start(const struct db_options *options,
                                                struct fault *fault)
{
    struct store_checkpoint *checkpoint = calloc(1, sizeof(*checkpoint));
    if (checkpoint == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    checkpoint->db = db_open(options, fault);
    if (checkpoint->db == NULL) {
        free(checkpoint);
        return NULL;
    }
    pthread_mutex_init(&checkpoint->mutex, NULL);
    pthread_cond_init(&checkpoint->has_work, NULL);
    int error = pthread_create(&checkpoint->thread, NULL, copy, checkpoint);
    if (error == 0)
        return checkpoint;
    fault_set_system(fault, FAULT_TEMPORARY, error, "cannot start a thread");
    pthread_cond_destroy(&checkpoint->has_work);
    pthread_mutex_destroy(&checkpoint->mutex);
    db_close(checkpoint->db);
    free(checkpoint);
    return NULL;
}

void store_checkpoint_stop(struct store_checkpoint *checkpoint)
{
    if (checkpoint == NULL)
        return;
    pthread_mutex_lock(&checkpoint->mutex);
    checkpoint->is_stopping = true;
    pthread_cond_signal(&checkpoint->has_work);
    pthread_mutex_unlock(&checkpoint->mutex);
    pthread_join(checkpoint->thread, NULL);
    pthread_cond_destroy(&checkpoint->has_work);
    pthread_mutex_destroy(&checkpoint->mutex);
    db_close(checkpoint->db);
    free(checkpoint);
}

void store_checkpoint_wake(struct store_checkpoint *checkpoint)
{
    pthread_mutex_lock(&checkpoint->mutex);
    checkpoint->is_wanted = true;
    pthread_cond_signal(&checkpoint->has_work);
    pthread_mutex_unlock(&checkpoint->mutex);
}
