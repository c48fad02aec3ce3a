/* Makes the n-th allocation of the engine under test fail. Counts only while it is awake, so that
 * the player's own memory is never refused. */
#ifndef TALK_MEMORY_H
#define TALK_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* The next `count` allocations succeed, later ones fail; (size_t)-1 = all succeed. Asleep at first.
 */
void talk_memory_set(size_t count);
void talk_memory_wake(void);
void talk_memory_sleep(void);

/* One was refused since it was set. */
bool talk_memory_was_refused(void);

#endif
