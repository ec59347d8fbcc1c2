/*
 * query - asking one name server, through libunbound
 *
 * libunbound is what the milter asks with already; it does its own retries, TCP for long answers
 * and the limits of hostile ones.
 */
#ifndef CM_QUERY_H
#define CM_QUERY_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"
#include "zone.h"

/* Records of one answer beyond these are not looked at. */
#define CM_ANSWER_MAX 16

enum cm_answer_status {
	CM_ANSWER_FOUND,
	CM_ANSWER_ABSENT,  /* no such name, or no such record there */
	CM_ANSWER_TROUBLE, /* no answer, or a failure */
};

struct cm_answer {
	enum cm_answer_status status;
	char *values[CM_ANSWER_MAX]; /* as in struct cm_record, sorted */
	size_t count;
	int ttl; /* seconds */
};

struct cm_query;

/* server: "ADDR" or "ADDR@PORT"; "": the servers of /etc/resolv.conf. NULL with err filled. */
struct cm_query *cm_query_new(const char *server, struct cm_error *err);
void cm_query_free(struct cm_query **query);

/* Asks, waiting for the answer. A server that does not answer the first questions is not asked
   again: TROUBLE. Free the answer with cm_answer_free(). */
void cm_query_ask(struct cm_query *query, const char *name, enum cm_record_type type,
		  struct cm_answer *answer_r);
void cm_answer_free(struct cm_answer *answer);

/* "10 a.", "10 b." or "nothing", malloc'd. */
char *cm_answer_text(const struct cm_answer *answer);

#endif
