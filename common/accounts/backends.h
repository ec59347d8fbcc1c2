/*
 * backends - the machine that stores an account, on a relay of several machines
 *
 * A relay of several machines has a front, to which clients and other relays connect, and
 * backends, which store the mailboxes. The front keeps no list of accounts. Each address ranks the
 * backends (backend_list.h), and a new account goes to the first. To find an existing account, the
 * front asks the backends in the same order: nearly always the first one has it. With
 * backends_search all are asked before an address counts as new: an address on another backend must
 * not be given to a new user. An account that is being moved is recorded by a symbolic link in
 * mailboxes_dir whose target is the backend's address.
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

/* Precedes the backend in such a link while the account is moved away from it: nobody may
   change the account. */
#define CM_BACKENDS_MOVING '-'

/* True if this machine is a front. */
bool cm_backends_used(const struct cm_config *config);

/* CM_ACCOUNT_OK: host_r has it. CM_ACCOUNT_ABSENT: no backend has it; host_r is where to
   create it. CM_ACCOUNT_TROUBLE with err filled: a backend that might have it does not answer,
   or it is being moved; in the second case host_r is its old backend, otherwise "". */
enum cm_account_status cm_backends_find(const struct cm_config *config,
					const struct cm_address *address,
					char host_r[CM_BACKEND_HOST_SIZE], struct cm_error *err);

/* Records the backend of an account: an address, which may follow CM_BACKENDS_MOVING; NULL
   removes the record. */
bool cm_backends_note(const struct cm_config *config, const struct cm_address *address,
		      const char *host, struct cm_error *err);

#endif
