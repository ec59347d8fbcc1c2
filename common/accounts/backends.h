/*
 * backends - on which of several machines an account is
 *
 * A relay of more than one machine has a front, which clients and other relays reach, and backends,
 * which have the mailboxes. The front keeps no list of accounts. Each address ranks the backends by
 * a hash of both (rendezvous hashing: Thaler, Ravishankar, Using Name-Based Mappings to Increase
 * Hit Rates, 1998), and a new account goes to the first: when a backend is added, only what ranks
 * the new one first changes places. Where an existing account is, the backends are asked, in the
 * same order: nearly always the first has it. With backends_search all are asked before an address
 * is new: one that is on another backend must not be given to somebody else. An account that is
 * being moved is written down, as a symbolic link in mailboxes_dir whose target is the backend's
 * address.
 *
 * `backends` in chatmail.ini has the backends' IP addresses; one with '-' before it is being
 * emptied: its accounts stay until they are moved, and no new ones come.
 */
#ifndef CM_BACKENDS_H
#define CM_BACKENDS_H

#include <netinet/in.h>
#include <stdbool.h>

#include "account.h"
#include "address.h"
#include "config.h"
#include "error.h"

/* Most that the key may list. */
#define CM_BACKENDS_MAX 1024

#define CM_BACKEND_HOST_SIZE INET6_ADDRSTRLEN

/* In mailboxes_dir: links named by address. */
#define CM_BACKENDS_MAP_DIR "moved"

/* Before the backend in such a link while its account is moved away: nobody may change it. */
#define CM_BACKENDS_MOVING '-'

/* True if this machine is a front. */
bool cm_backends_used(const struct cm_config *config);

/* True if text is a list of backends, or nothing. */
bool cm_backends_valid(const char *text);

/* The backends in the order in which they are asked for an address; the number of them. best_r: the
   first that takes new accounts; -1: none does. */
size_t cm_backends_rank(const char *backends, const char *address,
			char hosts_r[][CM_BACKEND_HOST_SIZE], size_t max, int *best_r);

/* CM_ACCOUNT_OK: it is on host_r. CM_ACCOUNT_ABSENT: on none; host_r is where it is to be made.
   CM_ACCOUNT_TROUBLE with err filled: a backend that might have it does not answer, or it is being
   moved; then host_r is where it was, else "". */
enum cm_account_status cm_backends_find(const struct cm_config *config,
					const struct cm_address *address,
					char host_r[CM_BACKEND_HOST_SIZE], struct cm_error *err);

/* Writes down where an account is: a backend's address, perhaps after CM_BACKENDS_MOVING; NULL:
   forgets it. */
bool cm_backends_note(const struct cm_config *config, const struct cm_address *address,
		      const char *host, struct cm_error *err);

#endif
