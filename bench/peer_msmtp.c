/* Benchmark client: msmtp, one process and one connection for each message. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "workload.h"

/* The command line, with the recipients behind the options. */
static char **arguments_new(const struct workload *w)
{
    static char host[256], port[64], sender[] = "--from=" WORKLOAD_SENDER;
    static char domain[] = "--domain=" WORKLOAD_CLIENT_NAME;
    static char program[] = "msmtp", no_file[] = "--file=/dev/null", no_tls[] = "--tls=off";
    static char no_login[] = "--auth=off", end[] = "--";
    char *fixed[] = {program, no_file, host, port, sender, domain, no_tls, no_login, end};
    size_t count = sizeof fixed / sizeof *fixed;
    snprintf(host, sizeof host, "--host=%s", w->host);
    snprintf(port, sizeof port, "--port=%s", w->port_text);
    char **all = calloc(count + w->recipient_count + 1, sizeof *all);
    if (all == NULL)
        workload_fail(w, "out of memory");
    for (size_t i = 0; i < count; i++)
        all[i] = fixed[i];
    for (unsigned i = 0; i < w->recipient_count; i++)
        all[count + i] = w->recipients[i];
    return all;
}

int main(int argc, char **argv)
{
    struct workload w;
    workload_open(&w, argc, argv);
    if (w.wants_bdat)
        workload_fail(&w, "msmtp has no BDAT");
    char **arguments = arguments_new(&w);

    workload_start(&w);
    for (unsigned i = 0; i < w.messages; i++) {
        int status;
        pid_t child = fork();
        if (child == 0) {
            int body = open(w.body_path, O_RDONLY);
            if (body >= 0 && dup2(body, STDIN_FILENO) >= 0)
                execvp(arguments[0], arguments);
            _exit(127);
        }
        if (child < 0 || waitpid(child, &status, 0) < 0 || status != 0)
            workload_fail(&w, "msmtp failed");
    }
    workload_report_children(&w);
    free(arguments);
    return 0;
}
