/* How fast the store takes and gives messages: store_bench PLACE DIRECTORY [COUNT]. The directory
 * is where fdatasync is measured beside it, the machine's own limit. */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/store_accounts.h"
#include "store/store_delivery.h"
#include "store/store_maildrop.h"

enum {
    ACCOUNTS = 200,
    BODY_SIZE = 4096,
    HEADER_SIZE = 700,
    COUNT_DEFAULT = 20000,
    SYNC_MILLISECONDS = 1000,
    READ_ROOM = 1024 * 1024,
    READ_COUNT = 256
};

static struct store *store;
static struct store_account accounts[ACCOUNTS];
static char body[BODY_SIZE];

static void die(const char *what, const struct fault *fault)
{
    fprintf(stderr, "store_bench: %s: %s\n", what, fault->message);
    exit(1);
}

struct watch {
    uint64_t start;
    double cpu;
};

static double cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static struct watch watch_start(void)
{
    return (struct watch){clock_monotonic_milliseconds(), cpu_seconds()};
}

static void watch_tell(const struct watch *watch, const char *what, size_t count)
{
    double seconds = (double)(clock_monotonic_milliseconds() - watch->start + 1) / 1000;
    double cpu = cpu_seconds() - watch->cpu;
    printf("%-44s %8zu in %6.2f s: %9.0f/s, %6.1f us CPU each\n", what, count, seconds,
           (double)count / seconds, cpu * 1e6 / (double)count);
}

/* ---- the machine ---- */

static void measure_sync(const char *directory)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/store-bench-sync", directory);
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    size_t count = 0;
    struct watch watch = watch_start();
    while (clock_monotonic_milliseconds() - watch.start < SYNC_MILLISECONDS) {
        if (pwrite(file, body, sizeof(body), (off_t)(count * sizeof(body))) < 0 ||
            fdatasync(file) != 0)
            break;
        count++;
    }
    watch_tell(&watch, "fdatasync of 4 KiB, one after another", count);
    close(file);
    unlink(path);
}

/* ---- setting up ---- */

static bool add_accounts(struct store_job *job, struct db *db, struct fault *fault)
{
    (void)job;
    if (!store_domain_add(db, store_id_make(store), BYTES("bench.example"), fault))
        return false;
    for (int i = 0; i < ACCOUNTS; i++) {
        char login[64];
        snprintf(login, sizeof(login), "user%d@bench.example", i);
        if (!store_account_add(store, db, bytes_from_string(login), &accounts[i].id, fault))
            return false;
    }
    return true;
}

static void set_up(struct db *reader)
{
    struct fault fault = {0};
    struct store_job job = {.run = add_accounts};
    if (!store_run(store, &job, &fault))
        die("accounts", &fault);
    for (int i = 0; i < ACCOUNTS; i++) {
        bool is_found;
        if (!store_account_get(reader, accounts[i].id, &accounts[i], &is_found, &fault))
            die("account", &fault);
    }
    memset(body, 'x', sizeof(body));
    for (size_t i = 76; i + 1 < sizeof(body); i += 78)
        memcpy(body + i, "\r\n", 2);
}

/* ---- delivering ---- */

struct letter {
    struct store_delivery delivery;
    struct store_delivery_local locals[10];
    struct message_parsed parsed;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t has_room = PTHREAD_COND_INITIALIZER;
static size_t in_flight;

static void finish(struct store_job *job)
{
    struct letter *letter = (struct letter *)job;
    if (!job->is_done)
        die("delivery", &job->fault);
    store_draft_free(letter->delivery.draft);
    free(letter);
    pthread_mutex_lock(&mutex);
    in_flight--;
    pthread_cond_signal(&has_room);
    pthread_mutex_unlock(&mutex);
}

static void submit(size_t number, size_t recipients)
{
    struct fault fault = {0};
    struct letter *letter = calloc(1, sizeof(*letter));
    letter->parsed = (struct message_parsed){.header = bytes_of(body, HEADER_SIZE),
                                             .envelope = bytes_of(body, 300),
                                             .structure = bytes_of(body, 60),
                                             .size = sizeof(body)};
    letter->delivery = (struct store_delivery){.job.done = finish,
                                               .store = store,
                                               .id = store_id_make(store),
                                               .draft = store_draft_new(store, &fault),
                                               .parsed = &letter->parsed,
                                               .received = clock_wall_microseconds(),
                                               .locals = letter->locals,
                                               .local_count = recipients};
    for (size_t i = 0; i < recipients; i++) {
        const struct store_account *account = &accounts[(number + i) % ACCOUNTS];
        letter->locals[i] = (struct store_delivery_local){
            .account = account->id, .mailbox = account->inbox, .prefix = bytes_of(body, 300)};
    }
    if (!store_draft_append(letter->delivery.draft, bytes_of(body, sizeof(body)), &fault))
        die("draft", &fault);
    store_delivery_submit(&letter->delivery);
}

static void deliver(const char *what, size_t count, size_t at_once, size_t recipients)
{
    struct watch watch = watch_start();
    for (size_t i = 0; i < count + at_once; i++) {
        pthread_mutex_lock(&mutex);
        while (in_flight > 0 && in_flight >= (i < count ? at_once : 1))
            pthread_cond_wait(&has_room, &mutex);
        if (i < count)
            in_flight++;
        pthread_mutex_unlock(&mutex);
        if (i < count)
            submit(i * recipients, recipients);
    }
    watch_tell(&watch, what, count);
}

/* All in one mailbox, for reading and removing. */
static void fill_one(size_t count)
{
    struct store_account saved[ACCOUNTS];
    memcpy(saved, accounts, sizeof(accounts));
    for (int i = 1; i < ACCOUNTS; i++)
        accounts[i] = accounts[0];
    deliver("delivery, 100 at once, one mailbox", count, 100, 1);
    memcpy(accounts, saved, sizeof(accounts));
}

/* ---- reading and removing ---- */

static void read_all(struct db *reader)
{
    struct fault fault = {0};
    struct store_maildrop maildrop;
    struct watch watch = watch_start();
    if (!store_maildrop_read(reader, accounts[0].inbox, &maildrop, &fault))
        die("maildrop", &fault);
    watch_tell(&watch, "messages listed", maildrop.count);
    AUTO(buffer)
    out = BUFFER(READ_ROOM);
    uint32_t uids[READ_COUNT];
    size_t lengths[READ_COUNT];
    size_t done = 0;
    uint32_t uid = 1;
    size_t count;
    watch = watch_start();
    do {
        count = READ_COUNT;
        buffer_reset(&out);
        if (!store_messages_read(reader, accounts[0].inbox, uid, &out, uids, lengths, &count,
                                 &fault))
            die("messages", &fault);
        done += count;
        uid = count == 0 ? uid : uids[count - 1] + 1;
    } while (count > 0);
    watch_tell(&watch, "messages read, many at once", done);
    watch = watch_start();
    for (size_t i = 0; i < maildrop.count; i++) {
        bool is_gone;
        buffer_reset(&out);
        if (!store_message_read(reader, accounts[0].inbox, maildrop.messages[i].uid, 0, READ_ROOM,
                                &out, &is_gone, &fault))
            die("message", &fault);
    }
    watch_tell(&watch, "messages read, one by one", maildrop.count);
    store_maildrop_clear(&maildrop);
}

struct removing {
    struct store_job job;
    const uint32_t *uids;
    size_t count;
};

static bool remove_all(struct store_job *job, struct db *db, struct fault *fault)
{
    const struct removing *removing = (const struct removing *)job;
    return store_removal_run(db, accounts[0].inbox, removing->uids, removing->count, fault);
}

static void measure_removal(struct db *reader)
{
    struct fault fault = {0};
    struct store_maildrop maildrop;
    if (!store_maildrop_read(reader, accounts[0].inbox, &maildrop, &fault))
        die("maildrop", &fault);
    uint32_t *uids = calloc(maildrop.count, sizeof(*uids));
    for (size_t i = 0; i < maildrop.count; i++)
        uids[i] = maildrop.messages[i].uid;
    struct watch watch = watch_start();
    struct removing removing = {.job.run = remove_all, .uids = uids, .count = maildrop.count};
    if (!store_run(store, &removing.job, &fault))
        die("removal", &fault);
    watch_tell(&watch, "messages removed, in one job", maildrop.count);
    free(uids);
    store_maildrop_clear(&maildrop);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: store_bench PLACE DIRECTORY [COUNT]\n");
        return 2;
    }
    size_t count = argc > 3 ? strtoul(argv[3], NULL, 10) : COUNT_DEFAULT;
    struct fault fault = {0};
    struct store_options options = {.place = argv[1], .creates = true};
    store = store_open(&options, &fault);
    if (store == NULL)
        die("open", &fault);
    struct db *reader = store_reader_open(store, &fault);
    if (reader == NULL)
        die("reader", &fault);
    set_up(reader);
    measure_sync(argv[2]);
    deliver("delivery, one by one", count / 4, 1, 1);
    deliver("delivery, 50 at once", count, 50, 1);
    deliver("delivery, 200 at once", count, 200, 1);
    deliver("delivery to 10 mailboxes, 50 at once", count / 8, 50, 10);
    fill_one(count);
    read_all(reader);
    measure_removal(reader);
    store_reader_close(reader);
    store_close(store);
    return 0;
}
