/*
 * own_addresses - the public addresses of this machine
 */
#ifndef CM_OWN_ADDRESSES_H
#define CM_OWN_ADDRESSES_H

/* A line with `before` and the address for each address of the interfaces that is neither
   loopback, link-local nor private, in a fixed order; malloc'd, may be empty. NULL if out of
   memory. */
char *cm_own_addresses_lines(const char *before);

#endif
