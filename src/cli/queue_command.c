/* `posthorn queue`: mail on its way out. */
#include "cli/command.h"

#include <sysexits.h>

#include "base/clock.h"
#include "cli/admin.h"
#include "cli/queue_filter.h"
#include "cli/queue_report.h"
#include "cli/report.h"

enum {
    CHANGED_AT_ONCE = 1000 /* recipients of one job, so that a server's mail goes in between */
};

static const struct option_row rows[] = {
    QUEUE_FILTER_ROWS,
    OPTION_ROW(ADMIN_ALL, 0, "all", NULL, "all that is in the queue"),
    OPTION_ROW(ADMIN_LIMIT, 0, "limit", "COUNT", "list so many at most (1000), or none: all"),
    ADMIN_ROWS_STORE,
    OPTION_ROW(0, 0, NULL, NULL, "How:"),
    ADMIN_ROW_JSON,
    ADMIN_ROW_YES,
    ADMIN_ROW_HELP,
};

static const struct option_table table = OPTION_TABLE(rows);

struct change {
    enum store_queue_deed deed;
    const struct store_queue_filter *filter;
    int64_t now;
    int64_t message; /* behind which it goes on */
    int64_t number;
    /* The answer of one job. */
    int64_t next_message;
    int64_t next_number;
    size_t count;
};

static bool change_some(struct admin *admin, struct db *db, void *context, struct fault *fault)
{
    struct change *change = context;
    (void)admin;
    change->next_message = change->message;
    change->next_number = change->number;
    return store_queue_change(db, change->deed, change->filter, change->now, &change->next_message,
                              &change->next_number, CHANGED_AT_ONCE, &change->count, fault);
}

static int change_all(struct admin *admin, enum store_queue_deed deed,
                      const struct store_queue_filter *filter, size_t *total)
{
    struct change change = {.deed = deed, .filter = filter, .now = clock_wall_microseconds()};
    *total = 0;
    do {
        int code = admin_job(admin, change_some, &change);
        if (code != EX_OK)
            return code;
        *total += change.count;
        change.message = change.next_message;
        change.number = change.next_number;
    } while (change.count > 0);
    return EX_OK;
}

static const char *plural(size_t count)
{
    return count == 1 ? " is" : "s are";
}

static int tell(struct admin *admin, size_t count, const char *what)
{
    if (count > 0) {
        report_news(REPORT_PLAIN, "%zu recipient%s %s.", count, plural(count), what);
        return EX_OK;
    }
    if (admin->operands[0] == NULL) {
        report_news(REPORT_PLAIN, "Nothing in the queue fits; nothing was done.");
        return EX_OK;
    }
    report_error("there is nothing of message %s in the queue that this could be done to; "
                 "'posthorn queue show %s' shows it, if it is there",
                 admin->operands[0], admin->operands[0]);
    return EX_NOUSER;
}

static int read_filter(struct admin *admin, struct store_queue_filter *filter)
{
    bool is_any;
    int code = queue_filter_read(admin, filter, &is_any);
    if (code != EX_OK)
        return code;
    if (is_any && admin_has(admin, ADMIN_ALL))
        return report_usage("--all goes with no condition");
    if (!is_any && !admin_has(admin, ADMIN_ALL))
        return report_usage("which? A MESSAGE, conditions such as --recipient @example.com, or "
                            "--all");
    return EX_OK;
}

static int run_change(struct admin *admin, enum store_queue_deed deed, const char *what)
{
    struct store_queue_filter filter;
    size_t count;
    int code = read_filter(admin, &filter);
    if (code == EX_OK)
        code = change_all(admin, deed, &filter, &count);
    return code == EX_OK ? tell(admin, count, what) : code;
}

static int run_retry(struct admin *admin)
{
    return run_change(admin, STORE_QUEUE_RETRY, "tried again at once");
}

static int run_hold(struct admin *admin)
{
    return run_change(admin, STORE_QUEUE_HOLD, "held: 'posthorn queue release' lets them go");
}

static int run_release(struct admin *admin)
{
    return run_change(admin, STORE_QUEUE_RELEASE, "no longer held");
}

/* ---- remove ---- */

static bool count_item(void *context, const struct store_queue_item *item)
{
    (void)item;
    ++*(size_t *)context;
    return true;
}

static int run_remove(struct admin *admin)
{
    struct store_queue_filter filter;
    struct fault fault;
    size_t count = 0;
    int code = read_filter(admin, &filter);
    if (code == EX_OK &&
        !store_queue_list(admin->reader, &filter, 0, 0, INT64_MAX, count_item, &count, &fault))
        code = admin_fail(&fault);
    if (code == EX_OK && count > 0)
        code = admin_confirm(admin,
                             "Remove %zu recipient%s from the queue? Nobody is told, neither they "
                             "nor the sender.",
                             count, count == 1 ? "" : "s");
    if (code == EX_OK)
        code = change_all(admin, STORE_QUEUE_REMOVE, &filter, &count);
    return code == EX_OK ? tell(admin, count, "removed") : code;
}

static int run_flush(struct admin *admin)
{
    const struct store_queue_filter all = {0};
    size_t count;
    int code = change_all(admin, STORE_QUEUE_RETRY, &all, &count);
    return code == EX_OK ? tell(admin, count, "tried again at once") : code;
}

enum {
    CHANGE_OPTIONS = (int)QUEUE_FILTER_OPTIONS | ADMIN_BIT(ADMIN_ALL)
};

static const struct admin_action actions[] = {
    {"list", "[MESSAGE]", "what waits, a line for each recipient", 0, 1,
     QUEUE_FILTER_OPTIONS | ADMIN_BIT(ADMIN_LIMIT) | ADMIN_BIT(ADMIN_JSON), false, false,
     queue_report_list},
    {"show", "MESSAGE", "all about one message", 1, 1, ADMIN_BIT(ADMIN_JSON), false, false,
     queue_report_show},
    {"stats", "", "how much there is, and by which routes", 0, 0, ADMIN_BIT(ADMIN_JSON), false,
     false, queue_report_stats},
    {"retry", "[MESSAGE]", "try it now, whatever its time", 0, 1, CHANGE_OPTIONS, false, false,
     run_retry},
    {"flush", "", "try all now", 0, 0, 0, false, false, run_flush},
    {"hold", "[MESSAGE]", "keep it back until it is released", 0, 1, CHANGE_OPTIONS, false, false,
     run_hold},
    {"release", "[MESSAGE]", "end that", 0, 1, CHANGE_OPTIONS, false, false, run_release},
    {"remove", "[MESSAGE]", "throw it away without a word", 0, 1,
     CHANGE_OPTIONS | ADMIN_BIT(ADMIN_YES), false, false, run_remove},
};

static const struct admin_command command = {
    .name = "posthorn queue",
    .summary =
        "Mail on its way to other servers. A MESSAGE is named by its number, as the list and "
        "the\nlog show it; what is done to it is done to all of its recipients that still "
        "wait, or to\nthose that the conditions name.",
    .options = &table,
    .actions = actions,
    .action_count = sizeof(actions) / sizeof(actions[0]),
    .examples = "  posthorn queue list --failed --older 1h\n"
                "  posthorn queue show 01a2b3c4d5e6f708\n"
                "  posthorn queue retry --recipient @example.com\n"
                "  posthorn queue hold --account ann@example.org\n"
                "  posthorn queue remove --sender spam@example.org --yes\n",
};

static int run(int argc, char **argv)
{
    return admin_run(&command, argc, argv);
}

const struct command queue_command = {
    .name = "queue",
    .summary = "mail on its way to other servers",
    .run = run,
    .options = &table,
    .words = "list show stats retry flush hold release remove",
};
