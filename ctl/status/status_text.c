/*
 * status_text - the state of the relay as text
 *
 * One line for each check, with the remedy below it. Of lists of counters, those that are zero
 * are omitted.
 */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "doctor.h"
#include "status.h"

#define GREEN  "\033[32m"
#define YELLOW "\033[33m"
#define RED    "\033[31m"
#define BOLD   "\033[1m"

struct page {
	FILE *out;
	bool colour;
	const struct cm_status *status;
	const struct cm_checks *subjects;
};

static void print_coloured(const struct page *page, const char *colour, const char *text)
{
	if (page->colour)
		fprintf(page->out, "%s%s\033[0m", colour, text);
	else
		fputs(text, page->out);
}

static void begin_section(const struct page *page, const char *title)
{
	fputc('\n', page->out);
	print_coloured(page, BOLD, title);
	fputc('\n', page->out);
}

static void begin_line(const struct page *page, const char *name)
{
	fprintf(page->out, "  %-16s ", name);
}

/* "532", "12.5 KiB", "3.0 GiB" */
static void print_bytes(const struct page *page, uint64_t bytes)
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB"};
	double value = (double)bytes;
	size_t unit = 0;

	if (bytes < 1024) {
		fprintf(page->out, "%" PRIu64 " bytes", bytes);
		return;
	}
	for (value /= 1024; value >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0]); unit++)
		value /= 1024;
	fprintf(page->out, "%.1f %s", value, units[unit]);
}

/* The bound of a histogram of sizes: see CM_STATS_BUCKETS. */
static void print_size(const struct page *page, uint64_t bytes)
{
	if (bytes == UINT64_MAX)
		fputs("over 4 GiB", page->out);
	else
		print_bytes(page, bytes);
}

static void print_seconds(const struct page *page, uint64_t seconds)
{
	if (seconds < 120)
		fprintf(page->out, "%" PRIu64 " s", seconds);
	else if (seconds < 7200)
		fprintf(page->out, "%" PRIu64 " min", seconds / 60);
	else if (seconds < 2 * 86400)
		fprintf(page->out, "%" PRIu64 " h", seconds / 3600);
	else
		fprintf(page->out, "%" PRIu64 " days", seconds / 86400);
}

static void print_microseconds(const struct page *page, uint64_t microseconds)
{
	if (microseconds == UINT64_MAX)
		fputs("over an hour", page->out);
	else if (microseconds < 1000)
		fprintf(page->out, "%" PRIu64 " us", microseconds);
	else if (microseconds < 1000000)
		fprintf(page->out, "%.1f ms", (double)microseconds / 1e3);
	else
		fprintf(page->out, "%.1f s", (double)microseconds / 1e6);
}

static void print_check(const struct page *page, const struct cm_check *check)
{
	static const char *const colours[] = {[CM_HEALTH_GOOD] = GREEN,
					      [CM_HEALTH_OFF] = GREEN,
					      [CM_HEALTH_WARNING] = YELLOW,
					      [CM_HEALTH_FAULT] = RED};
	char word[16];

	snprintf(word, sizeof(word), "%-7s", cm_health_names[check->health]);
	fputs("  ", page->out);
	print_coloured(page, colours[check->health], word);
	fprintf(page->out, " %-17s %s\n", check->title, check->text);
	if (check->remedy != NULL)
		fprintf(page->out, "%*s-> %s\n", 10, "", check->remedy);
}

static void print_checks(const struct page *page)
{
	for (size_t i = 0; i < CM_SUBJECT_COUNT; i++) {
		const struct cm_checks *checks = &page->subjects[i];

		if (checks->count == 0)
			continue;
		begin_section(page, checks->title);
		for (size_t j = 0; j < checks->count; j++)
			print_check(page, &checks->list[j]);
	}
}

static void print_summary(const struct page *page)
{
	size_t faults = cm_doctor_count(page->subjects, CM_HEALTH_FAULT);
	size_t warnings = cm_doctor_count(page->subjects, CM_HEALTH_WARNING);
	char text[80];

	snprintf(text, sizeof(text), "%zu fault%s, %zu warning%s", faults, faults == 1 ? "" : "s",
		 warnings, warnings == 1 ? "" : "s");
	print_coloured(page, BOLD, page->status->config->mail_domain);
	fputs(": ", page->out);
	print_coloured(page,
		       faults > 0     ? RED
		       : warnings > 0 ? YELLOW
				      : GREEN,
		       faults + warnings > 0 ? text : "all is well");
	fputc('\n', page->out);
}

static uint64_t value(const struct page *page, enum cm_stat stat)
{
	return cm_stats_value(page->status->stats, stat);
}

static uint64_t sum(const struct page *page, enum cm_stat first, enum cm_stat last)
{
	uint64_t total = 0;

	for (enum cm_stat stat = first; stat <= last; stat++)
		total += value(page, stat);
	return total;
}

/* "LABEL 3, LABEL 1" for the rows first..last that are not zero, by the value of their single
   label. */
static void print_reasons(const struct page *page, enum cm_stat first, enum cm_stat last)
{
	const char *separator = ": ";

	for (enum cm_stat stat = first; stat <= last; stat++) {
		const char *reason = strstr(cm_stats_describe(stat)->labels, "=\"");
		if (reason == NULL || value(page, stat) == 0)
			continue;
		reason += strlen("=\"");
		fprintf(page->out, "%s%.*s %" PRIu64, separator, (int)strcspn(reason, "\""), reason,
			value(page, stat));
		separator = ", ";
	}
	fputc('\n', page->out);
}

static void print_total(const struct page *page, const char *name, enum cm_stat first,
			enum cm_stat last)
{
	begin_line(page, name);
	fprintf(page->out, "%" PRIu64, sum(page, first, last));
	print_reasons(page, first, last);
}

static void print_count(const struct page *page, const char *name, enum cm_stat stat)
{
	begin_line(page, name);
	fprintf(page->out, "%" PRIu64 "\n", value(page, stat));
}

typedef void print_fn(const struct page *page, uint64_t value);

static void print_quantiles(const struct page *page, const char *name, enum cm_stat stat,
			    const char *before, print_fn *print)
{
	struct cm_histogram histogram;

	cm_stats_histogram(page->status->stats, stat, &histogram);
	if (histogram.count == 0)
		return;
	begin_line(page, name);
	fprintf(page->out, "half %s ", before);
	print(page, cm_histogram_quantile(&histogram, 0.5));
	fprintf(page->out, ", 95 %% %s ", before);
	print(page, cm_histogram_quantile(&histogram, 0.95));
	fprintf(page->out, ", 99 %% %s ", before);
	print(page, cm_histogram_quantile(&histogram, 0.99));
	fputc('\n', page->out);
}

static void print_duration(const struct page *page, const char *name, enum cm_stat stat)
{
	print_quantiles(page, name, stat, "within", print_microseconds);
}

/* The accepted or refused messages of one direction, with the reasons that occurred. */
static void print_verdicts(const struct page *page, const char *name, bool out, bool accepts)
{
	const char *separator = ": ";
	uint64_t total = 0;

	for (int reason = 0; reason < CM_REASON_COUNT; reason++) {
		if (cm_reason_accepts(reason) == accepts)
			total += value(page, cm_stat_verdict(out, reason));
	}
	begin_line(page, name);
	fprintf(page->out, "%" PRIu64, total);
	for (int reason = 0; reason < CM_REASON_COUNT; reason++) {
		uint64_t count = value(page, cm_stat_verdict(out, reason));

		if (cm_reason_accepts(reason) != accepts || count == 0)
			continue;
		fprintf(page->out, "%s%s %" PRIu64, separator, cm_reason_name(reason), count);
		separator = ", ";
	}
	fputc('\n', page->out);
}

static void print_messages(const struct page *page)
{
	begin_section(page, "Messages");
	print_verdicts(page, "out, accepted", true, true);
	print_verdicts(page, "out, refused", true, false);
	print_verdicts(page, "in, accepted", false, true);
	print_verdicts(page, "in, refused", false, false);
	print_duration(page, "judged", CM_STAT_MILTER_CHECK_MICROSECONDS);
	print_quantiles(page, "size", CM_STAT_MILTER_MESSAGE_BYTES, "up to", print_size);
}

static void print_accounts(const struct page *page)
{
	begin_section(page, "Accounts");
	print_count(page, "logins", CM_STAT_LOGINS);
	print_total(page, "logins refused", CM_STAT_LOGIN_WRONG_PASSWORD, CM_STAT_LOGIN_TROUBLE);
	begin_line(page, "created");
	fprintf(page->out, "%" PRIu64, value(page, CM_STAT_REGISTRATIONS));
	print_reasons(page, CM_STAT_REGISTRATIONS_AUTOMATIC, CM_STAT_REGISTRATIONS_INVITED);
	print_total(page, "not created", CM_STAT_REGISTRATION_NAME, CM_STAT_REGISTRATION_TROUBLE);
	print_count(page, "tokens set", CM_STAT_TOKENS_SET);
}

static void print_push(const struct page *page)
{
	begin_section(page, "Notifications");
	print_count(page, "queued", CM_STAT_PUSH_QUEUED);
	print_count(page, "sent", CM_STAT_PUSH_SENT);
	print_count(page, "collapsed", CM_STAT_PUSH_COLLAPSED);
	print_count(page, "failed attempts", CM_STAT_PUSH_RETRIED);
	print_count(page, "dropped", CM_STAT_PUSH_DROPPED);
	print_count(page, "tokens removed", CM_STAT_PUSH_TOKEN_GONE);
	print_duration(page, "answered", CM_STAT_PUSH_DELAY_MICROSECONDS);
	begin_line(page, "oldest waiting");
	print_seconds(page, value(page, CM_STAT_PUSH_QUEUE_AGE_SECONDS));
	fputc('\n', page->out);
}

static void print_expiry(const struct page *page)
{
	uint64_t last = value(page, CM_STAT_EXPIRE_LAST_RUN_SECONDS), now = (uint64_t)time(NULL);

	begin_section(page, "Expiry");
	begin_line(page, "last run");
	if (last == 0) {
		print_coloured(page, YELLOW, "none");
	} else {
		print_seconds(page, now > last ? now - last : 0);
		fputs(" ago, took ", page->out);
		print_seconds(page, value(page, CM_STAT_EXPIRE_DURATION_SECONDS));
		fprintf(page->out, ", left %" PRIu64 " accounts",
			value(page, CM_STAT_EXPIRE_ACCOUNTS_LEFT));
	}
	fputc('\n', page->out);
	begin_line(page, "deleted");
	fprintf(page->out,
		"%" PRIu64 " messages, %" PRIu64 " of full mailboxes, %" PRIu64 " accounts, ",
		value(page, CM_STAT_EXPIRE_MESSAGES), value(page, CM_STAT_EXPIRE_QUOTA_MESSAGES),
		value(page, CM_STAT_EXPIRE_ACCOUNTS));
	print_bytes(page, value(page, CM_STAT_EXPIRE_BYTES));
	fputc('\n', page->out);
}

static void print_since(const struct page *page)
{
	time_t since = (time_t)value(page, CM_STAT_COUNTING_SINCE_SECONDS);
	char text[64];
	struct tm local;

	if (localtime_r(&since, &local) != NULL &&
	    strftime(text, sizeof(text), "%Y-%m-%d %H:%M", &local) > 0)
		fprintf(page->out, "\nCounted since %s:\n", text);
}

void cm_status_print(const struct cm_status *status, const struct cm_checks *subjects, bool colour,
		     FILE *out)
{
	struct page page = {out, colour, status, subjects};

	print_summary(&page);
	print_checks(&page);
	if (status->stats == NULL) {
		fprintf(out, "\nThere are no statistics: %s\n", status->stats_error.text);
		return;
	}
	print_since(&page);
	print_messages(&page);
	print_accounts(&page);
	print_push(&page);
	print_expiry(&page);
}
