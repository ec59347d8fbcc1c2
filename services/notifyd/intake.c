#include "intake.h"

#include <inttypes.h>
#include <openssl/sha.h>
#include <string.h>

#include "account.h"
#include "log.h"
#include "schedule.h"

#define WALK_STEPS       256   /* names between looking after other work */
#define WALK_SAFETY      60000 /* milliseconds between walks without a reason */
#define WALK_UNWATCHED   1000  /* the same while inotify tells nothing */
#define WALK_SPACING     1000  /* least time between walks */
#define WALK_SPACING_MAX 600000
#define WALK_SHARE       20 /* a walk takes at most one part in this many of the time */
#define COUNT_EVERY      60000

/* A file that is no notification is left alone this many seconds: it may be still being written. */
#define INVALID_AGE 60

void intake_watch(struct notifier *notifier)
{
	struct cm_error err;

	if (spool_fd(notifier->spool) >= 0)
		return;
	if (spool_watch(notifier->spool, &err)) {
		cm_log(LOG_INFO, "watching the queue");
		notifier->unwatched = false;
	} else if (!notifier->unwatched) {
		cm_log(LOG_WARNING, "%s; looking for new entries every %d s instead", err.text,
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
	if (!spool_walking(notifier->spool) && due < notifier->walk_due)
		notifier->walk_due = due;
}

/* Removes a file that is not to be sent. One that cannot be removed is left where it is: it is not
   sent either. */
static void discard(struct notifier *notifier, const char *name, bool invalid)
{
	if (!spool_remove(notifier->spool, name))
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

/* What the queue has to know of an entry. */
static void describe(const struct cm_push_entry *entry, const struct timespec *stamp, time_t now,
		     struct queue_item *item)
{
	const size_t length = strlen(entry->token);
	uint8_t digest[SHA256_DIGEST_LENGTH];
	struct schedule_state state;

	SHA256((const uint8_t *)entry->token, length, digest);
	memcpy(item->key, digest, QUEUE_KEY_SIZE);
	schedule_from_stamp(stamp, now, &state);
	item->arrival = entry->time;
	item->failures = state.failures;
	item->due = notifier_now();
	item->appeared = 0;
	if (state.failures > 0) {
		item->class = QUEUE_RETRY;
		item->due += (int64_t)(state.due - now) * 1000;
	} else if (stamp->tv_sec <= now) {
		item->appeared = (int64_t)stamp->tv_sec * 1000000 + stamp->tv_nsec / 1000;
	}
}

/* Takes one entry into memory, or leaves it on disk. */
static void take(struct notifier *notifier, const char *name, enum queue_class class)
{
	struct queue_item item = {.name = name, .class = class};
	const time_t now = time(NULL);
	struct cm_push_entry entry;
	struct timespec stamp;

	switch (spool_read(notifier->spool, name, &entry, &stamp)) {
	case SPOOL_ENTRY:
		break;
	case SPOOL_INVALID:
		discard_invalid(notifier, name, stamp.tv_sec);
		return;
	case SPOOL_TROUBLE:
		intake_leave(notifier, notifier_now() + WALK_SAFETY);
		return;
	case SPOOL_ABSENT:
	case SPOOL_DIRECTORY:
		return;
	}
	if (!cm_account_is_local(notifier->config, &entry.address)) {
		discard_invalid(notifier, name, stamp.tv_sec);
	} else if (schedule_expired(entry.time, now)) {
		discard(notifier, name, false);
	} else {
		describe(&entry, &stamp, now, &item);
		if (queue_add(notifier->queue, &item, notifier_now()) == QUEUE_FULL)
			intake_leave(notifier, item.due);
	}
	explicit_bzero(&entry, sizeof entry);
}

static void take_new(void *context, const char *name)
{
	struct notifier *notifier = context;

	if (queue_knows(notifier->queue, name))
		return;
	if (queue_has_room(notifier->queue, QUEUE_FRESH, true))
		take(notifier, name, QUEUE_FRESH);
	else
		intake_leave(notifier, notifier_now());
}

static void lose_directory(struct notifier *notifier)
{
	cm_log(LOG_WARNING, "the queue directory was removed or replaced: opening it anew");
	notifier->broken = true;
}

void intake_check(struct notifier *notifier)
{
	if (!notifier->broken && !spool_is_current(notifier->spool))
		lose_directory(notifier);
}

void intake_events(struct notifier *notifier)
{
	const unsigned int told = spool_events(notifier->spool, take_new, notifier);

	if ((told & SPOOL_MISSED) != 0)
		intake_leave(notifier, notifier_now());
	if ((told & SPOOL_GONE) != 0)
		lose_directory(notifier);
}

static void walk_begin(struct notifier *notifier, int64_t now)
{
	/* Before the walk, so that nothing appears between the two. */
	intake_watch(notifier);
	notifier->walk_started = now;
	notifier->walk_left = 0;
	notifier->walk_retry = INT64_MAX;
	if (!spool_walk_begin(notifier->spool))
		notifier->broken = true;
}

/* All names were seen: what is not in memory now was left, or came later and was left then. */
static void walk_end(struct notifier *notifier)
{
	const int64_t now = notifier_now();
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

/* While a walk pauses nobody knows how much it has not seen yet, so that is counted. */
static void count_left(struct notifier *notifier, int64_t now)
{
	const uint64_t known = queue_length(notifier->queue);
	uint64_t count;

	if (now < notifier->count_due)
		return;
	count = spool_count(notifier->spool);
	notifier->left = count > known ? count - known : 0;
	notifier->count_due = notifier_now() + COUNT_EVERY;
}

void intake_walk(struct notifier *notifier, int64_t now)
{
	const char *name;

	if (!spool_walking(notifier->spool)) {
		if (now < notifier->walk_due || now < notifier->walk_not_before ||
		    !queue_has_room(notifier->queue, QUEUE_BACKLOG, true))
			return;
		walk_begin(notifier, now);
	}
	for (int step = 0; step < WALK_STEPS; step++) {
		if (!queue_has_room(notifier->queue, QUEUE_BACKLOG, true)) {
			count_left(notifier, now);
			return;
		}
		name = spool_walk_next(notifier->spool);
		if (name == NULL) {
			walk_end(notifier);
			return;
		}
		if (!queue_knows(notifier->queue, name))
			take(notifier, name, QUEUE_BACKLOG);
	}
}

int64_t intake_due(const struct notifier *notifier, int64_t now)
{
	if (!queue_has_room(notifier->queue, QUEUE_BACKLOG, true))
		return INT64_MAX;
	if (spool_walking(notifier->spool))
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
	queue_expire(notifier->queue, time(NULL) - SCHEDULE_DEADLINE, discard_expired, notifier);
}
