/*
 * heap - measure the peak heap use of a piece of code
 *
 * Linking this replaces malloc() and related functions, also for shared libraries. They cost
 * almost nothing extra while counting is off.
 */
#ifndef CM_TEST_HEAP_H
#define CM_TEST_HEAP_H

#include <stddef.h>

/* Starts counting. */
void heap_start(void);

/* Bytes in use now, minus those in use at heap_start(). */
long heap_in_use(void);

/* Stops counting. Peak of bytes in use since heap_start(), minus those in use then. */
size_t heap_stop(void);

#endif
