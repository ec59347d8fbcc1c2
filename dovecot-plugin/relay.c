#include "lib.h"

#include "lib-event.h"

#include "relay.h"

#include "account.h"
#include "log.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A file that could not be opened is not retried and reported at every login. */
#define RETRY_SECONDS 5

static struct event *relay_event;
static struct cm_config *relay_config;
static struct cm_stats *relay_stats;
static struct cm_limits *relay_limits;

/* When each may be opened again. */
static time_t config_retry, stats_retry, limits_retry;

static bool retry_is_due(time_t *retry)
{
	time_t now = time(NULL);

	/* The clock may have been set back. */
	if (now < *retry && *retry - now <= RETRY_SECONDS)
		return FALSE;
	*retry = now + RETRY_SECONDS;
	return TRUE;
}

struct event *cm_relay_event(void)
{
	if (relay_event == NULL) {
		relay_event = event_create(NULL);
		event_set_append_log_prefix(relay_event, CM_LOG_PREFIX);
	}
	return relay_event;
}

const struct cm_config *cm_relay_config(void)
{
	const char *path = getenv(CM_CONFIG_ENVIRONMENT);
	struct cm_error err;

	if (relay_config != NULL || !retry_is_due(&config_retry))
		return relay_config;
	if (path == NULL || *path == '\0')
		path = CM_CONFIG_DEFAULT_PATH;
	/* chatmailctl and the daemons report unknown keys when they start; here they would be
	   reported at every login. */
	relay_config = cm_config_load(path, NULL, NULL, &err);
	if (relay_config == NULL)
		e_error(cm_relay_event(), "%s", err.text);
	else
		cm_log_show_addresses(relay_config->log_addresses);
	return relay_config;
}

static struct cm_stats *stats(void)
{
	struct cm_error err;

	if (relay_stats != NULL || cm_relay_config() == NULL || !retry_is_due(&stats_retry))
		return relay_stats;
	relay_stats = cm_stats_open(relay_config->run_dir, &err);
	if (relay_stats == NULL)
		e_warning(cm_relay_event(), "statistics: %s", err.text);
	return relay_stats;
}

void cm_relay_count(enum cm_stat counter, uint64_t amount)
{
	cm_stats_add(stats(), counter, amount);
}

struct cm_limits *cm_relay_limits(void)
{
	struct cm_error err;

	if (relay_limits != NULL || cm_relay_config() == NULL || !retry_is_due(&limits_retry))
		return relay_limits;
	relay_limits = cm_limits_open(relay_config->run_dir, &err);
	if (relay_limits == NULL)
		e_error(cm_relay_event(), "rates of new accounts: %s", err.text);
	return relay_limits;
}

/* '%' would be expanded in the mail location; no relay ever created such an account. */
bool cm_relay_address(const struct cm_config *config, const char *text,
		      struct cm_address *address_r)
{
	return cm_address_parse(text, strlen(text), address_r) &&
	       cm_account_is_local(config, address_r) && strchr(address_r->text, '%') == NULL;
}

void cm_relay_deinit(void)
{
	event_unref(&relay_event);
	cm_config_free(&relay_config);
	cm_stats_close(&relay_stats);
	cm_limits_close(&relay_limits);
}
