/*
 * blocked_senders - the operator's list of senders whose incoming mail is refused
 *
 * A text file, one entry a line: "user@example.org", "example.org" (that domain alone) or
 * ".example.org" (its subdomains); '#' starts a comment, white space is ignored, case does not
 * matter. A changed file is read again without a restart (one stat() for each message). If it
 * cannot be read, the list stays as it was, and the error is logged once. Thread-safe.
 */
#ifndef CM_BLOCKED_SENDERS_H
#define CM_BLOCKED_SENDERS_H

#include <stdbool.h>

#include "address.h"

/* A larger file is an error. */
#define CM_BLOCKED_SENDERS_BYTES_MAX (16 * 1024 * 1024)

struct cm_blocked_senders;

/* path: "" blocks nobody. NULL only if out of memory. */
struct cm_blocked_senders *cm_blocked_senders_new(const char *path);
/* Shares the list if it is of the same path; otherwise like cm_blocked_senders_new(). */
struct cm_blocked_senders *cm_blocked_senders_renew(struct cm_blocked_senders *old,
						    const char *path);
void cm_blocked_senders_free(struct cm_blocked_senders **blocked);

bool cm_blocked_senders_match(struct cm_blocked_senders *blocked, const struct cm_address *address);

#endif
