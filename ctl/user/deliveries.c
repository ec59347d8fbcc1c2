#include "deliveries.h"

#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <jansson.h>

#include "mail_queue.h"

#define ATTEMPTS 900 /* one a second */

struct look {
	const char *domain;
	const json_t *known; /* NULL: all */
	json_t *found;       /* the IDs */
};

/* A recipient without a domain is local. */
static bool take(const struct cm_queued *queued, void *context)
{
	struct look *look = context;
	const char *at = strrchr(queued->address, '@');

	if (strcmp(queued->queue, "active") != 0 ||
	    (at != NULL && strcasecmp(at + 1, look->domain) != 0) ||
	    (look->known != NULL && json_object_get(look->known, queued->id) == NULL))
		return true;
	return json_object_set_new(look->found, queued->id, json_true()) == 0;
}

/* Reduces *ids, which may be NULL, to those that are still being delivered. */
static bool look(const char *domain, json_t **ids, struct cm_error *err)
{
	struct look look = {domain, *ids, json_object()};
	bool good = cm_mail_queue_each(take, &look, err);

	json_decref(*ids);
	*ids = look.found;
	return good;
}

bool cm_deliveries_wait(const char *domain, struct cm_error *err)
{
	json_t *ids = NULL;
	bool good = look(domain, &ids, err);

	for (int i = 0; good && json_object_size(ids) > 0; i++) {
		if (i == ATTEMPTS) {
			cm_error_set(err, "a delivery does not end: try again later");
			good = false;
			break;
		}
		sleep(1);
		good = look(domain, &ids, err);
	}
	json_decref(ids);
	return good;
}
