/*
 * dkim - is this message signed by the domain in its From header? (RFC 6376, RFC 8463)
 *
 * Verification with OpenSSL, DNS through libunbound. A signature is acceptable if it verifies,
 * its d= equals the From domain (case-insensitive), it covers every From, has no l=, and is
 * rsa-sha256 with a key of at least 1024 bits or ed25519-sha256. One acceptable signature is
 * enough; at most CM_DKIM_SIGNATURES_MAX of the From domain are tried. Other header fields that a
 * sender may write, such as Authentication-Results, are ignored. A DNS failure is
 * CM_DKIM_TEMPORARY, never a verdict.
 *
 * Not libopendkim: 2.11.0 writes behind a heap block if h= names every field of the message and
 * one more (dkim_canon_selecthdrs(); a message of two fields shows it under valgrind, no valid
 * signature needed), uses the last of two tags with one name, hashes any tag whose name ends in
 * "b" as empty, truncates h= and key records silently, and keeps the whole header for each
 * signature.
 *
 * Order of calls:  begin  header*  end_of_headers  body*  end
 */
#ifndef CM_DKIM_H
#define CM_DKIM_H

#include <stddef.h>

#include "dkim_status.h"
#include "error.h"

/* Seconds that a message waits for the DNS after the end of its header. */
#define CM_DKIM_WAIT_SECONDS 6

/* The DNS resolver with its cache, shared by all threads. */
struct cm_dkim;

/* resolver: "ADDR[@PORT]", or "" for the system's. NULL with err filled on failure. */
struct cm_dkim *cm_dkim_new(const char *resolver, struct cm_error *err);
/* All checks must be freed first. */
void cm_dkim_free(struct cm_dkim **dkim);

/* One message's verification. */
struct cm_dkim_check;

/* NULL if out of memory. */
struct cm_dkim_check *cm_dkim_begin(struct cm_dkim *dkim);
void cm_dkim_check_free(struct cm_dkim_check **check);

/* address: the numeric IP address of the message's sender. Limits the DNS queries of its
   network, except loopback's. Call it before cm_dkim_end_of_headers(). */
void cm_dkim_client(struct cm_dkim_check *check, const char *address);
/* name and value exactly as received (value without the line end, leading space kept). */
void cm_dkim_header(struct cm_dkim_check *check, const char *name, const char *value);
/* from_domain: the domain that must have signed. Starts the queries for its keys. */
void cm_dkim_end_of_headers(struct cm_dkim_check *check, const char *from_domain);
void cm_dkim_body(struct cm_dkim_check *check, const void *data, size_t length);

/* Waits for DNS at most CM_DKIM_WAIT_SECONDS. why_r (may be NULL) gets a sentence for the log that
   names no address. Reports errors of earlier calls, too. */
enum cm_dkim_status cm_dkim_end(struct cm_dkim_check *check, struct cm_error *why_r);

#endif
