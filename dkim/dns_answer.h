/*
 * dns_answer - the TXT records in a reply from libunbound
 *
 * The data comes from a stranger's name server: every length in it is checked.
 */
#ifndef CM_DNS_ANSWER_H
#define CM_DNS_ANSWER_H

#include <stddef.h>

/* Further records of one name are ignored. */
#define CM_RESOLVER_RECORDS_MAX 4

struct ub_result;

enum cm_resolver_status {
	CM_RESOLVER_FOUND,
	CM_RESOLVER_ABSENT,  /* no such name, or no TXT record there */
	CM_RESOLVER_TROUBLE, /* no reply, or an untrusted one: retry later */
};

struct cm_dns_record {
	char *text; /* may contain any byte; not NUL-terminated */
	size_t length;
};

struct cm_dns_answer {
	enum cm_resolver_status status;
	struct cm_dns_record records[CM_RESOLVER_RECORDS_MAX];
	size_t record_count;
};

/* Reads the result, which may be NULL, of a query that ended with this error of libunbound.
   Takes at most CM_RESOLVER_RECORDS_MAX records; a malformed one, or a lack of memory, makes
   the answer CM_RESOLVER_TROUBLE. answer_r needs cm_dns_answer_free() in any case. */
void cm_dns_answer_read(int error, const struct ub_result *result, struct cm_dns_answer *answer_r);
void cm_dns_answer_free(struct cm_dns_answer *answer);

#endif
