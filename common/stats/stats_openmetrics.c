/*
 * stats_openmetrics - the statistics in OpenMetrics text
 *
 * OpenMetrics 1.0: a metric family is described once (TYPE, UNIT, HELP), counters end in
 * "_total", histograms have cumulative buckets, "_count" and "_sum", and the text ends in "#
 * EOF". Times are observed in microseconds and reported in seconds, the base unit, in integer
 * arithmetic: no locale can turn the decimal point into a comma.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stats.h"

#define MICROSECONDS UINT64_C(1000000)

static bool ends_in(const char *text, const char *suffix)
{
	size_t length = strlen(text), suffix_length = strlen(suffix);

	return length >= suffix_length && strcmp(text + length - suffix_length, suffix) == 0;
}

static void print_family(FILE *out, const struct cm_stat_description *row)
{
	static const char *const kinds[] = {"counter", "gauge", "histogram"};
	static const char *const units[] = {"seconds", "bytes"};

	fprintf(out, "# TYPE %s %s\n", row->metric, kinds[row->kind]);
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (ends_in(row->metric, units[i]))
			fprintf(out, "# UNIT %s %s\n", row->metric, units[i]);
	fprintf(out, "# HELP %s %s.\n", row->metric, row->help);
}

static void print_amount(FILE *out, uint64_t value, bool seconds)
{
	if (seconds)
		fprintf(out, "%" PRIu64 ".%06" PRIu64, value / MICROSECONDS, value % MICROSECONDS);
	else
		fprintf(out, "%" PRIu64 ".0", value);
}

static void print_histogram(FILE *out, const struct cm_stats *stats, enum cm_stat stat)
{
	const struct cm_stat_description *row = cm_stats_describe(stat);
	const char *comma = row->labels[0] != '\0' ? "," : "";
	bool seconds = ends_in(row->metric, "_seconds");
	struct cm_histogram histogram;
	uint64_t cumulative = 0;

	cm_stats_histogram(stats, stat, &histogram);
	for (unsigned int i = 0; i < CM_STATS_BUCKETS; i++) {
		cumulative += histogram.bucket[i];
		fprintf(out, "%s_bucket{%s%sle=\"", row->metric, row->labels, comma);
		if (i == CM_STATS_BUCKETS - 1)
			fputs("+Inf", out);
		else
			print_amount(out, UINT64_C(1) << i, seconds);
		fprintf(out, "\"} %" PRIu64 "\n", cumulative);
	}
	const char *open = row->labels[0] != '\0' ? "{" : "";
	const char *close = row->labels[0] != '\0' ? "}" : "";
	fprintf(out, "%s_count%s%s%s %" PRIu64 "\n", row->metric, open, row->labels, close,
		histogram.count);
	fprintf(out, "%s_sum%s%s%s ", row->metric, open, row->labels, close);
	print_amount(out, histogram.sum, seconds);
	fputc('\n', out);
}

static void print_value(FILE *out, const struct cm_stats *stats, enum cm_stat stat)
{
	const struct cm_stat_description *row = cm_stats_describe(stat);

	fputs(row->metric, out);
	if (row->kind == CM_STAT_KIND_COUNTER)
		fputs("_total", out);
	if (row->labels[0] != '\0')
		fprintf(out, "{%s}", row->labels);
	fprintf(out, " %" PRIu64 "\n", cm_stats_value(stats, stat));
}

char *cm_stats_openmetrics(const struct cm_stats *stats)
{
	const char *family = "";
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		return NULL;
	for (enum cm_stat stat = 0; stat < CM_STAT_COUNT; stat++) {
		const struct cm_stat_description *row = cm_stats_describe(stat);
		if (strcmp(row->metric, family) != 0)
			print_family(out, row);
		family = row->metric;
		if (row->kind == CM_STAT_KIND_HISTOGRAM)
			print_histogram(out, stats, stat);
		else
			print_value(out, stats, stat);
	}
	fputs("# EOF\n", out);
	bool failed = ferror(out) != 0;
	if (fclose(out) != 0 || failed) {
		free(text);
		return NULL;
	}
	return text;
}
