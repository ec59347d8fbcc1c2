#include "storage.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "directory.h"
#include "progress.h"

#define DAY 86400
#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)

const unsigned int cm_storage_seen_days[CM_STORAGE_SEEN_COUNT] = {1, 10, 30, 40, 80, 100, 150};
const uint64_t cm_storage_sizes[CM_STORAGE_SIZE_COUNT] = {
    0, 100 * KIB, 512 * KIB, MIB, 2 * MIB, 5 * MIB, 10 * MIB,
};
const unsigned int cm_storage_age_days[CM_STORAGE_AGE_COUNT] = {0, 1, 3, 7, 14, 20, 30, 90};

static time_t days_before(const struct cm_storage_filter *filter, unsigned int days)
{
	return filter->now - (time_t)days * DAY;
}

/* Counts one account by the time when it was last seen. */
static void count_account(struct cm_storage *storage, const struct cm_storage_filter *filter,
			  const char *name, time_t seen)
{
	storage->accounts++;
	if (strncmp(name, "ci-", 3) == 0) {
		storage->ci_accounts++;
		return;
	}
	for (size_t i = 0; i < CM_STORAGE_SEEN_COUNT; i++)
		storage->active[i] += seen >= days_before(filter, cm_storage_seen_days[i]);
}

/* True if the classes include the messages of an account last seen at that time. */
static bool classifies(const struct cm_storage_filter *filter, time_t seen)
{
	return seen <= days_before(filter, filter->min_login_age);
}

static void count(struct cm_storage_class *class, uint64_t size)
{
	class->count++;
	class->bytes += size;
}

static void count_file(struct cm_storage *storage, const struct cm_storage_filter *filter,
		       bool classify, enum cm_maildir_part part, uint64_t size, time_t modified)
{
	if (part == CM_MAILDIR_EXTRA) {
		count(&storage->extra, size);
		return;
	}
	count(&storage->messages, size);
	if (!classify || (filter->part != CM_MAILDIR_EXTRA && filter->part != part))
		return;
	for (size_t i = 0; i < CM_STORAGE_SIZE_COUNT && size >= cm_storage_sizes[i]; i++)
		count(&storage->by_size[i], size);
	/* A time stamp in the future counts in the first class. */
	count(&storage->by_age[0], size);
	for (size_t i = 1; i < CM_STORAGE_AGE_COUNT; i++) {
		if (modified <= days_before(filter, cm_storage_age_days[i]))
			count(&storage->by_age[i], size);
	}
}

/* The mailbox that is being read. */
struct visit {
	struct cm_storage *storage;
	const struct cm_storage_filter *filter;
	bool classify;
};

static void visit_file(const struct cm_maildir_file *file, void *context)
{
	const struct visit *visit = context;
	struct stat st;

	if (cm_maildir_file_stat(file, &st))
		count_file(visit->storage, visit->filter, visit->classify, file->part,
			   (uint64_t)st.st_size, st.st_mtime);
}

static void collect_mailbox(struct cm_storage *storage, const struct cm_storage_filter *filter,
			    int mailboxes_fd, const char *name)
{
	struct visit visit = {.storage = storage, .filter = filter};
	int fd = cm_directory_open(mailboxes_fd, name);
	time_t seen;

	if (fd < 0) {
		storage->troubles += errno != ENOENT && errno != ENOTDIR && errno != ELOOP;
		return;
	}
	if (cm_maildir_last_seen(fd, &seen)) {
		count_account(storage, filter, name, seen);
		visit.classify = classifies(filter, seen);
	} else
		storage->without_password++;
	if (!cm_maildir_walk(fd, visit_file, &visit, NULL))
		storage->troubles++;
	close(fd);
}

bool cm_storage_collect(struct cm_storage *storage, const struct cm_storage_filter *filter,
			const char *mailboxes_dir, struct cm_error *err)
{
	struct cm_mailboxes *mailboxes = cm_mailboxes_open(mailboxes_dir, err);
	struct cm_progress progress;
	const char *name;
	uint64_t done;
	bool good;

	memset(storage, 0, sizeof(*storage));
	if (mailboxes == NULL)
		return false;
	cm_progress_begin(&progress, "accounts", 0);
	for (done = 1;; done++) {
		good = cm_mailboxes_next(mailboxes, &name, err);
		if (!good || name == NULL)
			break;
		collect_mailbox(storage, filter, cm_mailboxes_fd(mailboxes), name);
		cm_progress_update(&progress, done);
	}
	cm_progress_end(&progress);
	cm_mailboxes_close(&mailboxes);
	return good;
}
