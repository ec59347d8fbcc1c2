#include "rules.h"

#include <string.h>

#include "account.h"
#include "maildir_trim.h"

/* A message is large if it has more bytes than this. */
#define EXPIRE_LARGE_BYTES 200000

/* With fewer accounts, it is possible that none was seen for EXPIRE_SILENCE_SECONDS. */
#define EXPIRE_SILENCE_ACCOUNTS 10

#define DAY 86400

void expire_rules_init(struct expire_rules *rules, const struct cm_config *config, time_t now)
{
	rules->now = now;
	rules->messages_before = now - (time_t)config->delete_mails_after * DAY;
	rules->large_before = now - (time_t)config->delete_large_after * DAY;
	rules->seen_before = now - (time_t)config->delete_inactive_users_after * DAY;
	rules->quota_target = cm_maildir_trim_target(config);
}

bool expire_message(const struct expire_rules *rules, enum cm_maildir_part part, uint64_t size,
		    time_t modified)
{
	if (part == CM_MAILDIR_EXTRA)
		return false;
	if (modified < rules->messages_before)
		return true;
	/* No client has noticed a message in new yet. */
	return part == CM_MAILDIR_CUR && size > EXPIRE_LARGE_BYTES &&
	       modified < rules->large_before;
}

bool expire_account(const struct expire_rules *rules, time_t seen)
{
	return seen != 0 && seen < rules->seen_before;
}

bool expire_invitation(const struct expire_rules *rules, const struct cm_invitation *invitation)
{
	time_t before = rules->now - EXPIRE_INVITATION_SECONDS;

	return (invitation->expires != 0 && invitation->expires < before) ||
	       (invitation->left == 0 && invitation->changed < before);
}

bool expire_rested(const struct expire_rules *rules, time_t modified)
{
	return modified < rules->now - EXPIRE_REST_SECONDS;
}

static bool starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool expire_name_is_temporary(const char *name)
{
	return starts_with(name, CM_ACCOUNT_TMP_PREFIX) || starts_with(name, "password.tmp-") ||
	       strcmp(name, "metadata.json.tmp") == 0;
}

bool expire_share_exceeded(uint64_t going, uint64_t all, unsigned int percent)
{
	return going * 100 > all * percent;
}

bool expire_silence_suspicious(const struct expire_rules *rules, uint64_t accounts,
			       time_t newest_seen)
{
	return accounts >= EXPIRE_SILENCE_ACCOUNTS &&
	       newest_seen < rules->now - EXPIRE_SILENCE_SECONDS;
}
