/*
 * heap - how much heap a piece of code uses at most
 *
 * Linking this replaces malloc() and its kin, for shared libraries too. They cost next to nothing
 * more while nothing is counted.
 */
#ifndef CM_TEST_HEAP_H
#define CM_TEST_HEAP_H

#include <stddef.h>

/* Counts from here on. */
void heap_start(void);

/* Bytes in use now, beyond what was in use at heap_start(). */
long heap_in_use(void);

/* Stops counting. Bytes in use at most since heap_start(), beyond what was in use then. */
size_t heap_stop(void);

#endif
