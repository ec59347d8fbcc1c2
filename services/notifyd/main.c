/*
 * chatmail-notifyd - send push notifications for new messages
 *
 * See chatmail-notifyd(8). This file handles the options, the signals and the configuration; the
 * notifier does the work.
 */
#include <curl/curl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "daemon.h"
#include "log.h"
#include "notifier.h"
#include "sandbox.h"
#include "stats.h"

/* Milliseconds to wait for replies before the end, and before a restart with another
   configuration: then there is no hurry, and a request lasts 30 s at most. */
#define DRAIN_TERMINATE 3000
#define DRAIN_RESTART   35000

/* Milliseconds between attempts to open the queue. */
#define OPEN_EVERY 10000

struct program {
	struct cm_daemon daemon;
	struct cm_config *config;
	struct cm_stats *stats;
};

/* Reads the configuration again, also for the notifier if there is one. True if the notifier
   has to restart with it. */
static bool reload(struct program *program, struct notifier *notifier)
{
	struct cm_error err;
	struct cm_config *config = cm_config_load(program->daemon.config_path, cm_config_warn_log,
						  NULL, &err),
			 *old;
	bool restart;

	if (config == NULL) {
		cm_log(LOG_ERR, "the configuration stays as it was: %s", err.text);
		return false;
	}
	old = program->config;
	restart = strcmp(old->notify_url, config->notify_url) != 0 ||
		  strcmp(old->mailboxes_dir, config->mailboxes_dir) != 0;
	program->config = config;
	if (notifier != NULL)
		notifier_set_config(notifier, config);
	cm_config_free(&old);
	cm_log_show_addresses(config->log_addresses);
	cm_log(LOG_INFO, "configuration read again");
	return restart;
}

/* Opens the queue, retrying as long as necessary. NULL on a signal to end. */
static struct notifier *open_notifier(struct program *program)
{
	struct pollfd wait = {.fd = program->daemon.signals, .events = POLLIN};
	struct notifier *notifier;
	struct cm_error err;
	bool logged = false;
	int number;

	while ((notifier = notifier_new(program->config, program->stats, &err)) == NULL) {
		if (!logged)
			cm_log(LOG_ERR, "%s; trying again every %d s", err.text, OPEN_EVERY / 1000);
		logged = true;
		cm_daemon_ready(&program->daemon);
		poll(&wait, 1, OPEN_EVERY);
		number = cm_daemon_next_signal(program->daemon.signals);
		if (number == SIGTERM || number == SIGINT)
			return NULL;
		if (number == SIGHUP) {
			reload(program, NULL);
			logged = false;
		}
	}
	cm_daemon_ready(&program->daemon);
	return notifier;
}

/* Runs one notifier. False if the program is to end. */
static bool work(struct program *program)
{
	struct notifier *notifier = open_notifier(program);
	enum notifier_event event, meanwhile;

	if (notifier == NULL)
		return false;
	do
		event = notifier_run(notifier, program->daemon.signals);
	while (event == NOTIFIER_HANGUP && !reload(program, notifier));
	meanwhile = notifier_drain(notifier, program->daemon.signals,
				   event == NOTIFIER_TERMINATE ? DRAIN_TERMINATE : DRAIN_RESTART);
	notifier_free(&notifier);
	if (meanwhile == NOTIFIER_HANGUP)
		reload(program, NULL);
	return event != NOTIFIER_TERMINATE && meanwhile != NOTIFIER_TERMINATE;
}

/* Tokens that the service does not know any more are deleted from mailboxes. */
static bool confine(const struct program *program, struct cm_error *err)
{
	struct cm_sandbox sandbox = {.network = true};

	cm_sandbox_allow_daemon(&sandbox, &program->daemon, program->config);
	cm_sandbox_allow_top(&sandbox, program->config->mailboxes_dir, CM_SANDBOX_WRITE);
	cm_sandbox_allow(&sandbox, getenv("SSL_CERT_FILE"), CM_SANDBOX_READ);
	cm_sandbox_allow(&sandbox, getenv("SSL_CERT_DIR"), CM_SANDBOX_READ);
	return cm_sandbox_enter(&sandbox, err);
}

/* Opens everything that the work needs. */
static bool prepare(struct program *program, struct cm_error *err)
{
	struct cm_error stats_error;

	program->config =
	    cm_config_load(program->daemon.config_path, cm_config_warn_log, NULL, err);
	if (program->config == NULL || !confine(program, err))
		return false;
	cm_log_show_addresses(program->config->log_addresses);
	program->stats = cm_stats_open(program->config->run_dir, &stats_error);
	if (program->stats == NULL)
		cm_log(LOG_WARNING, "no statistics: %s", stats_error.text);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0) {
		cm_error_set(err, "cannot initialize libcurl");
		return false;
	}
	return true;
}

static int run(struct program *program)
{
	struct cm_error err;

	if (!prepare(program, &err))
		return cm_daemon_fail(&err);
	while (work(program))
		;
	cm_log(LOG_INFO, "stopped");
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct program program = {
	    .daemon =
		{
		    .name = "chatmail-notifyd",
		    .summary = "Sends push notifications for new messages.",
		    .closing = "SIGHUP reads the configuration again.",
		},
	};
	int status = cm_daemon_parse(&program.daemon, NULL, argc, argv);

	if (status < 0)
		status = cm_daemon_start(&program.daemon, NULL, NULL);
	if (status < 0) {
		status = run(&program);
		curl_global_cleanup();
	}
	cm_stats_close(&program.stats);
	cm_config_free(&program.config);
	cm_daemon_end(&program.daemon);
	return status;
}
