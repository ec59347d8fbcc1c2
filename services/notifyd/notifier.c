#include "notifier.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "clock.h"
#include "daemon.h"
#include "delivery.h"
#include "intake.h"
#include "log.h"
#include "notifier_state.h"

/* Milliseconds. */
#define TICK         1000 /* longest sleep */
#define CHECK_EVERY  1000
#define STATS_EVERY  5000
#define REPORT_EVERY 600000

static bool open_parts(struct notifier *notifier, struct cm_error *err)
{
	char *path = cm_push_queue_path(notifier->config);

	notifier->targets = targets_new(NOTIFIER_CAPACITY);
	if (path == NULL || notifier->targets == NULL)
		cm_error_set(err, "out of memory");
	else
		notifier->queue_dir = queue_dir_open(path, err);
	free(path);
	if (notifier->queue_dir == NULL)
		return false;
	notifier->sender = sender_new(notifier->config->notify_url, delivery_done, notifier, err);
	if (notifier->sender == NULL)
		return false;
	intake_watch(notifier);
	return true;
}

struct notifier *notifier_new(const struct cm_config *config, struct cm_stats *stats,
			      struct cm_error *err)
{
	struct notifier *notifier = calloc(1, sizeof(*notifier));
	const int64_t now = cm_clock_milliseconds();

	if (notifier == NULL) {
		cm_error_set(err, "out of memory");
		return NULL;
	}
	notifier->config = config;
	notifier->stats = stats;
	notifier->walk_due = now;
	notifier->walk_retry = INT64_MAX;
	notifier->report_due = now + REPORT_EVERY;
	gate_init(&notifier->gate, SENDER_WINDOW_HTTP2, SENDER_MAX);
	if (!open_parts(notifier, err))
		notifier_free(&notifier);
	return notifier;
}

void notifier_free(struct notifier **notifier)
{
	if (*notifier == NULL)
		return;
	sender_free(&(*notifier)->sender);
	targets_free(&(*notifier)->targets);
	queue_dir_close(&(*notifier)->queue_dir);
	free((*notifier)->stuck);
	free(*notifier);
	*notifier = NULL;
}

void notifier_set_config(struct notifier *notifier, const struct cm_config *config)
{
	notifier->config = config;
}

static void set_gauges(struct notifier *notifier, int64_t now)
{
	const time_t oldest = targets_oldest(notifier->targets), clock = time(NULL);

	notifier->stats_due = now + STATS_EVERY;
	cm_stats_set(notifier->stats, CM_STAT_PUSH_QUEUE_LENGTH,
		     targets_length(notifier->targets) + notifier->left);
	cm_stats_set(notifier->stats, CM_STAT_PUSH_QUEUE_AGE_SECONDS,
		     oldest != 0 && clock > oldest ? (uint64_t)(clock - oldest) : 0);
}

/* Logs one line if a count has changed. */
static void report(struct notifier *notifier, int64_t now)
{
	const struct notifier_counts *counts = &notifier->counts;

	notifier->report_due = now + REPORT_EVERY;
	if (counts->invalid > 0)
		cm_log(LOG_WARNING, "%" PRIu64 " files in the queue were not notifications",
		       counts->invalid);
	if (counts->sent + counts->gone + counts->failed + counts->dropped > 0)
		cm_log(LOG_INFO,
		       "sent %" PRIu64 ", coalesced %" PRIu64 ", dead tokens %" PRIu64
		       ", failed attempts %" PRIu64 ", dropped %" PRIu64 ", waiting %" PRIu64,
		       counts->sent, counts->collapsed, counts->gone, counts->failed,
		       counts->dropped, targets_length(notifier->targets) + notifier->left);
	notifier->counts = (struct notifier_counts){0};
}

static void tick(struct notifier *notifier, int64_t now)
{
	if (now >= notifier->check_due) {
		notifier->check_due = now + CHECK_EVERY;
		intake_check(notifier);
	}
	if (now >= notifier->stats_due) {
		intake_expire(notifier);
		set_gauges(notifier, now);
	}
	if (now >= notifier->report_due)
		report(notifier, now);
}

static int timeout(const struct notifier *notifier, int64_t now)
{
	const int64_t intake = intake_due(notifier, now), delivery = delivery_due(notifier, now);
	const int64_t due = intake < delivery ? intake : delivery;

	if (due <= now)
		return 0;
	return due - now < TICK ? (int)(due - now) : TICK;
}

enum notifier_event notifier_run(struct notifier *notifier, int signals)
{
	int64_t now;
	int number;

	while (!notifier->broken) {
		while ((number = cm_daemon_next_signal(signals)) != 0) {
			if (number == SIGHUP)
				return NOTIFIER_HANGUP;
			if (number == SIGTERM || number == SIGINT)
				return NOTIFIER_TERMINATE;
		}
		now = cm_clock_milliseconds();
		intake_events(notifier);
		intake_walk(notifier, now);
		delivery_start(notifier, now);
		tick(notifier, now);
		const int fds[] = {signals, queue_dir_fd(notifier->queue_dir)};
		sender_run(notifier->sender, fds, fds[1] >= 0 ? 2 : 1,
			   notifier->broken ? 0 : timeout(notifier, now));
	}
	return NOTIFIER_LOST;
}

enum notifier_event notifier_drain(struct notifier *notifier, int signals, int milliseconds)
{
	const int64_t end = cm_clock_milliseconds() + milliseconds;
	enum notifier_event event = NOTIFIER_DONE;
	int64_t now;
	int number;

	while (event != NOTIFIER_TERMINATE && sender_in_flight(notifier->sender) > 0 &&
	       (now = cm_clock_milliseconds()) < end) {
		sender_run(notifier->sender, &signals, 1,
			   (int)(end - now < TICK ? end - now : TICK));
		while ((number = cm_daemon_next_signal(signals)) != 0) {
			if (number == SIGTERM || number == SIGINT)
				event = NOTIFIER_TERMINATE;
			else if (number == SIGHUP && event == NOTIFIER_DONE)
				event = NOTIFIER_HANGUP;
		}
	}
	set_gauges(notifier, cm_clock_milliseconds());
	report(notifier, cm_clock_milliseconds());
	return event;
}
