#include "delivery.h"

#include <stdlib.h>
#include <string.h>

#include "account.h"
#include "clock.h"
#include "intake.h"
#include "log.h"
#include "schedule.h"
#include "tokens.h"

#define CLASSES_ALL ((1U << TARGET_CLASSES) - 1)

/* Retries in flight. */
#define RETRIES_MAX (SENDER_MAX / 4)

/* Milliseconds until the next attempt to remove a file, and to read one. */
#define STUCK_EVERY   1000
#define TROUBLE_DELAY 60000

#define HTTP_OK        200
#define HTTP_REFUSALS  400
#define HTTP_GONE      410
#define HTTP_TOO_MANY  429
#define HTTP_ERROR     500
#define HTTP_NO_SERVER 503

/* Retries must not take all places: they may hang again. */
static unsigned int classes(const struct notifier *notifier)
{
	if (notifier->retries < RETRIES_MAX)
		return CLASSES_ALL;
	return CLASSES_ALL & ~(1U << TARGET_RETRY);
}

static unsigned int allowance(const struct notifier *notifier, int64_t now)
{
	if (notifier->stuck_count > 0)
		return 0;
	return gate_allowance(&notifier->gate, sender_in_flight(notifier->sender),
			      sender_in_flight_since(notifier->sender, now - GATE_SLOW), now);
}

/* Reads the token from the first entry that still exists and is young enough; removes older
   ones. False if there is nothing to send: then the target is finished. */
static bool read_token(struct notifier *notifier, struct target *target,
		       struct cm_push_entry *entry_r, int64_t now)
{
	struct target_entry *entry;
	struct timespec stamp;

	while ((entry = target_entries(target)) != NULL) {
		switch (queue_dir_read(notifier->queue_dir, entry->name, entry_r, &stamp)) {
		case QUEUE_DIR_ENTRY:
			if (!schedule_expired(entry_r->time, time(NULL)))
				return true;
			queue_dir_remove(notifier->queue_dir, entry->name);
			notifier_count(notifier, &notifier->counts.dropped, CM_STAT_PUSH_DROPPED);
			break;
		case QUEUE_DIR_TROUBLE:
			targets_defer(notifier->targets, target, now + TROUBLE_DELAY);
			return false;
		case QUEUE_DIR_ABSENT:
		case QUEUE_DIR_DIRECTORY:
		case QUEUE_DIR_INVALID:
			break;
		}
		targets_remove_entry(notifier->targets, target, entry);
	}
	targets_finish(notifier->targets, target, now);
	return false;
}

static void start_one(struct notifier *notifier, struct target *target, enum target_class class,
		      int64_t now)
{
	struct cm_push_entry entry;

	if (!read_token(notifier, target, &entry, now))
		return;
	if (sender_post(notifier->sender, entry.token, target, now)) {
		if (notifier->gate.closed)
			gate_probe_started(&notifier->gate, now, notifier_random());
		if (class == TARGET_RETRY)
			notifier->retries++;
	} else {
		targets_defer(notifier->targets, target, now + TARGET_HOLD);
	}
	explicit_bzero(&entry, sizeof(entry));
}

/* Removes the files of an answered target. False if one remains. */
static bool remove_files(struct notifier *notifier, struct target *target)
{
	struct target_entry *entry;

	while ((entry = target_entries(target)) != NULL) {
		if (!queue_dir_remove(notifier->queue_dir, entry->name))
			return false;
		targets_remove_entry(notifier->targets, target, entry);
	}
	targets_finish(notifier->targets, target, cm_clock_milliseconds());
	return true;
}

/* Tries again to remove the files of answered targets. */
static void retry_stuck(struct notifier *notifier, int64_t now)
{
	if (notifier->stuck_count == 0 || now < notifier->stuck_due)
		return;
	notifier->stuck_due = now + STUCK_EVERY;
	while (notifier->stuck_count > 0 &&
	       remove_files(notifier, notifier->stuck[notifier->stuck_count - 1]))
		notifier->stuck_count--;
	if (notifier->stuck_count == 0)
		cm_log(LOG_INFO, "the queue's files can be removed again: sending continues");
}

/* A connection may be dead without notice. If no data came over it, the next request uses
   another one. */
static void renew_connections(struct notifier *notifier)
{
	if (!notifier->suspect || sender_in_flight(notifier->sender) > 0)
		return;
	notifier->suspect = false;
	if (!sender_disconnect(notifier->sender))
		notifier->broken = true;
}

void delivery_start(struct notifier *notifier, int64_t now)
{
	unsigned int allowed;
	struct target *target;
	enum target_class class;

	retry_stuck(notifier, now);
	renew_connections(notifier);
	for (allowed = allowance(notifier, now); allowed > 0 && !notifier->broken; allowed--) {
		target = targets_next(notifier->targets, classes(notifier), now, &class);
		if (target == NULL)
			break;
		start_one(notifier, target, class, now);
	}
}

int64_t delivery_due(const struct notifier *notifier, int64_t now)
{
	if (notifier->stuck_count > 0)
		return notifier->stuck_due;
	if (allowance(notifier, now) > 0)
		return targets_next_due(notifier->targets, classes(notifier), now);
	if (notifier->gate.closed && sender_in_flight(notifier->sender) == 0 &&
	    notifier->gate.probe_at > now && targets_length(notifier->targets) > 0)
		return notifier->gate.probe_at;
	return INT64_MAX;
}

/* The service does not know the token any more: it is removed from the accounts of the
   entries. */
static void remove_token(struct notifier *notifier, struct target *target)
{
	struct cm_push_entry entry;
	struct timespec stamp;
	struct cm_error err;
	char *path;

	for (const struct target_entry *file = target_entries(target); file != NULL;
	     file = file->next) {
		if (queue_dir_read(notifier->queue_dir, file->name, &entry, &stamp) !=
		    QUEUE_DIR_ENTRY)
			continue;
		path = cm_account_path(notifier->config, &entry.address);
		/* With a deleted account its token is gone, too. */
		if (cm_account_lookup(notifier->config, &entry.address, &err) !=
			CM_ACCOUNT_ABSENT &&
		    (path == NULL || !cm_tokens_remove(path, entry.token, &err)))
			cm_log(LOG_WARNING, "cannot remove a dead token of %s",
			       cm_log_address(entry.address.text));
		free(path);
		explicit_bzero(&entry, sizeof(entry));
	}
}

/* Counts a reply that removes the entries. */
static void count_answered(struct notifier *notifier, const struct target *target)
{
	struct timespec now;
	int64_t microseconds;
	bool first = true;

	clock_gettime(CLOCK_REALTIME, &now);
	microseconds = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
	for (const struct target_entry *entry = target_entries(target); entry != NULL;
	     entry = entry->next) {
		if (!first)
			notifier_count(notifier, &notifier->counts.collapsed,
				       CM_STAT_PUSH_COLLAPSED);
		first = false;
		if (entry->appeared > 0 && entry->appeared <= microseconds)
			cm_stats_observe(notifier->stats, CM_STAT_PUSH_DELAY_MICROSECONDS,
					 (uint64_t)(microseconds - entry->appeared));
	}
}

static void take_answered(struct notifier *notifier, struct target *target)
{
	struct target **grown;

	count_answered(notifier, target);
	if (remove_files(notifier, target))
		return;
	if (notifier->stuck_count == 0)
		cm_log(LOG_ERR, "cannot remove files from the queue: sending stops");
	notifier->stuck_due = cm_clock_milliseconds() + STUCK_EVERY;
	grown = realloc(notifier->stuck, (notifier->stuck_count + 1) * sizeof(struct target *));
	if (grown == NULL) {
		notifier->broken = true;
		return;
	}
	notifier->stuck = grown;
	notifier->stuck[notifier->stuck_count++] = target;
}

/* Counts the failure in each entry; the entry with the fewest failures determines the next
   attempt. Returns the wait in milliseconds. */
static int64_t count_failure(struct target *target)
{
	unsigned int least = SCHEDULE_FAILURES_MAX;

	for (struct target_entry *entry = target_entries(target); entry != NULL;
	     entry = entry->next) {
		entry->failures++;
		if (entry->failures < least)
			least = entry->failures;
	}
	return schedule_delay_jittered(least, notifier_random());
}

static void take_failed(struct notifier *notifier, struct target *target, int64_t now)
{
	const int64_t wait = count_failure(target);
	const time_t due = time(NULL) + (time_t)((wait + 999) / 1000);
	struct target_entry *entry, *next;
	struct timespec stamp;

	notifier_count(notifier, &notifier->counts.failed, CM_STAT_PUSH_RETRIED);
	for (entry = target_entries(target); entry != NULL; entry = next) {
		next = entry->next;
		if (schedule_exhausted(entry->failures) || schedule_expired(entry->arrival, due)) {
			queue_dir_remove(notifier->queue_dir, entry->name);
			notifier_count(notifier, &notifier->counts.dropped, CM_STAT_PUSH_DROPPED);
			targets_remove_entry(notifier->targets, target, entry);
			continue;
		}
		stamp = schedule_to_stamp(
		    &(struct schedule_state){.failures = entry->failures, .due = due});
		queue_dir_stamp(notifier->queue_dir, entry->name, &stamp);
	}
	if (target_entries(target) == NULL) {
		targets_finish(notifier->targets, target, now);
	} else if (targets_has_room(notifier->targets, TARGET_RETRY, false)) {
		targets_defer(notifier->targets, target, now + wait);
	} else {
		intake_leave(notifier, now + wait);
		targets_forget(notifier->targets, target);
	}
}

/* True if the reply shows that the service itself works (chatmail/notifiers, server.rs). A
   status below 400 is the reply of the push server that the token names; 500 means that this
   server or the token is at fault: an account with such tokens must not delay the others. */
static bool service_works(const struct sender_answer *answer)
{
	if (answer->status == 0)
		return false;
	return answer->status < HTTP_REFUSALS || answer->status == HTTP_GONE ||
	       answer->status == HTTP_ERROR;
}

static void judge_service(struct notifier *notifier, const struct sender_answer *answer,
			  int64_t now)
{
	const bool asked = answer->status == HTTP_TOO_MANY || answer->status == HTTP_NO_SERVER;
	const int64_t wait = asked ? answer->retry_after : 0;

	notifier->suspect = answer->status == 0;
	if (service_works(answer)) {
		if (gate_success(&notifier->gate))
			cm_log(LOG_INFO, "the push service works again");
	} else if (gate_failure(&notifier->gate, answer->started, now, wait, notifier_random())) {
		if (answer->status == 0)
			cm_log(LOG_WARNING, "the push service fails, holding back: %s",
			       answer->error);
		else
			cm_log(LOG_WARNING, "the push service fails, holding back: HTTP status %ld",
			       answer->status);
	}
}

void delivery_done(void *context, void *subject, const struct sender_answer *answer)
{
	struct notifier *notifier = context;
	struct target *target = subject;
	const int64_t now = cm_clock_milliseconds();

	if (target_class(target) == TARGET_RETRY)
		notifier->retries--;
	if (answer->status != 0)
		gate_set_bounds(&notifier->gate,
				answer->http2 ? SENDER_WINDOW_HTTP2 : SENDER_WINDOW_HTTP1,
				answer->http2 ? SENDER_MAX : SENDER_WINDOW_HTTP1);
	judge_service(notifier, answer, now);
	if (answer->status == HTTP_OK) {
		notifier_count(notifier, &notifier->counts.sent, CM_STAT_PUSH_SENT);
		take_answered(notifier, target);
	} else if (answer->status == HTTP_GONE) {
		notifier_count(notifier, &notifier->counts.gone, CM_STAT_PUSH_TOKEN_GONE);
		remove_token(notifier, target);
		take_answered(notifier, target);
	} else {
		take_failed(notifier, target, now);
	}
}
