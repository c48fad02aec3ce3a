/* `posthorn dev`: whoever is written to has a mailbox. */
#ifndef SESSION_SESSION_DEV_H
#define SESSION_SESSION_DEV_H

#include "session/session_services.h"

/* As route_find; an address that leads nowhere gets a domain and an account of its own first. For
 * workers: waits for the store. */
bool session_dev_route(struct session_services *services, struct db *reader,
                       const struct route_question *question, struct route_answer *answer,
                       struct fault *fault);

#endif
