#include "query.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <unbound.h>

/* The number of failures after which a server that never replied is not queried any more: a
   server that refuses one foreign name may know the next, but one for which libunbound waited
   this often is down. */
#define FAILURES_MAX 3
#define PATIENCE     2

/* RFC 1035 3.1: the longest name in its wire form. */
#define WIRE_NAME_MAX 255

struct cm_query {
	struct ub_ctx *context;
	bool answered;         /* something */
	unsigned int failures; /* before that */
};

static bool configure(struct ub_ctx *context, const char *server, struct cm_error *err)
{
	static const struct {
		const char *name, *value;
	} options[] = {
	    {"module-config:", "iterator"}, /* signatures are checked elsewhere */
	    {"unblock-lan-zones:", "yes"},           {"local-zone:", "test. transparent"},
	    {"local-zone:", "invalid. transparent"}, {"do-not-query-localhost:", "no"},
	};

	ub_ctx_debugout(context, NULL);
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		(void)ub_ctx_set_option(context, options[i].name, options[i].value);
	if (server[0] != '\0' && ub_ctx_set_fwd(context, server) != 0) {
		cm_error_set(err, "%s: not ADDR or ADDR@PORT", server);
		return false;
	}
	if (server[0] == '\0' && ub_ctx_resolvconf(context, NULL) != 0) {
		cm_error_set_errno(err, "/etc/resolv.conf: cannot be read");
		return false;
	}
	return true;
}

struct cm_query *cm_query_new(const char *server, struct cm_error *err)
{
	struct cm_query *query = calloc(1, sizeof(*query));

	if (query != NULL)
		query->context = ub_ctx_create();
	if (query == NULL || query->context == NULL) {
		cm_error_set(err, "out of memory");
		free(query);
		return NULL;
	}
	if (configure(query->context, server, err))
		return query;
	cm_query_free(&query);
	return NULL;
}

void cm_query_free(struct cm_query **query)
{
	if (*query == NULL)
		return;
	ub_ctx_delete((*query)->context);
	free(*query);
	*query = NULL;
}

/* --- Records as text ------------------------------------------------------------------------ */

/* Prints a name in wire form, without compression; bytes that host names cannot contain become
   "?". False if it does not end within the data. */
static bool print_name(const unsigned char *data, size_t length, FILE *stream)
{
	size_t at = 0;

	if (length == 1 && data[0] == 0)
		fputc('.', stream);
	while (at < length && at < WIRE_NAME_MAX && data[at] != 0) {
		size_t label = data[at++];

		if (label > 63 || label > length - at)
			return false;
		for (size_t i = 0; i < label; i++, at++) {
			unsigned char c = data[at];

			if (c >= 'A' && c <= 'Z')
				c = (unsigned char)(c - 'A' + 'a');
			fputc(c > ' ' && c < 0x7f && c != '.' ? c : '?', stream);
		}
		fputc('.', stream);
	}
	return at < length && data[at] == 0;
}

static bool print_strings(const unsigned char *data, size_t length, FILE *stream)
{
	for (size_t at = 0; at < length;) {
		size_t part = data[at++];

		if (part > length - at)
			return false;
		for (size_t i = 0; i < part; i++, at++)
			fputc(data[at] >= ' ' && data[at] < 0x7f ? data[at] : '?', stream);
	}
	return true;
}

static bool print_caa(const unsigned char *data, size_t length, FILE *stream)
{
	size_t tag = length > 2 ? data[1] : 0;

	if (tag == 0 || tag > length - 2)
		return false;
	fprintf(stream, "%u ", data[0]);
	for (size_t i = 2; i < length; i++) {
		if (i == 2 + tag)
			fputs(" \"", stream);
		fputc(data[i] >= ' ' && data[i] < 0x7f ? data[i] : '?', stream);
	}
	fputs(length > 2 + tag ? "\"" : " \"\"", stream);
	return true;
}

static bool print_address(int family, const unsigned char *data, FILE *stream)
{
	char text[INET6_ADDRSTRLEN];

	return inet_ntop(family, data, text, sizeof(text)) != NULL && fputs(text, stream) >= 0;
}

static unsigned int read_16(const unsigned char *data)
{
	return (unsigned int)data[0] << 8 | data[1];
}

static bool print_record(enum cm_record_type type, const unsigned char *data, size_t length,
			 FILE *stream)
{
	switch (type) {
	case CM_RECORD_A:
		return length == 4 && print_address(AF_INET, data, stream);
	case CM_RECORD_AAAA:
		return length == 16 && print_address(AF_INET6, data, stream);
	case CM_RECORD_NS:
	case CM_RECORD_CNAME:
	case CM_RECORD_PTR:
		return print_name(data, length, stream);
	case CM_RECORD_TXT:
		return print_strings(data, length, stream);
	case CM_RECORD_CAA:
		return print_caa(data, length, stream);
	case CM_RECORD_MX:
		if (length < 3)
			return false;
		fprintf(stream, "%u ", read_16(data));
		return print_name(data + 2, length - 2, stream);
	case CM_RECORD_SRV:
		if (length < 7)
			return false;
		fprintf(stream, "%u %u %u ", read_16(data), read_16(data + 2), read_16(data + 4));
		return print_name(data + 6, length - 6, stream);
	}
	return false;
}

static char *record_text(enum cm_record_type type, const char *data, int length)
{
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);
	bool good;

	if (stream == NULL)
		return NULL;
	good =
	    length >= 0 && print_record(type, (const unsigned char *)data, (size_t)length, stream);
	if (fclose(stream) == 0 && good)
		return text;
	free(text);
	return NULL;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void cm_query_ask(struct cm_query *query, const char *name, enum cm_record_type type,
		  struct cm_answer *answer_r)
{
	struct ub_result *result = NULL;
	time_t start = time(NULL);

	*answer_r = (struct cm_answer){.status = CM_ANSWER_TROUBLE};
	if ((!query->answered && query->failures >= FAILURES_MAX) ||
	    ub_resolve(query->context, name, (int)type, ns_c_in, &result) != 0)
		return;
	if (result->rcode != ns_r_noerror && result->rcode != ns_r_nxdomain) {
		query->failures += time(NULL) - start >= PATIENCE ? FAILURES_MAX : 1;
	} else {
		query->answered = true;
		answer_r->status = CM_ANSWER_ABSENT;
		answer_r->ttl = result->ttl;
		for (size_t i = 0;
		     result->havedata && result->data[i] != NULL && answer_r->count < CM_ANSWER_MAX;
		     i++) {
			char *text = record_text(type, result->data[i], result->len[i]);

			if (text != NULL)
				answer_r->values[answer_r->count++] = text;
		}
		if (answer_r->count > 0)
			answer_r->status = CM_ANSWER_FOUND;
		qsort(answer_r->values, answer_r->count, sizeof(answer_r->values[0]), compare);
	}
	ub_resolve_free(result);
}

void cm_answer_free(struct cm_answer *answer)
{
	for (size_t i = 0; i < answer->count; i++)
		free(answer->values[i]);
	answer->count = 0;
}

char *cm_answer_text(const struct cm_answer *answer)
{
	char *text = NULL;
	size_t length;
	FILE *stream = open_memstream(&text, &length);

	if (stream == NULL)
		return NULL;
	if (answer->count == 0)
		fputs(answer->status == CM_ANSWER_TROUBLE ? "no reply" : "nothing", stream);
	for (size_t i = 0; i < answer->count; i++)
		fprintf(stream, "%s%s", i > 0 ? ", " : "", answer->values[i]);
	return fclose(stream) == 0 ? text : NULL;
}
