#include "deliveries.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <jansson.h>

#include "process.h"

#define ATTEMPTS 900 /* one a second */

static bool is_ours(const json_t *message, const char *domain)
{
	const char *queue = json_string_value(json_object_get(message, "queue_name"));
	const json_t *recipient;
	size_t i;

	if (queue == NULL || strcmp(queue, "active") != 0)
		return false;
	json_array_foreach(json_object_get(message, "recipients"), i, recipient)
	{
		const char *address = json_string_value(json_object_get(recipient, "address"));
		const char *at = address != NULL ? strrchr(address, '@') : NULL;

		/* Without a domain it is one of this machine's. */
		if (at == NULL || strcasecmp(at + 1, domain) == 0)
			return true;
	}
	return false;
}

/* Adds the IDs of the messages to the object; if known is not NULL, only of those that it has. */
static bool take_lines(const char *text, const char *domain, const json_t *known, json_t *ids)
{
	while (*text != '\0') {
		size_t length = strcspn(text, "\n");
		json_t *message = json_loadb(text, length, 0, NULL);
		const char *id = json_string_value(json_object_get(message, "queue_id"));

		if (id == NULL) {
			json_decref(message);
			return false;
		}
		if (is_ours(message, domain) &&
		    (known == NULL || json_object_get(known, id) != NULL))
			json_object_set_new(ids, id, json_true());
		json_decref(message);
		text += length + (text[length] == '\n');
	}
	return true;
}

/* Replaces *ids, which may be NULL. */
static bool look(const char *domain, json_t **ids, struct cm_error *err)
{
	const char *const argv[] = {"postqueue", "-j", NULL};
	struct cm_process_result result = {0};
	json_t *found = json_object();
	bool good = false;

	if (!cm_process_run(argv, false, &result, err))
		goto out;
	good = result.status == 0 && result.length < CM_PROCESS_OUTPUT_MAX &&
	       take_lines(result.output, domain, *ids, found);
	if (!good)
		cm_error_set(err, "postqueue -j: cannot be read (exit status %d)", result.status);
out:
	free(result.output);
	json_decref(*ids);
	*ids = found;
	return good;
}

bool cm_deliveries_wait(const char *domain, struct cm_error *err)
{
	json_t *ids = NULL;
	bool good = look(domain, &ids, err);

	for (int i = 0; good && json_object_size(ids) > 0; i++) {
		if (i == ATTEMPTS) {
			cm_error_set(err, "a delivery does not end: run it again later");
			good = false;
			break;
		}
		sleep(1);
		good = look(domain, &ids, err);
	}
	json_decref(ids);
	return good;
}
