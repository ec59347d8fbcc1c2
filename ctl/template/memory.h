/*
 * memory - the memory that is available to the relay
 */
#ifndef CM_MEMORY_H
#define CM_MEMORY_H

#include <stdint.h>

/* Bytes: the machine's memory, or the lowest limit of this process's control groups
   (cgroups(7)), for example in a container. UINT64_MAX if neither is known. */
uint64_t cm_memory_total(void);

#endif
