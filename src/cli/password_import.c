/* Reads hashes line by line, checks each, and keeps them in one job. */
#include "cli/password_import.h"

#include <crypt.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/secret.h"
#include "cli/report.h"
#include "store/store_accounts.h"

enum {
    LINES_MAX = 100000 /* of one import, which is one transaction */
};

struct entry {
    char *login;
    char *hash;
};

struct import {
    struct entry *entries;
    size_t count;
    size_t capacity;
};

static void import_clear(struct import *import)
{
    for (size_t i = 0; i < import->count; i++) {
        free(import->entries[i].login);
        secret_wipe(import->entries[i].hash, strlen(import->entries[i].hash));
        free(import->entries[i].hash);
    }
    free(import->entries);
}

bool password_import_check(const char *hash, bool *is_weak, struct fault *fault)
{
    struct crypt_data *data = calloc(1, sizeof(*data));
    if (data == NULL)
        return fault_set_memory(fault);
    /* What the hash of any password looks like with this one's settings: as long, and the same up
       to the digest. */
    const char *example = crypt_r("", hash, data);
    const char *dollar = strrchr(hash, '$');
    size_t settings = dollar == NULL ? 2 : (size_t)(dollar - hash) + 1;
    bool is_whole = example != NULL && example[0] != '*' && strlen(example) == strlen(hash) &&
                    strlen(hash) <= STORE_VERIFIER_MAX && strncmp(example, hash, settings) == 0;
    *is_weak = dollar == NULL || strncmp(hash, "$1$", 3) == 0;
    secret_wipe(data, sizeof(*data));
    free(data);
    if (!is_whole)
        return fault_set(fault, FAULT_SYNTAX,
                         "that is no whole crypt(3) hash of a kind that is known here");
    return true;
}

/* "ADDRESS:HASH", more fields behind it, a scheme in braces before the hash: as files of other
   servers have it. */
static struct bytes cut_hash(struct bytes text)
{
    struct bytes hash;
    struct bytes rest;
    if (bytes_starts_with(text, BYTES("{")) && bytes_has_char(text, '}'))
        text = bytes_skip(text, bytes_find_char(text, '}') + 1);
    bytes_split(text, ':', &hash, &rest);
    return hash;
}

static bool add_entry(struct import *import, struct bytes login, struct bytes hash,
                      struct fault *fault)
{
    if (import->count == LINES_MAX)
        return fault_set(fault, FAULT_LIMIT, "more than %d lines at once", LINES_MAX);
    if (import->count == import->capacity) {
        size_t capacity = import->capacity == 0 ? 16 : 2 * import->capacity;
        struct entry *entries = realloc(import->entries, capacity * sizeof(*entries));
        if (entries == NULL)
            return fault_set_memory(fault);
        import->entries = entries;
        import->capacity = capacity;
    }
    struct entry entry = {.login = strndup(login.data, login.length),
                          .hash = strndup(hash.data, hash.length)};
    if (entry.login == NULL || entry.hash == NULL) {
        free(entry.login);
        free(entry.hash);
        return fault_set_memory(fault);
    }
    import->entries[import->count++] = entry;
    return true;
}

/* *code is the exit status when the line cannot be taken. */
static bool take_line(const struct admin *admin, struct import *import, struct bytes line,
                      size_t number, int *code)
{
    struct bytes login = admin_operand(admin, 0);
    struct bytes hash = line;
    struct fault fault;
    bool is_weak;
    if (admin->operands[0] == NULL && !bytes_split(line, ':', &login, &hash)) {
        report_error("line %zu: it is not ADDRESS:HASH", number);
        *code = EX_DATAERR;
        return false;
    }
    if (!add_entry(import, login, cut_hash(hash), &fault)) {
        *code = admin_fail(&fault);
        return false;
    }
    if (!password_import_check(import->entries[import->count - 1].hash, &is_weak, &fault)) {
        report_error("line %zu: %s", number, fault.message);
        *code = EX_DATAERR;
        return false;
    }
    if (is_weak)
        report_warning("line %zu: a hash of this kind is quickly guessed; a new password soon is "
                       "better",
                       number);
    return true;
}

static int read_lines(const struct admin *admin, struct import *import)
{
    char *text = NULL;
    size_t size = 0;
    size_t number = 0;
    int code = EX_OK;
    bool goes_on = true;
    while (goes_on && getline(&text, &size, stdin) >= 0) {
        struct bytes line = bytes_trim(bytes_from_string(text));
        number++;
        if (line.length > 0 && line.data[0] != '#')
            goes_on = take_line(admin, import, line, number, &code) && admin->operands[0] == NULL;
    }
    if (text != NULL)
        secret_wipe(text, size);
    free(text);
    if (code == EX_OK && ferror(stdin)) {
        report_error("cannot read standard input: %s", strerror(errno));
        return EX_NOINPUT;
    }
    if (code == EX_OK && import->count == 0) {
        report_error("standard input holds no hash");
        return EX_DATAERR;
    }
    return code;
}

static bool put_one(struct admin *admin, struct db *db, const struct entry *entry,
                    struct fault *fault)
{
    struct store_account account;
    bool is_found;
    if (!store_account_find(db, bytes_from_string(entry->login), &account, &is_found, fault))
        return false;
    if (!is_found)
        return fault_set(fault, FAULT_PERMANENT, "there is no account %.200s; nothing was imported",
                         entry->login);
    return store_credential_remove_password(db, account.id, fault) &&
           store_credential_put(admin->store, db, account.id, STORE_CREDENTIAL_CRYPT, BYTES(""),
                                bytes_from_string(entry->hash), fault);
}

static bool put_all(struct admin *admin, struct db *db, void *context, struct fault *fault)
{
    const struct import *import = context;
    for (size_t i = 0; i < import->count; i++) {
        if (!put_one(admin, db, &import->entries[i], fault))
            return false;
    }
    return true;
}

int password_import_run(struct admin *admin)
{
    __attribute__((cleanup(import_clear))) struct import import = {0};
    int code = read_lines(admin, &import);
    if (code == EX_OK)
        code = admin_job(admin, put_all, &import);
    if (code == EX_OK)
        report_news(REPORT_GREEN, "%zu password%s imported.", import.count,
                    import.count == 1 ? "" : "s");
    return code;
}
