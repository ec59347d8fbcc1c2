/*
 * heap - how much heap a piece of code uses at most
 *
 * Linking this replaces malloc() and its kin by counting ones, for shared libraries too.
 */
#ifndef CM_BENCH_HEAP_H
#define CM_BENCH_HEAP_H

#include <stddef.h>

/* From now on the peak is counted from what is in use now. */
void heap_reset_peak(void);

/* Bytes in use at most since then, beyond what was in use then. */
size_t heap_peak(void);

#endif
