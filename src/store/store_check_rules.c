/* What one statement can find: each selects the sentences about what is wrong. */
#include "base/clock.h"
#include "store/store_check_inside.h"
#include "store/store_delivery.h"
#include "store/store_mailboxes.h"

enum {
    YOUNG_MICROSECONDS = 600 * 1000 * 1000 /* a body may be without message for so long */
};

/* As enum store_flag has them. */
#define SEEN    "1"
#define DELETED "8"
#define SYSTEM  "95"
_Static_assert(STORE_FLAG_SEEN == 1 && STORE_FLAG_DELETED == 8 && STORE_FLAG_DRAFT == 16 &&
                   STORE_FLAG_KEPT == 64 && STORE_KEYWORD_FIRST == 8 && STORE_KEYWORDS_MAX == 54,
               "the statements here name them");

/* "ann@example.org, INBOX" of mailbox b. */
#define MAILBOX                                                                                    \
    "COALESCE((SELECT a.login FROM account a WHERE a.id = b.account), 'nobody') || ', ' || b.name"

static const struct db_statement rules[] = {
    /* The counters of mailboxes and accounts. */
    {"SELECT " MAILBOX " || ': counted are ' || b.messages || ' messages, ' || b.unseen || "
     "' unseen, ' || b.deleted || ' deleted, ' || b.bytes || ' bytes; there are ' || "
     "COALESCE(s.messages, 0) || ', ' || COALESCE(s.unseen, 0) || ', ' || "
     "COALESCE(s.deleted, 0) || ' and ' || COALESCE(s.bytes, 0) "
     "FROM mailbox b LEFT JOIN (SELECT mailbox, COUNT(*) AS messages, "
     "SUM(CASE WHEN (flags & " SEEN ") = 0 THEN 1 ELSE 0 END) AS unseen, "
     "SUM(CASE WHEN (flags & " DELETED ") <> 0 THEN 1 ELSE 0 END) AS deleted, "
     "CAST(SUM(size) AS BIGINT) AS bytes FROM message GROUP BY mailbox) s ON s.mailbox = b.id "
     "WHERE b.messages <> COALESCE(s.messages, 0) OR b.unseen <> COALESCE(s.unseen, 0) "
     "OR b.deleted <> COALESCE(s.deleted, 0) OR b.bytes <> COALESCE(s.bytes, 0)",
     NULL},
    {"SELECT a.login || ': counted are ' || a.used_messages || ' messages, ' || a.used_bytes || "
     "' bytes; there are ' || COALESCE(s.messages, 0) || ' and ' || COALESCE(s.bytes, 0) "
     "FROM account a LEFT JOIN (SELECT b.account AS account, COUNT(*) AS messages, "
     "CAST(SUM(m.size) AS BIGINT) AS bytes FROM message m JOIN mailbox b ON b.id = m.mailbox "
     "GROUP BY b.account) s ON s.account = a.id "
     "WHERE a.used_messages <> COALESCE(s.messages, 0) OR a.used_bytes <> COALESCE(s.bytes, 0)",
     NULL},
    {"SELECT a.login || ': a quota below 0' FROM account a "
     "WHERE a.quota_bytes < 0 OR a.quota_messages < 0",
     NULL},
    /* UIDs and modseqs (RFC 9051 2.3.1.1, RFC 7162 3.1). */
    {"SELECT " MAILBOX
     " || ': the next UID is ' || b.uidnext || ', but there is message ' || s.uid "
     "FROM mailbox b JOIN (SELECT mailbox, MAX(uid) AS uid FROM message GROUP BY mailbox) s "
     "ON s.mailbox = b.id WHERE s.uid >= b.uidnext",
     NULL},
    {"SELECT " MAILBOX " || ': the highest modseq is ' || b.modseq || ', but a message has ' || "
     "s.modseq FROM mailbox b JOIN (SELECT mailbox, MAX(modseq) AS modseq FROM message "
     "GROUP BY mailbox) s ON s.mailbox = b.id WHERE s.modseq > b.modseq",
     NULL},
    {"SELECT " MAILBOX " || ': UIDVALIDITY ' || b.uidvalidity || ', next UID ' || b.uidnext || "
     "', modseq ' || b.modseq || ', forgotten up to ' || b.vanished_floor || ' and ' || "
     "b.changed_floor || ' cannot be' FROM mailbox b "
     "WHERE b.uidvalidity NOT BETWEEN 1 AND 4294967295 "
     "OR b.uidnext NOT BETWEEN 1 AND 4294967296 OR b.modseq < 1 OR b.vanished_floor > b.modseq "
     "OR b.changed_floor > b.modseq OR b.recent > b.uidnext",
     NULL},
    {"SELECT " MAILBOX " || ': message ' || m.uid || ' has UID, modseq or size below 1' "
     "FROM message m JOIN mailbox b ON b.id = m.mailbox "
     "WHERE m.uid < 1 OR m.modseq < 1 OR m.size < 0 OR m.prefix_size < 0",
     NULL},
    /* What vanished, and what changed. */
    {"SELECT " MAILBOX
     " || ': messages ' || v.uid || ' to ' || v.uid_last || ' vanished with modseq "
     "' || v.modseq || ', which cannot be' FROM vanished v JOIN mailbox b ON b.id = v.mailbox "
     "WHERE v.uid < 1 OR v.uid_last < v.uid OR v.uid_last >= b.uidnext OR v.modseq > b.modseq "
     "OR v.modseq <= b.vanished_floor",
     NULL},
    {"SELECT " MAILBOX " || ': message ' || m.uid || ' vanished, and is there' "
     "FROM vanished v JOIN mailbox b ON b.id = v.mailbox JOIN message m ON m.mailbox = v.mailbox "
     "AND m.uid BETWEEN v.uid AND v.uid_last",
     NULL},
    {"SELECT " MAILBOX
     " || ': messages ' || c.uid || ' to ' || c.uid_last || ' changed with modseq "
     "' || c.modseq || ', which cannot be' FROM changed c JOIN mailbox b ON b.id = c.mailbox "
     "WHERE c.uid < 1 OR c.uid_last < c.uid OR c.uid_last >= b.uidnext OR c.modseq > b.modseq "
     "OR c.modseq <= b.changed_floor",
     NULL},
    /* Flags have names. */
    {"SELECT " MAILBOX " || ': message ' || m.uid || ' has flags without a name: ' || m.flags "
     "FROM message m JOIN mailbox b ON b.id = m.mailbox LEFT JOIN (SELECT mailbox, "
     "SUM(1 << bit) AS bits FROM keyword GROUP BY mailbox) k ON k.mailbox = b.id "
     "WHERE (m.flags & ~(" SYSTEM " | COALESCE(k.bits, 0))) <> 0",
     "SELECT " MAILBOX " || ': message ' || m.uid || ' has flags without a name: ' || m.flags "
     "FROM message m JOIN mailbox b ON b.id = m.mailbox LEFT JOIN (SELECT mailbox, "
     "CAST(SUM(1::bigint << bit::integer) AS BIGINT) AS bits FROM keyword GROUP BY mailbox) k "
     "ON k.mailbox = b.id WHERE (m.flags & ~(" SYSTEM " | COALESCE(k.bits, 0))) <> 0"},
    {"SELECT " MAILBOX " || ': bit ' || k.bit || ' cannot be that of keyword ' || k.name "
     "FROM keyword k JOIN mailbox b ON b.id = k.mailbox "
     "WHERE k.bit NOT BETWEEN 8 AND 61 OR k.name = '' OR EXISTS (SELECT 1 FROM keyword o "
     "WHERE o.mailbox = k.mailbox AND o.bit < k.bit AND LOWER(o.name) = LOWER(k.name))",
     NULL},
    {"SELECT 'there is no mailbox ' || k.mailbox || ', but keywords in it' "
     "FROM keyword k WHERE NOT EXISTS (SELECT 1 FROM mailbox b WHERE b.id = k.mailbox) "
     "GROUP BY k.mailbox",
     NULL},
    /* Names, the tree of mailboxes, subscriptions. */
    {"SELECT " MAILBOX " || ': that cannot be the name of a level' FROM mailbox b "
     "WHERE b.name = '' OR b.name LIKE '%/%' "
     "OR (b.parent = 0 AND b.name <> 'INBOX' AND UPPER(b.name) = 'INBOX')",
     NULL},
    {"WITH RECURSIVE t(account, id) AS (SELECT account, id FROM mailbox WHERE parent = 0 "
     "UNION SELECT b.account, b.id FROM t JOIN mailbox b ON b.account = t.account "
     "AND b.parent = t.id) "
     "SELECT " MAILBOX " || ': what it stands in goes round' FROM mailbox b "
     "WHERE b.id NOT IN (SELECT id FROM t) AND EXISTS (SELECT 1 FROM mailbox p "
     "WHERE p.id = b.parent AND p.account = b.account)",
     NULL},
    {"SELECT COALESCE(a.login, 'nobody') || ': ' || COUNT(*) || ' mailboxes have the use ' || "
     "b.role FROM mailbox b LEFT JOIN account a ON a.id = b.account WHERE b.role <> 0 "
     "GROUP BY a.login, b.account, b.role HAVING COUNT(*) > 1",
     NULL},
    {"SELECT " MAILBOX " || ': there are messages, but it is only a level above others' "
     "FROM mailbox b WHERE b.is_selectable = 0 "
     "AND EXISTS (SELECT 1 FROM message m WHERE m.mailbox = b.id)",
     NULL},
    {"SELECT 'there is no account ' || s.account || ', but it subscribes to ' || s.name "
     "FROM subscription s WHERE NOT EXISTS (SELECT 1 FROM account a WHERE a.id = s.account)",
     NULL},
    {"SELECT a.login || ': it subscribes to \"' || s.name || '\", which no mailbox can be called' "
     "FROM subscription s JOIN account a ON a.id = s.account WHERE s.name = '' "
     "OR s.name LIKE '/%' OR s.name LIKE '%/' OR s.name LIKE '%//%' "
     "OR (SUBSTR(s.name, 1, 5) <> 'INBOX' AND UPPER(SUBSTR(s.name, 1, 5)) = 'INBOX' "
     "AND SUBSTR(s.name, 6, 1) IN ('', '/'))",
     NULL},
    /* What points nowhere. */
    {"SELECT 'there is no mailbox ' || m.mailbox || ', but ' || COUNT(*) || ' messages in it' "
     "FROM message m WHERE NOT EXISTS (SELECT 1 FROM mailbox b WHERE b.id = m.mailbox) "
     "GROUP BY m.mailbox",
     NULL},
    {"SELECT 'there is no mailbox ' || v.mailbox || ', but messages vanished from it' "
     "FROM vanished v WHERE NOT EXISTS (SELECT 1 FROM mailbox b WHERE b.id = v.mailbox) "
     "GROUP BY v.mailbox",
     NULL},
    {"SELECT 'there is no mailbox ' || c.mailbox || ', but flags changed in it' "
     "FROM changed c WHERE NOT EXISTS (SELECT 1 FROM mailbox b WHERE b.id = c.mailbox) "
     "GROUP BY c.mailbox",
     NULL},
    {"SELECT 'there is no mailbox ' || l.mailbox || ', but a lease of it' FROM maildrop_lease l "
     "WHERE NOT EXISTS (SELECT 1 FROM mailbox b WHERE b.id = l.mailbox)",
     NULL},
    {"SELECT 'mailbox ' || b.id || ', ' || b.name || ', has no account' FROM mailbox b "
     "WHERE NOT EXISTS (SELECT 1 FROM account a WHERE a.id = b.account)",
     NULL},
    {"SELECT " MAILBOX " || ': the mailbox that it stands in is not there' FROM mailbox b "
     "WHERE b.parent <> 0 AND NOT EXISTS (SELECT 1 FROM mailbox p WHERE p.id = b.parent "
     "AND p.account = b.account)",
     NULL},
    {"SELECT a.login || ': there is no INBOX' FROM account a WHERE NOT EXISTS (SELECT 1 "
     "FROM mailbox b WHERE b.account = a.id AND b.parent = 0 AND b.name = 'INBOX')",
     NULL},
    {"SELECT a.login || ': no mail can come, as there is no address' FROM account a "
     "WHERE NOT EXISTS (SELECT 1 FROM address t WHERE t.account = a.id)",
     NULL},
    {"SELECT a.login || ': its domain is not there' FROM account a "
     "WHERE NOT EXISTS (SELECT 1 FROM domain d WHERE d.id = a.domain)",
     NULL},
    {"SELECT 'a credential (' || c.id || ') has no account' FROM credential c "
     "WHERE NOT EXISTS (SELECT 1 FROM account a WHERE a.id = c.account)",
     NULL},
    {"SELECT 'the address ' || t.local || ' of domain ' || COALESCE(d.name, '(none)') || "
     "' leads to neither account nor alias, or to both' FROM address t "
     "LEFT JOIN domain d ON d.id = t.domain WHERE d.id IS NULL "
     "OR (t.account IS NULL AND t.target = '') OR (t.account IS NOT NULL AND t.target <> '') "
     "OR (t.account IS NOT NULL AND NOT EXISTS (SELECT 1 FROM account a WHERE a.id = t.account))",
     NULL},
    /* Messages, their prefixes and bodies. */
    {"SELECT " MAILBOX " || ': message ' || m.uid || ' has no body' FROM message m "
     "JOIN mailbox b ON b.id = m.mailbox "
     "WHERE NOT EXISTS (SELECT 1 FROM body y WHERE y.id = m.body)",
     NULL},
    {"SELECT " MAILBOX " || ': message ' || m.uid || ' has ' || m.size || ' bytes, but prefix and "
     "body have ' || m.prefix_size || ' and ' || y.size FROM message m "
     "JOIN mailbox b ON b.id = m.mailbox JOIN body y ON y.id = m.body "
     "WHERE m.size <> m.prefix_size + y.size",
     NULL},
    {"SELECT " MAILBOX " || ': the prefix of message ' || m.uid || ' is missing or of another size "
     "than ' || m.prefix_size FROM message m JOIN mailbox b ON b.id = m.mailbox "
     "LEFT JOIN message_prefix p ON p.body = m.body AND p.number = m.prefix_number "
     "WHERE p.body IS NULL OR LENGTH(p.prefix) <> m.prefix_size",
     NULL},
    {"SELECT 'prefix ' || p.number || ' of body ' || p.body || ' is counted as that of ' || "
     "(p.uses - 1) || ' messages; there are ' || COALESCE(s.uses, 0) FROM message_prefix p "
     "LEFT JOIN (SELECT body, prefix_number, COUNT(*) AS uses FROM message "
     "GROUP BY body, prefix_number) s ON s.body = p.body AND s.prefix_number = p.number "
     "WHERE p.uses <> COALESCE(s.uses, 0) + 1",
     NULL},
    {"SELECT 'body ' || y.id || ' (' || y.size || ' bytes) belongs to no message' FROM body y "
     "WHERE y.created < $1 AND NOT EXISTS (SELECT 1 FROM message_prefix p WHERE p.body = y.id) "
     "AND NOT EXISTS (SELECT 1 FROM outbound_message o WHERE o.id = y.id)",
     NULL},
    {"SELECT 'parts are left of body ' || p.body || ', which is gone' FROM body_part p "
     "WHERE NOT EXISTS (SELECT 1 FROM body y WHERE y.id = p.body) GROUP BY p.body",
     NULL},
    {"SELECT 'what was found in body ' || p.body || ' is left, but the body is gone' "
     "FROM body_meta p WHERE NOT EXISTS (SELECT 1 FROM body y WHERE y.id = p.body)",
     NULL},
    {"SELECT 'message ' || o.id || ' to far recipients has no body' FROM outbound_message o "
     "WHERE NOT EXISTS (SELECT 1 FROM body y WHERE y.id = o.id)",
     NULL},
    {"SELECT 'recipient ' || r.recipient || ' belongs to no message' FROM outbound_recipient r "
     "WHERE NOT EXISTS (SELECT 1 FROM outbound_message o WHERE o.id = r.message)",
     NULL},
    {"SELECT 'message ' || o.id || ' to far recipients has none' FROM outbound_message o "
     "WHERE NOT EXISTS (SELECT 1 FROM outbound_recipient r WHERE r.message = o.id)",
     NULL},
    {"SELECT 'recipient ' || r.recipient || ' (' || r.number || ') of message ' || r.message || "
     "' has state ' || r.state || ', ' || r.attempts || ' attempts, route \"' || r.route || '\", "
     "which cannot be' FROM outbound_recipient r WHERE r.state NOT BETWEEN 0 AND 1 "
     "OR r.number < 0 OR r.attempts < 0 OR r.route = '' OR r.recipient = '' "
     "OR r.is_warned NOT BETWEEN 0 AND 1",
     NULL},
    {"SELECT 'route ' || o.route || ' is in trouble after ' || o.failures || ' failures' "
     "FROM outbound_route o WHERE o.failures < 1",
     NULL},
    {"SELECT 'account ' || s.account || ' sent ' || s.messages || ' messages to ' || s.recipients "
     "|| ' recipients within one slot, which cannot be' FROM sending s "
     "WHERE s.messages < 1 OR s.recipients < s.messages "
     "OR NOT EXISTS (SELECT 1 FROM account a WHERE a.id = s.account)",
     NULL},
};

static bool check_rule(struct store_checking *checking, const struct db_statement *rule,
                       struct fault *fault)
{
    AUTO(db_rows)
    rows = {0};
    struct db_value old = db_number(clock_wall_microseconds() - YOUNG_MICROSECONDS);
    bool has_age = strchr(rule->text, '$') != NULL;
    if (!db_query(checking->db, rule, has_age ? &old : NULL, has_age ? 1 : 0, &rows, fault))
        return false;
    while (db_rows_next(&rows))
        store_check_problem(checking, "%.*s", BYTES_FORMAT(db_rows_bytes(&rows, 0)));
    return db_rows_finish(&rows, fault);
}

bool store_check_rules(struct store_checking *checking, struct fault *fault)
{
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        if (!check_rule(checking, &rules[i], fault))
            return false;
    }
    return true;
}
