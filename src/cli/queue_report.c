/* Tables and JSON about the queue. */
#include "cli/queue_report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sysexits.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "cli/duration.h"
#include "cli/quantity.h"
#include "cli/queue_filter.h"
#include "cli/report.h"
#include "store/store_accounts.h"

enum {
    LIMIT_DEFAULT = 1000, /* recipients that are listed */
    ROUTES_MAX = 20,      /* shown with the counts */
    WHY_MAX = 4 * 1024,   /* bytes of a reason */
    SIZE_COLUMN = 1 << 3  /* of the list */
};

struct listing {
    struct table *table;
    json_t *array;
    int64_t now;
    size_t count;
    size_t limit;
    bool is_cut;
};

/* ---- words ---- */

/* "5m ago", "in 3h", "now". */
static const char *moment_text(int64_t moment, int64_t now, char text[DURATION_TEXT_SIZE + 8])
{
    char span[DURATION_TEXT_SIZE];
    int64_t seconds = (moment - now) / 1000000;
    if (seconds == 0)
        return "now";
    duration_print(seconds < 0 ? -seconds : seconds, span);
    snprintf(text, DURATION_TEXT_SIZE + 8, seconds < 0 ? "%s ago" : "in %s", span);
    return text;
}

/* What a far end said, or what came between. */
static void write_reply(struct buffer *why, int code, struct bytes enhanced, struct bytes text,
                        struct bytes host)
{
    if (host.length > 0)
        buffer_append_format(why, "%.*s: ", BYTES_FORMAT(host));
    if (code != 0)
        buffer_append_format(why, "%d ", code);
    if (enhanced.length > 0)
        buffer_append_format(why, "%.*s ", BYTES_FORMAT(enhanced));
    /* A reply of many lines is shown in one. */
    for (size_t i = 0; i < text.length; i++)
        buffer_append_char(why, text.data[i] == '\n' || text.data[i] == '\r' ? ' ' : text.data[i]);
}

static const char *why_text(const struct store_queue_item *item, struct buffer *why)
{
    buffer_reset(why);
    if (item->last_code == 0 && bytes_is_empty(item->last_text))
        buffer_append(why, item->attempts == 0 ? BYTES("not tried yet") : BYTES("no reason given"));
    else
        write_reply(why, item->last_code, item->last_enhanced, item->last_text, item->last_host);
    const char *text = buffer_string(why);
    return text == NULL ? "" : text;
}

static const char *next_text(const struct store_queue_item *item, int64_t now,
                             char text[DURATION_TEXT_SIZE + 8])
{
    if (item->state == STORE_OUTBOUND_HELD)
        return "held";
    return item->due <= now ? "now" : moment_text(item->due, now, text);
}

static struct bytes sender_text(struct bytes sender)
{
    return bytes_is_empty(sender) ? BYTES("<>") : sender;
}

/* ---- JSON ---- */

/* What is not UTF-8 cannot be said in it. */
static json_t *text_value(struct bytes text)
{
    json_t *value = json_stringn(text.data == NULL ? "" : text.data, text.length);
    return value == NULL ? json_null() : value;
}

static json_t *text_or_null(struct bytes text)
{
    return bytes_is_empty(text) ? json_null() : text_value(text);
}

static json_t *time_value(int64_t moment)
{
    char text[ADMIN_TIME_SIZE];
    return moment == 0 ? json_null() : json_string(admin_time_text(moment, true, text));
}

static json_t *failure_value(const struct store_queue_item *item)
{
    if (item->last_code == 0 && bytes_is_empty(item->last_text))
        return json_null();
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "time", time_value(item->last_attempt), "code",
                     item->last_code == 0 ? json_null() : json_integer(item->last_code), "enhanced",
                     text_or_null(item->last_enhanced), "text", text_value(item->last_text), "host",
                     text_or_null(item->last_host));
}

static json_t *item_value(const struct store_queue_item *item)
{
    char id[24];
    snprintf(id, sizeof(id), "%016" PRIx64, (uint64_t)item->message);
    return json_pack("{s:s, s:i, s:o, s:o, s:o, s:o, s:s, s:I, s:o, s:o, s:i, s:b, s:o, s:o}", "id",
                     id, "number", (int)item->number, "sender", text_value(item->sender),
                     "recipient", text_value(item->recipient), "original_recipient",
                     text_or_null(item->original_recipient), "route", text_value(item->route),
                     "state", item->state == STORE_OUTBOUND_HELD ? "held" : "waiting", "size",
                     (json_int_t)item->size, "came", time_value(item->created), "due",
                     time_value(item->due), "attempts", (int)item->attempts, "warned",
                     item->is_warned, "envelope_id", text_or_null(item->envelope_id),
                     "last_failure", failure_value(item));
}

/* ---- list ---- */

static void add_item(struct listing *listing, const struct store_queue_item *item)
{
    AUTO(buffer)
    why = BUFFER(WHY_MAX);
    char moment[DURATION_TEXT_SIZE + 8];
    char size[QUANTITY_TEXT_SIZE];
    struct bytes sender = sender_text(item->sender);
    table_add_format(listing->table, "%016" PRIx64, (uint64_t)item->message);
    table_add_format(listing->table, "%.*s", BYTES_FORMAT(sender));
    table_add_format(listing->table, "%.*s", BYTES_FORMAT(item->recipient));
    table_add(listing->table, quantity_print((int64_t)item->size, size));
    table_add(listing->table, moment_text(item->created, listing->now, moment));
    table_add(listing->table, next_text(item, listing->now, moment));
    table_add_format(listing->table, "%u", item->attempts);
    table_add(listing->table, why_text(item, &why));
}

static bool list_item(void *context, const struct store_queue_item *item)
{
    struct listing *listing = context;
    listing->is_cut = listing->count == listing->limit;
    if (listing->is_cut)
        return false;
    listing->count++;
    if (listing->array != NULL)
        json_array_append_new(listing->array, item_value(item));
    else
        add_item(listing, item);
    return true;
}

static int read_limit(const struct admin *admin, size_t *limit)
{
    const char *text = admin->values[ADMIN_LIMIT];
    int64_t wanted = LIMIT_DEFAULT;
    if (text != NULL && (!quantity_parse(text, &wanted) || wanted < 0)) {
        report_error("\"%s\" is no count: say 100, 10K or none", text);
        return EX_DATAERR;
    }
    *limit = wanted == 0 ? INT64_MAX - 1 : (size_t)wanted;
    return EX_OK;
}

int queue_report_list(struct admin *admin)
{
    static const char *const headings[] = {"MESSAGE", "FROM", "TO",    "SIZE",
                                           "CAME",    "NEXT", "TRIED", "WHY"};
    AUTO(table)
    lines = TABLE(headings, SIZE_COLUMN | 1 << 6);
    struct store_queue_filter filter;
    struct fault fault;
    struct listing listing = {.table = &lines, .now = clock_wall_microseconds()};
    bool is_any;
    int code = queue_filter_read(admin, &filter, &is_any);
    if (code == EX_OK)
        code = read_limit(admin, &listing.limit);
    if (code != EX_OK)
        return code;
    if (admin_has(admin, ADMIN_JSON))
        listing.array = json_array();
    if (!store_queue_list(admin->reader, &filter, 0, 0, listing.limit + 1, list_item, &listing,
                          &fault)) {
        json_decref(listing.array);
        return admin_fail(&fault);
    }
    code = admin_show(admin, &lines, listing.array);
    if (listing.is_cut)
        report_news(REPORT_DIM, "There are more than these %zu: --limit none shows all.",
                    listing.count);
    return code;
}

/* ---- show ---- */

struct showing {
    struct admin *admin;
    struct table *table;
    json_t *value;
    json_t *recipients;
    int64_t now;
    bool has_begun;
};

static void add_pair(struct table *table, const char *name, struct bytes value)
{
    table_add(table, name);
    table_add_format(table, "%.*s", BYTES_FORMAT(value));
}

static void find_login(struct admin *admin, int64_t id, struct store_account *account,
                       bool *is_found)
{
    struct fault fault;
    if (id == 0 || !store_account_get(admin->reader, id, account, is_found, &fault))
        *is_found = false;
}

/* What all its recipients share. */
static void show_message(struct showing *showing, const struct store_queue_item *item)
{
    char text[ADMIN_TIME_SIZE];
    char moment[DURATION_TEXT_SIZE + 8];
    char size[QUANTITY_TEXT_SIZE];
    struct table *table = showing->table;
    struct store_account account;
    bool is_found;
    find_login(showing->admin, item->account, &account, &is_found);
    table_add(table, "message");
    table_add_format(table, "%016" PRIx64, (uint64_t)item->message);
    add_pair(table, "from", sender_text(item->sender));
    if (is_found)
        add_pair(table, "account", bytes_from_string(account.login));
    add_pair(table, "size", bytes_from_string(quantity_print((int64_t)item->size, size)));
    table_add(table, "came");
    table_add_format(table, "%s UTC, %s", admin_time_text(item->created, false, text),
                     moment_text(item->created, showing->now, moment));
    if (item->envelope_id.length > 0)
        add_pair(table, "envelope id", item->envelope_id);
    snprintf(text, sizeof(text), "%016" PRIx64, (uint64_t)item->message);
    showing->value = json_pack(
        "{s:s, s:o, s:o, s:I, s:o, s:o}", "id", text, "sender", text_value(item->sender), "account",
        is_found ? json_string(account.login) : json_null(), "size", (json_int_t)item->size, "came",
        time_value(item->created), "envelope_id", text_or_null(item->envelope_id));
}

static void show_recipient(struct showing *showing, const struct store_queue_item *item)
{
    AUTO(buffer)
    why = BUFFER(WHY_MAX);
    char time[ADMIN_TIME_SIZE];
    char moment[DURATION_TEXT_SIZE + 8];
    struct table *table = showing->table;
    table_add(table, "");
    table_add(table, "");
    add_pair(table, "to", item->recipient);
    if (item->original_recipient.length > 0)
        add_pair(table, "  originally", item->original_recipient);
    add_pair(table, "  by", item->route);
    add_pair(table, "  next", bytes_from_string(next_text(item, showing->now, moment)));
    table_add(table, "  tried");
    if (item->attempts == 0)
        table_add(table, "not yet");
    else
        table_add_format(table, "%u times, the last at %s UTC%s", item->attempts,
                         admin_time_text(item->last_attempt, false, time),
                         item->is_warned ? "; the sender was warned" : "");
    if (item->last_code != 0 || item->last_text.length > 0)
        add_pair(table, "  because", bytes_from_string(why_text(item, &why)));
    json_array_append_new(showing->recipients, item_value(item));
}

static bool show_item(void *context, const struct store_queue_item *item)
{
    struct showing *showing = context;
    if (!showing->has_begun)
        show_message(showing, item);
    showing->has_begun = true;
    show_recipient(showing, item);
    return true;
}

int queue_report_show(struct admin *admin)
{
    static const char *const headings[] = {"", ""};
    AUTO(table)
    lines = TABLE(headings, 0);
    struct store_queue_filter filter;
    struct fault fault;
    struct showing showing = {.admin = admin, .table = &lines, .now = clock_wall_microseconds()};
    bool is_any;
    int code = queue_filter_read(admin, &filter, &is_any);
    if (code != EX_OK)
        return code;
    showing.recipients = json_array();
    bool is_done =
        store_queue_list(admin->reader, &filter, 0, 0, INT64_MAX, show_item, &showing, &fault);
    if (showing.value != NULL)
        json_object_set(showing.value, "recipients", showing.recipients);
    json_decref(showing.recipients);
    if (is_done && showing.has_begun)
        return admin_show(admin, &lines, showing.value);
    json_decref(showing.value);
    if (!is_done)
        return admin_fail(&fault);
    report_error("there is no message %s in the queue: it went, came back, or was removed",
                 admin->operands[0]);
    return EX_NOUSER;
}

/* ---- stats ---- */

static bool list_route(void *context, const struct store_queue_route *route)
{
    struct listing *listing = context;
    AUTO(buffer)
    why = BUFFER(WHY_MAX);
    char moment[DURATION_TEXT_SIZE + 8];
    int64_t next = route->resting_until > route->next_due ? route->resting_until : route->next_due;
    table_add_format(listing->table, "%.*s", BYTES_FORMAT(route->route));
    table_add_format(listing->table, "%" PRIu64, route->waiting);
    table_add_format(listing->table, "%" PRIu64, route->held);
    table_add(listing->table, route->waiting == 0    ? "held"
                              : next <= listing->now ? "now"
                                                     : moment_text(next, listing->now, moment));
    write_reply(&why, route->last_code, BYTES(""), route->last_text, BYTES(""));
    const char *text = buffer_string(&why);
    table_add(listing->table, text == NULL ? "" : text);
    json_array_append_new(
        listing->array,
        json_pack("{s:o, s:I, s:I, s:o, s:o, s:i, s:o}", "route", text_value(route->route),
                  "waiting", (json_int_t)route->waiting, "held", (json_int_t)route->held, "due",
                  time_value(route->next_due), "resting_until", time_value(route->resting_until),
                  "failures", (int)route->failures, "reason",
                  text_or_null(bytes_from_string(text))));
    return true;
}

static json_t *stats_value(const struct store_queue_stats *stats, json_t *routes)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "messages",
                     (json_int_t)stats->messages, "recipients", (json_int_t)stats->recipients,
                     "waiting", (json_int_t)stats->waiting, "due", (json_int_t)stats->due, "held",
                     (json_int_t)stats->held, "tried", (json_int_t)stats->tried, "routes",
                     (json_int_t)stats->routes, "oldest", time_value(stats->oldest), "busiest",
                     routes);
}

static void print_stats(const struct store_queue_stats *stats, int64_t now)
{
    char moment[DURATION_TEXT_SIZE + 8];
    if (stats->recipients == 0) {
        printf("The queue is empty.\n");
        return;
    }
    printf("%" PRIu64 " recipients of %" PRIu64 " messages, by %" PRIu64 " routes: %" PRIu64
           " wait (%" PRIu64 " of them are due), %" PRIu64 " are held, %" PRIu64
           " were tried before.\nThe oldest came %s.\n\n",
           stats->recipients, stats->messages, stats->routes, stats->waiting, stats->due,
           stats->held, stats->tried, moment_text(stats->oldest, now, moment));
}

int queue_report_stats(struct admin *admin)
{
    static const char *const headings[] = {"ROUTE", "WAITING", "HELD", "NEXT", "TROUBLE"};
    AUTO(table)
    lines = TABLE(headings, 1 << 1 | 1 << 2);
    struct fault fault;
    struct store_queue_stats stats;
    struct listing listing = {
        .table = &lines, .array = json_array(), .now = clock_wall_microseconds()};
    if (!store_queue_stats(admin->reader, listing.now, &stats, &fault) ||
        !store_queue_routes(admin->reader, ROUTES_MAX, list_route, &listing, &fault)) {
        json_decref(listing.array);
        return admin_fail(&fault);
    }
    if (!admin_has(admin, ADMIN_JSON))
        print_stats(&stats, listing.now);
    return admin_show(admin, &lines, stats_value(&stats, listing.array));
}
