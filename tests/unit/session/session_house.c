/* The house, its people and its callers. */
#include "session/session_house.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <semaphore.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "failing_allocation.h"
#include "net/net_certificate_make.h"
#include "net/net_tls_server.h"
#include "sasl/sasl_verifier.h"
#include "store/store_check.h"
#include "store/store_jobs.h"
#include "store/store_maildrop.h"

enum {
    PATIENCE_SECONDS = 60, /* before a test that waits for something fails */
    REPLY_MAX = 64 * 1024,
    LOG_MAX = 4 * 1024 * 1024,
    MESSAGE_MAX = 64 * 1024 * 1024
};

/* ---- people ---- */

struct house_job {
    struct store_job job;
    struct store *store;
    const char *login;
    int64_t bytes, messages;
};

static bool add_person(struct store *store, struct db *db, const char *login, struct fault *fault)
{
    struct sasl_verifier verifier;
    AUTO(buffer)
    text = BUFFER(STORE_VERIFIER_MAX);
    int64_t id;
    if (!sasl_verifier_make(SASL_VERIFIER_SHA_256, BYTES("secret"), &verifier, fault))
        return false;
    sasl_verifier_print(&verifier, &text);
    return store_account_add(store, db, bytes_from_string(login), &id, fault) &&
           store_credential_put(store, db, id, STORE_CREDENTIAL_SCRAM_SHA_256, BYTES(""),
                                buffer_bytes(&text), fault);
}

static bool make_people(struct store_job *job, struct db *db, struct fault *fault)
{
    struct store *store = ((struct house_job *)job)->store;
    static const struct bytes aliases[][2] = {
        {BYTES_INIT("both@home.example"), BYTES_INIT("ann@home.example")},
        {BYTES_INIT("both@home.example"), BYTES_INIT("bob@home.example")},
        {BYTES_INIT("some@home.example"), BYTES_INIT("ann@home.example")},
        {BYTES_INIT("some@home.example"), BYTES_INIT("carl@home.example")},
        {BYTES_INIT("sales@home.example"), BYTES_INIT("ann@home.example")},
    };
    if (!store_domain_add(db, store_id_make(store), BYTES("home.example"), fault) ||
        !add_person(store, db, "ann@home.example", fault) ||
        !add_person(store, db, "bob@home.example", fault) ||
        !add_person(store, db, "carl@home.example", fault))
        return false;
    for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
        if (!store_alias_add(store, db, aliases[i][0], aliases[i][1], fault))
            return false;
    return true;
}

static bool set_quota(struct store_job *job, struct db *db, struct fault *fault)
{
    const struct house_job *quota = (struct house_job *)job;
    return store_quota_set(db, bytes_from_string(quota->login), quota->bytes, quota->messages,
                           fault);
}

static void run(struct house *house, struct house_job *job)
{
    struct fault fault = {0};
    job->store = house->store;
    if (!store_run(house->store, &job->job, &fault))
        fail_msg("%s", fault.message);
}

void house_set_quota(struct house *house, const char *login, int64_t bytes, int64_t messages)
{
    struct house_job job = {
        .job = {.run = set_quota}, .login = login, .bytes = bytes, .messages = messages};
    run(house, &job);
}

/* ---- the house ---- */

static const struct smtp_session_service doors[HOUSE_DOORS] = {
    [HOUSE_OUTSIDE] = {.kind = SMTP_SESSION_OUTSIDE, .tls = LISTENER_STARTTLS},
    [HOUSE_SUBMISSION] = {.kind = SMTP_SESSION_SUBMISSION,
                          .tls = LISTENER_STARTTLS,
                          .needs_tls = true},
    [HOUSE_IMPLICIT] = {.kind = SMTP_SESSION_SUBMISSION, .tls = LISTENER_IMPLICIT},
    [HOUSE_CLEAR] = {.kind = SMTP_SESSION_SUBMISSION, .tls = LISTENER_CLEAR, .allows_clear = true},
    [HOUSE_LMTP] = {.kind = SMTP_SESSION_LMTP, .tls = LISTENER_CLEAR},
    [HOUSE_POP3] = {.tls = LISTENER_STARTTLS},
    [HOUSE_POP3S] = {.tls = LISTENER_IMPLICIT},
    [HOUSE_IMAP] = {.tls = LISTENER_STARTTLS},
    [HOUSE_IMAPS] = {.tls = LISTENER_IMPLICIT},
};

static bool is_pop3(enum house_door door)
{
    return door == HOUSE_POP3 || door == HOUSE_POP3S;
}

static bool is_imap(enum house_door door)
{
    return door == HOUSE_IMAP || door == HOUSE_IMAPS;
}

static void make_certificate(struct house *house)
{
    char file[128];
    snprintf(file, sizeof(file), "%s/certificate.pem", house->directory);
    struct fault fault = {0};
    if (!net_certificate_make("mx.home.example", file, NULL, &fault))
        fail_msg("%s", fault.message);
    struct net_tls_identity identity = {.certificate_file = file};
    house->tls = net_tls_server_context_new(&identity, 1, &fault);
    assert_non_null(house->tls);
}

static void open_store(struct house *house, const struct house_wish *wish)
{
    struct fault fault = {0};
    if (wish->place == NULL)
        snprintf(house->place, sizeof(house->place), "%s/store.db", house->directory);
    else
        snprintf(house->place, sizeof(house->place), "%s", wish->place);
    house->store = store_open(&(struct store_options){.place = house->place,
                                                      .draft_directory = house->directory,
                                                      .creates = true},
                              &fault);
    if (house->store == NULL)
        fail_msg("%s", fault.message);
    struct house_job people = {.job = {.run = make_people}};
    if (!wish->has_people)
        run(house, &people);
    house->reader = store_reader_open(house->store, &fault);
    assert_non_null(house->reader);
}

static void open_log(struct house *house)
{
    char file[128];
    snprintf(file, sizeof(file), "%s/log", house->directory);
    house->log_file = open(file, O_CREAT | O_RDWR | O_APPEND | O_CLOEXEC, 0600);
    assert_true(house->log_file >= 0);
    house->log = log_new(house->log_file, LOG_LEVEL_DEBUG, LOG_KEY_VALUE);
    assert_non_null(house->log);
}

static struct listener_service plan_service(struct house *house, const struct house_wish *wish,
                                            enum house_door door)
{
    struct listener_service service = {
        .tls = doors[door].tls,
        .context = doors[door].tls == LISTENER_CLEAR ? NULL : house->tls,
        .gate = house->gate,
        .face = &smtp_session_listener_face,
        .face_context = &house->doors[door],
    };
    if (is_pop3(door)) {
        service.face = wish->pop3 == NULL ? &pop3_session_listener_face : wish->pop3;
        service.face_context = &house->pop3_doors[door];
    }
    if (is_imap(door)) {
        service.face = wish->imap;
        service.face_context = &house->imap_doors[door];
    }
    return service;
}

static void open_doors(struct house *house, const struct house_wish *wish)
{
    struct fault fault = {0};
    for (int i = 0; i < HOUSE_DOORS; i++) {
        if (is_imap((enum house_door)i) && wish->imap == NULL)
            continue;
        house->doors[i] = doors[i];
        house->doors[i].services = &house->services;
        house->doors[i].offers_logins = house->services.is_dev;
        house->pop3_doors[i] = (struct pop3_session_service){.services = &house->services,
                                                             .locks = house->locks,
                                                             .tls = doors[i].tls,
                                                             .allows_clear = true};
        house->imap_doors[i] = (struct imap_session_service){
            .services = &house->services, .tls = doors[i].tls, .allows_clear = true};
        house->listeners[i] = listener_bind("127.0.0.1:0", &fault);
        if (house->listeners[i] == NULL)
            fail_msg("%s", fault.message);
        struct listener_service service = plan_service(house, wish, (enum house_door)i);
        assert_true(listener_serve(house->listeners[i], house->loops, &service, &fault));
    }
}

struct house *house_open(const struct house_wish *wish)
{
    struct house *house = calloc(1, sizeof(*house));
    struct fault fault = {0};
    assert_non_null(house);
    strcpy(house->directory, "/tmp/posthorn-house-XXXXXX");
    assert_non_null(mkdtemp(house->directory));
    open_log(house);
    open_store(house, wish);
    make_certificate(house);
    house->auth = auth_new(house->store, &fault);
    house->throttle = auth_throttle_new(&fault);
    house->loops = loop_group_new(2, &fault);
    house->locks = pop3_locks_new(&fault);
    house->gate =
        listener_gate_new(&(struct listener_limits){.by_address = 1000, .by_prefix = 1000}, &fault);
    house->workers =
        worker_pool_new(&(struct worker_options){.count = 2,
                                                 .open = session_services_open_reader,
                                                 .close = session_services_close_reader,
                                                 .argument = house->store},
                        &fault);
    assert_true(house->auth != NULL && house->throttle != NULL && house->loops != NULL &&
                house->locks != NULL && house->gate != NULL && house->workers != NULL);
    if (wish->is_dev)
        auth_accept_everybody(house->auth, BYTES("home.example"));
    house->services = (struct session_services){
        .store = house->store,
        .workers = house->workers,
        .auth = house->auth,
        .throttle = house->throttle,
        .log = house->log,
        .name = "mx.home.example",
        .version = "1",
        .is_dev = wish->is_dev,
    };
    assert_true(session_services_open(&house->services, house->loops, &wish->limits, &fault));
    open_doors(house, wish);
    assert_true(loop_group_start(house->loops, &fault));
    return house;
}

int house_set_up(void **state)
{
    *state = house_open(&(struct house_wish){0});
    return 0;
}

void house_stop(struct house *house)
{
    loop_group_stop(house->loops, 1000L * PATIENCE_SECONDS);
}

void house_kill(struct house *house)
{
    loop_group_stop(house->loops, 0);
}

static void remove_file(struct house *house, const char *name)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", house->directory, name);
    unlink(path);
}

static void tell_problem(void *context, const char *sentence)
{
    (void)context;
    print_error("%s\n", sentence);
}

void house_check(struct house *house)
{
    uint64_t problems = 0;
    struct fault fault = {0};
    house_stop(house);
    if (!store_check(house->reader, tell_problem, NULL, &problems, &fault))
        fail_msg("%s", fault.message);
    assert_int_equal(problems, 0);
}

/* In the order of the server: what is still in hand comes back behind the store's end. */
int house_tear_down(void **state)
{
    struct house *house = *state;
    house_stop(house);
    store_reader_close(house->reader);
    worker_pool_free(house->workers);
    loop_group_settle(house->loops);
    store_close(house->store);
    loop_group_free(house->loops);
    for (int i = 0; i < HOUSE_DOORS; i++)
        listener_close(house->listeners[i]);
    session_services_close(&house->services);
    pop3_locks_free(house->locks);
    listener_gate_free(house->gate);
    auth_free(house->auth);
    auth_throttle_free(house->throttle);
    net_tls_context_free(house->tls);
    log_free(house->log);
    close(house->log_file);
    static const char *const files[] = {"store.db",      "store.db-wal", "store.db-shm",
                                        "store.db.lock", "log",          "certificate.pem"};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        remove_file(house, files[i]);
    rmdir(house->directory);
    free(house);
    return 0;
}

/* ---- a look inside ---- */

void house_execute(struct house *house, const char *sql)
{
    sqlite3 *handle = NULL;
    char *message = NULL;
    assert_int_equal(sqlite3_open(house->place, &handle), SQLITE_OK);
    sqlite3_busy_timeout(handle, 1000 * PATIENCE_SECONDS);
    if (sqlite3_exec(handle, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s", message);
    sqlite3_close(handle);
}

struct sqlite3 *house_lock(struct house *house)
{
    sqlite3 *handle = NULL;
    assert_int_equal(sqlite3_open(house->place, &handle), SQLITE_OK);
    sqlite3_busy_timeout(handle, 1000 * PATIENCE_SECONDS);
    assert_int_equal(sqlite3_exec(handle, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    return handle;
}

void house_unlock(struct sqlite3 *lock)
{
    assert_int_equal(sqlite3_exec(lock, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(lock);
}

struct memory_task {
    struct loop_task task;
    sem_t done;
    bool is_taken;
    size_t count;
    bool has_failed;
};

static void change_memory(struct loop_task *task)
{
    struct memory_task *memory = (struct memory_task *)task;
    if (memory->is_taken)
        failing_allocation_start(memory->count);
    else
        memory->has_failed = failing_allocation_stop();
    sem_post(&memory->done);
}

static bool run_on_loops(struct house *house, struct memory_task *memory)
{
    bool has_failed = false;
    sem_init(&memory->done, 0, 0);
    memory->task.run = change_memory;
    for (unsigned i = 0; i < loop_group_count(house->loops); i++) {
        memory->has_failed = false;
        loop_post(loop_group_at(house->loops, i), &memory->task);
        while (sem_wait(&memory->done) != 0)
            ;
        has_failed = has_failed || memory->has_failed;
    }
    sem_destroy(&memory->done);
    return has_failed;
}

void house_take_memory(struct house *house, size_t count)
{
    run_on_loops(house, &(struct memory_task){.is_taken = true, .count = count});
}

bool house_restore_memory(struct house *house)
{
    return run_on_loops(house, &(struct memory_task){.is_taken = false});
}

static int64_t find_inbox(struct house *house, const char *login)
{
    struct store_account account;
    struct fault fault = {0};
    bool is_found = false;
    if (!store_account_find(house->reader, bytes_from_string(login), &account, &is_found, &fault))
        fail_msg("%s", fault.message);
    return is_found ? account.inbox : 0;
}

size_t house_count(struct house *house, const char *login)
{
    uint64_t count = 0;
    uint64_t size = 0;
    struct fault fault = {0};
    int64_t inbox = find_inbox(house, login);
    if (inbox != 0 && !store_maildrop_count(house->reader, inbox, &count, &size, &fault))
        fail_msg("%s", fault.message);
    return (size_t)count;
}

char *house_message(struct house *house, const char *login, size_t number)
{
    struct store_maildrop maildrop = {0};
    struct fault fault = {0};
    AUTO(buffer)
    text = BUFFER(MESSAGE_MAX);
    bool is_gone = false;
    int64_t inbox = find_inbox(house, login);
    assert_true(store_maildrop_read(house->reader, inbox, &maildrop, &fault));
    assert_true(number < maildrop.count);
    if (!store_message_read(house->reader, inbox, maildrop.messages[number].uid, 0, MESSAGE_MAX,
                            &text, &is_gone, &fault))
        fail_msg("%s", fault.message);
    assert_int_equal(text.length, maildrop.messages[number].size);
    store_maildrop_clear(&maildrop);
    char *copy = strdup(buffer_string(&text));
    assert_non_null(copy);
    return copy;
}

bool house_log_has(struct house *house, const char *text)
{
    AUTO(buffer)
    log = BUFFER(LOG_MAX);
    char *place = buffer_reserve(&log, LOG_MAX);
    assert_non_null(place);
    ssize_t count = pread(house->log_file, place, LOG_MAX, 0);
    assert_true(count >= 0);
    return bytes_find(bytes_of(place, (size_t)count), bytes_from_string(text)) != BYTES_NOT_FOUND;
}

void house_wait_for_log(struct house *house, const char *text)
{
    time_t end = time(NULL) + PATIENCE_SECONDS;
    while (!house_log_has(house, text)) {
        if (time(NULL) > end)
            fail_msg("the log never said %s", text);
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}

/* ---- callers ---- */

struct caller house_call(struct house *house, enum house_door door)
{
    struct caller caller = {.descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port =
                                      htons((uint16_t)listener_port(house->listeners[door])),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct timeval patience = {.tv_sec = PATIENCE_SECONDS};
    assert_true(caller.descriptor >= 0);
    setsockopt(caller.descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(caller.descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    assert_int_equal(connect(caller.descriptor, (const struct sockaddr *)&address, sizeof(address)),
                     0);
    if (house->doors[door].tls == LISTENER_IMPLICIT)
        caller_start_tls(&caller);
    caller_hear(&caller, is_imap(door)   ? "* OK "
                         : is_pop3(door) ? "+OK mx.home.example"
                                         : "220 mx.home.example");
    return caller;
}

void caller_start_tls(struct caller *caller)
{
    caller->context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_max_proto_version(caller->context, caller->version);
    caller->ssl = SSL_new(caller->context);
    SSL_set_fd(caller->ssl, caller->descriptor);
    assert_int_equal(SSL_connect(caller->ssl), 1);
}

void caller_hang_up(struct caller *caller)
{
    if (caller->ssl != NULL)
        SSL_shutdown(caller->ssl);
    SSL_free(caller->ssl);
    SSL_CTX_free(caller->context);
    close(caller->descriptor);
    *caller = (struct caller){.descriptor = -1};
}

void caller_reset(struct caller *caller)
{
    struct linger linger = {.l_onoff = 1};
    setsockopt(caller->descriptor, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    SSL_free(caller->ssl);
    caller->ssl = NULL;
    caller_hang_up(caller);
}

void caller_say_bytes(struct caller *caller, struct bytes bytes)
{
    while (bytes.length > 0) {
        ssize_t count = caller->ssl != NULL
                            ? SSL_write(caller->ssl, bytes.data, (int)bytes.length)
                            : send(caller->descriptor, bytes.data, bytes.length, MSG_NOSIGNAL);
        assert_true(count > 0);
        bytes = bytes_skip(bytes, (size_t)count);
    }
}

void caller_say(struct caller *caller, const char *text)
{
    caller_say_bytes(caller, bytes_from_string(text));
}

/* One byte; false at the end. */
static bool read_byte(struct caller *caller, char *byte)
{
    return (caller->ssl != NULL ? SSL_read(caller->ssl, byte, 1)
                                : recv(caller->descriptor, byte, 1, 0)) == 1;
}

/* The whole reply, with a NUL behind it; *last is where its last line begins. False: the end came
 * first. */
static bool read_reply(struct caller *caller, char reply[REPLY_MAX], size_t *last)
{
    size_t length = 0;
    size_t line = 0;
    do {
        reply[length] = '\0';
        if (length >= REPLY_MAX - 1 || !read_byte(caller, &reply[length]))
            return false;
        length++;
        if (reply[length - 1] == '\n' && length - line > 3 && reply[line + 3] == '-')
            line = length;
    } while (reply[length - 1] != '\n' || line == length);
    reply[length] = '\0';
    *last = line;
    return true;
}

/* Appends a line, with the literals that it announces, to what was read; false: the end came. */
static bool read_line(struct caller *caller, char reply[REPLY_MAX], size_t *length)
{
    size_t start = *length;
    for (;;) {
        if (*length >= REPLY_MAX - 1 || !read_byte(caller, &reply[*length]))
            return false;
        (*length)++;
        if (reply[*length - 1] != '\n')
            continue;
        reply[*length] = '\0';
        const char *brace = strrchr(reply + start, '{');
        char *end;
        size_t size = brace == NULL ? 0 : strtoul(brace + 1, &end, 10);
        if (brace == NULL || strcmp(end, "}\r\n") != 0)
            return true;
        assert_true(size < REPLY_MAX - 1 - *length);
        caller_read(caller, reply + *length, size);
        *length += size;
        start = *length;
    }
}

static char last_reply[REPLY_MAX];

const char *caller_hear(struct caller *caller, const char *start)
{
    size_t last = 0;
    if (!read_reply(caller, last_reply, &last))
        fail_msg("instead of \"%s\" the end came behind \"%s\"", start, last_reply);
    if (strncmp(last_reply + last, start, strlen(start)) != 0)
        fail_msg("instead of \"%s\" came \"%s\"", start, last_reply);
    return last_reply;
}

const char *caller_hear_until(struct caller *caller, const char *start)
{
    size_t length = 0;
    size_t line;
    do {
        line = length;
        if (!read_line(caller, last_reply, &length)) {
            last_reply[length] = '\0';
            fail_msg("instead of \"%s\" the end came behind \"%s\"", start, last_reply);
        }
    } while (strncmp(last_reply + line, start, strlen(start)) != 0);
    return last_reply;
}

const char *caller_command(struct caller *caller, const char *command, const char *start)
{
    char tag[16];
    snprintf(tag, sizeof(tag), "t%u ", ++caller->commands);
    caller_say(caller, tag);
    caller_say(caller, command);
    caller_say(caller, "\r\n");
    const char *reply = caller_hear_until(caller, tag);
    const char *last = reply + strlen(reply) - 2;
    while (last > reply && last[-1] != '\n')
        last--;
    if (strncmp(last + strlen(tag), start, strlen(start)) != 0)
        fail_msg("instead of \"%s\" to \"%s\" came \"%s\"", start, command, reply);
    return reply;
}

int caller_hear_code(struct caller *caller)
{
    size_t last = 0;
    return read_reply(caller, last_reply, &last) ? atoi(last_reply + last) : 0;
}

void caller_read(struct caller *caller, char *memory, size_t size)
{
    for (size_t at = 0; at < size;) {
        ssize_t count = caller->ssl != NULL ? SSL_read(caller->ssl, memory + at, (int)(size - at))
                                            : recv(caller->descriptor, memory + at, size - at, 0);
        if (count <= 0)
            fail_msg("the end came behind %zu of %zu bytes", at, size);
        at += (size_t)count;
    }
}

void caller_hear_end(struct caller *caller)
{
    char byte;
    if (read_byte(caller, &byte))
        fail_msg("more came where the end should be: '%c'", byte);
}

const char *caller_ask(struct caller *caller, const char *text, const char *start)
{
    caller_say(caller, text);
    return caller_hear(caller, start);
}
