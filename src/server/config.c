/* Reads posthorn.conf by libConfuse: the schema is made from the table of options, values are
 * checked as they are met, so that every fault knows its line. */
#include "server/config.h"

#include <confuse.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "mail/domain.h"
#include "server/config_value.h"
#include "server/store_place.h"

enum {
    CONFIG_FILE_MAX = 1024 * 1024, /* bytes of a configuration */
    CONFIG_LINE_UNKNOWN = -1       /* in the file, but nobody knows where */
};

#define CONFIG_SERVICE_DIRECTORY "/var/lib/posthorn"

/* What libConfuse's callbacks reach through a global of this thread: it has no room of its own for
   them. Set for the time of one cfg_parse_buf. */
struct reading {
    const char *path;
    struct fault *fault;
    struct config *config;
    unsigned calls[CONFIG_OPTIONS]; /* of on_value, for each option */
};
static _Thread_local struct reading *now_reading;

static void clear_setting(struct config_setting *setting)
{
    for (size_t i = 0; i < setting->count; i++)
        free(setting->values[i].text);
    free(setting->values);
    *setting = (struct config_setting){0};
}

void config_clear(struct config *config)
{
    if (config == NULL)
        return;
    for (size_t i = 0; i < CONFIG_OPTIONS; i++)
        clear_setting(&config->settings[i]);
    free(config->file);
    config->file = NULL;
}

/* Takes nothing when a value is wrong. */
static bool fill_setting(const struct config_option *option, const char *const *texts, size_t count,
                         struct config_setting *setting, struct fault *fault)
{
    struct config_setting made = {0};
    if (count > CONFIG_VALUES_MAX)
        return fault_set(fault, FAULT_LIMIT, "%s: more than %d values", option->name,
                         CONFIG_VALUES_MAX);
    made.values = calloc(count + 1, sizeof(*made.values));
    if (made.values == NULL)
        return fault_set_memory(fault);
    for (; made.count < count; made.count++) {
        struct config_value *value = &made.values[made.count];
        if (!config_value_read(option, texts[made.count], &value->number, fault)) {
            clear_setting(&made);
            return false;
        }
        value->text = strdup(texts[made.count]);
        if (value->text == NULL) {
            clear_setting(&made);
            return fault_set_memory(fault);
        }
    }
    clear_setting(setting);
    *setting = made;
    return true;
}

static bool set_default(const struct config_option *option, struct config_setting *setting,
                        struct fault *fault)
{
    char text[FAULT_MESSAGE_SIZE];
    const char *texts[CONFIG_VALUES_MAX];
    size_t count = 0;
    char *rest = NULL;
    if (option->value == NULL)
        return true;
    snprintf(text, sizeof(text), "%s", option->value);
    for (char *word = strtok_r(text, ", ", &rest); word != NULL; word = strtok_r(NULL, ", ", &rest))
        texts[count++] = word;
    return fill_setting(option, texts, count, setting, fault);
}

bool config_init(struct config *config, struct fault *fault)
{
    *config = (struct config){0};
    for (size_t i = 0; i < CONFIG_OPTIONS; i++) {
        if (!set_default(config_option_of((enum config_id)i), &config->settings[i], fault)) {
            config_clear(config);
            return false;
        }
    }
    return true;
}

bool config_set(struct config *config, enum config_id id, const char *const *texts, size_t count,
                struct fault *fault)
{
    struct config_setting *setting = &config->settings[id];
    if (!fill_setting(config_option_of(id), texts, count, setting, fault))
        return false;
    setting->is_set = true;
    return true;
}

/* ---- the file ---- */

/* The first trouble is the one that is told. */
static void on_error(cfg_t *file, const char *format, va_list arguments)
{
    char text[FAULT_MESSAGE_SIZE];
    const char *hint = "";
    if (now_reading->fault->kind != FAULT_NONE)
        return;
    vsnprintf(text, sizeof(text), format, arguments);
    if (strncmp(text, "no such option", 14) == 0)
        hint = "; 'posthorn config explain' lists those there are";
    if (file != NULL && file->line > 0)
        fault_set(now_reading->fault, FAULT_SYNTAX, "%s:%d: %s%s", now_reading->path, file->line,
                  text, hint);
    else
        fault_set(now_reading->fault, FAULT_SYNTAX, "%s: %s", now_reading->path, text);
}

/* An option stands in the file once. libConfuse calls behind each value, and of a list once more
 * behind its end: whoever is called more often than that has met the option again. */
static bool is_met_again(enum config_id id, size_t count)
{
    bool is_list = config_option_is_list(config_option_of(id));
    return ++now_reading->calls[id] > (is_list ? count + 1 : 1);
}

/* Called by libConfuse behind an option's value, at its line. */
static int on_value(cfg_t *file, cfg_opt_t *option)
{
    const char *texts[CONFIG_VALUES_MAX + 1];
    enum config_id id = config_option_find(cfg_opt_name(option));
    struct config_setting *setting = &now_reading->config->settings[id];
    struct fault fault;
    size_t count = cfg_opt_size(option);
    if (is_met_again(id, count)) {
        cfg_error(file, "%s stands in line %d already", cfg_opt_name(option), setting->line);
        return -1;
    }
    if (count > CONFIG_VALUES_MAX)
        count = CONFIG_VALUES_MAX + 1;
    for (size_t i = 0; i < count; i++) {
        const char *text = cfg_opt_getnstr(option, (unsigned)i);
        texts[i] = text == NULL ? "" : text;
    }
    if (!fill_setting(config_option_of(id), texts, count, setting, &fault)) {
        cfg_error(file, "%s", fault.message);
        return -1;
    }
    setting->is_set = true;
    setting->line = file->line;
    return 0;
}

static cfg_t *schema_new(cfg_opt_t options[CONFIG_OPTIONS + 1])
{
    for (size_t i = 0; i < CONFIG_OPTIONS; i++) {
        const struct config_option *option = config_option_of((enum config_id)i);
        options[i] = config_option_is_list(option)
                         ? (cfg_opt_t)CFG_STR_LIST(option->name, NULL, CFGF_NODEFAULT)
                         : (cfg_opt_t)CFG_STR(option->name, NULL, CFGF_NODEFAULT);
    }
    options[CONFIG_OPTIONS] = (cfg_opt_t)CFG_END();
    cfg_t *file = cfg_init(options, CFGF_NONE);
    if (file == NULL)
        return NULL;
    cfg_set_error_function(file, on_error);
    for (size_t i = 0; i < CONFIG_OPTIONS; i++)
        cfg_set_validate_func(file, config_option_of((enum config_id)i)->name, on_value);
    return file;
}

/* libConfuse counts a line with a comment several times, so comments become blanks before it sees
   them; what is quoted stays. */
static void blank_comments(char *text)
{
    bool is_token_start = true;
    while (*text != '\0') {
        char *start = text;
        if (*text == '"' || *text == '\'') {
            for (text++; *text != '\0' && *text != *start; text++)
                text += *text == '\\' && text[1] != '\0';
            text += *text != '\0';
        } else if (*text == '#' || (is_token_start && strncmp(text, "//", 2) == 0)) {
            while (*text != '\0' && *text != '\n')
                *text++ = ' ';
        } else if (is_token_start && strncmp(text, "/*", 2) == 0) {
            bool is_open = true;
            for (text += 2; is_open && *text != '\0'; text++)
                is_open = text < start + 3 || text[-1] != '*' || *text != '/';
            for (; start < text; start++)
                *start = *start == '\n' ? '\n' : ' ';
        } else {
            text++;
        }
        is_token_start = strchr(" \t\r\n{}=,", text[-1]) != NULL;
    }
}

static bool read_whole(FILE *stream, const char *path, struct buffer *text, struct fault *fault)
{
    char piece[BUFSIZ];
    size_t count;
    while ((count = fread(piece, 1, sizeof(piece), stream)) > 0)
        buffer_append(text, bytes_of(piece, count));
    if (ferror(stream))
        return fault_set_system(fault, FAULT_PERMANENT, errno, "cannot read %s", path);
    if (buffer_is_failed(text) || bytes_has_char(buffer_bytes(text), '\0'))
        return fault_set(fault, FAULT_SYNTAX,
                         "%s: is no configuration: it has a NUL, or more than "
                         "%d bytes",
                         path, CONFIG_FILE_MAX);
    return true;
}

/* Of an empty list libConfuse tells nobody. */
static bool take_empty_lists(struct config *config, cfg_t *file, struct fault *fault)
{
    for (size_t i = 0; i < CONFIG_OPTIONS; i++) {
        const struct config_option *option = config_option_of((enum config_id)i);
        cfg_opt_t *found = cfg_getopt(file, option->name);
        if (!config_option_is_list(option) || found == NULL || cfg_opt_size(found) > 0 ||
            (found->flags & CFGF_MODIFIED) == 0)
            continue;
        if (!fill_setting(option, NULL, 0, &config->settings[i], fault))
            return false;
        config->settings[i].is_set = true;
        config->settings[i].line = CONFIG_LINE_UNKNOWN;
    }
    return true;
}

static bool parse(struct config *config, const char *path, FILE *stream, struct fault *fault)
{
    AUTO(buffer)
    text = BUFFER(CONFIG_FILE_MAX);
    cfg_opt_t options[CONFIG_OPTIONS + 1];
    struct reading reading = {.path = path, .fault = fault, .config = config};
    if (!read_whole(stream, path, &text, fault))
        return false;
    const char *content = buffer_string(&text);
    cfg_t *file = content == NULL ? NULL : schema_new(options);
    if (file == NULL)
        return fault_set_memory(fault);
    blank_comments((char *)content);
    fault_clear(fault);
    now_reading = &reading;
    bool is_good = cfg_parse_buf(file, content) == CFG_SUCCESS;
    now_reading = NULL;
    is_good = is_good && take_empty_lists(config, file, fault);
    cfg_free(file);
    if (!is_good && fault->kind == FAULT_NONE)
        fault_set(fault, FAULT_SYNTAX, "%s: is no configuration", path);
    return is_good;
}

/* Whoever writes the file says as whom we serve and what we read. */
static bool check_owner(FILE *stream, const char *path, struct fault *fault)
{
    struct stat status;
    if (fstat(fileno(stream), &status) != 0)
        return fault_set_system(fault, FAULT_PERMANENT, errno, "cannot read %s", path);
    if (S_ISDIR(status.st_mode))
        return fault_set(fault, FAULT_PERMANENT, "cannot read %s: it is a folder", path);
    if (S_ISREG(status.st_mode) && status.st_uid != geteuid() && status.st_uid != 0 &&
        geteuid() == 0)
        return fault_set(fault, FAULT_DENIED,
                         "%s: belongs to a user who is not root, so root does not follow it", path);
    if (S_ISREG(status.st_mode) && (status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return fault_set(fault, FAULT_DENIED,
                         "%s: others may write to it (mode %04o); run chmod go-w on it", path,
                         (unsigned)(status.st_mode & 07777));
    return true;
}

bool config_read(struct config *config, const char *path, struct fault *fault)
{
    char *name = strdup(path);
    if (name == NULL)
        return fault_set_memory(fault);
    FILE *stream = fopen(path, "re");
    if (stream == NULL) {
        free(name);
        return fault_set_system(fault, FAULT_PERMANENT, errno, "cannot read %s", path);
    }
    bool is_good = check_owner(stream, path, fault) && parse(config, path, stream, fault);
    fclose(stream);
    free(config->file);
    config->file = name;
    return is_good;
}

/* ---- what the whole means ---- */

const char *config_text(const struct config *config, enum config_id id)
{
    const struct config_setting *setting = &config->settings[id];
    return setting->count == 0 ? NULL : setting->values[0].text;
}

int64_t config_number(const struct config *config, enum config_id id)
{
    const struct config_setting *setting = &config->settings[id];
    return setting->count == 0 ? 0 : setting->values[0].number;
}

bool config_has_word(const struct config *config, enum config_id id, const char *word)
{
    const struct config_setting *setting = &config->settings[id];
    for (size_t i = 0; i < setting->count; i++) {
        if (strcmp(setting->values[i].text, word) == 0)
            return true;
    }
    return false;
}

/* A fault of two options that do not fit, told at the line of the first. */
static bool misfit(const struct config *config, enum config_id id, struct fault *fault,
                   const char *text)
{
    int line = config->settings[id].line;
    const char *name = config_option_of(id)->name;
    if (config->file == NULL)
        return fault_set(fault, FAULT_SYNTAX, "%s %s", name, text);
    if (line <= 0)
        return fault_set(fault, FAULT_SYNTAX, "%s: %s %s", config->file, name, text);
    return fault_set(fault, FAULT_SYNTAX, "%s:%d: %s %s", config->file, line, name, text);
}

static bool check_places(const struct config *config, struct fault *fault)
{
    size_t all = 0;
    for (enum config_id id = CONFIG_LISTEN_SMTP; id <= CONFIG_LISTEN_IMAPS; id++)
        all += config->settings[id].count;
    if (all == 0)
        return misfit(config, CONFIG_LISTEN_SMTP, fault,
                      "and all other listeners are empty: there is nothing to serve");
    for (enum config_id id = CONFIG_LISTEN_SMTP; id <= CONFIG_LISTEN_IMAPS; id++) {
        const struct config_setting *setting = &config->settings[id];
        for (size_t i = 0; i < setting->count; i++) {
            for (enum config_id other = id; other <= CONFIG_LISTEN_IMAPS; other++) {
                for (size_t j = other == id ? i + 1 : 0; j < config->settings[other].count; j++) {
                    const char *place = config->settings[other].values[j].text;
                    /* Port 0 is a new one each time. */
                    if (strcmp(setting->values[i].text, place) == 0 &&
                        !bytes_ends_with(bytes_from_string(place), BYTES(":0")))
                        return misfit(config, config->settings[other].line > 0 ? other : id, fault,
                                      "names a place that another listener has too");
                }
            }
        }
    }
    return true;
}

bool config_check(const struct config *config, struct fault *fault)
{
    if (config_text(config, CONFIG_TLS_KEY) != NULL &&
        config_text(config, CONFIG_TLS_CERTIFICATE) == NULL)
        return misfit(config, CONFIG_TLS_KEY, fault, "is set, but tls-certificate is not");
    if (config_number(config, CONFIG_LIMIT_ERRORS_SOFT) >
        config_number(config, CONFIG_LIMIT_ERRORS))
        return misfit(config,
                      config->settings[CONFIG_LIMIT_ERRORS_SOFT].line > 0 ? CONFIG_LIMIT_ERRORS_SOFT
                                                                          : CONFIG_LIMIT_ERRORS,
                      fault, "does not fit: limit-errors-soft is larger than limit-errors");
    return check_places(config, fault);
}

static void ask_canonical_name(const char *host, struct buffer *name)
{
    struct addrinfo hints = {.ai_flags = AI_CANONNAME, .ai_socktype = SOCK_STREAM}, *found = NULL;
    if (strchr(host, '.') == NULL && getaddrinfo(host, NULL, &hints, &found) == 0 &&
        found->ai_canonname != NULL && strchr(found->ai_canonname, '.') != NULL &&
        domain_is_valid(bytes_from_string(found->ai_canonname)))
        host = found->ai_canonname;
    buffer_append_string(name, domain_is_valid(bytes_from_string(host)) ? host : "localhost");
    if (found != NULL)
        freeaddrinfo(found);
}

bool config_host_name(const struct config *config, struct buffer *name, struct fault *fault)
{
    char host[DOMAIN_OCTETS_MAX + 1];
    const char *given = config_text(config, CONFIG_HOST_NAME);
    if (given != NULL)
        buffer_append_string(name, given);
    else if (gethostname(host, sizeof(host)) == 0 && memchr(host, '\0', sizeof(host)) != NULL)
        ask_canonical_name(host, name);
    else
        buffer_append_string(name, "localhost");
    return !buffer_is_failed(name) || fault_set_memory(fault);
}

bool config_keep(struct config *config, const struct config *from, struct fault *fault)
{
    for (size_t i = 0; i < CONFIG_OPTIONS; i++) {
        const struct config_setting *setting = &from->settings[i];
        const char *texts[CONFIG_VALUES_MAX];
        if (!setting->is_set || setting->line != 0)
            continue;
        for (size_t j = 0; j < setting->count; j++)
            texts[j] = setting->values[j].text;
        if (!config_set(config, (enum config_id)i, texts, setting->count, fault))
            return false;
    }
    return true;
}

/* A server with a user of its own serves the machine, and nobody's home is meant. */
static bool is_service(const struct config *config)
{
    const char *user = config_text(config, CONFIG_USER);
    return user != NULL && strcmp(user, "root") != 0;
}

bool config_store(const struct config *config, struct buffer *place, struct fault *fault)
{
    const char *given = config_text(config, CONFIG_STORE);
    if (given == NULL && is_service(config) && getenv(STORE_PLACE_VARIABLE) == NULL)
        given = CONFIG_SERVICE_DIRECTORY "/posthorn.db";
    return store_place_choose(given, place, fault);
}

/* Where a user's programs keep what they make (the XDG base directory specification). */
static bool append_user_directory(struct buffer *path, struct fault *fault)
{
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    if (data != NULL && data[0] == '/')
        buffer_append_format(path, "%s/posthorn", data);
    else if (home != NULL && home[0] == '/')
        buffer_append_format(path, "%s/.local/share/posthorn", home);
    else
        return fault_set(fault, FAULT_PERMANENT,
                         "nobody says where the server keeps its files: set data-directory");
    return true;
}

static bool append_store_directory(const struct config *config, struct buffer *path,
                                   struct fault *fault)
{
    AUTO(buffer)
    place = BUFFER(STORE_PLACE_MAX);
    if (!config_store(config, &place, fault))
        return false;
    const char *file = buffer_string(&place);
    if (file == NULL)
        return fault_set_memory(fault);
    if (!store_place_is_file(file))
        return append_user_directory(path, fault);
    const char *slash = strrchr(file, '/');
    buffer_append(path, slash == NULL ? BYTES(".") : bytes_of(file, (size_t)(slash - file)));
    return true;
}

bool config_data_directory(const struct config *config, struct buffer *path, struct fault *fault)
{
    const char *given = config_text(config, CONFIG_DATA_DIRECTORY);
    if (given != NULL)
        buffer_append_string(path, given);
    else if (is_service(config))
        buffer_append_string(path, CONFIG_SERVICE_DIRECTORY);
    else if (!append_store_directory(config, path, fault))
        return false;
    return !buffer_is_failed(path) || fault_set_memory(fault);
}

bool config_find_store(const char *given, const char *file, struct buffer *place,
                       struct fault *fault)
{
    struct config config;
    if (file == NULL && geteuid() == 0 && access(CONFIG_SYSTEM_FILE, F_OK) == 0)
        file = CONFIG_SYSTEM_FILE;
    if (given != NULL || file == NULL)
        return store_place_choose(given, place, fault);
    if (!config_init(&config, fault))
        return false;
    bool is_found = config_read(&config, file, fault) && config_store(&config, place, fault);
    config_clear(&config);
    return is_found;
}
