#include "blocked_senders.h"

#include "log.h"
#include "rfc5322.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* A file's times are as coarse as the ticks of a slow clock: two changes within a few milliseconds
 * may get the same time. Until the last change is this old, the file is read each time. */
#define SETTLED_SECONDS 2

/* The file's text, cut into entries in place, and the entries sorted. */
struct list {
	char *text;
	const char **entry;
	size_t count;
};

struct cm_blocked_senders {
	atomic_uint owners;
	char *path;
	pthread_rwlock_t lock;
	struct stat seen; /* of the file as it was read, or tried */
	bool settled;     /* an unchanged status means unchanged content */
	bool trouble;     /* reported */
	struct list list;
};

static void free_list(struct list *list)
{
	free(list->text);
	free(list->entry);
	*list = (struct list){0};
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Normalizes one line in place. Returns its entry, or NULL if it has none. */
static char *cut_line(char *line)
{
	size_t length = strcspn(line, "#");
	char *entry = (char *)cm_trim(line, &length);

	entry[length] = '\0';
	for (size_t i = 0; i < length; i++)
		entry[i] = cm_lower(entry[i]);
	return length > 0 ? entry : NULL;
}

static bool parse(struct list *list)
{
	size_t lines = 1;
	char *rest = list->text;
	char *line;

	for (const char *c = list->text; *c != '\0'; c++)
		lines += *c == '\n';
	list->entry = calloc(lines, sizeof(*list->entry));
	if (list->entry == NULL)
		return false;
	while ((line = strsep(&rest, "\n")) != NULL) {
		char *entry = cut_line(line);

		if (entry != NULL)
			list->entry[list->count++] = entry;
	}
	qsort(list->entry, list->count, sizeof(*list->entry), compare);
	return true;
}

static bool read_all(int fd, char *text, size_t length)
{
	while (length > 0) {
		ssize_t got = read(fd, text, length);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			errno = got == 0 ? EAGAIN : errno; /* it shrank: read it again */
			return false;
		}
		text += got;
		length -= (size_t)got;
	}
	return true;
}

static bool load(const char *path, struct list *list_r, struct stat *seen_r)
{
	struct list list = {0};
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	bool loaded = false;
	int saved;

	if (fd == -1)
		return false;
	if (fstat(fd, seen_r) == -1)
		goto out;
	errno = EFBIG;
	if (!S_ISREG(seen_r->st_mode) || seen_r->st_size > CM_BLOCKED_SENDERS_BYTES_MAX)
		goto out;
	list.text = calloc(1, (size_t)seen_r->st_size + 1);
	if (list.text == NULL || !read_all(fd, list.text, (size_t)seen_r->st_size) || !parse(&list))
		goto out;
	*list_r = list;
	loaded = true;
out:
	saved = errno;
	if (!loaded)
		free_list(&list);
	close(fd);
	errno = saved;
	return loaded;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* A time in the future means that the clock was set: do not wait for it. */
static bool is_settled(const struct stat *seen, const struct timespec *now)
{
	return seen->st_ctim.tv_sec + SETTLED_SECONDS < now->tv_sec ||
	       seen->st_ctim.tv_sec > now->tv_sec + SETTLED_SECONDS;
}

/* Called with the lock held for writing. */
static void reload(struct cm_blocked_senders *blocked)
{
	struct list list;
	struct stat seen;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (load(blocked->path, &list, &seen)) {
		free_list(&blocked->list);
		blocked->list = list;
		blocked->seen = seen;
		blocked->settled = is_settled(&seen, &now);
		if (blocked->trouble)
			cm_log(LOG_INFO, "%s can be read again", blocked->path);
		blocked->trouble = false;
		return;
	}
	if (!blocked->trouble)
		cm_log(LOG_WARNING, "%s: %s; the list of blocked senders stays as it was",
		       blocked->path, strerror(errno));
	blocked->trouble = true;
}

static bool is_current(const struct cm_blocked_senders *blocked)
{
	struct stat now;

	return blocked->settled && stat(blocked->path, &now) == 0 &&
	       same_file(&now, &blocked->seen);
}

struct cm_blocked_senders *cm_blocked_senders_new(const char *path)
{
	struct cm_blocked_senders *blocked = calloc(1, sizeof(*blocked));

	if (blocked == NULL)
		return NULL;
	blocked->path = strdup(path);
	if (blocked->path == NULL) {
		free(blocked);
		return NULL;
	}
	pthread_rwlock_init(&blocked->lock, NULL);
	atomic_init(&blocked->owners, 1);
	return blocked;
}

struct cm_blocked_senders *cm_blocked_senders_renew(struct cm_blocked_senders *old,
						    const char *path)
{
	if (strcmp(old->path, path) != 0)
		return cm_blocked_senders_new(path);
	atomic_fetch_add(&old->owners, 1);
	return old;
}

void cm_blocked_senders_free(struct cm_blocked_senders **blocked)
{
	struct cm_blocked_senders *mine = blocked != NULL ? *blocked : NULL;

	if (mine == NULL)
		return;
	*blocked = NULL;
	if (atomic_fetch_sub(&mine->owners, 1) > 1)
		return;
	pthread_rwlock_destroy(&mine->lock);
	free_list(&mine->list);
	free(mine->path);
	free(mine);
}

static bool is_listed(const struct list *list, const char *text)
{
	return list->count > 0 &&
	       bsearch(&text, list->entry, list->count, sizeof(*list->entry), compare) != NULL;
}

static bool match(const struct list *list, const struct cm_address *address)
{
	const char *domain = cm_address_domain(address);

	if (is_listed(list, address->text) || is_listed(list, domain))
		return true;
	for (const char *dot = strchr(domain, '.'); dot != NULL; dot = strchr(dot + 1, '.')) {
		if (is_listed(list, dot))
			return true;
	}
	return false;
}

bool cm_blocked_senders_match(struct cm_blocked_senders *blocked, const struct cm_address *address)
{
	bool matches;

	if (blocked->path[0] == '\0')
		return false;
	pthread_rwlock_rdlock(&blocked->lock);
	if (!is_current(blocked)) {
		pthread_rwlock_unlock(&blocked->lock);
		pthread_rwlock_wrlock(&blocked->lock);
		if (!is_current(blocked))
			reload(blocked);
	}
	matches = match(&blocked->list, address);
	pthread_rwlock_unlock(&blocked->lock);
	return matches;
}
