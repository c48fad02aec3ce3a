/* A message on its way in: fields in front, what was written out, what is in memory. */
#include "store/store_draft.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "store/store_draft_inside.h"
#include "store/store_inside.h"

enum {
    PIECE_MAX = 64 * 1024,   /* bytes of one append */
    FRONT_MAX = 1024 * 1024, /* bytes of the fields in front */
    MEMORY_HARD = STORE_DRAFT_MEMORY_MAX + PIECE_MAX
};

struct store_draft {
    struct store *store;
    struct buffer front;
    int file; /* -1 = nothing was written out */
    uint64_t file_size;
    struct buffer memory; /* what comes behind the file */
    size_t notes;
};

struct store_draft *store_draft_new(struct store *store, struct fault *fault)
{
    struct store_draft *draft = calloc(1, sizeof(*draft));
    if (draft == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    draft->store = store;
    draft->file = -1;
    buffer_init(&draft->front, FRONT_MAX);
    buffer_init(&draft->memory, MEMORY_HARD);
    return draft;
}

static void count_memory(struct store_draft *draft, int64_t change)
{
    atomic_fetch_add_explicit(&draft->store->draft_memory, change, memory_order_relaxed);
}

static void forget_memory(struct store_draft *draft)
{
    count_memory(draft, -(int64_t)draft->memory.length);
    buffer_clear(&draft->memory);
}

/* Answers how many all drafts now have. */
static int64_t count_notes(struct store_draft *draft, size_t size)
{
    int64_t change = (int64_t)size - (int64_t)draft->notes;
    draft->notes = size;
    return change +
           atomic_fetch_add_explicit(&draft->store->draft_notes, change, memory_order_relaxed);
}

void store_draft_free(struct store_draft *draft)
{
    if (draft == NULL)
        return;
    forget_memory(draft);
    count_notes(draft, 0);
    buffer_clear(&draft->front);
    if (draft->file >= 0)
        close(draft->file);
    free(draft);
}

bool store_draft_append(struct store_draft *draft, struct bytes piece, struct fault *fault)
{
    assert(piece.length <= PIECE_MAX);
    size_t before = draft->memory.length;
    buffer_append(&draft->memory, piece);
    if (buffer_is_failed(&draft->memory)) {
        /* What was there before is still whole. */
        draft->memory.is_failed = false;
        return fault_set_memory(fault);
    }
    count_memory(draft, (int64_t)(draft->memory.length - before));
    return true;
}

bool store_draft_is_full(const struct store_draft *draft)
{
    size_t length = draft->memory.length;
    if (length > STORE_DRAFT_MEMORY_MAX - PIECE_MAX)
        return true;
    return length >= STORE_DRAFT_MEMORY_LEAST &&
           atomic_load_explicit(&draft->store->draft_memory, memory_order_relaxed) >=
               STORE_DRAFTS_MEMORY_MAX;
}

bool store_draft_note(struct store_draft *draft, size_t size, struct fault *fault)
{
    if (size == draft->notes || count_notes(draft, size) <= STORE_DRAFTS_NOTES_MAX ||
        size <= STORE_DRAFT_NOTES_LEAST)
        return true;
    return fault_set(fault, FAULT_TEMPORARY, "too many large headers are on their way in");
}

static int open_without_name(const char *directory)
{
    int file = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (file >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
        return file;
    /* The file system cannot do that: a name that is gone at once. */
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/posthorn-draft-XXXXXX", directory);
    file = mkostemp(path, O_CLOEXEC);
    if (file >= 0)
        unlink(path);
    return file;
}

static bool write_all(int file, struct bytes bytes, uint64_t offset)
{
    while (bytes.length > 0) {
        ssize_t written = pwrite(file, bytes.data, bytes.length, (off_t)offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return false;
        bytes = bytes_skip(bytes, (size_t)written);
        offset += (uint64_t)written;
    }
    return true;
}

bool store_draft_spill(struct store_draft *draft, struct fault *fault)
{
    if (draft->file < 0)
        draft->file = open_without_name(draft->store->draft_directory);
    if (draft->file < 0)
        return fault_set_system(fault, FAULT_TEMPORARY, errno, "cannot make a draft in %.150s",
                                draft->store->draft_directory);
    /* A write that broke off is begun again at the same place. */
    if (!write_all(draft->file, buffer_bytes(&draft->memory), draft->file_size))
        return fault_set_system(fault, FAULT_TEMPORARY, errno, "cannot write a draft in %.150s",
                                draft->store->draft_directory);
    draft->file_size += draft->memory.length;
    forget_memory(draft);
    return true;
}

bool store_draft_put_front(struct store_draft *draft, struct bytes fields, struct fault *fault)
{
    assert(draft->front.length == 0);
    buffer_append(&draft->front, fields);
    if (!buffer_is_failed(&draft->front))
        return true;
    buffer_reset(&draft->front);
    return fault_set_memory(fault);
}

uint64_t store_draft_size(const struct store_draft *draft)
{
    return draft->front.length + draft->file_size + draft->memory.length;
}

struct bytes store_draft_memory(const struct store_draft *draft)
{
    bool is_all = draft->front.length == 0 && draft->file_size == 0;
    return is_all ? buffer_bytes(&draft->memory) : bytes_of(NULL, 0);
}

/* Copies what of [offset, offset + size) lies in these bytes, which begin at `start`. */
static size_t copy_from_memory(struct bytes bytes, uint64_t start, uint64_t offset, char *memory,
                               size_t size)
{
    if (offset < start || offset >= start + bytes.length)
        return 0;
    struct bytes slice = bytes_slice(bytes, (size_t)(offset - start), size);
    memcpy(memory, slice.data, slice.length);
    return slice.length;
}

static bool read_file(const struct store_draft *draft, uint64_t offset, char *memory, size_t size,
                      size_t *count, struct fault *fault)
{
    *count = 0;
    while (*count < size && offset + *count < draft->file_size) {
        uint64_t left = draft->file_size - offset - *count;
        size_t wanted = size - *count < left ? size - *count : (size_t)left;
        ssize_t got = pread(draft->file, memory + *count, wanted, (off_t)(offset + *count));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return fault_set_system(fault, FAULT_TEMPORARY, got == 0 ? EIO : errno,
                                    "cannot read a draft");
        *count += (size_t)got;
    }
    return true;
}

bool store_draft_read(const struct store_draft *draft, uint64_t offset, char *memory, size_t size,
                      size_t *count, struct fault *fault)
{
    uint64_t file_start = draft->front.length;
    uint64_t memory_start = file_start + draft->file_size;
    size_t done = copy_from_memory(buffer_bytes(&draft->front), 0, offset, memory, size);
    uint64_t place = offset + done;
    if (done < size && place >= file_start && place < memory_start) {
        size_t got;
        if (!read_file(draft, place - file_start, memory + done, size - done, &got, fault))
            return false;
        done += got;
        place += got;
    }
    *count = done + copy_from_memory(buffer_bytes(&draft->memory), memory_start, place,
                                     memory + done, size - done);
    return true;
}
