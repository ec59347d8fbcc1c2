/*
 * backends - the machine that stores an account, on a relay of several machines
 *
 * A relay of several machines has a front, to which clients and other relays connect, and
 * backends, which store the mailboxes. The front keeps no list of accounts. Each address ranks the
 * backends (backend_list.h), and a new account goes to the first. To find an existing account, the
 * front asks the backends in the same order: nearly always the first one has it. With
 * backends_search all are asked before an address counts as new: an address on another backend must
 * not be given to a new user.
 *
 * Symbolic links in mailboxes_dir, named by address, record moved accounts. On a front the target
 * is the backend to ask first. On a backend a link blocks the account: CM_BACKENDS_ARRIVING and the
 * old backend while the account is copied here, the new backend while it leaves and for a while
 * after it has left. So it does not matter which fronts know of the move.
 */
#ifndef CM_BACKENDS_H
#define CM_BACKENDS_H

#include <stdbool.h>

#include "account.h"
#include "address.h"
#include "backend_list.h"
#include "config.h"
#include "error.h"

/* In mailboxes_dir: links named by address. */
#define CM_BACKENDS_MAP_DIR "moved"

/* Precedes the old backend in the link on the new one. */
#define CM_BACKENDS_ARRIVING '-'

/* A front may have asked a backend for an account that has left it since, and act on the answer
   later. For this many seconds the old backend replies "try later". */
#define CM_BACKENDS_LEFT 600

/* True if this machine is a front. */
bool cm_backends_used(const struct cm_config *config);

/* CM_ACCOUNT_OK: host_r has it. CM_ACCOUNT_ABSENT: no backend has it; host_r is where to
   create it. CM_ACCOUNT_TROUBLE with err filled: a backend that might have it does not answer,
   or it is being moved. */
enum cm_account_status cm_backends_find(const struct cm_config *config,
					const struct cm_address *address,
					char host_r[CM_BACKEND_HOST_SIZE], struct cm_error *err);

/* On a front: records the backend of an account; NULL removes the record. */
bool cm_backends_note(const struct cm_config *config, const struct cm_address *address,
		      const char *host, struct cm_error *err);

/* On a backend: true if a move blocks the account here, or if that cannot be determined. */
bool cm_backends_blocked(const struct cm_config *config, const struct cm_address *address);

#endif
