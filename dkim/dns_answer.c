#include "dns_answer.h"

#include <arpa/nameser.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <unbound.h>

/* Joins the character strings of one TXT record. False if its data is not a sequence of them. */
static bool read_record(const char *data, size_t length, struct cm_dns_record *record_r)
{
	char *text = malloc(length + 1);
	size_t text_length = 0;

	if (text == NULL)
		return false;
	for (size_t i = 0; i < length;) {
		size_t part = (unsigned char)data[i++];

		if (part > length - i) {
			free(text);
			return false;
		}
		memcpy(text + text_length, data + i, part);
		text_length += part;
		i += part;
	}
	record_r->text = text;
	record_r->length = text_length;
	return true;
}

static enum cm_resolver_status read_records(const struct ub_result *result,
					    struct cm_dns_answer *answer)
{
	for (size_t i = 0; i < CM_RESOLVER_RECORDS_MAX && result->data[i] != NULL; i++) {
		if (result->len[i] < 0 ||
		    !read_record(result->data[i], (size_t)result->len[i], &answer->records[i]))
			return CM_RESOLVER_TROUBLE;
		answer->record_count++;
	}
	return CM_RESOLVER_FOUND;
}

void cm_dns_answer_read(int error, const struct ub_result *result, struct cm_dns_answer *answer_r)
{
	answer_r->record_count = 0;
	if (error != 0 || result == NULL)
		answer_r->status = CM_RESOLVER_TROUBLE;
	else if (result->rcode == ns_r_nxdomain)
		answer_r->status = CM_RESOLVER_ABSENT;
	else if (result->rcode != ns_r_noerror || result->bogus)
		answer_r->status = CM_RESOLVER_TROUBLE;
	else if (!result->havedata)
		answer_r->status = CM_RESOLVER_ABSENT;
	else
		answer_r->status = read_records(result, answer_r);
}

void cm_dns_answer_free(struct cm_dns_answer *answer)
{
	for (size_t i = 0; i < answer->record_count; i++)
		free(answer->records[i].text);
	answer->record_count = 0;
}
