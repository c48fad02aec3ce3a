/* Sources of bytes, files among them. */
#include "client/message_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool message_source_copy(struct message_source *source, struct bytes bytes, struct fault *fault)
{
    char *copy = malloc(bytes.length + 1);
    if (copy == NULL)
        return fault_set_memory(fault);
    if (bytes.length > 0)
        memcpy(copy, bytes.data, bytes.length);
    *source = (struct message_source){.memory = bytes_of(copy, bytes.length),
                                      .owned = copy,
                                      .size = bytes.length,
                                      .is_size_known = true};
    return true;
}

bool message_source_take_descriptor(struct message_source *source, int descriptor,
                                    struct fault *fault)
{
    struct stat status;
    if (fstat(descriptor, &status) != 0)
        return fault_set_system(fault, FAULT_PERMANENT, errno, "the descriptor cannot be used");
    if (S_ISDIR(status.st_mode))
        return fault_set_system(fault, FAULT_PERMANENT, EISDIR, "it cannot be read");
    *source = (struct message_source){.kind = MESSAGE_SOURCE_PIPE, .descriptor = descriptor};
    if (!S_ISREG(status.st_mode))
        return true;
    off_t offset = lseek(descriptor, 0, SEEK_CUR);
    if (offset < 0)
        return fault_set_system(fault, FAULT_PERMANENT, errno, "the descriptor cannot be used");
    source->kind = MESSAGE_SOURCE_FILE;
    source->start = (uint64_t)offset;
    source->size = status.st_size > offset ? (uint64_t)(status.st_size - offset) : 0;
    /* Some files of the system (in /proc) say 0 and have more. */
    source->is_size_known = source->size > 0;
    return true;
}

bool message_source_open(struct message_source *source, const char *path, struct fault *fault)
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (descriptor < 0)
        return fault_set_system(fault, FAULT_PERMANENT, errno, "\"%s\" cannot be opened", path);
    if (!message_source_take_descriptor(source, descriptor, fault)) {
        close(descriptor);
        return false;
    }
    source->is_descriptor_owned = true;
    return true;
}

/* A file that has become shorter, or longer, than it was said to be is noticed by the composition.
 */
static ssize_t read_file(struct message_source *source, char *out, size_t size)
{
    if (source->is_size_known && size > source->size - source->position)
        size = (size_t)(source->size - source->position);
    ssize_t count;
    do {
        count = size == 0 ? 0
                          : pread(source->descriptor, out, size,
                                  (off_t)(source->start + source->position));
    } while (count < 0 && errno == EINTR);
    return count;
}

static ssize_t read_pipe(struct message_source *source, char *out, size_t size)
{
    ssize_t count;
    source->is_used_up = true;
    do {
        count = read(source->descriptor, out, size);
    } while (count < 0 && errno == EINTR);
    return count;
}

static ssize_t read_on(struct message_source *source, char *out, size_t size)
{
    switch (source->kind) {
    case MESSAGE_SOURCE_FILE:
        return read_file(source, out, size);
    case MESSAGE_SOURCE_PIPE:
        return read_pipe(source, out, size);
    case MESSAGE_SOURCE_CALLBACK:
        source->is_used_up = true;
        return source->read(source->context, out, size);
    case MESSAGE_SOURCE_MEMORY:
        break;
    }
    return 0;
}

ssize_t message_source_read(void *context, char *out, size_t size)
{
    struct message_source *source = context;
    ssize_t count;
    if (source->position < source->memory.length) {
        struct bytes ahead = bytes_slice(source->memory, (size_t)source->position, size);
        memcpy(out, ahead.data, ahead.length);
        count = (ssize_t)ahead.length;
    } else {
        count = read_on(source, out, size);
    }
    if (count > 0)
        source->position += (uint64_t)count;
    return count;
}

bool message_source_rewind(struct message_source *source, struct fault *fault)
{
    if (source->is_used_up)
        return fault_set(fault, FAULT_PERMANENT,
                         "a part of the message can be read once only, and was");
    source->position = 0;
    return true;
}

struct compose_source message_source_for_composition(struct message_source *source)
{
    if (source->kind == MESSAGE_SOURCE_MEMORY)
        return (struct compose_source){.memory = source->memory};
    return (struct compose_source){.read = message_source_read,
                                   .context = source,
                                   .size = source->size,
                                   .is_size_known = source->is_size_known};
}

void message_source_clear(struct message_source *source)
{
    free(source->owned);
    if (source->is_descriptor_owned)
        close(source->descriptor);
    *source = (struct message_source){0};
}
