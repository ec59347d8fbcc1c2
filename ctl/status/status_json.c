/*
 * status_json - the state of the relay as JSON
 */
#include <string.h>

#include "doctor.h"
#include "status.h"

static json_t *amount(struct cm_amount value)
{
	return value.known ? json_integer((json_int_t)value.value) : json_null();
}

static json_t *programs(const struct cm_status *status)
{
	static const char *const states[] = {"stopped", "running", "off"};
	json_t *object = json_object();

	for (size_t i = 0; i < CM_STATUS_PROGRAMS; i++) {
		const struct cm_program *program = &status->programs[i];
		json_t *item = json_pack("{s:s}", "state", states[program->state]);
		if (program->state == CM_PROGRAM_RUNNING)
			json_object_set_new(item, "pid", json_integer(program->pid));
		if (program->why != NULL)
			json_object_set_new(item, "why", json_string(program->why));
		json_object_set_new(object, program->key, item);
	}
	return object;
}

/* 'direction="in",reason="no-dkim"' as an object. No value of the table contains an escape. */
static json_t *labels(const char *text)
{
	json_t *object = json_object();

	while (*text != '\0') {
		size_t name = strcspn(text, "=");
		size_t value = strcspn(text + name + 2, "\"");
		json_object_setn_new(object, text, name, json_stringn(text + name + 2, value));
		text += name + 2 + value + 1;
		text += *text == ',';
	}
	return object;
}

/* Times are observed in microseconds and reported in seconds, as on /metrics. */
static json_t *measured(uint64_t value, bool seconds)
{
	if (value == UINT64_MAX)
		return json_null();
	return seconds ? json_real((double)value / 1e6) : json_integer((json_int_t)value);
}

static void set_histogram(json_t *item, const struct cm_histogram *histogram, bool seconds)
{
	static const struct {
		const char *name;
		double quantile;
	} quantiles[] = {{"p50", 0.5}, {"p95", 0.95}, {"p99", 0.99}};

	json_object_set_new(item, "count", json_integer((json_int_t)histogram->count));
	json_object_set_new(item, "sum", measured(histogram->sum, seconds));
	for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++)
		json_object_set_new(
		    item, quantiles[i].name,
		    histogram->count == 0
			? json_null()
			: measured(cm_histogram_quantile(histogram, quantiles[i].quantile),
				   seconds));
}

static json_t *metric(const struct cm_stats *stats, enum cm_stat stat)
{
	const struct cm_stat_description *row = cm_stats_describe(stat);
	struct cm_histogram histogram;
	const char *suffix = row->kind == CM_STAT_KIND_COUNTER ? "_total" : "";
	json_t *item = json_pack("{s:o}", "metric", json_sprintf("%s%s", row->metric, suffix));

	if (row->labels[0] != '\0')
		json_object_set_new(item, "labels", labels(row->labels));
	if (row->kind != CM_STAT_KIND_HISTOGRAM) {
		json_object_set_new(item, "value",
				    json_integer((json_int_t)cm_stats_value(stats, stat)));
		return item;
	}
	cm_stats_histogram(stats, stat, &histogram);
	set_histogram(item, &histogram, strstr(row->metric, "_seconds") != NULL);
	return item;
}

static json_t *metrics(const struct cm_status *status)
{
	json_t *array;

	if (status->stats == NULL)
		return json_null();
	array = json_array();
	for (enum cm_stat stat = 0; stat < CM_STAT_COUNT; stat++)
		json_array_append_new(array, metric(status->stats, stat));
	return array;
}

static json_t *checks(const struct cm_checks *subjects)
{
	json_t *array = json_array();

	for (size_t i = 0; i < CM_SUBJECT_COUNT; i++) {
		for (size_t j = 0; j < subjects[i].count; j++) {
			const struct cm_check *check = &subjects[i].list[j];
			json_t *item =
			    json_pack("{s:s, s:s, s:s, s:s, s:s}", "subject", subjects[i].title,
				      "check", check->key, "title", check->title, "health",
				      cm_health_names[check->health], "text", check->text);

			if (check->remedy != NULL)
				json_object_set_new(item, "remedy", json_string(check->remedy));
			json_array_append_new(array, item);
		}
	}
	return array;
}

json_t *cm_status_json(const struct cm_status *status, const struct cm_checks *subjects)
{
	return json_pack(
	    "{s:s, s:b, s:o, s:o, s:{s:s, s:s}, s:{s:o, s:o, s:o}, s:{s:o, s:b}, s:f, s:{s:o, "
	    "s:o, s:o, s:o}, s:o}",
	    "mail_domain", status->config->mail_domain, "good",
	    (int)(cm_doctor_count(subjects, CM_HEALTH_FAULT) == 0), "checks", checks(subjects),
	    "programs", programs(status), "registration", "state", status->registration, "why",
	    status->registration_why, "disk", "free", amount(status->disk_free), "size",
	    amount(status->disk_size), "inodes_free", amount(status->inodes_free), "certificate",
	    "seconds_left", amount(status->certificate_seconds), "ends_soon",
	    status->certificate_ends_soon, "load", status->load, "queues", "postfix_active",
	    amount(status->postfix_active), "postfix_deferred", amount(status->postfix_deferred),
	    "postfix_hold", amount(status->postfix_hold), "push", amount(status->push_queue),
	    "metrics", metrics(status));
}
