#include "intake.h"

#include <inttypes.h>
#include <openssl/sha.h>
#include <string.h>

#include "account.h"
#include "clock.h"
#include "log.h"
#include "schedule.h"

#define WALK_STEPS       256   /* names read before other work gets a turn */
#define WALK_SAFETY      60000 /* milliseconds between routine walks */
#define WALK_UNWATCHED   1000  /* the same while inotify is silent */
#define WALK_SPACING     1000  /* least time between walks, in milliseconds */
#define WALK_SPACING_MAX 600000
#define WALK_SHARE       20    /* a walk takes at most one part in this many of the time */
#define COUNT_EVERY      60000 /* milliseconds */

/* A file that is not a notification is left alone for this many seconds: it may still be being
   written. */
#define INVALID_AGE 60

void intake_watch(struct notifier *notifier)
{
	struct cm_error err;

	if (queue_dir_fd(notifier->queue_dir) >= 0)
		return;
	if (queue_dir_watch(notifier->queue_dir, &err)) {
		cm_log(LOG_INFO, "watching the queue");
		notifier->unwatched = false;
	} else if (!notifier->unwatched) {
		cm_log(LOG_WARNING, "%s; checking for new entries every %d s instead", err.text,
		       WALK_UNWATCHED / 1000);
		notifier->unwatched = true;
	}
}

void intake_leave(struct notifier *notifier, int64_t due)
{
	notifier->left++;
	notifier->walk_left++;
	if (due < notifier->walk_retry)
		notifier->walk_retry = due;
	if (!queue_dir_walking(notifier->queue_dir) && due < notifier->walk_due)
		notifier->walk_due = due;
}

/* Removes a file that must not be sent. If that fails, the file stays and is not sent either. */
static void discard(struct notifier *notifier, const char *name, bool invalid)
{
	if (!queue_dir_remove(notifier->queue_dir, name))
		return;
	notifier_count(notifier, &notifier->counts.dropped, CM_STAT_PUSH_DROPPED);
	if (invalid)
		notifier->counts.invalid++;
}

static void discard_invalid(struct notifier *notifier, const char *name, time_t modified)
{
	const time_t now = time(NULL);

	if (now - modified >= INVALID_AGE || modified > now)
		discard(notifier, name, true);
}

/* Describes an entry for the targets. */
static void describe(const struct cm_push_entry *entry, const struct timespec *stamp, time_t now,
		     struct target_item *item)
{
	const size_t length = strlen(entry->token);
	uint8_t digest[SHA256_DIGEST_LENGTH];
	struct schedule_state state;

	SHA256((const uint8_t *)entry->token, length, digest);
	memcpy(item->key, digest, TARGET_KEY_SIZE);
	schedule_from_stamp(stamp, now, &state);
	item->arrival = entry->time;
	item->failures = state.failures;
	item->due = cm_clock_milliseconds();
	item->appeared = 0;
	if (state.failures > 0) {
		item->class = TARGET_RETRY;
		item->due += (int64_t)(state.due - now) * 1000;
	} else if (stamp->tv_sec <= now) {
		item->appeared = (int64_t)stamp->tv_sec * 1000000 + stamp->tv_nsec / 1000;
	}
}

/* Adds one entry to memory, or leaves it on disk. */
static void take(struct notifier *notifier, const char *name, enum target_class class)
{
	struct target_item item = {.name = name, .class = class};
	const time_t now = time(NULL);
	struct cm_push_entry entry;
	struct timespec stamp;

	switch (queue_dir_read(notifier->queue_dir, name, &entry, &stamp)) {
	case QUEUE_DIR_ENTRY:
		break;
	case QUEUE_DIR_INVALID:
		discard_invalid(notifier, name, stamp.tv_sec);
		return;
	case QUEUE_DIR_TROUBLE:
		intake_leave(notifier, cm_clock_milliseconds() + WALK_SAFETY);
		return;
	case QUEUE_DIR_ABSENT:
	case QUEUE_DIR_DIRECTORY:
		return;
	}
	if (!cm_account_is_local(notifier->config, &entry.address)) {
		discard_invalid(notifier, name, stamp.tv_sec);
	} else if (schedule_expired(entry.time, now)) {
		discard(notifier, name, false);
	} else {
		describe(&entry, &stamp, now, &item);
		if (targets_add(notifier->targets, &item, cm_clock_milliseconds()) == TARGET_FULL)
			intake_leave(notifier, item.due);
	}
	explicit_bzero(&entry, sizeof(entry));
}

static void take_new(void *context, const char *name)
{
	struct notifier *notifier = context;

	if (targets_knows(notifier->targets, name))
		return;
	if (targets_has_room(notifier->targets, TARGET_FRESH, true))
		take(notifier, name, TARGET_FRESH);
	else
		intake_leave(notifier, cm_clock_milliseconds());
}

static void lose_directory(struct notifier *notifier)
{
	cm_log(LOG_WARNING, "the push queue was removed or replaced: reopening it");
	notifier->broken = true;
}

void intake_check(struct notifier *notifier)
{
	if (!notifier->broken && !queue_dir_is_current(notifier->queue_dir))
		lose_directory(notifier);
}

void intake_events(struct notifier *notifier)
{
	const unsigned int events = queue_dir_events(notifier->queue_dir, take_new, notifier);

	if ((events & QUEUE_DIR_MISSED) != 0)
		intake_leave(notifier, cm_clock_milliseconds());
	if ((events & QUEUE_DIR_GONE) != 0)
		lose_directory(notifier);
}

static void walk_begin(struct notifier *notifier, int64_t now)
{
	/* Before the walk, so that no entry is missed between the two. */
	intake_watch(notifier);
	notifier->walk_started = now;
	notifier->walk_left = 0;
	notifier->walk_retry = INT64_MAX;
	if (!queue_dir_walk_begin(notifier->queue_dir))
		notifier->broken = true;
}

/* All names were read: every entry that is not in memory was skipped, now or when it appeared. */
static void walk_end(struct notifier *notifier)
{
	const int64_t now = cm_clock_milliseconds();
	int64_t spacing = (now - notifier->walk_started) * WALK_SHARE;

	if (spacing < WALK_SPACING)
		spacing = WALK_SPACING;
	if (spacing > WALK_SPACING_MAX)
		spacing = WALK_SPACING_MAX;
	notifier->left = notifier->walk_left;
	notifier->walk_not_before = now + spacing;
	notifier->walk_due = now + (notifier->unwatched ? WALK_UNWATCHED : WALK_SAFETY);
	if (notifier->walk_due > notifier->walk_retry)
		notifier->walk_due = notifier->walk_retry;
}

/* While a walk pauses, the number of unseen entries is unknown, so they are counted. */
static void count_left(struct notifier *notifier, int64_t now)
{
	const uint64_t known = targets_length(notifier->targets);
	uint64_t count;

	if (now < notifier->count_due)
		return;
	count = queue_dir_count(notifier->queue_dir);
	notifier->left = count > known ? count - known : 0;
	notifier->count_due = cm_clock_milliseconds() + COUNT_EVERY;
}

void intake_walk(struct notifier *notifier, int64_t now)
{
	const char *name;

	if (!queue_dir_walking(notifier->queue_dir)) {
		if (now < notifier->walk_due || now < notifier->walk_not_before ||
		    !targets_has_room(notifier->targets, TARGET_BACKLOG, true))
			return;
		walk_begin(notifier, now);
	}
	for (int step = 0; step < WALK_STEPS; step++) {
		if (!targets_has_room(notifier->targets, TARGET_BACKLOG, true)) {
			count_left(notifier, now);
			return;
		}
		name = queue_dir_walk_next(notifier->queue_dir);
		if (name == NULL) {
			walk_end(notifier);
			return;
		}
		if (!targets_knows(notifier->targets, name))
			take(notifier, name, TARGET_BACKLOG);
	}
}

int64_t intake_due(const struct notifier *notifier, int64_t now)
{
	if (!targets_has_room(notifier->targets, TARGET_BACKLOG, true))
		return INT64_MAX;
	if (queue_dir_walking(notifier->queue_dir))
		return now;
	return notifier->walk_due > notifier->walk_not_before ? notifier->walk_due
							      : notifier->walk_not_before;
}

static void discard_expired(void *context, const char *name)
{
	discard(context, name, false);
}

void intake_expire(struct notifier *notifier)
{
	targets_expire(notifier->targets, time(NULL) - SCHEDULE_DEADLINE, discard_expired,
		       notifier);
}
