/* Which recipients of the queue a command line means. */
#ifndef CLI_QUEUE_FILTER_H
#define CLI_QUEUE_FILTER_H

#include "cli/admin.h"
#include "store/store_queue.h"

#define QUEUE_FILTER_ROWS                                                                          \
    OPTION_ROW(0, 0, NULL, NULL, "Which recipients (all conditions must hold):"),                  \
        OPTION_ROW(ADMIN_SENDER, 'f', "sender", "ADDRESS",                                         \
                   "of this sender; @DOMAIN: of any there; <>: reports"),                          \
        OPTION_ROW(ADMIN_RECIPIENT, 't', "recipient", "ADDRESS",                                   \
                   "to this address; @DOMAIN: to any there"),                                      \
        OPTION_ROW(ADMIN_ROUTE, 'r', "route", "ROUTE",                                             \
                   "by this route, as show and stats name it: a domain, or a smart host"),         \
        OPTION_ROW(ADMIN_ACCOUNT, 0, "account", "ADDRESS", "submitted by this account"),           \
        OPTION_ROW(ADMIN_OLDER, 0, "older", "AGE", "came longer ago than that: 30m, 4h, 2d"),      \
        OPTION_ROW(ADMIN_NEWER, 0, "newer", "AGE", "came within that time"),                       \
        OPTION_ROW(ADMIN_HELD, 0, "held", NULL, "only what is held"),                              \
        OPTION_ROW(ADMIN_WAITING, 0, "waiting", NULL, "only what is not held"),                    \
        OPTION_ROW(ADMIN_FAILED, 0, "failed", NULL, "only what was tried before, in vain")

enum {
    QUEUE_FILTER_OPTIONS = ADMIN_BIT(ADMIN_SENDER) | ADMIN_BIT(ADMIN_RECIPIENT) |
                           ADMIN_BIT(ADMIN_ROUTE) | ADMIN_BIT(ADMIN_ACCOUNT) |
                           ADMIN_BIT(ADMIN_OLDER) | ADMIN_BIT(ADMIN_NEWER) | ADMIN_BIT(ADMIN_HELD) |
                           ADMIN_BIT(ADMIN_WAITING) | ADMIN_BIT(ADMIN_FAILED)
};

/* By the first operand, if any, and the options; borrows them. The exit status. *is_any: something
   was said. */
int queue_filter_read(struct admin *admin, struct store_queue_filter *filter, bool *is_any);

#endif
