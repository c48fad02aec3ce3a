/* Runs a fuzz target without a fuzzer: over every file of its corpus, then over a fixed number of
   seeded mutations of them. The same arguments give the same inputs, on every machine. Prints TAP.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    INPUT_LIMIT = 8192,    /* longer corpus files are cut: a smoke run has to be quick */
    CORPUS_LIMIT = 4096,   /* files */
    MUTATIONS_AT_ONCE = 6, /* at most so many changes make a new input */
};

struct input {
    size_t size;
    uint8_t data[INPUT_LIMIT];
};

static struct input *corpus[CORPUS_LIMIT];
static size_t corpus_count;

/* The input that is running, in a file that survives a crash. */
static struct input *current;

/* What tends to matter in line protocols and messages. */
static const char *const tokens[] = {
    "\r\n", "\n",   "\r",   ".",    "\r\n.\r\n", "\r\n..",   " ",    "\t",
    "-",    "<",    ">",    "@",    "\"",        "\\",       "(",    ")",
    ":",    ";",    ",",    "=",    "==",        "=?",       "?=",   "=?utf-8?b?",
    "250 ", "250-", "354 ", "421 ", "220 ",      "\xC3\xA4", "\xFF", "99999999999999999999",
    "[",    "]"};

static uint64_t random_state;

/* xorshift64*: the same everywhere, good enough to stir bytes. */
static size_t random_below(size_t limit)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (size_t)((random_state * UINT64_C(0x2545F4914F6CDD1D)) >> 33) % limit;
}

static void die(const char *what)
{
    printf("Bail out! %s: %s\n", what, strerror(errno));
    exit(1);
}

static int compare_names(const struct dirent **left, const struct dirent **right)
{
    return strcmp((*left)->d_name, (*right)->d_name);
}

static void add_file(const char *path)
{
    if (corpus_count == CORPUS_LIMIT)
        return;
    struct input *input = calloc(1, sizeof *input);
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (input == NULL || descriptor < 0)
        die(path);
    ssize_t size = read(descriptor, input->data, INPUT_LIMIT);
    if (size < 0)
        die(path);
    close(descriptor);
    input->size = (size_t)size;
    corpus[corpus_count++] = input;
}

/* Files and folders of files; in the order of their names, so that it is the same everywhere. */
static void add_path(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0)
        die(path);
    if (!S_ISDIR(status.st_mode)) {
        add_file(path);
        return;
    }
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, compare_names);
    if (count < 0)
        die(path);
    for (int i = 0; i < count; i++) {
        char below[4096];
        snprintf(below, sizeof below, "%s/%s", path, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.')
            add_path(below);
        free(entries[i]);
    }
    free(entries);
}

static void insert(struct input *input, const void *data, size_t size)
{
    if (size > INPUT_LIMIT - input->size)
        return;
    size_t place = random_below(input->size + 1);
    memmove(input->data + place + size, input->data + place, input->size - place);
    memcpy(input->data + place, data, size);
    input->size += size;
}

static void erase(struct input *input)
{
    size_t place = random_below(input->size);
    size_t size = 1 + random_below(input->size - place);
    memmove(input->data + place, input->data + place + size, input->size - place - size);
    input->size -= size;
}

/* A piece of another input, or of this one. */
static void insert_piece(struct input *input, const struct input *other)
{
    if (other->size == 0)
        return;
    uint8_t piece[INPUT_LIMIT];
    size_t place = random_below(other->size);
    size_t size = 1 + random_below(other->size - place);
    memcpy(piece, other->data + place, size);
    insert(input, piece, size);
}

static void mutate(struct input *input)
{
    uint8_t byte = (uint8_t)random_below(256);
    const char *token = tokens[random_below(sizeof tokens / sizeof tokens[0])];
    switch (input->size == 0 ? 1 : random_below(7)) {
    case 0:
        input->data[random_below(input->size)] ^= (uint8_t)(1U << random_below(8));
        break;
    case 1:
        insert(input, token, strlen(token));
        break;
    case 2:
        input->data[random_below(input->size)] = byte;
        break;
    case 3:
        insert(input, &byte, 1);
        break;
    case 4:
        erase(input);
        break;
    case 5:
        insert_piece(input, corpus[random_below(corpus_count)]);
        break;
    default:
        input->size = random_below(input->size + 1);
        break;
    }
}

static void open_current(const char *path)
{
    int descriptor = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (descriptor < 0 || ftruncate(descriptor, sizeof *current) != 0)
        die(path);
    current = mmap(NULL, sizeof *current, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (current == MAP_FAILED)
        die(path);
    close(descriptor);
}

/* The target gets a block of exactly the input's size, so that the sanitizer sees a step beyond. */
static void run_current(void)
{
    uint8_t *exact = malloc(current->size > 0 ? current->size : 1);
    if (exact == NULL)
        die("malloc");
    memcpy(exact, current->data, current->size);
    LLVMFuzzerTestOneInput(exact, current->size);
    free(exact);
}

int main(int argument_count, char **arguments)
{
    if (argument_count < 4) {
        fprintf(stderr, "usage: %s COUNT LAST-INPUT-FILE CORPUS...\n", arguments[0]);
        return 2;
    }
    size_t count = strtoul(arguments[1], NULL, 10);
    for (int i = 3; i < argument_count; i++)
        add_path(arguments[i]);
    if (corpus_count == 0) {
        printf("Bail out! the corpus is empty\n");
        return 1;
    }
    open_current(arguments[2]);
    printf("1..2\n# the running input is the data of %s, after its size in 8 bytes\n",
           arguments[2]);
    fflush(stdout);

    for (size_t i = 0; i < corpus_count; i++) {
        *current = *corpus[i];
        run_current();
    }
    printf("ok 1 - %zu inputs of the corpus\n", corpus_count);
    fflush(stdout);

    for (size_t i = 0; i < count; i++) {
        random_state = UINT64_C(0x9E3779B97F4A7C15) * (i + 1);
        *current = *corpus[random_below(corpus_count)];
        for (size_t changes = 1 + random_below(MUTATIONS_AT_ONCE); changes > 0; changes--)
            mutate(current);
        run_current();
    }
    printf("ok 2 - %zu mutations\n", count);

    unlink(arguments[2]);
    munmap(current, sizeof *current);
    for (size_t i = 0; i < corpus_count; i++)
        free(corpus[i]);
    return 0;
}
