#include "mail_queue.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "redact.h"

/* The longest name of a destination: a domain or an address literal. */
#define DESTINATION_MAX 255

bool cm_destination_is_valid(const char *name)
{
	size_t length = strlen(name);

	return length > 0 && length <= DESTINATION_MAX &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			    "0123456789.-_:[]") == length;
}

/* The domain of an address in lower case. An address without one is local: "localhost". Users
   choose the names, and operators read them in terminals and copy them to shells. */
static void destination_of(const char *address, char name_r[DESTINATION_MAX + 1])
{
	const char *at = strrchr(address, '@');
	const char *name = at != NULL ? at + 1 : "localhost";

	if (!cm_destination_is_valid(name))
		name = CM_DESTINATION_MALFORMED;
	for (size_t i = 0; i <= strlen(name); i++)
		name_r[i] = (char)tolower((unsigned char)name[i]);
}

/* --- Reading -------------------------------------------------------------------------------- */

static const char *text_of(json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text != NULL ? text : "";
}

static bool visit_message(json_t *message, cm_queued_fn *visit, void *context)
{
	json_t *recipients = json_object_get(message, "recipients"), *recipient;
	struct cm_queued queued = {
	    .id = text_of(message, "queue_id"),
	    .queue = text_of(message, "queue_name"),
	    .arrived = (time_t)json_integer_value(json_object_get(message, "arrival_time")),
	    .bytes = (uint64_t)json_integer_value(json_object_get(message, "message_size")),
	};
	size_t i;

	json_array_foreach(recipients, i, recipient)
	{
		queued.address = text_of(recipient, "address");
		queued.reason = json_string_value(json_object_get(recipient, "delay_reason"));
		queued.first = i == 0;
		if (!visit(&queued, context))
			return false;
	}
	return true;
}

/* postqueue prints errors and warnings on standard error. Warnings are not errors: it warns of
   lines in main.cf.local that override earlier ones, and if it reads the queue of a stopped
   Postfix. */
static void note_failure(char *line, struct cm_error *err)
{
	line[strcspn(line, "\n")] = '\0';
	if (strstr(line, ": warning: ") != NULL)
		return;
	if (err->text[0] == '\0' && line[0] != '\0')
		cm_error_set(err, "%.300s", line);
}

bool cm_mail_queue_each(cm_queued_fn *visit, void *context, struct cm_error *err)
{
	/* The words are constant; the output is read as a stream, because a queue may have any
	   length. */
	FILE *stream = popen("postqueue -j 2>&1", "re");
	struct cm_error failure = {""};
	bool good = true;
	char *line = NULL;
	size_t size = 0;

	if (stream == NULL) {
		cm_error_set_errno(err, "postqueue: cannot be run");
		return false;
	}
	while (getline(&line, &size, stream) >= 0) {
		json_t *message = json_loads(line, 0, NULL);

		if (*text_of(message, "queue_id") == '\0')
			note_failure(line, &failure);
		else if (good)
			good = visit_message(message, visit, context);
		json_decref(message);
	}
	free(line);
	if (pclose(stream) != 0 || failure.text[0] != '\0')
		cm_error_set(err, "%s",
			     failure.text[0] != '\0' ? failure.text : "postqueue: failed");
	else if (!good)
		cm_error_set(err, "out of memory");
	else
		return true;
	return false;
}

/* --- Counting ------------------------------------------------------------------------------- */

static struct cm_destination *find(struct cm_mail_queue *queue, const char *name)
{
	for (size_t i = 0; i < queue->count; i++)
		if (strcmp(queue->list[i].name, name) == 0)
			return &queue->list[i];
	if (queue->count == queue->room) {
		size_t room = queue->room == 0 ? 32 : 2 * queue->room;
		struct cm_destination *list = realloc(queue->list, room * sizeof(*list));

		if (list == NULL)
			return NULL;
		queue->list = list;
		queue->room = room;
	}
	queue->list[queue->count] = (struct cm_destination){.name = strdup(name)};
	return queue->list[queue->count].name != NULL ? &queue->list[queue->count++] : NULL;
}

static bool count(const struct cm_queued *queued, void *context)
{
	struct cm_mail_queue *queue = context;
	char name[DESTINATION_MAX + 1];
	struct cm_destination *destination;

	if (queued->first) {
		queue->deferred += strcmp(queued->queue, "deferred") == 0;
		queue->hold += strcmp(queued->queue, "hold") == 0;
		queue->active +=
		    strcmp(queued->queue, "deferred") != 0 && strcmp(queued->queue, "hold") != 0;
	}
	destination_of(queued->address, name);
	destination = find(queue, name);
	if (destination == NULL)
		return false;
	destination->count++;
	destination->bytes += queued->bytes;
	if (destination->oldest == 0 || queued->arrived < destination->oldest)
		destination->oldest = queued->arrived;
	if (queued->reason == NULL)
		return true;
	destination->failed++;
	if (destination->reason == NULL || queued->arrived < destination->reason_of) {
		free(destination->reason);
		destination->reason = cm_redact(queued->reason);
		destination->reason_of = queued->arrived;
	}
	return true;
}

static int compare(const void *a, const void *b)
{
	const struct cm_destination *x = a, *y = b;

	if (x->oldest != y->oldest)
		return x->oldest < y->oldest ? -1 : 1;
	return strcmp(x->name, y->name);
}

bool cm_mail_queue_read(struct cm_mail_queue *queue_r, struct cm_error *err)
{
	*queue_r = (struct cm_mail_queue){0};
	if (!cm_mail_queue_each(count, queue_r, err))
		return false;
	if (queue_r->count > 0)
		qsort(queue_r->list, queue_r->count, sizeof(queue_r->list[0]), compare);
	return true;
}

void cm_mail_queue_free(struct cm_mail_queue *queue)
{
	for (size_t i = 0; i < queue->count; i++) {
		free(queue->list[i].name);
		free(queue->list[i].reason);
	}
	free(queue->list);
	*queue = (struct cm_mail_queue){0};
}
