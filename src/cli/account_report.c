/* Tables and JSON about accounts. */
#include "cli/account_report.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "cli/report.h"

struct listing {
    struct table *table;
    json_t *array;
    const char *login; /* aliases that do not lead here are left out */
};

int account_report_find(struct admin *admin, struct store_account *account)
{
    struct address address;
    struct fault fault;
    bool is_found;
    struct bytes login = admin_operand(admin, 0);
    if (!address_parse(login, &address, &fault) ||
        !store_account_find(admin->reader, login, account, &is_found, &fault))
        return admin_fail(&fault);
    if (!is_found) {
        report_error("there is no account %s; 'posthorn account list' shows those that are",
                     admin->operands[0]);
        return EX_NOUSER;
    }
    return EX_OK;
}

static const char *limit_text(int64_t limit, char text[QUANTITY_TEXT_SIZE])
{
    return limit == 0 ? "none" : quantity_print(limit, text);
}

/* 0, none, is null in JSON: a program must not take it for a limit. */
static json_t *limit_value(int64_t limit)
{
    return limit == 0 ? json_null() : json_integer(limit);
}

static json_t *account_value(const struct store_account *account)
{
    return json_pack("{s:s, s:b, s:I, s:I, s:o, s:o}", "login", account->login, "disabled",
                     account->is_disabled, "messages", (json_int_t)account->used_messages, "bytes",
                     (json_int_t)account->used_bytes, "quota_messages",
                     limit_value(account->quota_messages), "quota_bytes",
                     limit_value(account->quota_bytes));
}

static bool list_account(void *context, const struct store_account *account)
{
    struct listing *listing = context;
    char text[QUANTITY_TEXT_SIZE];
    table_add(listing->table, account->login);
    table_add_format(listing->table, "%lld", (long long)account->used_messages);
    table_add(listing->table, quantity_print(account->used_bytes, text));
    table_add(listing->table, limit_text(account->quota_bytes, text));
    table_add(listing->table, account->is_disabled ? "disabled" : "enabled");
    json_array_append_new(listing->array, account_value(account));
    return true;
}

int account_report_list(struct admin *admin)
{
    static const char *const headings[] = {"ACCOUNT", "MESSAGES", "SIZE", "QUOTA", "STATE"};
    AUTO(table)
    lines = TABLE(headings, 0xE);
    struct fault fault;
    struct listing listing = {.table = &lines, .array = json_array()};
    if (!store_accounts_list(admin->reader, admin_operand(admin, 0), list_account, &listing,
                             &fault)) {
        json_decref(listing.array);
        return admin_fail(&fault);
    }
    return admin_show(admin, &lines, listing.array);
}

static bool list_quota(void *context, const struct store_account *account)
{
    struct listing *listing = context;
    char text[QUANTITY_TEXT_SIZE];
    table_add(listing->table, account->login);
    table_add(listing->table, quantity_print(account->used_bytes, text));
    table_add(listing->table, limit_text(account->quota_bytes, text));
    table_add_format(listing->table, "%lld", (long long)account->used_messages);
    if (account->quota_messages == 0)
        table_add(listing->table, "none");
    else
        table_add_format(listing->table, "%lld", (long long)account->quota_messages);
    json_array_append_new(listing->array, account_value(account));
    return true;
}

int account_report_quota(struct admin *admin)
{
    static const char *const headings[] = {"ACCOUNT", "SIZE", "OF", "MESSAGES", "OF"};
    AUTO(table)
    lines = TABLE(headings, 0x1E);
    struct fault fault;
    struct store_account account;
    struct listing listing = {.table = &lines};
    if (admin->operands[0] != NULL) {
        int code = account_report_find(admin, &account);
        if (code != EX_OK)
            return code;
    }
    listing.array = json_array();
    if (admin->operands[0] != NULL) {
        list_quota(&listing, &account);
    } else if (!store_accounts_list(admin->reader, BYTES(""), list_quota, &listing, &fault)) {
        json_decref(listing.array);
        return admin_fail(&fault);
    }
    return admin_show(admin, &lines, listing.array);
}

/* ---- one account ---- */

static const char *kind_name(enum store_credential_kind kind)
{
    switch (kind) {
    case STORE_CREDENTIAL_SCRAM_SHA_256:
        return "SCRAM-SHA-256";
    case STORE_CREDENTIAL_SCRAM_SHA_1:
        return "SCRAM-SHA-1";
    case STORE_CREDENTIAL_CRYPT:
        return "crypt";
    case STORE_CREDENTIAL_APP:
        return "app password";
    }
    return "unknown";
}

static json_t *credential_value(const struct store_credential *credential)
{
    char text[ADMIN_TIME_SIZE];
    return json_pack("{s:s, s:s, s:s}", "kind", kind_name(credential->kind), "label",
                     credential->label, "created",
                     admin_time_text(credential->created, true, text));
}

static void add_pair(struct table *table, const char *name, const char *value)
{
    table_add(table, name);
    table_add(table, value);
}

static bool show_alias(void *context, const char *alias, const char *target)
{
    struct listing *listing = context;
    if (strcmp(target, listing->login) != 0)
        return true;
    add_pair(listing->table, "alias", alias);
    json_array_append_new(listing->array, json_string(alias));
    return true;
}

static void show_credentials(const struct store_credential *credentials, size_t count,
                             struct table *table, json_t *array)
{
    char time[ADMIN_TIME_SIZE];
    for (size_t i = 0; i < count; i++) {
        const struct store_credential *credential = &credentials[i];
        bool is_app = credential->kind == STORE_CREDENTIAL_APP;
        table_add(table, is_app ? "app password" : "password");
        table_add_format(table, "%s, since %s",
                         is_app ? credential->label : kind_name(credential->kind),
                         admin_time_text(credential->created, false, time));
        json_array_append_new(array, credential_value(credential));
    }
}

static void show_figures(const struct store_account *account, struct table *table)
{
    char used[QUANTITY_TEXT_SIZE];
    char limit[QUANTITY_TEXT_SIZE];
    add_pair(table, "account", account->login);
    add_pair(table, "state", account->is_disabled ? "disabled" : "enabled");
    table_add(table, "messages");
    if (account->quota_messages == 0)
        table_add_format(table, "%lld", (long long)account->used_messages);
    else
        table_add_format(table, "%lld of %lld", (long long)account->used_messages,
                         (long long)account->quota_messages);
    table_add(table, "size");
    quantity_print(account->used_bytes, used);
    if (account->quota_bytes == 0)
        table_add(table, used);
    else
        table_add_format(table, "%s of %s", used, quantity_print(account->quota_bytes, limit));
}

static bool read_credentials(struct admin *admin, int64_t account,
                             struct store_credential **credentials, size_t *count,
                             struct fault *fault)
{
    struct store_credential *items = calloc(STORE_CREDENTIALS_MAX, sizeof(*items));
    if (items == NULL)
        return fault_set_memory(fault);
    if (!store_credentials_read(admin->reader, account, items, count, fault)) {
        free(items);
        return false;
    }
    *credentials = items;
    return true;
}

int account_report_show(struct admin *admin)
{
    static const char *const headings[] = {"WHAT", "VALUE"};
    AUTO(table)
    lines = TABLE(headings, 0);
    struct store_account account;
    struct store_credential *credentials = NULL;
    size_t count;
    struct fault fault;
    int code = account_report_find(admin, &account);
    if (code != EX_OK)
        return code;
    struct listing aliases = {.table = &lines, .array = json_array(), .login = account.login};
    show_figures(&account, &lines);
    if (!read_credentials(admin, account.id, &credentials, &count, &fault) ||
        !store_aliases_list(admin->reader, BYTES(""), show_alias, &aliases, &fault)) {
        free(credentials);
        json_decref(aliases.array);
        return admin_fail(&fault);
    }
    json_t *passwords = json_array();
    json_t *value = account_value(&account);
    show_credentials(credentials, count, &lines, passwords);
    json_object_set_new(value, "aliases", aliases.array);
    json_object_set_new(value, "passwords", passwords);
    free(credentials);
    return admin_show(admin, &lines, value);
}

int account_report_app_passwords(struct admin *admin)
{
    static const char *const headings[] = {"LABEL", "CREATED"};
    AUTO(table)
    lines = TABLE(headings, 0);
    char time[ADMIN_TIME_SIZE];
    struct store_account account;
    struct store_credential *credentials = NULL;
    size_t count;
    struct fault fault;
    int code = account_report_find(admin, &account);
    if (code != EX_OK)
        return code;
    if (!read_credentials(admin, account.id, &credentials, &count, &fault))
        return admin_fail(&fault);
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++) {
        if (credentials[i].kind != STORE_CREDENTIAL_APP)
            continue;
        add_pair(&lines, credentials[i].label,
                 admin_time_text(credentials[i].created, false, time));
        json_array_append_new(array, credential_value(&credentials[i]));
    }
    free(credentials);
    return admin_show(admin, &lines, array);
}
