/*
 * rules - the rules of expiry, without any file system
 *
 * Upstream's rules (chatmail/relay, chatmaild/expire.py). Every limit is a number of days of 86400
 * seconds back from one moment, and an item exactly as old as the limit stays.
 */
#ifndef EXPIRE_RULES_H
#define EXPIRE_RULES_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "config.h"
#include "invitation.h"
#include "maildir_walk.h"

/* The notifier drops an entry after 5 h; one that still exists an hour later is stale. */
#define EXPIRE_PUSH_SECONDS (6 * 3600)

/* An invitation that expired or was used up is still listed for this time. */
#define EXPIRE_INVITATION_SECONDS (30 * 86400)

/* A temporary file, or an account's directory without a password, may be in use until it has
   not changed for this time. */
#define EXPIRE_REST_SECONDS 3600

/* If no account was seen for so long, the clock is wrong, unless the relay has only a few. */
#define EXPIRE_SILENCE_SECONDS (7 * 86400)

struct expire_rules {
	time_t now;
	time_t messages_before; /* delete messages modified before this time */
	time_t large_before;    /* the same for large messages in cur */
	time_t seen_before;     /* delete accounts last seen before this time */
	uint64_t quota_target;  /* bytes */
};

void expire_rules_init(struct expire_rules *rules, const struct cm_config *config, time_t now);

/* True if the message is to be deleted. */
bool expire_message(const struct expire_rules *rules, enum cm_maildir_part part, uint64_t size,
		    time_t modified);

/* True if the account is to be deleted. A last-seen time of 0 means unknown: the account stays. */
bool expire_account(const struct expire_rules *rules, time_t seen);

/* True if the invitation has been useless for EXPIRE_INVITATION_SECONDS. */
bool expire_invitation(const struct expire_rules *rules, const struct cm_invitation *invitation);

/* True if it was not modified for EXPIRE_REST_SECONDS. */
bool expire_rested(const struct expire_rules *rules, time_t modified);

/* True for the names of temporary files that our programs and upstream's leave behind in an
   account's directory when they are killed. */
bool expire_name_is_temporary(const char *name);

/* True if `going` is more than `percent` per cent of `all`. */
bool expire_share_exceeded(uint64_t going, uint64_t all, unsigned int percent);

/* True if so many accounts have been silent for so long that the clock must be wrong. */
bool expire_silence_suspicious(const struct expire_rules *rules, uint64_t accounts,
			       time_t newest_seen);

#endif
