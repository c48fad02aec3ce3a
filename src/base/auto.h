/* Clean-up at the end of a scope, for values that have a <type>_clear function. */
#ifndef BASE_AUTO_H
#define BASE_AUTO_H

/* Declares a struct that is cleared when its scope ends, on every path out of it. It must be
   initialised where it is declared: `AUTO(buffer) text = BUFFER(LIMIT);`. */
#define AUTO(type) __attribute__((cleanup(type##_clear))) struct type

#endif
