/*
 * The file (shared_file.h) has one 64-bit cell per counter and gauge and CM_STATS_BUCKETS + 1
 * cells per histogram, in the order of stats_metrics.def. Its layout is a hash of that table, so
 * two programs with different tables never share a file.
 */
#include "stats.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "keyed_hash.h"
#include "shared_file.h"

typedef _Atomic uint64_t stats_cell;

/* A lock within the process would not protect against other processes. */
static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "64-bit atomics must be lock-free");
static_assert(sizeof(stats_cell) == sizeof(uint64_t), "atomics must be plain cells");

struct stats_histogram_cells {
	stats_cell bucket[CM_STATS_BUCKETS];
	stats_cell sum;
};

struct stats_cells {
#define CM_COUNTER(id, metric, labels, help)   stats_cell id;
#define CM_GAUGE(id, metric, labels, help)     stats_cell id;
#define CM_HISTOGRAM(id, metric, labels, help) struct stats_histogram_cells id;
#include "stats_metrics.def"
#undef CM_COUNTER
#undef CM_GAUGE
#undef CM_HISTOGRAM
};

struct cm_stats {
	struct cm_shared_file file;
	struct stats_cells *cells;
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
#define CM_COUNTER(id, metric, labels, help)   offsetof(struct stats_cells, id),
#define CM_GAUGE(id, metric, labels, help)     offsetof(struct stats_cells, id),
#define CM_HISTOGRAM(id, metric, labels, help) offsetof(struct stats_cells, id),
#include "stats_metrics.def"
#undef CM_COUNTER
#undef CM_GAUGE
#undef CM_HISTOGRAM
};

static uint64_t hash_text(uint64_t hash, const char *text)
{
	return cm_keyed_hash((uint64_t[]){hash, 0}, text, strlen(text));
}

static uint64_t table_hash(void)
{
	static const char *const kinds[] = {"counter", "gauge", "histogram"};
	uint64_t hash = 0;

	for (size_t i = 0; i < CM_STAT_COUNT; i++) {
		hash = hash_text(hash, kinds[descriptions[i].kind]);
		hash = hash_text(hash, descriptions[i].metric);
		hash = hash_text(hash, descriptions[i].labels);
	}
	return hash;
}

static bool fill(void *data, struct cm_error *err)
{
	struct stats_cells *cells = data;

	(void)err;
	cells->COUNTING_SINCE_SECONDS = (uint64_t)time(NULL);
	return true;
}

struct cm_stats *cm_stats_open(const char *run_dir, struct cm_error *err)
{
	struct cm_stats *stats = calloc(1, sizeof(*stats));

	if (stats == NULL) {
		cm_error_set(err, "out of memory");
		return NULL;
	}
	stats->file = (struct cm_shared_file){
	    .name = CM_STATS_FILE,
	    .size = sizeof(struct stats_cells),
	    .layout = table_hash(),
	    .mode = 0660,
	    .fill = fill,
	};
	stats->cells = cm_shared_file_map(run_dir, &stats->file, NULL, err);
	if (stats->cells == NULL) {
		free(stats);
		stats = NULL;
	}
	return stats;
}

void cm_stats_close(struct cm_stats **stats)
{
	if (stats == NULL || *stats == NULL)
		return;
	cm_shared_file_unmap(&(*stats)->file, (*stats)->cells);
	free(*stats);
	*stats = NULL;
}

static void *row(const struct cm_stats *stats, enum cm_stat stat)
{
	return (char *)stats->cells + offsets[stat];
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
		/* The sum of the buckets, so that both always agree. */
		histogram_r->count += histogram_r->bucket[i];
	}
}

const struct cm_stat_description *cm_stats_describe(enum cm_stat stat)
{
	return (unsigned int)stat < CM_STAT_COUNT ? &descriptions[stat] : NULL;
}

uint64_t cm_histogram_quantile(const struct cm_histogram *histogram, double quantile)
{
	double wanted = quantile * (double)histogram->count;
	uint64_t seen = 0;

	if (histogram->count == 0)
		return 0;
	for (unsigned int i = 0; i < CM_STATS_BUCKETS - 1; i++) {
		seen += histogram->bucket[i];
		if ((double)seen >= wanted)
			return UINT64_C(1) << i;
	}
	return UINT64_MAX;
}
