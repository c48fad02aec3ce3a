/* The configuration: every option by default, wrong in every way, and what the whole must be. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/config.h"
#include "server/config_value.h"

enum {
    PATH_SIZE = 64,
    TEXT_SIZE = 8192
};

static char path[PATH_SIZE];

static int make_file(void **state)
{
    (void)state;
    snprintf(path, sizeof(path), "/tmp/posthorn-config-XXXXXX");
    int descriptor = mkstemp(path);
    close(descriptor);
    return descriptor < 0;
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

static void write_file(const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static bool read_text(const char *text, struct config *config, struct fault *fault)
{
    write_file(text);
    assert_true(config_init(config, fault));
    return config_read(config, path, fault);
}

/* The fault begins with file and line, and has the words in it. */
static void assert_refused(const char *text, int line, const char *words)
{
    struct config config;
    struct fault fault;
    char start[PATH_SIZE + 16];
    bool is_read = read_text(text, &config, &fault) && config_check(&config, &fault);
    config_clear(&config);
    if (is_read)
        print_error("taken: %s\n", text);
    assert_false(is_read);
    snprintf(start, sizeof(start), "%s:%d: ", path, line);
    if (strncmp(fault.message, start, strlen(start)) != 0 || strstr(fault.message, words) == NULL) {
        print_error("%s\n  does not begin with %s or lacks \"%s\"\n", fault.message, start, words);
        fail();
    }
}

static void every_option_has_a_default_that_it_would_take(void **state)
{
    struct config config;
    struct fault fault;
    (void)state;
    assert_true(config_init(&config, &fault));
    assert_true(config_check(&config, &fault));
    for (size_t i = 0; i < CONFIG_OPTIONS; i++) {
        const struct config_option *option = config_option_of((enum config_id)i);
        const struct config_setting *setting = &config.settings[i];
        assert_non_null(option->name);
        assert_non_null(option->summary);
        assert_non_null(option->text);
        assert_int_equal(config_option_find(option->name), i);
        assert_false(setting->is_set);
        /* Either there is a default or words for its absence. */
        assert_true((option->value != NULL) != (option->without != NULL));
        if (option->value != NULL && *option->value != '\0')
            assert_true(setting->count > 0);
        else
            assert_int_equal(setting->count, 0);
    }
    assert_int_equal(config_option_find("no-such"), CONFIG_OPTIONS);
    config_clear(&config);
}

static void defaults_are_those_of_the_manual(void **state)
{
    static const struct {
        enum config_id id;
        int64_t number;
    } numbers[] = {
        {CONFIG_LIMIT_MESSAGE_SIZE, 50 * 1024 * 1024},
        {CONFIG_LIMIT_RECIPIENTS, 1000},
        {CONFIG_LIMIT_MESSAGES, 100},
        {CONFIG_LIMIT_ERRORS_SOFT, 10},
        {CONFIG_LIMIT_ERRORS, 20},
        {CONFIG_LIMIT_LOGIN_FAILURES, 3},
        {CONFIG_LIMIT_IDLE_TIME, 300 * 1000},
        {CONFIG_LIMIT_POP3_IDLE_TIME, 600 * 1000},
        {CONFIG_LIMIT_LEAST_RATE, 500},
        {CONFIG_LIMIT_HOPS, 50},
        {CONFIG_LIMIT_CONNECTIONS_ADDRESS, 30},
        {CONFIG_LIMIT_CONNECTIONS_PREFIX, 100},
        {CONFIG_LIMIT_SESSIONS_ACCOUNT, 100},
        {CONFIG_LOG_LEVEL, 2},
        {CONFIG_LOG_FORMAT, 0},
    };
    struct config config;
    struct fault fault;
    (void)state;
    assert_true(config_init(&config, &fault));
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        assert_int_equal(config_number(&config, numbers[i].id), numbers[i].number);
    assert_string_equal(config_text(&config, CONFIG_LISTEN_SMTP), "*:25");
    assert_null(config_text(&config, CONFIG_LISTEN_LMTP));
    assert_null(config_text(&config, CONFIG_USER));
    config_clear(&config);
}

static void values_are_read_as_people_write_them(void **state)
{
    static const struct {
        enum config_id id;
        const char *text;
        int64_t number;
    } cases[] = {
        {CONFIG_LIMIT_MESSAGE_SIZE, "50M", 50 * 1024 * 1024},
        {CONFIG_LIMIT_MESSAGE_SIZE, "64k", 65536},
        {CONFIG_LIMIT_MESSAGE_SIZE, "1 GiB", 1024 * 1024 * 1024},
        {CONFIG_LIMIT_MESSAGE_SIZE, "65537", 65537},
        {CONFIG_LIMIT_IDLE_TIME, "5min", 300000},
        {CONFIG_LIMIT_IDLE_TIME, "90s", 90000},
        {CONFIG_LIMIT_IDLE_TIME, "1h", 3600000},
        {CONFIG_LIMIT_IDLE_TIME, "1500ms", 1500},
        {CONFIG_LIMIT_SESSION_TIME, "7d", 7 * 24 * 3600 * 1000},
        {CONFIG_LOG_LEVEL, "error", 0},
        {CONFIG_LOG_LEVEL, "debug", 3},
        {CONFIG_LOG_FORMAT, "json", 1},
        {CONFIG_LIMIT_CONNECTIONS, "0", 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fault fault;
        int64_t number = -1;
        assert_true(
            config_value_read(config_option_of(cases[i].id), cases[i].text, &number, &fault));
        assert_int_equal(number, cases[i].number);
    }
}

/* For each type what it must not be, tried on every option of the type. */
static void every_option_refuses_what_it_is_not(void **state)
{
    static const char *const wrong[][8] = {
        [CONFIG_TEXT] = {"", NULL},
        [CONFIG_TEXTS] = {"", NULL},
        [CONFIG_DOMAIN] = {"", "-a.example", "a..b", "a b", "a.example.", "[192.0.2.1]", NULL},
        [CONFIG_PATH] = {"", "relative/path", NULL},
        [CONFIG_PLACES] = {"", "25", "host", ":25", "127.0.0.1:65536", "::1:25", "unix:rel", NULL},
        [CONFIG_WORD] = {"", "loud", "INFO", "info ", NULL},
        [CONFIG_WORDS] = {"", "smtp", "Submission", NULL},
        [CONFIG_NUMBER] = {"", "many", "-1", "12k", "99999999999999999999", "1.5", NULL},
        [CONFIG_SIZE] = {"", "big", "-1", "12X", "99999999999999999999", "1.5M", NULL},
        [CONFIG_TIME] = {"", "long", "-1s", "5 parsecs", "300", "99999999999999999999s", NULL},
    };
    (void)state;
    for (size_t i = 0; i < CONFIG_OPTIONS; i++) {
        const struct config_option *option = config_option_of((enum config_id)i);
        for (const char *const *text = wrong[option->type]; *text != NULL; text++) {
            struct fault fault;
            int64_t number = 0;
            if (config_value_read(option, *text, &number, &fault)) {
                print_error("%s takes \"%s\"\n", option->name, *text);
                fail();
            }
            assert_int_equal(fault.kind, FAULT_SYNTAX);
            assert_non_null(strstr(fault.message, option->name));
            assert_non_null(strstr(fault.message, "; write "));
        }
    }
}

static void every_amount_has_its_range(void **state)
{
    (void)state;
    for (size_t i = 0; i < CONFIG_OPTIONS; i++) {
        const struct config_option *option = config_option_of((enum config_id)i);
        const char *unit = option->type == CONFIG_TIME ? "ms" : "";
        struct fault fault;
        char text[64];
        int64_t number = 0;
        if (option->type != CONFIG_NUMBER && option->type != CONFIG_SIZE &&
            option->type != CONFIG_TIME)
            continue;
        snprintf(text, sizeof(text), "%lld%s", (long long)option->least, unit);
        assert_true(config_value_read(option, text, &number, &fault));
        assert_int_equal(number, option->least);
        snprintf(text, sizeof(text), "%lld%s", (long long)option->most, unit);
        assert_true(config_value_read(option, text, &number, &fault));
        assert_int_equal(number, option->most);
        snprintf(text, sizeof(text), "%lld%s", (long long)option->most + 1, unit);
        assert_false(config_value_read(option, text, &number, &fault));
        assert_non_null(strstr(fault.message, "is too large"));
        if (option->least > 0) {
            snprintf(text, sizeof(text), "%lld%s", (long long)option->least - 1, unit);
            assert_false(config_value_read(option, text, &number, &fault));
            assert_non_null(strstr(fault.message, "is too small"));
        }
    }
}

static void a_file_sets_what_it_names(void **state)
{
    struct config config;
    struct fault fault;
    (void)state;
    assert_true(read_text("# a comment\n"
                          "host-name = mail.example.org\n"
                          "listen-smtp = {'127.0.0.1:25', \"[::1]:25\"}\n"
                          "listen-pop3 = {}\n"
                          "listen-lmtp = {'unix:/run/posthorn/lmtp'}\n"
                          "limit-idle-time = 1min\n"
                          "allow-clear-login = {pop3} # not the other\n"
                          "store = 'host=/run//pg # no comment' // but this is\n"
                          "/* user = 'nobody'\n*/ log-file = /var//log#also\n",
                          &config, &fault));
    assert_true(config_check(&config, &fault));
    assert_string_equal(config_text(&config, CONFIG_HOST_NAME), "mail.example.org");
    assert_int_equal(config.settings[CONFIG_HOST_NAME].line, 2);
    assert_int_equal(config.settings[CONFIG_LISTEN_SMTP].count, 2);
    assert_string_equal(config.settings[CONFIG_LISTEN_SMTP].values[1].text, "[::1]:25");
    assert_int_equal(config.settings[CONFIG_LISTEN_POP3].count, 0);
    assert_string_equal(config_text(&config, CONFIG_LISTEN_SUBMISSION), "*:587");
    assert_string_equal(config_text(&config, CONFIG_LISTEN_LMTP), "unix:/run/posthorn/lmtp");
    assert_int_equal(config_number(&config, CONFIG_LIMIT_IDLE_TIME), 60000);
    assert_true(config_has_word(&config, CONFIG_ALLOW_CLEAR_LOGIN, "pop3"));
    assert_false(config_has_word(&config, CONFIG_ALLOW_CLEAR_LOGIN, "submission"));
    assert_string_equal(config_text(&config, CONFIG_STORE), "host=/run//pg # no comment");
    assert_string_equal(config_text(&config, CONFIG_LOG_FILE), "/var//log");
    assert_null(config_text(&config, CONFIG_USER));
    config_clear(&config);
}

static void faults_name_file_and_line(void **state)
{
    (void)state;
    assert_refused("\nhost-name = mail.example.org\nno-such-option = 1\n", 3, "no-such-option");
    assert_refused("limit-message-size = 50X\n", 1, "64k to 2G");
    assert_refused("\n\n\nlimit-idle-time = 5\n", 4, "has no unit");
    assert_refused("log-level = loud\n", 1, "error, warning, info or debug");
    assert_refused("listen-smtp = {'127.0.0.1:25',\n  'nowhere'}\n", 2, "nowhere");
    assert_refused("user = a\nuser = b\n", 2, "line 1 already");
    assert_refused("listen-pop3 = {'*:110'}\nlisten-pop3 = {'*:111'}\n", 2, "line 1 already");
    assert_refused("host-name = a.example\nlisten-lmtp = {'*:25'}\n", 2, "another listener");
    assert_refused("tls-key = /etc/key.pem\n", 1, "tls-certificate is not");
    assert_refused("limit-errors = 5\n", 1, "limit-errors-soft");
    assert_refused("host-name = {a, b}\n", 1, "");
    assert_refused("# one\n// two\n/* three\n four */ user = '#a//b'\nloops = 0 # six\n", 5,
                   "loops");
}

static void an_empty_server_is_refused(void **state)
{
    struct config config;
    struct fault fault;
    (void)state;
    assert_true(
        read_text("listen-smtp = {}\nlisten-submission = {}\nlisten-submissions = {}\n"
                  "listen-pop3 = {}\nlisten-pop3s = {}\nlisten-imap = {}\nlisten-imaps = {}\n",
                  &config, &fault));
    assert_false(config_check(&config, &fault));
    assert_non_null(strstr(fault.message, path));
    assert_non_null(strstr(fault.message, "nothing to serve"));
    config_clear(&config);
}

static void files_that_others_write_are_refused(void **state)
{
    struct config config;
    struct fault fault;
    (void)state;
    write_file("host-name = mail.example.org\n");
    assert_int_equal(chmod(path, 0666), 0);
    assert_true(config_init(&config, &fault));
    assert_false(config_read(&config, path, &fault));
    assert_int_equal(fault.kind, FAULT_DENIED);
    assert_non_null(strstr(fault.message, "chmod go-w"));
    assert_int_equal(chmod(path, 0600), 0);
    assert_false(config_read(&config, "/tmp/there/is/no/such.conf", &fault));
    assert_int_equal(fault.kind, FAULT_PERMANENT);
    assert_false(config_read(&config, "/tmp", &fault));
    config_clear(&config);
}

static void what_a_program_sets_survives_a_reload(void **state)
{
    static const char *const levels[] = {"debug"};
    static const char *const bad[] = {"loud"};
    struct config config, next;
    struct fault fault;
    (void)state;
    assert_true(read_text("log-level = error\nlimit-hops = 20\n", &config, &fault));
    assert_true(config_set(&config, CONFIG_LOG_LEVEL, levels, 1, &fault));
    assert_true(config_set(&config, CONFIG_LISTEN_POP3, NULL, 0, &fault));
    assert_false(config_set(&config, CONFIG_LOG_LEVEL, bad, 1, &fault));
    assert_string_equal(config_text(&config, CONFIG_LOG_LEVEL), "debug");
    assert_true(read_text("log-level = warning\nlimit-hops = 30\n", &next, &fault));
    assert_true(config_keep(&next, &config, &fault));
    assert_string_equal(config_text(&next, CONFIG_LOG_LEVEL), "debug");
    assert_int_equal(config_number(&next, CONFIG_LIMIT_HOPS), 30);
    assert_int_equal(next.settings[CONFIG_LISTEN_POP3].count, 0);
    config_clear(&config);
    config_clear(&next);
}

static void the_store_is_found_by_its_rules(void **state)
{
    static const char *const users[] = {"posthorn"};
    static const char *const places[] = {"/srv/mail/store.db"};
    struct config config;
    struct fault fault;
    AUTO(buffer)
    place = BUFFER(TEXT_SIZE);
    (void)state;
    unsetenv("POSTHORN_STORE");
    setenv("XDG_DATA_HOME", "/home/ann/data", 1);
    assert_true(config_init(&config, &fault));
    assert_true(config_store(&config, &place, &fault));
    assert_bytes(buffer_bytes(&place), "/home/ann/data/posthorn/posthorn.db");
    buffer_reset(&place);
    assert_true(config_data_directory(&config, &place, &fault));
    assert_bytes(buffer_bytes(&place), "/home/ann/data/posthorn");
    buffer_reset(&place);
    assert_true(config_set(&config, CONFIG_USER, users, 1, &fault));
    assert_true(config_store(&config, &place, &fault));
    assert_bytes(buffer_bytes(&place), "/var/lib/posthorn/posthorn.db");
    buffer_reset(&place);
    assert_true(config_set(&config, CONFIG_STORE, places, 1, &fault));
    assert_true(config_store(&config, &place, &fault));
    assert_bytes(buffer_bytes(&place), "/srv/mail/store.db");
    config_clear(&config);
    buffer_reset(&place);
    write_file("store = /srv/other.db\n");
    assert_true(config_find_store(NULL, path, &place, &fault));
    assert_bytes(buffer_bytes(&place), "/srv/other.db");
    buffer_reset(&place);
    assert_true(config_find_store("given.db", path, &place, &fault));
    assert_bytes(buffer_bytes(&place), "given.db");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_option_has_a_default_that_it_would_take),
    cmocka_unit_test(defaults_are_those_of_the_manual),
    cmocka_unit_test(values_are_read_as_people_write_them),
    cmocka_unit_test(every_option_refuses_what_it_is_not),
    cmocka_unit_test(every_amount_has_its_range),
    cmocka_unit_test_setup_teardown(a_file_sets_what_it_names, make_file, remove_file),
    cmocka_unit_test_setup_teardown(faults_name_file_and_line, make_file, remove_file),
    cmocka_unit_test_setup_teardown(an_empty_server_is_refused, make_file, remove_file),
    cmocka_unit_test_setup_teardown(files_that_others_write_are_refused, make_file, remove_file),
    cmocka_unit_test_setup_teardown(what_a_program_sets_survives_a_reload, make_file, remove_file),
    cmocka_unit_test_setup_teardown(the_store_is_found_by_its_rules, make_file, remove_file),
};

UNIT_MAIN(tests)
