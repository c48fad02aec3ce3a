/* What the parts of the driver share: the session, and how JSON is read and written. */
#ifndef TESTS_SYSTEM_DRIVER_H
#define TESTS_SYSTEM_DRIVER_H

#include <jansson.h>
#include <stdio.h>

#include <posthorn/posthorn.h>

struct driver {
    struct ph_smtp *smtp;
    struct ph_pool *pool;
    struct ph_error error;
    json_t *answer;
    json_t *trace;
};

/* Members of a request; NULL, 0 and false when they are not there. */
const char *text(json_t *request, const char *name);
json_int_t number(json_t *request, const char *name);
bool truth(json_t *request, const char *name);

/* The index of a word among count words; 0 when it is not there, an end with a message when it is
 * none of them. */
int choice(json_t *request, const char *name, const char *const words[], int count);

/* A whole file, to be freed. Ends the program when it cannot be read: a test that names it is
 * broken. */
char *read_file(const char *path, size_t *length);

json_t *driver_error(const struct ph_error *error);
json_t *driver_reply(const struct ph_reply *reply);

/* Calls that send. */
bool driver_sendmail(struct driver *driver, json_t *request);
bool driver_send(struct driver *driver, json_t *request);
bool driver_send_all(struct driver *driver, json_t *request);
bool driver_send_message(struct driver *driver, json_t *request);
bool driver_render(struct driver *driver, json_t *request);

#endif
