#include "summary.h"

#include <inttypes.h>
#include <stdio.h>

#include "stats.h"

void expire_print_json(const struct expire_result *result, const struct expire_options *options,
		       bool refused, double seconds)
{
	printf("{\"dry_run\": %s, \"refused\": %s, \"seconds\": %.2f",
	       options->dry_run ? "true" : "false", refused ? "true" : "false", seconds);
#define PRINT_FIELD(name) printf(", \"" #name "\": %" PRIu64, result->name)
	PRINT_FIELD(accounts);
	PRINT_FIELD(accounts_deleted);
	PRINT_FIELD(seen_again);
	PRINT_FIELD(directories_deleted);
	PRINT_FIELD(directories_kept);
	PRINT_FIELD(messages);
	PRINT_FIELD(messages_deleted);
	PRINT_FIELD(quota_messages);
	PRINT_FIELD(account_messages);
	PRINT_FIELD(pushes_deleted);
	PRINT_FIELD(invitations_deleted);
	PRINT_FIELD(folders_deleted);
	PRINT_FIELD(temporary_deleted);
	PRINT_FIELD(bytes);
	PRINT_FIELD(troubles);
#undef PRINT_FIELD
	puts("}");
}

void expire_print_text(const struct expire_result *result, const struct expire_options *options,
		       double seconds)
{
	printf("%s %" PRIu64 " of %" PRIu64 " accounts (with %" PRIu64 " messages), %" PRIu64
	       " of %" PRIu64 " messages in the others (%" PRIu64 " because of quota), %" PRIu64
	       " empty directories, %" PRIu64 " empty folders, %" PRIu64 " queue entries, %" PRIu64
	       " invitations, %" PRIu64 " temporary files: %.1f MB in %.2f s\n",
	       options->dry_run ? "Would delete" : "Deleted", result->accounts_deleted,
	       result->accounts, result->account_messages,
	       result->messages_deleted + result->quota_messages, result->messages,
	       result->quota_messages, result->directories_deleted, result->folders_deleted,
	       result->pushes_deleted, result->invitations_deleted, result->temporary_deleted,
	       (double)result->bytes / 1e6, seconds);
	if (result->directories_kept > 0)
		printf("Kept %" PRIu64 " directories that have no password but are not empty\n",
		       result->directories_kept);
	if (result->seen_again > 0)
		printf("Kept %" PRIu64 " accounts that were used at the last moment\n",
		       result->seen_again);
}

/* Without statistics the run does the same work. */
static struct cm_stats *open_stats(const struct cm_config *config)
{
	return config != NULL ? cm_stats_open(config->run_dir, NULL) : NULL;
}

void expire_count(const struct cm_config *config, const struct expire_result *result,
		  const struct expire_options *options, double seconds)
{
	struct cm_stats *stats = open_stats(config);

	cm_stats_add(stats, CM_STAT_EXPIRE_RUNS, 1);
	cm_stats_add(stats, CM_STAT_EXPIRE_ACCOUNTS, result->accounts_deleted);
	cm_stats_add(stats, CM_STAT_EXPIRE_MESSAGES,
		     result->messages_deleted + result->account_messages);
	cm_stats_add(stats, CM_STAT_EXPIRE_QUOTA_MESSAGES, result->quota_messages);
	cm_stats_add(stats, CM_STAT_EXPIRE_BYTES, result->bytes);
	cm_stats_set(stats, CM_STAT_EXPIRE_LAST_RUN_SECONDS, (uint64_t)options->now);
	cm_stats_set(stats, CM_STAT_EXPIRE_DURATION_SECONDS, (uint64_t)(seconds + 0.5));
	cm_stats_set(stats, CM_STAT_EXPIRE_ACCOUNTS_LEFT,
		     result->accounts - result->accounts_deleted);
	cm_stats_close(&stats);
}

void expire_count_trim(const struct cm_config *config, const struct cm_maildir_trim_result *result)
{
	struct cm_stats *stats = open_stats(config);

	cm_stats_add(stats, CM_STAT_EXPIRE_QUOTA_MESSAGES, result->messages);
	cm_stats_add(stats, CM_STAT_EXPIRE_BYTES, result->bytes);
	cm_stats_close(&stats);
}
