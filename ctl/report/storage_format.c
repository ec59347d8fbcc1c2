/*
 * storage_format - the storage report as text, JSON and Prometheus' text format
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage.h"

static double percent(uint64_t part, uint64_t whole)
{
	return whole > 0 ? (double)part * 100 / (double)whole : 0;
}

/* For a reader, in a column of eight. */
static void print_bytes(FILE *stream, uint64_t bytes)
{
	static const char *const units[] = {"B ", "kB", "MB", "GB", "TB", "PB"};
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= 999.5 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		value /= 1000;
		unit++;
	}
	fprintf(stream, unit > 0 && value < 9.95 ? "%5.1f %s" : "%5.0f %s", value, units[unit]);
}

static void print_class(FILE *stream, const struct cm_storage_class *class, uint64_t whole)
{
	print_bytes(stream, class->bytes);
	fprintf(stream, "  %5.1f %%  %10" PRIu64 " messages\n", percent(class->bytes, whole),
		class->count);
}

static void print_totals(FILE *stream, const struct cm_storage *storage)
{
	uint64_t all = storage->messages.bytes + storage->extra.bytes;

	fputs("Storage\n  all files        ", stream);
	print_bytes(stream, all);
	fputs("\n  messages         ", stream);
	print_class(stream, &storage->messages, all);
	fputs("  other files      ", stream);
	print_bytes(stream, storage->extra.bytes);
	fprintf(stream, "  %5.1f %%\n", percent(storage->extra.bytes, all));
}

static void print_bar(FILE *stream, double share)
{
	static const char bar[] = "####################";

	int length = (int)(share * (double)strlen(bar) / 100 + 0.5);

	fprintf(stream, "%s%.*s\n", length > 0 ? "  " : "", length, bar);
}

/* A row of its own: what is in this class, and in none that is printed below. */
static void print_row(FILE *stream, const char *label, const struct cm_storage_class *class,
		      const struct cm_storage_class *next, uint64_t whole)
{
	uint64_t bytes = class->bytes - (next != NULL ? next->bytes : 0);
	uint64_t count = class->count - (next != NULL ? next->count : 0);

	fprintf(stream, "  %-20s ", label);
	print_bytes(stream, bytes);
	fprintf(stream, "  %5.1f %%  %10" PRIu64 " messages", percent(bytes, whole), count);
	print_bar(stream, percent(bytes, whole));
}

/* "100 KiB" or "2 MiB" */
static void name_size(uint64_t bytes, char name_r[16])
{
	bool large = bytes >= 1048576;

	snprintf(name_r, 16, "%u %s", (unsigned int)(bytes / (large ? 1048576 : 1024)),
		 large ? "MiB" : "KiB");
}

static void print_sizes(FILE *stream, const struct cm_storage *storage)
{
	const struct cm_storage_class *class = storage->by_size;
	char label[48], from[16], to[16];

	for (size_t i = 0; i < CM_STORAGE_SIZE_COUNT; i++) {
		bool last = i + 1 == CM_STORAGE_SIZE_COUNT;

		name_size(cm_storage_sizes[i], from);
		if (!last)
			name_size(cm_storage_sizes[i + 1], to);
		if (i == 0)
			snprintf(label, sizeof(label), "under %s", to);
		else
			snprintf(label, sizeof(label), last ? "%s or more" : "%s to %s", from, to);
		print_row(stream, label, &class[i], last ? NULL : &class[i + 1], class[0].bytes);
	}
}

static void name_days(char *label, size_t size, const unsigned int *days, size_t i, size_t count)
{
	if (i == 0)
		snprintf(label, size, "under %u day", days[1]);
	else if (i + 1 == count)
		snprintf(label, size, "%u days or more", days[i]);
	else
		snprintf(label, size, "%u to %u days", days[i], days[i + 1]);
}

static void print_ages(FILE *stream, const struct cm_storage *storage)
{
	const struct cm_storage_class *class = storage->by_age;
	char label[48];

	for (size_t i = 0; i < CM_STORAGE_AGE_COUNT; i++) {
		name_days(label, sizeof(label), cm_storage_age_days, i, CM_STORAGE_AGE_COUNT);
		print_row(stream, label, &class[i],
			  i + 1 < CM_STORAGE_AGE_COUNT ? &class[i + 1] : NULL, class[0].bytes);
	}
}

static void print_messages(FILE *stream, const struct cm_storage *storage,
			   const struct cm_storage_filter *filter)
{
	static const char *const parts[] = {[CM_MAILDIR_CUR] = " in cur",
					    [CM_MAILDIR_NEW] = " in new",
					    [CM_MAILDIR_TMP] = " in tmp",
					    [CM_MAILDIR_EXTRA] = ""};
	char which[80] = "";

	if (filter->min_login_age > 0)
		snprintf(which, sizeof(which), " of accounts not used for %u days",
			 filter->min_login_age);
	fprintf(stream, "\nMessages%s%s by size\n", parts[filter->part], which);
	print_sizes(stream, storage);
	fprintf(stream, "\nMessages%s%s by age\n", parts[filter->part], which);
	print_ages(stream, storage);
}

/* Each account once; the last column adds up. */
static void print_seen(FILE *stream, const struct cm_storage *storage, uint64_t users)
{
	uint64_t before = 0;

	fprintf(stream, "\nUsers by last use       users    share   added up\n");
	for (size_t i = 0; i <= CM_STORAGE_SEEN_COUNT; i++) {
		bool last = i == CM_STORAGE_SEEN_COUNT;
		uint64_t now = last ? users : storage->active[i];
		double share = percent(now - before, users);
		char label[48];

		if (i == 0)
			snprintf(label, sizeof(label), "within %u day", cm_storage_seen_days[0]);
		else if (last)
			snprintf(label, sizeof(label), "over %u days ago",
				 cm_storage_seen_days[i - 1]);
		else
			snprintf(label, sizeof(label), "%u to %u days ago",
				 cm_storage_seen_days[i - 1], cm_storage_seen_days[i]);
		fprintf(stream, "  %-18s %8" PRIu64 "  %5.1f %%    %5.1f %%", label, now - before,
			share, percent(now, users));
		print_bar(stream, share);
		before = now;
	}
}

static void print_accounts(FILE *stream, const struct cm_storage *storage)
{
	uint64_t users = storage->accounts - storage->ci_accounts;

	print_seen(stream, storage, users);
	fprintf(stream,
		"\nAccounts\n  users              %8" PRIu64 "\n  tests (ci-)        %8" PRIu64
		"\n",
		users, storage->ci_accounts);
	if (storage->without_password > 0)
		fprintf(stream, "  no password        %8" PRIu64 " (not counted above)\n",
			storage->without_password);
}

char *cm_storage_text(const struct cm_storage *storage, const struct cm_storage_filter *filter)
{
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	if (stream == NULL)
		return NULL;
	print_totals(stream, storage);
	print_messages(stream, storage, filter);
	print_accounts(stream, storage);
	if (fclose(stream) == 0)
		return text;
	free(text);
	return NULL;
}

/* jansson's integers are signed; no disk holds more. */
static json_int_t number(uint64_t value)
{
	return value > INT64_MAX ? INT64_MAX : (json_int_t)value;
}

static json_t *class_json(const char *key, uint64_t limit, const struct cm_storage_class *class)
{
	return json_pack("{s:I, s:I, s:I}", key, number(limit), "count", number(class->count),
			 "bytes", number(class->bytes));
}

static json_t *sizes_json(const struct cm_storage *storage)
{
	json_t *list = json_array();

	for (size_t i = 0; i < CM_STORAGE_SIZE_COUNT; i++)
		json_array_append_new(
		    list, class_json("min_bytes", cm_storage_sizes[i], &storage->by_size[i]));
	return list;
}

static json_t *ages_json(const struct cm_storage *storage)
{
	json_t *list = json_array();

	for (size_t i = 0; i < CM_STORAGE_AGE_COUNT; i++)
		json_array_append_new(
		    list, class_json("min_days", cm_storage_age_days[i], &storage->by_age[i]));
	return list;
}

static json_t *active_json(const struct cm_storage *storage)
{
	json_t *list = json_array();

	for (size_t i = 0; i < CM_STORAGE_SEEN_COUNT; i++)
		json_array_append_new(list, json_pack("{s:I, s:I}", "days",
						      number(cm_storage_seen_days[i]), "accounts",
						      number(storage->active[i])));
	return list;
}

char *cm_storage_json(const struct cm_storage *storage, const struct cm_storage_filter *filter)
{
	json_t *report = json_pack(
	    "{s:I, s:{s:I, s:I, s:I, s:I, s:o}, s:{s:I, s:I, s:o, s:o}, s:{s:I, s:I}}", "time",
	    number((uint64_t)filter->now), "accounts", "all", number(storage->accounts), "ci",
	    number(storage->ci_accounts), "user", number(storage->accounts - storage->ci_accounts),
	    "without_password", number(storage->without_password), "active", active_json(storage),
	    "messages", "count", number(storage->messages.count), "bytes",
	    number(storage->messages.bytes), "by_size", sizes_json(storage), "by_age",
	    ages_json(storage), "extra", "count", number(storage->extra.count), "bytes",
	    number(storage->extra.bytes));
	char *text = report != NULL ? json_dumps(report, JSON_INDENT(2)) : NULL;

	json_decref(report);
	return text;
}

static void print_head(FILE *stream, const char *metric, const char *help)
{
	fprintf(stream, "# HELP %s %s\n# TYPE %s gauge\n", metric, help, metric);
}

static void print_kind(FILE *stream, const char *metric, const char *kind, uint64_t value)
{
	fprintf(stream, "%s{kind=\"%s\"} %" PRIu64 "\n", metric, kind, value);
}

static void print_limit(FILE *stream, const char *metric, const char *label, uint64_t limit,
			uint64_t value)
{
	fprintf(stream, "%s{%s=\"%" PRIu64 "\"} %" PRIu64 "\n", metric, label, limit, value);
}

static void print_storage_metrics(FILE *stream, const struct cm_storage *storage)
{
	print_head(stream, "chatmail_storage_bytes", "Mailbox storage in bytes.");
	print_kind(stream, "chatmail_storage_bytes", "messages", storage->messages.bytes);
	print_kind(stream, "chatmail_storage_bytes", "extra", storage->extra.bytes);
	print_kind(stream, "chatmail_storage_bytes", "total",
		   storage->messages.bytes + storage->extra.bytes);
	print_head(stream, "chatmail_messages_bytes", "Size of all messages from min_size bytes.");
	for (size_t i = 0; i < CM_STORAGE_SIZE_COUNT; i++)
		print_limit(stream, "chatmail_messages_bytes", "min_size", cm_storage_sizes[i],
			    storage->by_size[i].bytes);
	print_head(stream, "chatmail_messages_count", "Number of messages from min_size bytes.");
	for (size_t i = 0; i < CM_STORAGE_SIZE_COUNT; i++)
		print_limit(stream, "chatmail_messages_count", "min_size", cm_storage_sizes[i],
			    storage->by_size[i].count);
	print_head(stream, "chatmail_messages_age_bytes",
		   "Size of all messages from min_days old.");
	for (size_t i = 0; i < CM_STORAGE_AGE_COUNT; i++)
		print_limit(stream, "chatmail_messages_age_bytes", "min_days",
			    cm_storage_age_days[i], storage->by_age[i].bytes);
	print_head(stream, "chatmail_messages_age_count", "Number of messages from min_days old.");
	for (size_t i = 0; i < CM_STORAGE_AGE_COUNT; i++)
		print_limit(stream, "chatmail_messages_age_count", "min_days",
			    cm_storage_age_days[i], storage->by_age[i].count);
}

char *cm_storage_prometheus(const struct cm_storage *storage)
{
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	if (stream == NULL)
		return NULL;
	print_storage_metrics(stream, storage);
	print_head(stream, "chatmail_accounts", "Number of accounts.");
	print_kind(stream, "chatmail_accounts", "all", storage->accounts);
	print_kind(stream, "chatmail_accounts", "ci", storage->ci_accounts);
	print_kind(stream, "chatmail_accounts", "user", storage->accounts - storage->ci_accounts);
	print_head(stream, "chatmail_accounts_active",
		   "Accounts (not ci) seen within this number of days.");
	for (size_t i = 0; i < CM_STORAGE_SEEN_COUNT; i++)
		print_limit(stream, "chatmail_accounts_active", "days", cm_storage_seen_days[i],
			    storage->active[i]);
	if (fclose(stream) == 0)
		return text;
	free(text);
	return NULL;
}
