/*
 * examine_queue - Postfix's queue: waiting mail, its destinations, and the reasons
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "examination.h"
#include "mail_queue.h"

/* Maximum number of destinations that are listed. */
#define LISTED_MAX 5

/* A peer may be down for a while; Postfix bounces the message after two days. */
#define OLD_SECONDS 3600

static void add_destination(const struct cm_doctor *doctor,
			    const struct cm_destination *destination, struct cm_checks *checks)
{
	bool ours = strcasecmp(destination->name, doctor->config->mail_domain) == 0;
	time_t now = time(NULL);
	struct cm_check *check;

	check =
	    cm_checks_add(checks, "queue-destination", destination->name,
			  ours ? CM_HEALTH_FAULT : CM_HEALTH_WARNING,
			  "%" PRIu64 " wait, the oldest for %ld min: %.300s", destination->count,
			  (long)(now > destination->oldest ? now - destination->oldest : 0) / 60,
			  destination->reason);
	if (ours)
		cm_remedy_service(check, "restart", "dovecot");
	else
		cm_check_remedy(check,
				"chatmailctl queue retry %s, or chatmailctl queue discard %s",
				destination->name, destination->name);
}

void cm_examine_queue(const struct cm_doctor *doctor, struct cm_checks *checks)
{
	static const char key[] = "queue", title[] = "mail queue";
	time_t now = time(NULL);
	struct cm_mail_queue queue;
	struct cm_error err;
	struct cm_check *check;
	size_t listed = 0;

	if (!cm_mail_queue_read(&queue, &err)) {
		check = cm_checks_add(checks, key, title,
				      geteuid() == 0 ? CM_HEALTH_FAULT : CM_HEALTH_WARNING, "%s",
				      err.text);
		if (geteuid() == 0)
			cm_remedy_service(check, "restart", "postfix");
		return;
	}
	cm_checks_add(checks, key, title, CM_HEALTH_GOOD,
		      "active %" PRIu64 ", deferred %" PRIu64 ", on hold %" PRIu64, queue.active,
		      queue.deferred, queue.hold);
	for (size_t i = 0; i < queue.count && listed < LISTED_MAX; i++) {
		const struct cm_destination *destination = &queue.list[i];
		bool ours = strcasecmp(destination->name, doctor->config->mail_domain) == 0;

		if (destination->reason == NULL ||
		    (!ours && now - destination->oldest < OLD_SECONDS))
			continue;
		add_destination(doctor, destination, checks);
		listed++;
	}
	cm_mail_queue_free(&queue);
}
