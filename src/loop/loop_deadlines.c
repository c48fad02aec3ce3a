/* A binary heap, the earliest deadline at its top. */
#include "loop/loop_deadlines.h"

#include <stdlib.h>

static void put(struct loop_deadlines *deadlines, size_t place, struct loop_deadline *deadline)
{
    deadlines->heap[place - 1] = deadline;
    deadline->place = place;
}

static void move_up(struct loop_deadlines *deadlines, struct loop_deadline *deadline)
{
    size_t place = deadline->place;
    while (place > 1 && deadlines->heap[place / 2 - 1]->kept > deadline->kept) {
        put(deadlines, place, deadlines->heap[place / 2 - 1]);
        place /= 2;
    }
    put(deadlines, place, deadline);
}

static void move_down(struct loop_deadlines *deadlines, struct loop_deadline *deadline)
{
    size_t place = deadline->place;
    while (place * 2 <= deadlines->count) {
        size_t child = place * 2;
        if (child < deadlines->count &&
            deadlines->heap[child]->kept < deadlines->heap[child - 1]->kept)
            child++;
        if (deadlines->heap[child - 1]->kept >= deadline->kept)
            break;
        put(deadlines, place, deadlines->heap[child - 1]);
        place = child;
    }
    put(deadlines, place, deadline);
}

bool loop_deadlines_reserve(struct loop_deadlines *deadlines, size_t count)
{
    if (count <= deadlines->capacity)
        return true;
    size_t capacity = deadlines->capacity == 0 ? 64 : deadlines->capacity;
    while (capacity < count)
        capacity *= 2;
    struct loop_deadline **heap = realloc(deadlines->heap, capacity * sizeof(*heap));
    if (heap == NULL)
        return false;
    deadlines->heap = heap;
    deadlines->capacity = capacity;
    return true;
}

void loop_deadlines_clear(struct loop_deadlines *deadlines)
{
    free(deadlines->heap);
    *deadlines = (struct loop_deadlines){0};
}

void loop_deadlines_set(struct loop_deadlines *deadlines, struct loop_deadline *deadline,
                        int64_t when)
{
    deadline->wanted = when;
    if (when == 0)
        return;
    if (deadline->place == 0) {
        deadline->kept = when;
        deadlines->count++;
        deadline->place = deadlines->count;
        move_up(deadlines, deadline);
    } else if (when < deadline->kept) {
        deadline->kept = when;
        move_up(deadlines, deadline);
    }
}

void loop_deadlines_remove(struct loop_deadlines *deadlines, struct loop_deadline *deadline)
{
    size_t place = deadline->place;
    if (place == 0)
        return;
    deadline->place = 0;
    struct loop_deadline *last = deadlines->heap[deadlines->count - 1];
    deadlines->count--;
    if (last == deadline)
        return;
    put(deadlines, place, last);
    move_up(deadlines, last);
    move_down(deadlines, last);
}

struct loop_deadline *loop_deadlines_take(struct loop_deadlines *deadlines, int64_t now)
{
    while (deadlines->count > 0 && deadlines->heap[0]->kept <= now) {
        struct loop_deadline *first = deadlines->heap[0];
        if (first->wanted != 0 && first->wanted > now) {
            first->kept = first->wanted;
            move_down(deadlines, first);
            continue;
        }
        loop_deadlines_remove(deadlines, first);
        if (first->wanted != 0)
            return first;
    }
    return NULL;
}

int64_t loop_deadlines_next(const struct loop_deadlines *deadlines)
{
    return deadlines->count == 0 ? 0 : deadlines->heap[0]->kept;
}
