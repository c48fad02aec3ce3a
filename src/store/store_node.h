/* The number in the ids of this program that no other program on the same store has. */
#ifndef STORE_STORE_NODE_H
#define STORE_STORE_NODE_H

#include "store/store.h"

enum {
    STORE_NODES_MAX = 1024 /* programs at the same time on one store: 10 bits of an id */
};

struct store_node;

/* Claims a number for store->node, when the writers run already. On SQLite it is a lock beside the
   file, which the system takes back however the program ends; on PostgreSQL a row of table `node`
   that a thread renews, so that what is not renewed may be taken over. FAULT_TEMPORARY: all numbers
   are taken. */
struct store_node *store_node_start(struct store *store, struct fault *fault);

/* Gives the number back. Accepts NULL. */
void store_node_stop(struct store_node *node);

/* What the thread does from time to time: says that the number is in use or, when it was taken
   over meanwhile, claims another. */
bool store_node_renew(struct store_node *node, struct fault *fault);

#endif
