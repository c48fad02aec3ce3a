/* Starting and stopping a PostgreSQL for tests. */
#include "postgres_cluster.h"

#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "unit.h"

enum {
    PATH_SIZE = 128,
    START_TRIES_MAX = 3000, /* of 10 ms */
    OUTSIDER_MODE = 0755
};

static struct {
    char directory[PATH_SIZE];
    char programs[PATH_SIZE];
    pid_t process;
    int databases;
} cluster;

static void find_programs(void)
{
    glob_t found;
    if (glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &found) != 0)
        fail_msg("PostgreSQL is not installed: script/bootstrap does it");
    snprintf(cluster.programs, sizeof(cluster.programs), "%.*s",
             (int)strlen(found.gl_pathv[found.gl_pathc - 1]) - (int)strlen("/initdb"),
             found.gl_pathv[found.gl_pathc - 1]);
    globfree(&found);
}

/* PostgreSQL does not run as root. */
static const struct passwd *owner(void)
{
    if (geteuid() != 0)
        return NULL;
    const struct passwd *user = getpwnam("postgres");
    return user != NULL ? user : getpwnam("nobody");
}

static void become_owner(void)
{
    const struct passwd *user = owner();
    if (user != NULL &&
        (setgroups(0, NULL) != 0 || setgid(user->pw_gid) != 0 || setuid(user->pw_uid) != 0))
        _exit(126);
    /* The test may die before it stops the cluster. */
    prctl(PR_SET_PDEATHSIG, SIGQUIT);
}

static pid_t start_program(const char *name, const char *const arguments[])
{
    char path[2 * PATH_SIZE];
    char log[2 * PATH_SIZE];
    snprintf(path, sizeof(path), "%s/%s", cluster.programs, name);
    snprintf(log, sizeof(log), "%s/log", cluster.directory);
    pid_t process = fork();
    if (process != 0)
        return process;
    become_owner();
    int file = open(log, O_WRONLY | O_CREAT | O_APPEND, S_IRUSR | S_IWUSR);
    dup2(file, STDOUT_FILENO);
    dup2(file, STDERR_FILENO);
    if (chdir(cluster.directory) == 0)
        execv(path, (char *const *)arguments);
    _exit(127);
}

static void make_files(void)
{
    snprintf(cluster.directory, sizeof(cluster.directory), "/tmp/posthorn-postgres-XXXXXX");
    assert_non_null(mkdtemp(cluster.directory));
    const struct passwd *user = owner();
    if (user != NULL)
        assert_int_equal(chown(cluster.directory, user->pw_uid, user->pw_gid), 0);
    assert_int_equal(chmod(cluster.directory, OUTSIDER_MODE), 0);
    const char *const arguments[] = {"initdb", "-D",        "data",     "-A", "trust",
                                     "-U",     "posthorn",  "--locale", "C",  "-E",
                                     "UTF8",   "--no-sync", NULL};
    int status;
    pid_t process = start_program("initdb", arguments);
    assert_int_equal(waitpid(process, &status, 0), process);
    assert_int_equal(status, 0);
}

static void admin_place(char *place, size_t size, const char *database)
{
    snprintf(place, size, "host=%s user=posthorn dbname=%s", cluster.directory, database);
}

static void wait_until_ready(void)
{
    char place[2 * PATH_SIZE];
    admin_place(place, sizeof(place), "postgres");
    for (int i = 0; i < START_TRIES_MAX; i++) {
        if (PQping(place) == PQPING_OK)
            return;
        assert_int_equal(waitpid(cluster.process, NULL, WNOHANG), 0);
        nanosleep(&(struct timespec){0, 10000000}, NULL);
    }
    fail_msg("PostgreSQL does not answer");
}

void postgres_cluster_revive(void)
{
    const char *const arguments[] = {"postgres",
                                     "-D",
                                     "data",
                                     "-c",
                                     "listen_addresses=",
                                     "-k",
                                     cluster.directory,
                                     "-c",
                                     "max_connections=200",
                                     NULL};
    cluster.process = start_program("postgres", arguments);
    wait_until_ready();
}

void postgres_cluster_start(void)
{
    if (cluster.process != 0)
        return;
    find_programs();
    make_files();
    postgres_cluster_revive();
}

void postgres_cluster_run(const char *place, const char *sql)
{
    PGconn *connection = PQconnectdb(place);
    if (PQstatus(connection) != CONNECTION_OK)
        fail_msg("%s", PQerrorMessage(connection));
    PGresult *result = PQexec(connection, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        fail_msg("%s", PQerrorMessage(connection));
    PQclear(result);
    PQfinish(connection);
}

void postgres_cluster_make_database(char *place, size_t size)
{
    char admin[2 * PATH_SIZE];
    char sql[PATH_SIZE];
    char name[PATH_SIZE];
    postgres_cluster_start();
    snprintf(name, sizeof(name), "test_%d", ++cluster.databases);
    snprintf(sql, sizeof(sql), "CREATE DATABASE %.60s", name);
    admin_place(admin, sizeof(admin), "postgres");
    postgres_cluster_run(admin, sql);
    admin_place(place, size, name);
}

static void end(int signal)
{
    kill(cluster.process, signal);
    waitpid(cluster.process, NULL, 0);
    cluster.process = 0;
}

void postgres_cluster_kill(void)
{
    end(SIGQUIT);
}

void postgres_cluster_stop(void)
{
    if (cluster.process == 0)
        return;
    end(SIGQUIT);
    pid_t process = fork();
    if (process == 0) {
        execl("/bin/rm", "rm", "-rf", cluster.directory, NULL);
        _exit(127);
    }
    waitpid(process, NULL, 0);
}
