/*
 * stats_add - add to, set or observe rows of the shared statistics, for tests
 *
 * usage: stats_add RUN_DIR ROW VALUE [ROW VALUE]...     ROW as in stats_metrics.def
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stats.h"

static const char *const names[] = {
#define CM_COUNTER(id, metric, labels, help)   #id,
#define CM_GAUGE(id, metric, labels, help)     #id,
#define CM_HISTOGRAM(id, metric, labels, help) #id,
#include "stats_metrics.def"
#undef CM_COUNTER
#undef CM_GAUGE
#undef CM_HISTOGRAM
};

static bool count(struct cm_stats *stats, const char *name, uint64_t value)
{
	for (enum cm_stat stat = 0; stat < CM_STAT_COUNT; stat++) {
		if (strcmp(names[stat], name) != 0)
			continue;
		switch (cm_stats_describe(stat)->kind) {
		case CM_STAT_KIND_COUNTER:
			cm_stats_add(stats, stat, value);
			break;
		case CM_STAT_KIND_GAUGE:
			cm_stats_set(stats, stat, value);
			break;
		case CM_STAT_KIND_HISTOGRAM:
			cm_stats_observe(stats, stat, value);
			break;
		}
		return true;
	}
	fprintf(stderr, "stats_add: there is no row %s\n", name);
	return false;
}

int main(int argc, char **argv)
{
	struct cm_error err;
	struct cm_stats *stats;
	bool good = true;

	if (argc < 4 || argc % 2 != 0) {
		fputs("usage: stats_add RUN_DIR ROW VALUE [ROW VALUE]...\n", stderr);
		return 2;
	}
	stats = cm_stats_open(argv[1], &err);
	if (stats == NULL) {
		fprintf(stderr, "stats_add: %s\n", err.text);
		return 2;
	}
	for (int i = 2; good && i < argc; i += 2)
		good = count(stats, argv[i], strtoull(argv[i + 1], NULL, 10));
	cm_stats_close(&stats);
	return good ? 0 : 1;
}
