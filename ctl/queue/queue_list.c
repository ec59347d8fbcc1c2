#include "queue_list.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "command.h"
#include "json_print.h"
#include "mail_queue.h"
#include "options.h"

static void print_age(time_t since)
{
	time_t now = time(NULL);
	long minutes = now > since ? (long)(now - since) / 60 : 0;

	if (minutes < 120)
		printf("%4ld min", minutes);
	else if (minutes < 2 * 24 * 60)
		printf("%4ld h  ", minutes / 60);
	else
		printf("%4ld d  ", minutes / (24 * 60));
}

static void print_queue(const struct cm_mail_queue *queue)
{
	size_t width = strlen("DESTINATION");

	printf("active %" PRIu64 ", deferred %" PRIu64 ", on hold %" PRIu64 "\n", queue->active,
	       queue->deferred, queue->hold);
	if (queue->count == 0)
		return;
	for (size_t i = 0; i < queue->count; i++) {
		if (strlen(queue->list[i].name) > width)
			width = strlen(queue->list[i].name);
	}
	printf("\n%-*s  WAITING    OLDEST  REASON\n", (int)width, "DESTINATION");
	for (size_t i = 0; i < queue->count; i++) {
		const struct cm_destination *destination = &queue->list[i];

		printf("%-*s  %7" PRIu64 "  ", (int)width, destination->name, destination->count);
		print_age(destination->oldest);
		printf("  %s\n",
		       destination->reason != NULL ? destination->reason : "not tried yet");
	}
}

static bool print_json(const struct cm_mail_queue *queue, struct cm_error *err)
{
	json_t *list = json_array(), *json;

	for (size_t i = 0; i < queue->count; i++) {
		const struct cm_destination *destination = &queue->list[i];

		json_array_append_new(list, json_pack("{s:s, s:I, s:I, s:I, s:I, s:s?}", "name",
						      destination->name, "waiting",
						      (json_int_t)destination->count, "failed",
						      (json_int_t)destination->failed, "bytes",
						      (json_int_t)destination->bytes, "oldest",
						      (json_int_t)destination->oldest, "reason",
						      destination->reason));
	}
	json = json_pack("{s:I, s:I, s:I, s:o}", "active", (json_int_t)queue->active, "deferred",
			 (json_int_t)queue->deferred, "hold", (json_int_t)queue->hold,
			 "destinations", list);
	return cm_json_print(json, err);
}

int cm_queue_list(int argc, char **argv)
{
	bool json = false, good;
	struct cm_error err;
	const struct cm_option options[] = {
	    CM_OPTION_JSON(&json),
	    {.name = NULL},
	};
	const struct cm_command_line line = {
	    .program = argv[0],
	    .synopsis = "[OPTION]...",
	    .summary =
		"Lists the domains for which mail waits, the longest wait first, with the reason.",
	    .options = options,
	};
	struct cm_mail_queue queue;
	int status = cm_options_parse(&line, argc, argv, NULL);

	if (status >= 0)
		return status;
	good = cm_mail_queue_read(&queue, &err);
	if (good && json)
		good = print_json(&queue, &err);
	else if (good)
		print_queue(&queue);
	cm_mail_queue_free(&queue);
	return good ? CM_EXIT_OK : cm_command_fail(argv[0], &err);
}
