/*
 * memory - how much memory there is for the relay
 */
#ifndef CM_MEMORY_H
#define CM_MEMORY_H

#include <stdint.h>

/* Bytes: the machine's, or the least that a control group allows which this process is in
   (cgroups(7); a container, say). UINT64_MAX if neither can be found out. */
uint64_t cm_memory_total(void);

#endif
