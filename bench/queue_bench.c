/* How fast the store takes, lists, counts, reads and ends mail for far recipients, without network:
 * queue_bench PLACE [MESSAGES [ROUTES]]. What is in the store already stays there and is counted
 * in.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "store/store_delivery.h"
#include "store/store_outbound.h"
#include "store/store_queue.h"

enum {
    MESSAGES_DEFAULT = 100000,
    ROUTES_DEFAULT = 1000,
    AT_ONCE = 256,
    BODY_SIZE = 4096,
    HEADER_SIZE = 300,
    PAGE = 10000, /* rows of the list that are read at once */
    LETTERS = 20000,
    RECIPIENTS = 100 /* of a message with many */
};

static struct store *store;
static struct db *reader;
static char body[BODY_SIZE];
static size_t route_count = ROUTES_DEFAULT;

static void die(const char *what, const struct fault *fault)
{
    fprintf(stderr, "queue_bench: %s: %s\n", what, fault->message);
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
    fflush(stdout);
}

/* ---- jobs in flight ---- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t has_room = PTHREAD_COND_INITIALIZER;
static size_t in_flight;

static void begin_one(void)
{
    pthread_mutex_lock(&mutex);
    while (in_flight >= AT_ONCE)
        pthread_cond_wait(&has_room, &mutex);
    in_flight++;
    pthread_mutex_unlock(&mutex);
}

static void end_one(const struct store_job *job)
{
    if (!job->is_done)
        die("a job", &job->fault);
    pthread_mutex_lock(&mutex);
    in_flight--;
    pthread_cond_broadcast(&has_room);
    pthread_mutex_unlock(&mutex);
}

static void wait_for_all(void)
{
    pthread_mutex_lock(&mutex);
    while (in_flight > 0)
        pthread_cond_wait(&has_room, &mutex);
    pthread_mutex_unlock(&mutex);
}

/* ---- in ---- */

struct letter {
    struct store_delivery delivery;
    struct message_parsed parsed;
    struct store_delivery_far fars[RECIPIENTS];
    char routes[RECIPIENTS][32];
    char recipients[RECIPIENTS][48];
};

static void end_letter(struct store_job *job)
{
    struct letter *letter = (struct letter *)job;
    end_one(job);
    store_draft_free(letter->delivery.draft);
    free(letter);
}

static void submit_letter(size_t number, size_t recipients)
{
    struct fault fault = {0};
    struct letter *letter = calloc(1, sizeof(*letter));
    struct bytes text = bytes_of(body, sizeof(body));
    letter->parsed = (struct message_parsed){.header = bytes_of(body, HEADER_SIZE),
                                             .envelope = bytes_of(body, 300),
                                             .structure = bytes_of(body, 60),
                                             .size = text.length};
    letter->delivery = (struct store_delivery){.job.done = end_letter,
                                               .store = store,
                                               .id = store_id_make(store),
                                               .draft = store_draft_new(store, &fault),
                                               .parsed = &letter->parsed,
                                               .received = clock_wall_microseconds(),
                                               .fars = letter->fars,
                                               .far_count = recipients,
                                               .far_prefix = bytes_of(body, 200),
                                               .sender = BYTES("sender@bench.example")};
    for (size_t i = 0; i < recipients; i++) {
        snprintf(letter->routes[i], sizeof(letter->routes[i]), "route%zu.example",
                 (number + i) % route_count);
        snprintf(letter->recipients[i], sizeof(letter->recipients[i]), "user%zu@%s", number + i,
                 letter->routes[i]);
        letter->fars[i] =
            (struct store_delivery_far){.recipient = bytes_from_string(letter->recipients[i]),
                                        .route = bytes_from_string(letter->routes[i]),
                                        .notify = 4};
    }
    if (!store_draft_append(letter->delivery.draft, text, &fault))
        die("draft", &fault);
    store_delivery_submit(&letter->delivery);
}

static void fill(const char *what, size_t count, size_t recipients)
{
    struct watch watch = watch_start();
    for (size_t i = 0; i < count; i++) {
        begin_one();
        submit_letter(i, recipients);
    }
    wait_for_all();
    watch_tell(&watch, what, count);
}

/* ---- what is there ---- */

struct waiting {
    int64_t message;
    char route[32];
};

static struct waiting letters[LETTERS];
static size_t letter_count;

static void list_all(void)
{
    struct fault fault = {0};
    struct store_outbound_entry entry;
    struct watch watch = watch_start();
    int64_t after = 0;
    size_t count = 0;
    bool is_over = false;
    letter_count = 0;
    while (!is_over) {
        AUTO(store_outbound_list)
        list = {0};
        if (!store_outbound_list_open(&list, store, reader, after, PAGE, &fault))
            die("list", &fault);
        while (store_outbound_list_next(&list, &entry)) {
            after = entry.message;
            if (letter_count < LETTERS) {
                letters[letter_count].message = entry.message;
                snprintf(letters[letter_count++].route, sizeof(letters[0].route), "%.*s",
                         BYTES_FORMAT(entry.route));
            }
            count++;
        }
        if (!store_outbound_list_finish(&list, &fault))
            die("list", &fault);
        is_over = list.is_over;
    }
    watch_tell(&watch, "list of all that waits", count);
}

static bool count_item(void *context, const struct store_queue_item *item)
{
    (void)item;
    ++*(size_t *)context;
    return true;
}

static bool count_route(void *context, const struct store_queue_route *route)
{
    (void)route;
    ++*(size_t *)context;
    return true;
}

static void look(void)
{
    struct fault fault = {0};
    struct store_queue_stats stats;
    size_t count = 0;
    struct watch watch = watch_start();
    if (!store_queue_stats(reader, clock_wall_microseconds(), &stats, &fault))
        die("stats", &fault);
    watch_tell(&watch, "stats: recipients", stats.recipients);
    watch = watch_start();
    if (!store_queue_routes(reader, 100, count_route, &count, &fault))
        die("routes", &fault);
    watch_tell(&watch, "stats: the first routes", count);
    const struct store_queue_filter filter = {.recipient = BYTES("@route7.example")};
    watch = watch_start();
    count = 0;
    if (!store_queue_list(reader, &filter, 0, 0, SIZE_MAX / 2, count_item, &count, &fault))
        die("items", &fault);
    watch_tell(&watch, "people's list: one domain of all", count);
}

/* ---- out ---- */

static void read_letters(void)
{
    struct fault fault = {0};
    struct arena arena = ARENA(10 * 1000 * 1000);
    struct watch watch = watch_start();
    for (size_t i = 0; i < letter_count; i++) {
        struct store_outbound_letter letter;
        bool is_found;
        arena_reset(&arena);
        if (!store_outbound_read(store, reader, letters[i].message,
                                 bytes_from_string(letters[i].route), INT64_MAX,
                                 STORE_OUTBOUND_WANTS_DATA, &arena, &letter, &is_found, &fault) ||
            !is_found)
            die("read", &fault);
    }
    arena_clear(&arena);
    watch_tell(&watch, "letters read, one after another", letter_count);
}

struct ending {
    struct store_outbound_finish finish;
    struct store_outbound_result result;
};

static void end_ending(struct store_job *job)
{
    end_one(job);
    free(job);
}

static void end_letters(const char *what, enum store_outbound_outcome outcome, size_t first,
                        size_t end)
{
    struct watch watch = watch_start();
    for (size_t i = first; i < end; i++) {
        struct ending *ending = calloc(1, sizeof(*ending));
        begin_one();
        ending->result = (struct store_outbound_result){.outcome = outcome,
                                                        .due = clock_wall_microseconds(),
                                                        .code = 451,
                                                        .enhanced = BYTES("4.7.1"),
                                                        .text = BYTES("please try again later"),
                                                        .host = BYTES("mx.example")};
        ending->finish = (struct store_outbound_finish){.job.done = end_ending,
                                                        .store = store,
                                                        .message = letters[i].message,
                                                        .now = clock_wall_microseconds(),
                                                        .results = &ending->result,
                                                        .count = 1};
        store_outbound_finish_submit(&ending->finish);
    }
    wait_for_all();
    watch_tell(&watch, what, end - first);
}

static void end_lease(struct store_job *job)
{
    end_one(job);
}

static void take_lease(void)
{
    struct watch watch = watch_start();
    struct store_outbound_lease lease = {.job.done = end_lease, .store = store};
    begin_one();
    store_outbound_lease_submit(&lease);
    wait_for_all();
    watch_tell(&watch, "a lease, with all that was there", 1);
}

int main(int argc, char **argv)
{
    struct fault fault = {0};
    if (argc < 2) {
        fprintf(stderr, "usage: queue_bench PLACE [MESSAGES [ROUTES]]\n");
        return 2;
    }
    size_t count = argc > 2 ? strtoul(argv[2], NULL, 10) : MESSAGES_DEFAULT;
    if (argc > 3)
        route_count = strtoul(argv[3], NULL, 10);
    store = store_open(&(struct store_options){.place = argv[1], .creates = true}, &fault);
    reader = store == NULL ? NULL : store_reader_open(store, &fault);
    if (reader == NULL)
        die(argv[1], &fault);
    memset(body, 'x', sizeof(body));
    take_lease();
    fill("letters in, one recipient", count, 1);
    fill("letters in, a hundred recipients", count / 1000, RECIPIENTS);
    list_all();
    look();
    read_letters();
    end_letters("deferred", STORE_OUTBOUND_DEFERRED, 0, letter_count);
    end_letters("delivered", STORE_OUTBOUND_DONE, 0, letter_count);
    store_reader_close(reader);
    store_close(store);
    return 0;
}
