#include "judge.h"

#include <stdlib.h>

struct cm_judge {
	struct cm_message *message;
	struct cm_dkim_check *check; /* incoming only */
	struct cm_error dkim_why;
};

struct cm_judge *cm_judge_begin(struct cm_policy *policy, struct cm_dkim *dkim,
				enum cm_direction direction, const char *envelope_from,
				const char *client)
{
	struct cm_judge *judge = calloc(1, sizeof(*judge));

	if (judge == NULL)
		return NULL;
	judge->message = cm_message_begin(policy, direction, envelope_from);
	if (direction == CM_DIRECTION_IN)
		judge->check = cm_dkim_begin(dkim);
	if (judge->message == NULL || !cm_message_client(judge->message, client) ||
	    (direction == CM_DIRECTION_IN && judge->check == NULL))
		cm_judge_free(&judge);
	else if (judge->check != NULL)
		cm_dkim_client(judge->check, client);
	return judge;
}

void cm_judge_free(struct cm_judge **judge)
{
	if (*judge == NULL)
		return;
	cm_dkim_check_free(&(*judge)->check);
	cm_message_free(&(*judge)->message);
	free(*judge);
	*judge = NULL;
}

bool cm_judge_recipient(struct cm_judge *judge, const char *path)
{
	return cm_message_recipient(judge->message, path);
}

bool cm_judge_header(struct cm_judge *judge, const char *name, const char *value)
{
	if (!cm_message_header(judge->message, name, value))
		return false;
	if (judge->check != NULL)
		cm_dkim_header(judge->check, name, value);
	return true;
}

bool cm_judge_end_of_headers(struct cm_judge *judge)
{
	if (!cm_message_end_of_headers(judge->message))
		return false;
	if (judge->check != NULL)
		cm_dkim_end_of_headers(judge->check, cm_message_from_domain(judge->message));
	return true;
}

bool cm_judge_body(struct cm_judge *judge, const void *data, size_t length)
{
	if (!cm_message_body(judge->message, data, length))
		return false;
	if (judge->check != NULL)
		cm_dkim_body(judge->check, data, length);
	return true;
}

static bool on_header(void *context, const char *name, const char *value)
{
	return cm_judge_header(context, name, value);
}

static bool on_end_of_headers(void *context)
{
	return cm_judge_end_of_headers(context);
}

static bool on_body(void *context, const void *data, size_t length)
{
	return cm_judge_body(context, data, length);
}

enum cm_message_file_status cm_judge_file(struct cm_judge *judge, const char *data, size_t length)
{
	const struct cm_message_file_reader reader = {judge, on_header, on_end_of_headers, on_body};

	return cm_message_file_read(&reader, data, length);
}

bool cm_judge_waits(struct cm_judge *judge)
{
	return judge->check != NULL && cm_message_needs_dkim(judge->message);
}

void cm_judge_end(struct cm_judge *judge, struct cm_verdict *verdict_r)
{
	enum cm_dkim_status dkim = CM_DKIM_NONE;

	if (cm_judge_waits(judge))
		dkim = cm_dkim_end(judge->check, &judge->dkim_why);
	cm_message_end(judge->message, dkim, verdict_r);
}

void cm_judge_verdict(const struct cm_judge *judge, struct cm_verdict *verdict_r)
{
	cm_message_verdict(judge->message, verdict_r);
}

const char *cm_judge_dkim_why(const struct cm_judge *judge)
{
	return judge->dkim_why.text;
}

const struct cm_message *cm_judge_message(const struct cm_judge *judge)
{
	return judge->message;
}
