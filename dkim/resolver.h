/*
 * resolver - TXT records, queried through libunbound without blocking others
 *
 * One libunbound context with its cache and its thread, and one thread here that delivers the
 * answers. Any number of threads may query; each waits only for its own reply.
 */
#ifndef CM_RESOLVER_H
#define CM_RESOLVER_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "dns_answer.h"
#include "error.h"

/* Maximum number of different names that may be queried at a time: in total, below one domain
   (the last two labels), and for one client. Queries to a silent server last until libunbound
   gives them up, longer than any caller waits. Cached replies take no time, so only a flood,
   or a domain with silent servers, reaches these limits. */
#define CM_RESOLVER_UNDER_WAY_MAX 1000
#define CM_RESOLVER_ZONE_MAX      256
#define CM_RESOLVER_CLIENT_MAX    256

struct cm_resolver;

struct ub_ctx;

/* A libunbound context with our options, for queries of other types. server: as below. NULL
   with err filled on failure; free it with ub_ctx_delete(). libunbound prepares the replies in
   its own thread and signals them by ub_fd(). */
struct ub_ctx *cm_resolver_context(const char *server, struct cm_error *err);

/* server: "ADDR" or "ADDR@PORT" of a name server; "": those of /etc/resolv.conf. NULL with err
   filled on failure. */
struct cm_resolver *cm_resolver_new(const char *server, struct cm_error *err);
/* All questions must be freed first. */
void cm_resolver_free(struct cm_resolver **resolver);

/* One query and its reply. */
struct cm_question;

/* Starts a query; name is an absolute host name without special characters, client a number
   for the network that caused the lookup, 0 for no network. NULL if that is impossible now;
   the calls below treat NULL as TROUBLE. */
struct cm_question *cm_question_start(struct cm_resolver *resolver, const char *name,
				      uint64_t client);

/* Waits for the reply until the deadline (CLOCK_MONOTONIC). */
enum cm_resolver_status cm_question_wait(struct cm_question *question,
					 const struct timespec *deadline);

/* After FOUND: the number of records, and one of them, with its strings joined (RFC 6376
   3.6.2.2). The bytes are valid as long as the question; any byte may occur. */
size_t cm_question_records(const struct cm_question *question);
const char *cm_question_record(const struct cm_question *question, size_t number, size_t *length_r);

/* Frees the question, answered or not. */
void cm_question_free(struct cm_question **question);

#endif
