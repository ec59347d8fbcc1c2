/*
 * stats - counters, gauges and histograms shared by all our processes
 *
 * The file is a header (struct stats_header) followed by one 64-bit cell per counter and gauge and
 * CM_STATS_BUCKETS + 1 cells per histogram, in the order of stats_metrics.def. The header carries a
 * hash of that table, so two programs that count differently never share a file.
 *
 * A file is made whole under a temporary name and renamed, with the directory locked by flock(): a
 * reader never sees half of one, and of two makers the second takes what the first made. Whoever
 * holds an older file keeps counting into it, unseen, until it is restarted.
 */
#include "stats.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h> /* renameat() */
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define STATS_VERSION 1
#define STATS_MODE    0660

static const char stats_magic[8] = "CMSTATS";

typedef _Atomic uint64_t stats_cell;

/* A lock in the process would be no protection between processes. */
static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "64-bit atomics must be lock-free");
static_assert(sizeof(stats_cell) == sizeof(uint64_t), "atomics must be plain cells");

struct stats_histogram_cells {
	stats_cell bucket[CM_STATS_BUCKETS];
	stats_cell sum;
};

struct stats_header {
	char magic[sizeof(stats_magic)];
	uint32_t version;
	uint32_t size;        /* of the whole file */
	uint64_t hash;        /* of the metric table */
	uint64_t reserved[5]; /* the cells begin on a cache line of their own */
};

static_assert(sizeof(struct stats_header) == 64, "the header is one cache line");

struct stats_file {
	struct stats_header header;
	struct {
#define CM_COUNTER(id, metric, labels, help)   stats_cell id;
#define CM_GAUGE(id, metric, labels, help)     stats_cell id;
#define CM_HISTOGRAM(id, metric, labels, help) struct stats_histogram_cells id;
#include "stats_metrics.def"
#undef CM_COUNTER
#undef CM_GAUGE
#undef CM_HISTOGRAM
	} cells;
};

struct cm_stats {
	struct stats_file *file;
};

static const struct cm_stat_description descriptions[CM_STAT_COUNT] = {
#define CM_COUNTER(id, metric, labels, help)   {CM_STAT_KIND_COUNTER, metric, labels, help},
#define CM_GAUGE(id, metric, labels, help)     {CM_STAT_KIND_GAUGE, metric, labels, help},
#define CM_HISTOGRAM(id, metric, labels, help) {CM_STAT_KIND_HISTOGRAM, metric, labels, help},
#include "stats_metrics.def"
#undef CM_COUNTER
#undef CM_GAUGE
#undef CM_HISTOGRAM
};

static const uint32_t offsets[CM_STAT_COUNT] = {
#define CM_COUNTER(id, metric, labels, help)   offsetof(struct stats_file, cells.id),
#define CM_GAUGE(id, metric, labels, help)     offsetof(struct stats_file, cells.id),
#define CM_HISTOGRAM(id, metric, labels, help) offsetof(struct stats_file, cells.id),
#include "stats_metrics.def"
#undef CM_COUNTER
#undef CM_GAUGE
#undef CM_HISTOGRAM
};

static uint64_t hash_text(uint64_t hash, const char *text)
{
	/* FNV-1a; the terminating NUL counts, so that "a","b" is not "ab","". */
	do {
		hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	} while (*text++ != '\0');
	return hash;
}

static uint64_t table_hash(void)
{
	static const char *const kinds[] = {"counter", "gauge", "histogram"};
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < CM_STAT_COUNT; i++) {
		hash = hash_text(hash, kinds[descriptions[i].kind]);
		hash = hash_text(hash, descriptions[i].metric);
		hash = hash_text(hash, descriptions[i].labels);
	}
	return hash;
}

static bool header_matches(const struct stats_header *header)
{
	return memcmp(header->magic, stats_magic, sizeof(stats_magic)) == 0 &&
	       header->version == STATS_VERSION && header->size == sizeof(struct stats_file) &&
	       header->hash == table_hash();
}

enum map_result {
	MAP_OK,
	MAP_REPLACE, /* there is none, it is of another layout, or not for us */
	MAP_TROUBLE, /* errno says why */
};

static enum map_result map_file(int dir, struct stats_file **file_r)
{
	/* O_NONBLOCK: nobody who puts a FIFO here may stop us. */
	int fd = openat(dir, CM_STATS_FILE, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	enum map_result result = MAP_REPLACE;
	struct stats_file *file;
	struct stat st;

	/* One that somebody else made is in the way, too: who owns the directory may replace it. */
	if (fd < 0)
		return errno == ENOENT || errno == ELOOP || errno == EACCES ? MAP_REPLACE
									    : MAP_TROUBLE;
	if (fstat(fd, &st) < 0) {
		result = MAP_TROUBLE;
	} else if (S_ISREG(st.st_mode) && st.st_size == sizeof(struct stats_file)) {
		file = mmap(NULL, sizeof(*file), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (file == MAP_FAILED) {
			result = MAP_TROUBLE;
		} else if (!header_matches(&file->header)) {
			munmap(file, sizeof(*file));
		} else {
			*file_r = file;
			result = MAP_OK;
		}
	}
	int saved_errno = errno;
	close(fd);
	errno = saved_errno;
	return result;
}

/* Writes every page, so that a full tmpfs is an error here and no SIGBUS later. */
static bool write_new_file(int fd)
{
	struct stats_file file;

	memset(&file, 0, sizeof(file));
	memcpy(file.header.magic, stats_magic, sizeof(stats_magic));
	file.header.version = STATS_VERSION;
	file.header.size = sizeof(file);
	file.header.hash = table_hash();
	file.cells.COUNTING_SINCE_SECONDS = (uint64_t)time(NULL);
	ssize_t written = write(fd, &file, sizeof(file));
	if (written >= 0 && (size_t)written != sizeof(file))
		errno = ENOSPC;
	return written == (ssize_t)sizeof(file);
}

/* The file belongs to whom the directory belongs: root, running chatmailctl before the daemons are
   up, must not lock them out. */
static bool give_to_directory_owner(int dir, int fd)
{
	struct stat st;

	if (fstat(dir, &st) < 0)
		return false;
	if (geteuid() == 0 && fchown(fd, st.st_uid, st.st_gid) < 0)
		return false;
	return fchmod(fd, STATS_MODE) == 0;
}

/* The directory's lock is held, so the temporary name is ours; one left by a crash is removed. */
static bool create_file(int dir)
{
	static const char temporary[] = "." CM_STATS_FILE ".new";
	int fd;

	if (unlinkat(dir, temporary, 0) < 0 && errno != ENOENT)
		return false;
	fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    STATS_MODE);
	if (fd < 0)
		return false;
	bool ok = give_to_directory_owner(dir, fd) && write_new_file(fd) &&
		  renameat(dir, temporary, dir, CM_STATS_FILE) == 0;
	int saved_errno = errno;
	if (!ok)
		unlinkat(dir, temporary, 0);
	close(fd);
	errno = saved_errno;
	return ok;
}

static struct stats_file *open_or_create(int dir)
{
	struct stats_file *file = NULL;
	enum map_result result = map_file(dir, &file);

	if (result != MAP_REPLACE)
		return file;
	while (flock(dir, LOCK_EX) < 0)
		if (errno != EINTR)
			return NULL;
	result = map_file(dir, &file);
	if (result == MAP_REPLACE && create_file(dir))
		map_file(dir, &file);
	return file;
}

struct cm_stats *cm_stats_open(const char *run_dir, struct cm_error *err)
{
	struct cm_stats *stats = calloc(1, sizeof(*stats));
	int dir;

	if (stats == NULL) {
		cm_error_set(err, "%s: out of memory", run_dir);
		return NULL;
	}
	dir = open(run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0)
		stats->file = open_or_create(dir);
	if (stats->file == NULL) {
		cm_error_set_errno(err, "%s/%s: cannot map the statistics", run_dir, CM_STATS_FILE);
		free(stats);
		stats = NULL;
	}
	if (dir >= 0)
		close(dir); /* and drop its lock */
	return stats;
}

void cm_stats_close(struct cm_stats **stats)
{
	if (stats == NULL || *stats == NULL)
		return;
	munmap((*stats)->file, sizeof(*(*stats)->file));
	free(*stats);
	*stats = NULL;
}

static void *row(const struct cm_stats *stats, enum cm_stat stat)
{
	return (char *)stats->file + offsets[stat];
}

static bool is_kind(enum cm_stat stat, enum cm_stat_kind kind)
{
	return (unsigned int)stat < CM_STAT_COUNT && descriptions[stat].kind == kind;
}

void cm_stats_add(struct cm_stats *stats, enum cm_stat stat, uint64_t amount)
{
	if (stats == NULL || !is_kind(stat, CM_STAT_KIND_COUNTER))
		return;
	atomic_fetch_add_explicit((stats_cell *)row(stats, stat), amount, memory_order_relaxed);
}

void cm_stats_set(struct cm_stats *stats, enum cm_stat stat, uint64_t value)
{
	if (stats == NULL || !is_kind(stat, CM_STAT_KIND_GAUGE))
		return;
	atomic_store_explicit((stats_cell *)row(stats, stat), value, memory_order_relaxed);
}

/* The smallest i with value <= 2^i. */
static size_t bucket_of(uint64_t value)
{
	size_t i = value <= 1 ? 0 : 64 - (size_t)__builtin_clzll(value - 1);

	return i < CM_STATS_BUCKETS - 1 ? i : CM_STATS_BUCKETS - 1;
}

void cm_stats_observe(struct cm_stats *stats, enum cm_stat histogram, uint64_t value)
{
	if (stats == NULL || !is_kind(histogram, CM_STAT_KIND_HISTOGRAM))
		return;
	struct stats_histogram_cells *cells = row(stats, histogram);
	atomic_fetch_add_explicit(&cells->bucket[bucket_of(value)], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&cells->sum, value, memory_order_relaxed);
}

uint64_t cm_stats_value(const struct cm_stats *stats, enum cm_stat stat)
{
	if (stats == NULL || (unsigned int)stat >= CM_STAT_COUNT ||
	    descriptions[stat].kind == CM_STAT_KIND_HISTOGRAM)
		return 0;
	return atomic_load_explicit((stats_cell *)row(stats, stat), memory_order_relaxed);
}

void cm_stats_histogram(const struct cm_stats *stats, enum cm_stat stat,
			struct cm_histogram *histogram_r)
{
	memset(histogram_r, 0, sizeof(*histogram_r));
	if (stats == NULL || !is_kind(stat, CM_STAT_KIND_HISTOGRAM))
		return;
	struct stats_histogram_cells *cells = row(stats, stat);
	histogram_r->sum = atomic_load_explicit(&cells->sum, memory_order_relaxed);
	for (size_t i = 0; i < CM_STATS_BUCKETS; i++) {
		histogram_r->bucket[i] =
		    atomic_load_explicit(&cells->bucket[i], memory_order_relaxed);
		/* Counted here, not in a cell: so it is never at odds with the buckets. */
		histogram_r->count += histogram_r->bucket[i];
	}
}

const struct cm_stat_description *cm_stats_describe(enum cm_stat stat)
{
	return (unsigned int)stat < CM_STAT_COUNT ? &descriptions[stat] : NULL;
}
