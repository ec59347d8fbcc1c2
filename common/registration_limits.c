/*
 * registration_limits - how much of what the machine has, and how many new accounts in a time
 *
 * Of each source the table keeps the time at which its bucket is full again (GCRA's theoretical
 * arrival time): an account moves it one interval into the future, and is refused if that would be
 * more than the whole period ahead. An entry whose time has passed is a free place.
 *
 * The file is locked by flock() while it is looked at or changed; the kernel drops the lock of a
 * process that dies. A half-done change is one wrong time of one source, never a broken table.
 */
#include "registration_limits.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define LIMITS_VERSION 1
#define WAYS           8
#define SETS           (CM_LIMITS_SOURCES / WAYS)
#define HOUR_MS        (UINT64_C(3600) * 1000)
#define MINUTE_MS      (UINT64_C(60) * 1000)

static const char limits_magic[8] = "CMLIMIT";

struct limits_entry {
	uint64_t source; /* its keyed hash */
	uint64_t full_ms;
};

struct limits_file {
	char magic[sizeof(limits_magic)];
	uint64_t version;
	uint64_t key[2];
	uint64_t total_full_ms;
	uint64_t reserved[3];
	struct limits_entry entry[SETS][WAYS];
};

struct cm_limits {
	struct limits_file *file;
	int fd;
	pthread_mutex_t mutex; /* flock() does not tell the threads of one process apart */
};

/* Resources */

static bool available_memory(uint64_t *bytes_r, struct cm_error *err)
{
	FILE *file = fopen("/proc/meminfo", "re");
	unsigned long long kilobytes;
	char line[256];
	bool found = false;

	if (file == NULL) {
		cm_error_set_errno(err, "/proc/meminfo");
		return false;
	}
	while (!found && fgets(line, sizeof(line), file) != NULL)
		found = sscanf(line, "MemAvailable: %llu kB", &kilobytes) == 1;
	fclose(file);
	if (found)
		*bytes_r = (uint64_t)kilobytes * 1024;
	else
		cm_error_set(err, "/proc/meminfo: no MemAvailable");
	return found;
}

/* The file system of mailboxes_dir, or of where it will be. */
static bool free_disk_space(const char *directory, uint64_t *bytes_r, struct cm_error *err)
{
	char *path = strdup(directory);
	struct statvfs st;
	char *slash;
	int result = -1;

	if (path == NULL)
		errno = ENOMEM;
	else
		while ((result = statvfs(path, &st)) < 0 && errno == ENOENT &&
		       (slash = strrchr(path, '/')) != NULL && slash[1] != '\0')
			slash[slash == path] = '\0';
	if (result == 0)
		*bytes_r = (uint64_t)st.f_bavail * st.f_frsize;
	else
		cm_error_set_errno(err, "%s: free disk space", directory);
	free(path);
	return result == 0;
}

enum cm_resource cm_limits_resources(const struct cm_config *config, struct cm_error *err)
{
	double load;
	uint64_t bytes;

	if (config->max_load_1m > 0) {
		if (getloadavg(&load, 1) != 1) {
			cm_error_set(err, "the system does not tell its load");
			return CM_RESOURCE_TROUBLE;
		}
		if (load > config->max_load_1m)
			return CM_RESOURCE_LOAD;
	}
	if (config->min_available_memory > 0) {
		if (!available_memory(&bytes, err))
			return CM_RESOURCE_TROUBLE;
		if (bytes < config->min_available_memory)
			return CM_RESOURCE_MEMORY;
	}
	if (config->min_free_disk_space > 0) {
		if (!free_disk_space(config->mailboxes_dir, &bytes, err))
			return CM_RESOURCE_TROUBLE;
		if (bytes < config->min_free_disk_space)
			return CM_RESOURCE_DISK;
	}
	return CM_RESOURCE_OK;
}

/* Sources */

struct cm_source cm_source_ipv4(const struct in_addr *address)
{
	struct cm_source source = {.length = sizeof(address->s_addr)};

	memcpy(source.bytes, &address->s_addr, sizeof(address->s_addr));
	return source;
}

struct cm_source cm_source_ipv6(const struct in6_addr *address)
{
	struct cm_source source = {.length = 8};
	struct in_addr mapped;

	if (IN6_IS_ADDR_V4MAPPED(address)) {
		memcpy(&mapped.s_addr, address->s6_addr + 12, sizeof(mapped.s_addr));
		return cm_source_ipv4(&mapped);
	}
	memcpy(source.bytes, address->s6_addr, source.length);
	return source;
}

/* The file */

static bool header_matches(const struct limits_file *file)
{
	return memcmp(file->magic, limits_magic, sizeof(limits_magic)) == 0 &&
	       file->version == LIMITS_VERSION;
}

/* Under the lock. */
static bool make_header(struct limits_file *file, struct cm_error *err)
{
	if (getrandom(file->key, sizeof(file->key), 0) != (ssize_t)sizeof(file->key)) {
		cm_error_set_errno(err, "random numbers");
		return false;
	}
	file->version = LIMITS_VERSION;
	memcpy(file->magic, limits_magic, sizeof(limits_magic));
	return true;
}

static bool lock_file(int fd)
{
	int result;

	while ((result = flock(fd, LOCK_EX)) < 0 && errno == EINTR)
		;
	return result == 0;
}

enum open_result {
	OPEN_OK,
	OPEN_AGAIN, /* the file was replaced, or must be */
	OPEN_TROUBLE,
};

/* Maps the locked file. Of a wrong size or content it is removed, for the next attempt to make. */
static enum open_result map_locked(struct cm_limits *limits, const char *path, struct cm_error *err)
{
	struct stat st, named;

	if (fstat(limits->fd, &st) < 0) {
		cm_error_set_errno(err, "%s", path);
		return OPEN_TROUBLE;
	}
	if (stat(path, &named) < 0 || named.st_ino != st.st_ino || named.st_dev != st.st_dev)
		return OPEN_AGAIN;
	/* Not ftruncate(): a hole that a full tmpfs cannot fill later would be a SIGBUS. */
	if (st.st_size == 0) {
		errno = posix_fallocate(limits->fd, 0, sizeof(struct limits_file));
		if (errno != 0) {
			cm_error_set_errno(err, "%s: cannot be made", path);
			return OPEN_TROUBLE;
		}
		st.st_size = sizeof(struct limits_file);
	}
	if (st.st_size == sizeof(struct limits_file)) {
		limits->file = mmap(NULL, sizeof(struct limits_file), PROT_READ | PROT_WRITE,
				    MAP_SHARED, limits->fd, 0);
		if (limits->file == MAP_FAILED) {
			limits->file = NULL;
			cm_error_set_errno(err, "%s: cannot be mapped", path);
			return OPEN_TROUBLE;
		}
		if (header_matches(limits->file))
			return OPEN_OK;
		if (limits->file->version == 0)
			return make_header(limits->file, err) ? OPEN_OK : OPEN_TROUBLE;
	}
	if (unlink(path) < 0 && errno != ENOENT) {
		cm_error_set_errno(err, "%s: cannot be replaced", path);
		return OPEN_TROUBLE;
	}
	return OPEN_AGAIN;
}

static enum open_result open_once(struct cm_limits *limits, const char *path, struct cm_error *err)
{
	enum open_result result;

	/* O_NONBLOCK: nobody who puts a FIFO here may stop us. */
	limits->fd =
	    open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, S_IRUSR | S_IWUSR);
	if (limits->fd < 0 || !lock_file(limits->fd)) {
		cm_error_set_errno(err, "%s: cannot be opened", path);
		result = OPEN_TROUBLE;
	} else {
		result = map_locked(limits, path, err);
		flock(limits->fd, LOCK_UN);
	}
	if (result != OPEN_OK && limits->file != NULL) {
		munmap(limits->file, sizeof(*limits->file));
		limits->file = NULL;
	}
	if (result != OPEN_OK && limits->fd >= 0)
		close(limits->fd);
	return result;
}

struct cm_limits *cm_limits_open(const char *run_dir, struct cm_error *err)
{
	struct cm_limits *limits = calloc(1, sizeof(*limits));
	enum open_result result = OPEN_AGAIN;
	char *path;

	if (limits == NULL || asprintf(&path, "%s/" CM_LIMITS_FILE, run_dir) < 0) {
		cm_error_set(err, "out of memory");
		free(limits);
		return NULL;
	}
	pthread_mutex_init(&limits->mutex, NULL);
	/* Each further attempt means that somebody else made or removed the file just now. */
	for (int attempt = 0; attempt < 10 && result == OPEN_AGAIN; attempt++)
		result = open_once(limits, path, err);
	if (result == OPEN_AGAIN)
		cm_error_set(err, "%s: keeps changing", path);
	free(path);
	if (result == OPEN_OK)
		return limits;
	pthread_mutex_destroy(&limits->mutex);
	free(limits);
	return NULL;
}

void cm_limits_close(struct cm_limits **limits)
{
	if (*limits == NULL)
		return;
	munmap((*limits)->file, sizeof(*(*limits)->file));
	close((*limits)->fd);
	pthread_mutex_destroy(&(*limits)->mutex);
	free(*limits);
	*limits = NULL;
}

/* Rates */

static uint64_t mix(uint64_t value)
{
	value = (value ^ value >> 32) * UINT64_C(0xd6e8feb86659fd93);
	value = (value ^ value >> 32) * UINT64_C(0xd6e8feb86659fd93);
	return value ^ value >> 32;
}

/* Never 0, which is an entry that was never used. */
static uint64_t hash_source(const struct limits_file *file, const struct cm_source *source)
{
	uint64_t bytes, hash;

	memcpy(&bytes, source->bytes, sizeof(bytes));
	hash = mix(mix(bytes ^ file->key[0]) + source->length + file->key[1]);
	return hash != 0 ? hash : 1;
}

/* The source's entry; or the one that it may take, which is then of another source. */
static struct limits_entry *find_entry(struct limits_file *file, uint64_t source)
{
	struct limits_entry *set = file->entry[source % SETS];
	struct limits_entry *oldest = set;

	for (size_t i = 0; i < WAYS; i++) {
		if (set[i].source == source)
			return &set[i];
		if (set[i].full_ms < oldest->full_ms)
			oldest = &set[i];
	}
	return oldest;
}

/* When the bucket is full again after one more; 0 if it has not that much. A time further ahead
   than a period was written before the clock was set back: then the bucket is full. */
static uint64_t after_one(uint64_t full_ms, uint64_t now_ms, uint64_t period_ms, unsigned int limit)
{
	uint64_t interval_ms = period_ms / limit;

	if (full_ms < now_ms || full_ms > now_ms + period_ms)
		full_ms = now_ms;
	return full_ms + interval_ms > now_ms + period_ms ? 0 : full_ms + interval_ms;
}

static enum cm_rate take_locked(struct limits_file *file, const struct cm_config *config,
				const struct cm_source *source, uint64_t now_ms)
{
	unsigned int per_source = config->max_new_accounts_per_ip_per_hour;
	unsigned int total = config->max_new_accounts_per_minute;
	uint64_t source_after = 0, total_after = 0, hash = 0;
	struct limits_entry *entry = NULL;

	if (per_source > 0 && source->length > 0) {
		hash = hash_source(file, source);
		entry = find_entry(file, hash);
		source_after = after_one(entry->source == hash ? entry->full_ms : 0, now_ms,
					 HOUR_MS, per_source);
		if (source_after == 0)
			return CM_RATE_SOURCE;
	}
	if (total > 0) {
		total_after = after_one(file->total_full_ms, now_ms, MINUTE_MS, total);
		if (total_after == 0)
			return CM_RATE_TOTAL;
		file->total_full_ms = total_after;
	}
	if (entry != NULL)
		*entry = (struct limits_entry){hash, source_after};
	return CM_RATE_OK;
}

enum cm_rate cm_limits_take(struct cm_limits *limits, const struct cm_config *config,
			    const struct cm_source *source, uint64_t now_ms, struct cm_error *err)
{
	enum cm_rate rate = CM_RATE_TROUBLE;

	pthread_mutex_lock(&limits->mutex);
	if (lock_file(limits->fd)) {
		rate = take_locked(limits->file, config, source, now_ms);
		flock(limits->fd, LOCK_UN);
	} else {
		cm_error_set_errno(err, "rates of new accounts: cannot be locked");
	}
	pthread_mutex_unlock(&limits->mutex);
	return rate;
}

static uint64_t one_earlier(uint64_t full_ms, uint64_t period_ms, unsigned int limit)
{
	uint64_t interval_ms = period_ms / limit;

	return full_ms > interval_ms ? full_ms - interval_ms : 0;
}

static void give_back_locked(struct limits_file *file, const struct cm_config *config,
			     const struct cm_source *source)
{
	unsigned int per_source = config->max_new_accounts_per_ip_per_hour;
	unsigned int total = config->max_new_accounts_per_minute;

	if (per_source > 0 && source->length > 0) {
		uint64_t hash = hash_source(file, source);
		struct limits_entry *entry = find_entry(file, hash);

		if (entry->source == hash)
			entry->full_ms = one_earlier(entry->full_ms, HOUR_MS, per_source);
	}
	if (total > 0)
		file->total_full_ms = one_earlier(file->total_full_ms, MINUTE_MS, total);
}

void cm_limits_give_back(struct cm_limits *limits, const struct cm_config *config,
			 const struct cm_source *source)
{
	pthread_mutex_lock(&limits->mutex);
	if (lock_file(limits->fd)) {
		give_back_locked(limits->file, config, source);
		flock(limits->fd, LOCK_UN);
	}
	pthread_mutex_unlock(&limits->mutex);
}
