/* Reads everything once and compares. */
#include "store/store_check.h"

#include <stdarg.h>
#include <stdio.h>

#include "store/store_check_inside.h"

enum {
    SENTENCE_MAX = 1024 /* bytes */
};

void store_check_problem(struct store_checking *checking, const char *format, ...)
{
    char sentence[SENTENCE_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof(sentence), format, arguments);
    va_end(arguments);
    checking->problems++;
    checking->tell(checking->context, sentence);
}

static void tell_driver(void *context, const char *sentence)
{
    store_check_problem(context, "%s", sentence);
}

/* What depends on other rows is read from one state of the store, while the server goes on. */
static bool check_rows(struct store_checking *checking, struct fault *fault)
{
    if (!db_begin(checking->db, DB_READ, fault))
        return false;
    bool is_done = store_check_rules(checking, fault) && store_check_addresses(checking, fault);
    db_rollback(checking->db);
    return is_done;
}

bool store_check(struct db *db, store_check_tell *tell, void *context, uint64_t *problems,
                 struct fault *fault)
{
    struct store_checking checking = {.db = db, .tell = tell, .context = context};
    if (!db_check(db, tell_driver, &checking, fault) || !check_rows(&checking, fault) ||
        !store_check_bodies(&checking, fault))
        return false;
    *problems = checking.problems;
    return true;
}
