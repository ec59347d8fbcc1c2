#include "dkim.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dkim_message.h"
#include "resolver.h"

struct cm_dkim {
	struct cm_resolver *resolver;
};

struct cm_dkim_check {
	struct cm_dkim *dkim;
	struct cm_dkim_message *message;
	uint64_t client;
	struct timespec deadline;
	/* One for each candidate; NULL if another candidate queries the same name, or on
	   failure. */
	struct cm_question *questions[CM_DKIM_SIGNATURES_MAX];
};

struct cm_dkim *cm_dkim_new(const char *resolver, struct cm_error *err)
{
	struct cm_dkim *dkim = calloc(1, sizeof(*dkim));

	if (dkim == NULL) {
		cm_error_set_errno(err, "cannot start DKIM verification");
		return NULL;
	}
	dkim->resolver = cm_resolver_new(resolver, err);
	if (dkim->resolver == NULL) {
		free(dkim);
		return NULL;
	}
	return dkim;
}

void cm_dkim_free(struct cm_dkim **dkim)
{
	if (*dkim == NULL)
		return;
	cm_resolver_free(&(*dkim)->resolver);
	free(*dkim);
	*dkim = NULL;
}

struct cm_dkim_check *cm_dkim_begin(struct cm_dkim *dkim)
{
	struct cm_dkim_check *check = calloc(1, sizeof(*check));

	if (check == NULL)
		return NULL;
	check->dkim = dkim;
	check->message = cm_dkim_message_new();
	if (check->message == NULL) {
		free(check);
		return NULL;
	}
	return check;
}

void cm_dkim_check_free(struct cm_dkim_check **check)
{
	if (*check == NULL)
		return;
	for (size_t i = 0; i < CM_DKIM_SIGNATURES_MAX; i++)
		cm_question_free(&(*check)->questions[i]);
	cm_dkim_message_free(&(*check)->message);
	free(*check);
	*check = NULL;
}

/* An IPv4 address, or the upper half of an IPv6 address: a customer's network (RFC 6177). */
void cm_dkim_client(struct cm_dkim_check *check, const char *address)
{
	struct in6_addr v6;
	struct in_addr v4;

	check->client = 0;
	if (inet_pton(AF_INET, address, &v4) == 1) {
		if (ntohl(v4.s_addr) >> 24 != IN_LOOPBACKNET)
			check->client = v4.s_addr;
	} else if (inet_pton(AF_INET6, address, &v6) == 1 && !IN6_IS_ADDR_LOOPBACK(&v6)) {
		memcpy(&check->client, &v6, sizeof(check->client));
	}
}

void cm_dkim_header(struct cm_dkim_check *check, const char *name, const char *value)
{
	cm_dkim_message_field(check->message, name, value);
}

/* Returns the first candidate whose key has the same name: that one queries it. */
static size_t who_asks(const struct cm_dkim_message *message, size_t candidate)
{
	const char *name = cm_dkim_message_key_name(message, candidate);
	size_t first = 0;

	while (strcmp(cm_dkim_message_key_name(message, first), name) != 0)
		first++;
	return first;
}

void cm_dkim_end_of_headers(struct cm_dkim_check *check, const char *from_domain)
{
	cm_dkim_message_end_fields(check->message, from_domain, time(NULL));
	clock_gettime(CLOCK_MONOTONIC, &check->deadline);
	check->deadline.tv_sec += CM_DKIM_WAIT_SECONDS;
	for (size_t i = 0; i < cm_dkim_message_candidates(check->message); i++)
		if (who_asks(check->message, i) == i)
			check->questions[i] = cm_question_start(
			    check->dkim->resolver, cm_dkim_message_key_name(check->message, i),
			    check->client);
}

void cm_dkim_body(struct cm_dkim_check *check, const void *data, size_t length)
{
	cm_dkim_message_body(check->message, data, length);
}

/* RFC 6376 6.1.2: each of several key records may be tried. */
static enum cm_dkim_status verify_with_records(const struct cm_dkim_message *message,
					       size_t candidate, const struct cm_question *question,
					       const char **why_r)
{
	enum cm_dkim_status status = CM_DKIM_INVALID;

	for (size_t i = 0; i < cm_question_records(question); i++) {
		size_t length;
		const char *record = cm_question_record(question, i, &length);

		switch (cm_dkim_message_verify(message, candidate, record, length, why_r)) {
		case CM_DKIM_ANSWER_VALID:
			return CM_DKIM_VALID;
		case CM_DKIM_ANSWER_TROUBLE:
			status = CM_DKIM_TEMPORARY;
			break;
		case CM_DKIM_ANSWER_INVALID:
			break;
		}
	}
	return status;
}

static enum cm_dkim_status verify(struct cm_dkim_check *check, size_t candidate, const char **why_r)
{
	struct cm_question *question = check->questions[who_asks(check->message, candidate)];

	if (!cm_dkim_message_body_matches(check->message, candidate)) {
		*why_r = "the body is not the one that was signed";
		return CM_DKIM_INVALID;
	}
	switch (cm_question_wait(question, &check->deadline)) {
	case CM_RESOLVER_FOUND:
		return verify_with_records(check->message, candidate, question, why_r);
	case CM_RESOLVER_ABSENT:
		*why_r = "there is no such key in the DNS";
		return CM_DKIM_INVALID;
	default:
		*why_r = "the DNS does not reply now";
		return CM_DKIM_TEMPORARY;
	}
}

/* A signature that could not be checked outweighs invalid ones: it may be valid. */
static enum cm_dkim_status judge(struct cm_dkim_check *check, const char **why_r)
{
	enum cm_dkim_status status = CM_DKIM_INVALID;

	*why_r = cm_dkim_message_why(check->message);
	for (size_t i = 0; i < cm_dkim_message_candidates(check->message); i++) {
		const char *why = "no usable key in the DNS";

		switch (verify(check, i, &why)) {
		case CM_DKIM_VALID:
			*why_r = "valid";
			return CM_DKIM_VALID;
		case CM_DKIM_TEMPORARY:
			status = CM_DKIM_TEMPORARY;
			*why_r = why;
			break;
		default:
			if (status != CM_DKIM_TEMPORARY)
				*why_r = why;
		}
	}
	return status;
}

enum cm_dkim_status cm_dkim_end(struct cm_dkim_check *check, struct cm_error *why_r)
{
	enum cm_dkim_status status;
	const char *why = "there is no signature";

	cm_dkim_message_end_body(check->message);
	if (cm_dkim_message_failed(check->message)) {
		why = "out of memory";
		status = CM_DKIM_TEMPORARY;
	} else if (!cm_dkim_message_is_signed(check->message)) {
		status = CM_DKIM_NONE;
	} else {
		status = judge(check, &why);
	}
	cm_error_set(why_r, "%s", why != NULL ? why : "no usable signature");
	return status;
}
