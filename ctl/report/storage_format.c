/*
 * storage_format - the storage report as text, JSON and Prometheus' text format
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage.h"

static double percent(uint64_t part, uint64_t whole)
{
	return whole > 0 ? (double)part * 100 / (double)whole : 0;
}

/* As people read it, in a column of eight. */
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

static void print_messages(FILE *stream, const struct cm_storage *storage,
			   const struct cm_storage_filter *filter)
{
	static const char *const parts[] = {[CM_MAILDIR_CUR] = " in cur",
					    [CM_MAILDIR_NEW] = " in new",
					    [CM_MAILDIR_TMP] = " in tmp"};

	fprintf(stream, "\nMessages%s",
		filter->part == CM_MAILDIR_EXTRA ? "" : parts[filter->part]);
	if (filter->min_login_age > 0)
		fprintf(stream, " of accounts not seen for %u days", filter->min_login_age);
	fputc('\n', stream);
	for (size_t i = 0; i < CM_STORAGE_SIZE_COUNT; i++) {
		fputs("  from ", stream);
		print_bytes(stream, cm_storage_sizes[i]);
		fputs("    ", stream);
		print_class(stream, &storage->by_size[i], storage->messages.bytes);
	}
	for (size_t i = 1; i < CM_STORAGE_AGE_COUNT; i++) {
		fprintf(stream, "  from %3u days    ", cm_storage_age_days[i]);
		print_class(stream, &storage->by_age[i], storage->messages.bytes);
	}
}

static void print_accounts(FILE *stream, const struct cm_storage *storage)
{
	uint64_t users = storage->accounts - storage->ci_accounts;

	fprintf(stream,
		"\nAccounts\n  all              %8" PRIu64 "\n  ci-              %8" PRIu64
		"\n  users            %8" PRIu64 "\n",
		storage->accounts, storage->ci_accounts, users);
	for (size_t i = 0; i < CM_STORAGE_SEEN_COUNT; i++)
		fprintf(stream, "  last %3u days    %8" PRIu64 "  %5.1f %%\n",
			cm_storage_seen_days[i], storage->active[i],
			percent(storage->active[i], users));
	if (storage->without_password > 0)
		fprintf(stream, "  no password      %8" PRIu64 " (not counted above)\n",
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
		   "Accounts (not ci) seen within so many days.");
	for (size_t i = 0; i < CM_STORAGE_SEEN_COUNT; i++)
		print_limit(stream, "chatmail_accounts_active", "days", cm_storage_seen_days[i],
			    storage->active[i]);
	if (fclose(stream) == 0)
		return text;
	free(text);
	return NULL;
}
