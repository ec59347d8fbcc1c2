#include "log_option.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Hundred years, in the smallest unit. */
#define AGE_MAX 3155760000u

bool cm_log_option_file(const struct cm_option *option, const char *text, struct cm_error *err)
{
	struct cm_log_files *files = option->value;

	if (files->count == CM_LOG_FILES_MAX) {
		cm_error_set(err, "more than %d files", CM_LOG_FILES_MAX);
		return false;
	}
	files->list[files->count++] = text;
	return true;
}

/* "90m" */
static bool parse_age(const char *text, time_t *moment_r)
{
	static const char units[] = "smhdw";
	static const unsigned int seconds[] = {1, 60, 3600, 86400, 604800};
	size_t digits = strspn(text, "0123456789");
	const char *unit = text[digits] != '\0' ? strchr(units, text[digits]) : NULL;
	unsigned long number = strtoul(text, NULL, 10);

	if (digits == 0 || digits > 9 || unit == NULL || text[digits + 1] != '\0' ||
	    number > AGE_MAX / seconds[unit - units])
		return false;
	*moment_r = time(NULL) - (time_t)(number * seconds[unit - units]);
	return true;
}

static bool parse_date(const char *text, time_t *moment_r)
{
	static const char *const forms[] = {"%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d"};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct tm tm = {.tm_isdst = -1};
		const char *end = strptime(text, forms[i], &tm);

		if (end == NULL || *end != '\0')
			continue;
		tm.tm_isdst = -1;
		*moment_r = mktime(&tm);
		return true;
	}
	return false;
}

bool cm_log_option_moment(const struct cm_option *option, const char *text, struct cm_error *err)
{
	if (parse_age(text, option->value) || parse_date(text, option->value))
		return true;
	cm_error_set(err, "neither an age like 30m, 1h or 7d nor a date like 2026-12-31 or "
			  "\"2026-12-31 23:59\"");
	return false;
}
