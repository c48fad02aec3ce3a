/* Fills struct ph_result from the engine's events. All that a result holds lies in one chain of
   blocks of its own: nothing is allocated per recipient, and a result that is used again keeps its
   first block. */
#ifndef CLIENT_CLIENT_RESULT_H
#define CLIENT_CLIENT_RESULT_H

#include <posthorn/protocol.h>

enum {
    CLIENT_RESULT_TEXT_MAX = 4096,     /* bytes kept of the text of a recipient's reply */
    CLIENT_RESULT_MEMORY_MAX = 1 << 26 /* bytes of one result; texts beyond are left empty */
};

/* Empties a result (zero or a former one) and gives it as many recipients as the transaction has,
   none of them accepted. False: out of memory. */
bool client_result_begin(struct ph_result *result, const struct ph_transaction *transaction);

/* Takes an event of the transaction other than its end. */
void client_result_hear(struct ph_result *result, bool lmtp, const struct ph_event *event);

/* Takes its end; error (kind PH_OK when all is well) is kept. */
void client_result_finish(struct ph_result *result, bool lmtp, const struct ph_event *event,
                          const struct ph_error *error);

/* The transaction never began. */
void client_result_refuse(struct ph_result *result, const struct ph_error *error);

/* Frees what it holds and sets it to zero. */
void client_result_clear(struct ph_result *result);

#endif
