/*
 * test_stats_openmetrics - the statistics as text
 */
#include "support.h"

#include "stats.h"

static void test_openmetrics_text(void **state)
{
	struct cm_stats *stats = cm_stats_open(*state, NULL);

	assert_non_null(stats);

	cm_stats_add(stats, CM_STAT_VERDICT_IN_NO_DKIM, 3);
	cm_stats_set(stats, CM_STAT_PUSH_QUEUE_LENGTH, 17);
	cm_stats_observe(stats, CM_STAT_MILTER_CHECK_MICROSECONDS, 1500000);
	cm_stats_observe(stats, CM_STAT_MILTER_CHECK_MICROSECONDS, 3);
	cm_stats_observe(stats, CM_STAT_MILTER_CHECK_MICROSECONDS, UINT64_C(1) << 40);
	char *text = cm_stats_openmetrics(stats);
	static const char *const wanted[] = {
	    "# TYPE chatmail_milter_verdicts counter\n",
	    "\nchatmail_milter_verdicts_total{direction=\"in\",reason=\"no-dkim\"} 3\n",
	    "\nchatmail_milter_verdicts_total{direction=\"out\",reason=\"no-dkim\"} 0\n",
	    "\n# TYPE chatmail_push_queue_length gauge\n",
	    "\nchatmail_push_queue_length 17\n",
	    "\n# TYPE chatmail_milter_check_seconds histogram\n# UNIT "
	    "chatmail_milter_check_seconds "
	    "seconds\n",
	    "\nchatmail_milter_check_seconds_bucket{le=\"0.000002\"} 0\n",
	    "\nchatmail_milter_check_seconds_bucket{le=\"0.000004\"} 1\n",
	    "\nchatmail_milter_check_seconds_bucket{le=\"1.048576\"} 1\n",
	    "\nchatmail_milter_check_seconds_bucket{le=\"2.097152\"} 2\n",
	    "\nchatmail_milter_check_seconds_bucket{le=\"4294.967296\"} 2\n",
	    "\nchatmail_milter_check_seconds_bucket{le=\"+Inf\"} 3\n",
	    "\nchatmail_milter_check_seconds_count 3\n",
	    "\nchatmail_milter_check_seconds_sum 1099513.127779\n",
	    "\nchatmail_milter_message_bytes_bucket{le=\"4294967296.0\"} 0\n",
	};
	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
		if (strstr(text, wanted[i]) == NULL)
			fail_msg("missing: %s\nin: %s", wanted[i], text);
	assert_string_equal(text + strlen(text) - 6, "# EOF\n");
	free(text);
	cm_stats_close(&stats);
}

/* A family is described once, so its rows must be adjacent in the table. */
static void test_rows_of_a_metric_stand_together(void **state)
{
	(void)state;
	for (enum cm_stat a = 0; a < CM_STAT_COUNT; a++) {
		const struct cm_stat_description *row = cm_stats_describe(a);
		bool left = false;
		for (enum cm_stat b = a + 1; b < CM_STAT_COUNT; b++) {
			const struct cm_stat_description *other = cm_stats_describe(b);
			bool same = strcmp(row->metric, other->metric) == 0;
			if (same && (left || row->kind != other->kind ||
				     strcmp(row->labels, other->labels) == 0))
				fail_msg("%s{%s}", other->metric, other->labels);
			left = left || !same;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_openmetrics_text, test_directory_setup,
					    test_directory_teardown),
	    cmocka_unit_test(test_rows_of_a_metric_stand_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
