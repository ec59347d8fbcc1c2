/*
 * query - query one name server, through libunbound
 *
 * The milter uses libunbound, too; it does retries, TCP for long replies, and limits for hostile
 * ones.
 */
#ifndef CM_QUERY_H
#define CM_QUERY_H

#include <stddef.h>

#include "error.h"
#include "zone.h"

/* Further records of a reply are ignored. */
#define CM_ANSWER_MAX 16

enum cm_answer_status {
	CM_ANSWER_FOUND,
	CM_ANSWER_ABSENT,  /* no such name, or no such record there */
	CM_ANSWER_TROUBLE, /* no reply, or a failure */
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

/* Queries the server and waits for the reply. A server that does not reply to the first
   queries is not queried again: TROUBLE. Free the answer with cm_answer_free(). */
void cm_query_ask(struct cm_query *query, const char *name, enum cm_record_type type,
		  struct cm_answer *answer_r);
void cm_answer_free(struct cm_answer *answer);

/* "10 a.", "10 b." or "nothing", malloc'd. */
char *cm_answer_text(const struct cm_answer *answer);

#endif
