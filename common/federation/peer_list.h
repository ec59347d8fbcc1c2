/*
 * peer_list - an operator's list of addresses and domains in a file
 *
 * One entry a line: "user@example.org", "example.org" (that domain alone), ".example.org" (its
 * subdomains) or "[192.0.2.1]". "until 2026-12-31" after it makes it expire at the end of that
 * day (UTC). '#' starts a comment, white space is ignored, case does not matter. A malformed line
 * is logged and ignored. The file is read again as soon as it changes, without a restart (one
 * stat() for each lookup). If it cannot be read, the list stays as it was, and the error is
 * logged once. Thread-safe.
 */
#ifndef CM_PEER_LIST_H
#define CM_PEER_LIST_H

#include <stdbool.h>

#include "address.h"

/* A larger file is an error. */
#define CM_PEER_LIST_BYTES_MAX (16 * 1024 * 1024)

struct cm_peer_list;

/* path: "" means an empty list. NULL only if out of memory. */
struct cm_peer_list *cm_peer_list_new(const char *path);
/* Shares the list if its path is the same; otherwise like cm_peer_list_new(). */
struct cm_peer_list *cm_peer_list_renew(struct cm_peer_list *old, const char *path);
/* Sets the pointer to NULL; NULL is left alone. */
void cm_peer_list_free(struct cm_peer_list **list);

/* True if the address or its domain is listed now. */
bool cm_peer_list_match(struct cm_peer_list *list, const struct cm_address *address);
/* The same for a domain in lower case, or a literal in brackets. */
bool cm_peer_list_match_domain(struct cm_peer_list *list, const char *domain);

#endif
