#include "peer_list.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "file.h"
#include "log.h"

/* A file's times are as coarse as the ticks of a slow clock: two changes within a few milliseconds
 * may get the same time. Until the last change is this old, the file is read each time. */
#define SETTLED_SECONDS 2

/* The end of an entry without a date. */
#define FOREVER INT64_MAX

struct entry {
	const char *text;
	int64_t end; /* Unix time of the first second at which it does not count any more */
};

/* The file's text, cut into entries in place, and the entries sorted. */
struct entries {
	char *text;
	struct entry *entry;
	size_t count;
};

struct cm_peer_list {
	atomic_uint owners;
	char *path;
	pthread_rwlock_t lock;
	struct stat seen; /* of the file when it was last read, or when reading failed */
	bool settled;     /* an unchanged status means unchanged content */
	bool trouble;     /* an error was reported */
	struct entries entries;
};

static void free_entries(struct entries *entries)
{
	free(entries->text);
	free(entries->entry);
	*entries = (struct entries){0};
}

/* Of two entries for one text the one that lasts longer comes first. */
static int compare(const void *a, const void *b)
{
	const struct entry *one = a, *other = b;
	int order = strcmp(one->text, other->text);

	return order != 0 ? order : (one->end < other->end) - (one->end > other->end);
}

/* "2026-12-31": the end of that day. False if it is not a date. */
static bool read_date(const char *text, int64_t *end_r)
{
	struct tm date = {.tm_isdst = 0}, day;
	char trailing;
	time_t begin;

	if (strlen(text) != strlen("2026-12-31") ||
	    sscanf(text, "%4d-%2d-%2d%c", &date.tm_year, &date.tm_mon, &date.tm_mday, &trailing) !=
		3)
		return false;
	date.tm_year -= 1900;
	date.tm_mon -= 1;
	day = date;
	begin = timegm(&date);
	/* The 31st of February would become another day. */
	if (date.tm_mday != day.tm_mday || date.tm_mon != day.tm_mon)
		return false;
	*end_r = (int64_t)begin + 86400;
	return true;
}

/* Reads one line, in place. False if it is malformed; an empty line is an entry without text. */
static bool read_line(char *line, struct entry *entry_r)
{
	char *rest = line, *word[4] = {NULL};
	size_t count = 0;

	line[strcspn(line, "#")] = '\0';
	for (char *c = line; *c != '\0'; c++)
		*c = (char)tolower((unsigned char)*c);
	while (count < 4 && (word[count] = strtok_r(rest, " \t\r", &rest)) != NULL)
		count++;
	*entry_r = (struct entry){word[0], FOREVER};
	return count <= 1 ||
	       (count == 3 && strcmp(word[1], "until") == 0 && read_date(word[2], &entry_r->end));
}

static bool parse(const char *path, struct entries *list)
{
	size_t lines = 1, number = 0;
	char *rest = list->text;
	char *line;

	for (const char *c = list->text; *c != '\0'; c++)
		lines += *c == '\n';
	list->entry = calloc(lines, sizeof(*list->entry));
	if (list->entry == NULL)
		return false;
	while ((line = strsep(&rest, "\n")) != NULL) {
		struct entry entry;

		number++;
		if (!read_line(line, &entry))
			cm_log(LOG_WARNING, "%s: line %zu is malformed and ignored", path, number);
		else if (entry.text != NULL)
			list->entry[list->count++] = entry;
	}
	qsort(list->entry, list->count, sizeof(*list->entry), compare);
	return true;
}

static bool read_all(int fd, char *text, size_t length)
{
	ssize_t got = cm_file_read_fully(fd, text, length);

	if (got >= 0 && (size_t)got < length)
		errno = EAGAIN; /* it shrank: read it again */
	return got == (ssize_t)length;
}

static bool load(const char *path, struct entries *list_r, struct stat *seen_r)
{
	struct entries list = {0};
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	bool loaded = false;

	if (fd == -1)
		return false;
	if (fstat(fd, seen_r) == -1)
		goto out;
	errno = EFBIG;
	if (!S_ISREG(seen_r->st_mode) || seen_r->st_size > CM_PEER_LIST_BYTES_MAX)
		goto out;
	list.text = calloc(1, (size_t)seen_r->st_size + 1);
	if (list.text == NULL || !read_all(fd, list.text, (size_t)seen_r->st_size) ||
	    !parse(path, &list))
		goto out;
	*list_r = list;
	loaded = true;
out:
	if (!loaded)
		free_entries(&list);
	cm_file_close(fd);
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
static void reload(struct cm_peer_list *list)
{
	struct entries entries;
	struct stat seen;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (load(list->path, &entries, &seen)) {
		free_entries(&list->entries);
		list->entries = entries;
		list->seen = seen;
		list->settled = is_settled(&seen, &now);
		if (list->trouble)
			cm_log(LOG_INFO, "%s can be read again", list->path);
		list->trouble = false;
		return;
	}
	if (!list->trouble)
		cm_log(LOG_WARNING, "%s: %s; the list stays as it was", list->path,
		       strerror(errno));
	list->trouble = true;
}

static bool is_current(const struct cm_peer_list *list)
{
	struct stat now;

	return list->settled && stat(list->path, &now) == 0 && same_file(&now, &list->seen);
}

struct cm_peer_list *cm_peer_list_new(const char *path)
{
	struct cm_peer_list *list = calloc(1, sizeof(*list));

	if (list == NULL)
		return NULL;
	list->path = strdup(path);
	if (list->path == NULL) {
		free(list);
		return NULL;
	}
	pthread_rwlock_init(&list->lock, NULL);
	atomic_init(&list->owners, 1);
	return list;
}

struct cm_peer_list *cm_peer_list_renew(struct cm_peer_list *old, const char *path)
{
	if (strcmp(old->path, path) != 0)
		return cm_peer_list_new(path);
	atomic_fetch_add(&old->owners, 1);
	return old;
}

void cm_peer_list_free(struct cm_peer_list **list)
{
	struct cm_peer_list *mine = list != NULL ? *list : NULL;

	if (mine == NULL)
		return;
	*list = NULL;
	if (atomic_fetch_sub(&mine->owners, 1) > 1)
		return;
	pthread_rwlock_destroy(&mine->lock);
	free_entries(&mine->entries);
	free(mine->path);
	free(mine);
}

static bool is_listed(const struct entries *list, const char *text, int64_t now)
{
	size_t low = 0, high = list->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(list->entry[middle].text, text) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < list->count && strcmp(list->entry[low].text, text) == 0 &&
	       now < list->entry[low].end;
}

static bool match(const struct entries *list, const char *address, const char *domain)
{
	int64_t now = time(NULL);

	if ((address != NULL && is_listed(list, address, now)) || is_listed(list, domain, now))
		return true;
	for (const char *dot = strchr(domain, '.'); dot != NULL; dot = strchr(dot + 1, '.')) {
		if (is_listed(list, dot, now))
			return true;
	}
	return false;
}

/* address: NULL to look up only the domain. */
static bool look_up(struct cm_peer_list *list, const char *address, const char *domain)
{
	bool matches;

	if (list->path[0] == '\0')
		return false;
	pthread_rwlock_rdlock(&list->lock);
	if (!is_current(list)) {
		pthread_rwlock_unlock(&list->lock);
		pthread_rwlock_wrlock(&list->lock);
		if (!is_current(list))
			reload(list);
	}
	matches = match(&list->entries, address, domain);
	pthread_rwlock_unlock(&list->lock);
	return matches;
}

bool cm_peer_list_match(struct cm_peer_list *list, const struct cm_address *address)
{
	return look_up(list, address->text, cm_address_domain(address));
}

bool cm_peer_list_match_domain(struct cm_peer_list *list, const char *domain)
{
	return look_up(list, NULL, domain);
}
