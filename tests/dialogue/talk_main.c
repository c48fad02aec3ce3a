/* Plays the talks that are named on the command line, or lie in folders named there, each in every
 * manner; prints TAP. */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "talk.h"

enum {
    RANDOM_RUNS = 20,
    MEMORY_RUNS_MAX = 2000 /* allocations that a talk may make */
};

static const struct talk_engine *const engines[] = {&talk_smtp_client, &talk_smtp_server,
                                                    &talk_pop3_server, &talk_imap_server};

static const char *const manner_names[] = {"whole", "byte by byte", "split at random",
                                           "with the n-th allocation failing"};

static bool play_memory(const struct talk *talk, const struct talk_engine *engine)
{
    for (unsigned count = 0; count < MEMORY_RUNS_MAX; count++) {
        bool was_refused;
        if (!talk_play(talk, engine, TALK_MEMORY, count, &was_refused)) {
            printf("# after %u allocations\n", count);
            return false;
        }
        if (!was_refused)
            return true;
    }
    printf("# more than %d allocations\n", MEMORY_RUNS_MAX);
    return false;
}

static bool play_manner(const struct talk *talk, const struct talk_engine *engine,
                        enum talk_manner manner)
{
    bool was_refused;
    if (manner == TALK_MEMORY)
        return play_memory(talk, engine);
    for (unsigned seed = 1; seed <= (manner == TALK_RANDOM ? RANDOM_RUNS : 1); seed++) {
        if (!talk_play(talk, engine, manner, seed, &was_refused)) {
            if (manner == TALK_RANDOM)
                printf("# with seed %u\n", seed);
            return false;
        }
    }
    return true;
}

static const struct talk_engine *find_engine(const char *name)
{
    for (size_t i = 0; i < sizeof engines / sizeof engines[0]; i++) {
        if (strcmp(engines[i]->name, name) == 0)
            return engines[i];
    }
    return NULL;
}

static unsigned play_file(const char *path, unsigned *number)
{
    unsigned failures = 0;
    struct talk *talk = talk_load(path);
    const struct talk_engine *engine = find_engine(talk->engine);
    const char *pieces = talk_words_find(&talk->options, "pieces");
    bool is_for_whole = pieces != NULL && strcmp(pieces, "whole") == 0;
    for (int manner = TALK_WHOLE; manner <= TALK_MEMORY; manner++) {
        if (is_for_whole && (manner == TALK_BYTES || manner == TALK_RANDOM))
            continue;
        bool is_right = engine != NULL && play_manner(talk, engine, (enum talk_manner)manner);
        failures += !is_right;
        printf("%s %u - %s, %s\n", is_right ? "ok" : "not ok", ++*number, talk->name,
               manner_names[manner]);
    }
    talk_free(talk);
    return failures;
}

static int is_talk(const struct dirent *entry)
{
    const char *end = strrchr(entry->d_name, '.');
    return end != NULL && strcmp(end, ".talk") == 0;
}

static unsigned play_folder(const char *path, unsigned *number)
{
    unsigned failures = 0;
    struct dirent **entries;
    int count = scandir(path, &entries, is_talk, alphasort);
    for (int i = 0; i < count; i++) {
        char file[PATH_MAX];
        snprintf(file, sizeof file, "%s/%s", path, entries[i]->d_name);
        failures += play_file(file, number);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    return failures;
}

int main(int argc, char **argv)
{
    unsigned number = 0;
    unsigned failures = 0;
    printf("TAP version 13\n");
    for (int i = 1; i < argc; i++) {
        struct stat status;
        bool is_folder = stat(argv[i], &status) == 0 && S_ISDIR(status.st_mode);
        failures += is_folder ? play_folder(argv[i], &number) : play_file(argv[i], &number);
    }
    /* A folder without talks is a mistake, not a success. */
    printf("1..%u\n", number);
    return failures > 0 || number == 0;
}
