/*
 * backend_list - the key `backends` of chatmail.ini, and the order in which an address ranks them
 *
 * It lists the backends' IP addresses. A backend with '-' before it is being emptied: its accounts
 * stay until they are moved, and it gets no new ones. The order is by a hash of the address and the
 * backend (rendezvous hashing: Thaler, Ravishankar, Using Name-Based Mappings to Increase Hit
 * Rates, 1998): a new backend becomes the first only for some addresses.
 */
#ifndef CM_BACKEND_LIST_H
#define CM_BACKEND_LIST_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

/* Maximum number of backends. */
#define CM_BACKENDS_MAX 1024

#define CM_BACKEND_HOST_SIZE INET6_ADDRSTRLEN

/* True if text is a list of backends, or nothing. */
bool cm_backend_list_valid(const char *text);

/* The backends in the order in which they are asked for an address; returns their number.
   best_r: the first that accepts new accounts; -1: none does. */
size_t cm_backend_list_rank(const char *backends, const char *address,
			    char hosts_r[][CM_BACKEND_HOST_SIZE], size_t max, int *best_r);

#endif
