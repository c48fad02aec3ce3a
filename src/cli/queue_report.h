/* The queue as tables and JSON. */
#ifndef CLI_QUEUE_REPORT_H
#define CLI_QUEUE_REPORT_H

#include "cli/admin.h"

/* Actions of `posthorn queue`; each gives the exit status. */
int queue_report_list(struct admin *admin);
int queue_report_show(struct admin *admin);
int queue_report_stats(struct admin *admin);

#endif
