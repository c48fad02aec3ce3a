/* Reads every body, a part at a time, and parses it anew. */
#include "mail/message_parser.h"
#include "store/store_check_inside.h"
#include "store/store_inside.h"

enum {
    BODIES_AT_ONCE = 32 /* of one read transaction, so that the writer's log is not held back */
};

struct body {
    int64_t id;
    int64_t size;
    int64_t found;     /* bytes */
    int64_t number;    /* of the last part, from 0 */
    bool is_last_full; /* it has STORE_PART_SIZE bytes, so that another may follow */
};

static bool take_part(struct store_checking *checking, struct body *body, struct bytes data,
                      struct message_parser *parser, struct fault *fault)
{
    body->found += (int64_t)data.length;
    if (data.length > STORE_PART_SIZE)
        store_check_problem(checking, "body %lld: part %lld is larger than a part may be",
                            (long long)body->id, (long long)body->number);
    body->is_last_full = data.length == STORE_PART_SIZE;
    return message_parser_feed(parser, data, fault);
}

static bool read_parts(struct store_checking *checking, struct body *body,
                       struct message_parser *parser, struct fault *fault)
{
    static const struct db_statement statement = {
        "SELECT number, data FROM body_part WHERE body = $1 AND number > $2 "
        "ORDER BY number LIMIT 1",
        NULL};
    bool is_found = true;
    while (is_found) {
        AUTO(db_rows)
        rows = {0};
        if (!db_query_one(checking->db, &statement,
                          DB_VALUES(db_number(body->id), db_number(body->number)), &rows, &is_found,
                          fault))
            return false;
        if (!is_found)
            break;
        int64_t number = db_rows_number(&rows, 0);
        if (number != body->number + 1 || !body->is_last_full)
            store_check_problem(checking, "body %lld: there is a gap before part %lld",
                                (long long)body->id, (long long)number);
        body->number = number;
        if (!take_part(checking, body, db_rows_bytes(&rows, 1), parser, fault))
            return false;
    }
    return true;
}

static bool read_body(struct store_checking *checking, struct body *body,
                      struct message_parser *parser, bool *is_there, struct fault *fault)
{
    static const struct db_statement statement = {"SELECT size, data FROM body WHERE id = $1",
                                                  NULL};
    AUTO(db_rows)
    rows = {0};
    if (!db_query_one(checking->db, &statement, DB_VALUES(db_number(body->id)), &rows, is_there,
                      fault))
        return false;
    if (!*is_there)
        return true;
    body->size = db_rows_number(&rows, 0);
    if (!take_part(checking, body, db_rows_bytes(&rows, 1), parser, fault))
        return false;
    db_rows_clear(&rows);
    if (!read_parts(checking, body, parser, fault))
        return false;
    if (body->found != body->size)
        store_check_problem(checking, "body %lld: it is to have %lld bytes, and has %lld",
                            (long long)body->id, (long long)body->size, (long long)body->found);
    return true;
}

static void compare(struct store_checking *checking, const struct body *body, const char *what,
                    bool is_same)
{
    if (!is_same)
        store_check_problem(checking, "body %lld: the %s that is kept is not that of the body",
                            (long long)body->id, what);
}

static bool check_meta(struct store_checking *checking, const struct body *body,
                       const struct message_parsed *parsed, struct fault *fault)
{
    static const struct db_statement statement = {
        "SELECT header, envelope, structure, lines, sent FROM body_meta WHERE body = $1", NULL};
    AUTO(db_rows)
    rows = {0};
    bool is_there;
    if (!db_query_one(checking->db, &statement, DB_VALUES(db_number(body->id)), &rows, &is_there,
                      fault))
        return false;
    if (!is_there) {
        store_check_problem(checking, "body %lld: header, envelope and structure are not kept",
                            (long long)body->id);
        return true;
    }
    compare(checking, body, "header", bytes_equal(db_rows_bytes(&rows, 0), parsed->header));
    compare(checking, body, "envelope", bytes_equal(db_rows_bytes(&rows, 1), parsed->envelope));
    compare(checking, body, "structure", bytes_equal(db_rows_bytes(&rows, 2), parsed->structure));
    compare(checking, body, "number of lines", db_rows_number(&rows, 3) == (int64_t)parsed->lines);
    compare(checking, body, "date", db_rows_number(&rows, 4) == parsed->sent);
    return true;
}

static bool check_body(struct store_checking *checking, int64_t id, struct message_parser *parser,
                       struct fault *fault)
{
    struct body body = {.id = id};
    struct message_parsed parsed;
    bool is_there;
    message_parser_reset(parser);
    if (!read_body(checking, &body, parser, &is_there, fault))
        return false;
    if (!is_there)
        return true;
    return message_parser_finish(parser, &parsed, fault) &&
           check_meta(checking, &body, &parsed, fault);
}

static bool read_ids(struct db *db, int64_t after, int64_t *ids, size_t *count, struct fault *fault)
{
    static const struct db_statement statement = {
        "SELECT id FROM body WHERE id > $1 ORDER BY id LIMIT $2", NULL};
    AUTO(db_rows)
    rows = {0};
    size_t found = 0;
    if (!db_query(db, &statement, DB_VALUES(db_number(after), db_number(BODIES_AT_ONCE)), &rows,
                  fault))
        return false;
    while (found < BODIES_AT_ONCE && db_rows_next(&rows))
        ids[found++] = db_rows_number(&rows, 0);
    *count = found;
    return db_rows_finish(&rows, fault);
}

/* The next bodies; *last is the id of the last one. */
static bool check_some(struct store_checking *checking, struct message_parser *parser,
                       int64_t *last, size_t *count, struct fault *fault)
{
    int64_t ids[BODIES_AT_ONCE];
    if (!read_ids(checking->db, *last, ids, count, fault))
        return false;
    for (size_t i = 0; i < *count; i++) {
        if (!check_body(checking, ids[i], parser, fault))
            return false;
        *last = ids[i];
    }
    return true;
}

bool store_check_bodies(struct store_checking *checking, struct fault *fault)
{
    struct message_parser *parser = message_parser_new(fault);
    int64_t last = INT64_MIN;
    size_t count = 1;
    bool is_done = parser != NULL;
    while (is_done && count > 0) {
        is_done = db_begin(checking->db, DB_READ, fault);
        if (!is_done)
            break;
        is_done = check_some(checking, parser, &last, &count, fault);
        db_rollback(checking->db);
    }
    message_parser_free(parser);
    return is_done;
}
