/* Reads profiles by libConfuse: one schema, made from the table of account fields. */
#include "cli/send_profile.h"

#include <confuse.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/buffer.h"
#include "cli/report.h"

#define SEND_PROFILE_SYSTEM "/etc/posthorn/send.conf"

enum {
    SEND_PROFILE_PATH_MAX = 4096 /* bytes of the file's path */
};

static void on_error(cfg_t *file, const char *format, va_list arguments)
{
    char text[FAULT_MESSAGE_SIZE];
    vsnprintf(text, sizeof(text), format, arguments);
    if (file != NULL && file->filename != NULL && file->line > 0)
        report_error("%s:%d: %s", file->filename, file->line, text);
    else
        report_error("%s", text);
}

static enum send_account_field field_by_name(const char *name)
{
    enum send_account_field field = SEND_ACCOUNT_SERVER;
    while (field < SEND_ACCOUNT_FIELDS && strcmp(send_account_field_name(field), name) != 0)
        field++;
    return field;
}

/* Called by libConfuse at the value's own line, so that a wrong one is told with it. */
static int on_value(cfg_t *section, cfg_opt_t *option)
{
    AUTO(send_account)
    scratch = {0};
    struct fault fault;
    enum send_account_field field = field_by_name(cfg_opt_name(option));
    for (unsigned i = 0; i < cfg_opt_size(option); i++) {
        const char *value = cfg_opt_getnstr(option, i);
        if (!send_account_set(&scratch, field, value == NULL ? "" : value, &fault)) {
            cfg_error(section, "%s", fault.message);
            return -1;
        }
    }
    return 0;
}

static int read_section(cfg_t *section, struct send_account *account)
{
    struct fault fault;
    for (size_t i = 0; i < SEND_ACCOUNT_FIELDS; i++) {
        enum send_account_field field = (enum send_account_field)i;
        cfg_opt_t *option = cfg_getopt(section, send_account_field_name(field));
        for (unsigned j = 0; option != NULL && j < cfg_opt_size(option); j++) {
            bool is_switch = send_account_field_kind(field) == SEND_ACCOUNT_SWITCH;
            if (is_switch && !cfg_opt_getnbool(option, j))
                continue;
            const char *value = is_switch ? NULL : cfg_opt_getnstr(option, j);
            if ((is_switch || value != NULL) && !send_account_set(account, field, value, &fault)) {
                report_error("%s", fault.message);
                return EX_CONFIG;
            }
        }
    }
    return EX_OK;
}

/* An account whose `from` is the sender's address, with or without a display name around it. */
static cfg_t *section_of_sender(cfg_t *file, const char *sender)
{
    for (unsigned i = 0; sender != NULL && i < cfg_size(file, "account"); i++) {
        cfg_t *section = cfg_getnsec(file, "account", i);
        const char *from = cfg_getstr(section, "from");
        if (from == NULL)
            continue;
        const char *bracket = strrchr(from, '<');
        const char *address = bracket == NULL ? from : bracket + 1;
        size_t length = strcspn(address, ">");
        if (strlen(sender) == length && strncasecmp(address, sender, length) == 0)
            return section;
    }
    return NULL;
}

static int choose(cfg_t *file, const char *path, const char *name, const char *sender,
                  struct send_account *account)
{
    cfg_t *section = NULL;
    bool is_default = name == NULL;
    if (is_default) {
        section = section_of_sender(file, sender);
        name = cfg_getstr(file, "default-account");
    }
    if (section == NULL && name != NULL) {
        section = cfg_gettsec(file, "account", name);
        if (section == NULL) {
            report_error("%s: there is no account \"%s\"%s", path, name,
                         is_default ? ", which default-account names" : "");
            return EX_CONFIG;
        }
    }
    if (section == NULL && cfg_size(file, "account") == 1)
        section = cfg_getnsec(file, "account", 0);
    return section == NULL ? EX_OK : read_section(section, account);
}

/* Who writes the file chooses the server and the commands that are run. */
static int check_owner(const char *path, const struct stat *status)
{
    if (status->st_uid != geteuid() && status->st_uid != 0)
        report_error("%s: belongs to another user, so what it says is not followed", path);
    else if ((status->st_mode & (S_IWGRP | S_IWOTH)) != 0)
        report_error("%s: others may write to it (mode %04o); run chmod go-w on it", path,
                     (unsigned)(status->st_mode & 07777));
    else
        return EX_OK;
    return EX_CONFIG;
}

static bool has_password(cfg_t *section)
{
    const char *proxy = cfg_getstr(section, "proxy");
    return cfg_getstr(section, "password") != NULL || (proxy != NULL && strchr(proxy, '@') != NULL);
}

/* A password in the open is for its owner's eyes only. */
static int check_privacy(cfg_t *file, const char *path, const struct stat *status)
{
    for (unsigned i = 0; i < cfg_size(file, "account"); i++) {
        if (has_password(cfg_getnsec(file, "account", i)) &&
            (status->st_mode & (S_IRWXG | S_IRWXO)) != 0) {
            report_error("%s: holds a password and is open to others (mode %04o); "
                         "run chmod 600 on it, or use password-command",
                         path, (unsigned)(status->st_mode & 07777));
            return EX_CONFIG;
        }
    }
    return EX_OK;
}

/* The schema of an account, from the table of its fields. */
static void declare_account(cfg_opt_t options[SEND_ACCOUNT_FIELDS + 1])
{
    for (size_t i = 0; i < SEND_ACCOUNT_FIELDS; i++) {
        enum send_account_field field = (enum send_account_field)i;
        const char *word = send_account_field_name(field);
        if (field == SEND_ACCOUNT_PIN)
            options[i] = (cfg_opt_t)CFG_STR_LIST(word, NULL, CFGF_NODEFAULT);
        else if (send_account_field_kind(field) == SEND_ACCOUNT_SWITCH)
            options[i] = (cfg_opt_t)CFG_BOOL(word, cfg_false, CFGF_NONE);
        else
            options[i] = (cfg_opt_t)CFG_STR(word, NULL, CFGF_NODEFAULT);
    }
    options[SEND_ACCOUNT_FIELDS] = (cfg_opt_t)CFG_END();
}

static void check_values_of(cfg_t *file)
{
    for (size_t i = 0; i < SEND_ACCOUNT_FIELDS; i++) {
        enum send_account_field field = (enum send_account_field)i;
        char word[64];
        snprintf(word, sizeof(word), "account|%s", send_account_field_name(field));
        if (send_account_field_kind(field) != SEND_ACCOUNT_SWITCH)
            cfg_set_validate_func(file, word, on_value);
    }
}

static int parse(FILE *stream, const char *path, const struct stat *status, const char *name,
                 const char *sender, struct send_account *account)
{
    cfg_opt_t account_options[SEND_ACCOUNT_FIELDS + 1] = {0};
    declare_account(account_options);
    cfg_opt_t options[] = {
        CFG_STR("default-account", NULL, CFGF_NODEFAULT),
        CFG_SEC("account", account_options, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
        CFG_END(),
    };
    cfg_t *file = cfg_init(options, CFGF_NONE);
    if (file == NULL) {
        report_error("out of memory");
        return EX_OSERR;
    }
    cfg_set_error_function(file, on_error);
    check_values_of(file);
    /* cfg_parse_fp only names the file when it has no name yet. */
    file->filename = strdup(path);
    int code = cfg_parse_fp(file, stream) == CFG_SUCCESS ? EX_OK : EX_CONFIG;
    if (code == EX_OK)
        code = check_privacy(file, path, status);
    if (code == EX_OK)
        code = choose(file, path, name, sender, account);
    cfg_free(file);
    return code;
}

/* Opens the first of the usual places that exists. NULL with errno. */
static FILE *open_usual(struct buffer *path)
{
    const char *config = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    if (config != NULL && config[0] == '/')
        buffer_append_format(path, "%s/posthorn/send.conf", config);
    else if (home != NULL && home[0] == '/')
        buffer_append_format(path, "%s/.config/posthorn/send.conf", home);
    FILE *stream = NULL;
    errno = ENOENT;
    if (path->length > 0 && buffer_string(path) != NULL)
        stream = fopen(buffer_string(path), "re");
    if (stream == NULL && (errno == ENOENT || errno == ENOTDIR)) {
        buffer_reset(path);
        buffer_append_string(path, SEND_PROFILE_SYSTEM);
        stream = fopen(SEND_PROFILE_SYSTEM, "re");
    }
    return stream;
}

int send_profile_load(const char *path, const char *name, const char *sender,
                      struct send_account *account)
{
    AUTO(buffer)
    usual = BUFFER(SEND_PROFILE_PATH_MAX);
    FILE *stream = path != NULL ? fopen(path, "re") : open_usual(&usual);
    const char *shown = path != NULL ? path : buffer_string(&usual);
    if (shown == NULL)
        shown = SEND_PROFILE_SYSTEM;
    if (stream == NULL) {
        if (path == NULL && (errno == ENOENT || errno == ENOTDIR)) {
            if (name == NULL)
                return EX_OK;
            report_error("there is no account \"%s\": neither ~/.config/posthorn/send.conf "
                         "nor " SEND_PROFILE_SYSTEM " exists",
                         name);
            return EX_CONFIG;
        }
        report_error("cannot read %s: %s", shown, strerror(errno));
        return EX_CONFIG;
    }
    struct stat status;
    int code = EX_CONFIG;
    if (fstat(fileno(stream), &status) != 0)
        report_error("cannot read %s: %s", shown, strerror(errno));
    else
        code = check_owner(shown, &status);
    if (code == EX_OK)
        code = parse(stream, shown, &status, name, sender, account);
    fclose(stream);
    return code;
}
