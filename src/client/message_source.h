/* Where the bytes of a part, or of an existing message's body, come from: memory, a file, or what
 * can be read once only. */
#ifndef CLIENT_MESSAGE_SOURCE_H
#define CLIENT_MESSAGE_SOURCE_H

#include <posthorn/transaction.h>

#include "base/bytes.h"
#include "base/fault.h"
#include "mail/compose.h"

enum message_source_kind {
    MESSAGE_SOURCE_MEMORY,
    MESSAGE_SOURCE_FILE,    /* a regular file: read at offsets, as often as wanted */
    MESSAGE_SOURCE_PIPE,    /* a descriptor that can be read once */
    MESSAGE_SOURCE_CALLBACK /* likewise */
};

/* All zero is empty memory. */
struct message_source {
    enum message_source_kind kind;
    struct bytes memory; /* of a pipe: what was read ahead */
    char *owned;         /* the memory, when it is the source's own */
    int descriptor;
    bool is_descriptor_owned;
    uint64_t start; /* of a file: where its bytes begin */
    uint64_t size;
    bool is_size_known;
    ph_body_read *read;
    void *context;
    uint64_t position; /* how much was read this time */
    bool is_used_up;   /* something was read of what can be read once */
};

/* Copies bytes. */
bool message_source_copy(struct message_source *source, struct bytes bytes, struct fault *fault);

/* Opens a file. FAULT_PERMANENT with the system's error. */
bool message_source_open(struct message_source *source, const char *path, struct fault *fault);

/* Takes a descriptor as it stands, from its present offset on; it stays the caller's. */
bool message_source_take_descriptor(struct message_source *source, int descriptor,
                                    struct fault *fault);

/* Reads at most size bytes, as a ph_body_read whose context is the source. */
ssize_t message_source_read(void *source, char *out, size_t size);

/* Back to the start. False: it was read, and can be read once only. */
bool message_source_rewind(struct message_source *source, struct fault *fault);

/* As the composition wants it; the source must stay where it is. */
struct compose_source message_source_for_composition(struct message_source *source);

void message_source_clear(struct message_source *source);

#endif
