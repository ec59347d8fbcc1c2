/*
 * stats - counters, gauges and histograms shared by all our processes
 *
 * One file, CM_STATS_FILE in run_dir, mapped by every program and plugin; updates are lock-free
 * atomic additions, so a crash of one process loses nothing and blocks no other. /run is a tmpfs:
 * the numbers start again at boot and only then. The metrics are the rows of stats_metrics.def; a
 * file whose layout differs (another version of the package) is replaced by a new one.
 *
 * With a NULL handle every call does nothing, so no program fails because statistics are missing.
 */
#ifndef CM_STATS_H
#define CM_STATS_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "reason.h"

#define CM_STATS_FILE "stats"

/* One enumerator per row of stats_metrics.def: CM_STAT_<name>. */
enum cm_stat {
#define CM_COUNTER(id, metric, labels, help)   CM_STAT_##id,
#define CM_GAUGE(id, metric, labels, help)     CM_STAT_##id,
#define CM_HISTOGRAM(id, metric, labels, help) CM_STAT_##id,
#include "stats_metrics.def"
#undef CM_COUNTER
#undef CM_GAUGE
#undef CM_HISTOGRAM
	CM_STAT_COUNT
};

/* The counter of messages with this reason; out: submitted by users. */
static inline enum cm_stat cm_stat_verdict(bool out, enum cm_reason reason)
{
	return (enum cm_stat)((out ? CM_STAT_VERDICT_OUT_ENCRYPTED : CM_STAT_VERDICT_IN_ENCRYPTED) -
			      CM_REASON_ENCRYPTED + reason);
}

enum cm_stat_kind {
	CM_STAT_KIND_COUNTER,
	CM_STAT_KIND_GAUGE,
	CM_STAT_KIND_HISTOGRAM,
};

/* OpenMetrics name and labels of a metric. */
struct cm_stat_description {
	enum cm_stat_kind kind;
	const char *metric; /* without "_total" */
	const char *labels; /* like direction="out",reason="encrypted"; "" for none */
	const char *help;
};

/* Histograms have one bucket per power of two from 1 to 2^(CM_STATS_BUCKETS - 2), and +Inf last.
   Durations are observed in microseconds (and reported in seconds: their metrics end in
   "_seconds"), sizes in bytes. */
#define CM_STATS_BUCKETS 34

struct cm_histogram {
	uint64_t bucket[CM_STATS_BUCKETS]; /* not cumulative */
	uint64_t sum;
	uint64_t count;
};

struct cm_stats;

/* Opens or creates CM_STATS_FILE in run_dir (from struct cm_config), which must exist: mode
   0660, of the directory's owner and group if root creates it, so that root's chatmailctl and
   the daemons share it. NULL with err filled if that is impossible. */
struct cm_stats *cm_stats_open(const char *run_dir, struct cm_error *err);
void cm_stats_close(struct cm_stats **stats);

/* A call that does not match the row's kind (add: counters, set: gauges, observe: histograms)
   does nothing. */
void cm_stats_add(struct cm_stats *stats, enum cm_stat stat, uint64_t amount);
void cm_stats_set(struct cm_stats *stats, enum cm_stat stat, uint64_t value);
void cm_stats_observe(struct cm_stats *stats, enum cm_stat histogram, uint64_t value);

uint64_t cm_stats_value(const struct cm_stats *stats, enum cm_stat stat);
void cm_stats_histogram(const struct cm_stats *stats, enum cm_stat stat,
			struct cm_histogram *histogram_r);

/* The upper bound of the bucket that holds the quantile, in the histogram's unit; UINT64_MAX beyond
   the last bound; 0 for an empty histogram. quantile is in (0, 1]. */
uint64_t cm_histogram_quantile(const struct cm_histogram *histogram, double quantile);

const struct cm_stat_description *cm_stats_describe(enum cm_stat stat);

/* The whole mapping in OpenMetrics text (with "# EOF"): malloc'd, NULL if out of memory. */
char *cm_stats_openmetrics(const struct cm_stats *stats);

#endif
