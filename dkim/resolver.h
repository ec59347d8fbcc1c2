/*
 * resolver - TXT records, asked through libunbound without blocking others
 *
 * One libunbound context with its cache and its thread, and one thread here that delivers the
 * answers. Any number of threads may ask; each waits only for its own answer.
 */
#ifndef CM_RESOLVER_H
#define CM_RESOLVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "dns_answer.h"
#include "error.h"

/* How many different names may be asked for at one time: in all, below one domain (the last two
   labels), and for one client. A silent server's questions last until libunbound gives them up,
   longer than any asker waits. Cached answers take no time, so only a flood, or a domain with
   silent servers, reaches these bounds. */
#define CM_RESOLVER_UNDER_WAY_MAX 1000
#define CM_RESOLVER_ZONE_MAX      256
#define CM_RESOLVER_CLIENT_MAX    256

struct cm_resolver;

struct ub_ctx;

/* A libunbound context with our options, for questions of other types. server: as below. NULL with
   err filled on failure; freed with ub_ctx_delete(). libunbound prepares the answers in a thread of
   its own and signals them by ub_fd(). */
struct ub_ctx *cm_resolver_context(const char *server, struct cm_error *err);

/* server: "ADDR" or "ADDR@PORT" of a name server to ask; "": those of /etc/resolv.conf. NULL with
   err filled on failure. */
struct cm_resolver *cm_resolver_new(const char *server, struct cm_error *err);
/* All questions must be freed first. */
void cm_resolver_free(struct cm_resolver **resolver);

/* One question and its answer. */
struct cm_question;

/* Starts asking; name is an absolute host name without special characters, client a number for the
   network that caused the look-up, 0 for no network. NULL if that is impossible now; the calls
   below treat NULL as TROUBLE. */
struct cm_question *cm_question_start(struct cm_resolver *resolver, const char *name,
				      uint64_t client);

/* Waits for the answer until the deadline (CLOCK_MONOTONIC). */
enum cm_resolver_status cm_question_wait(struct cm_question *question,
					 const struct timespec *deadline);

/* After FOUND: the number of records, and one of them, its strings joined (RFC 6376 3.6.2.2). The
   bytes live as long as the question and may hold anything. */
size_t cm_question_records(const struct cm_question *question);
const char *cm_question_record(const struct cm_question *question, size_t number, size_t *length_r);

/* Frees it, answered or not. */
void cm_question_free(struct cm_question **question);

#endif
