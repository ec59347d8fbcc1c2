/*
 * chatmail-httpd - the relay's small web service
 *
 * Serves the statistics as OpenMetrics on metrics_listen of chatmail.ini. Binds, becomes an
 * unprivileged user, and serves until SIGTERM. See chatmail-httpd(8).
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon.h"
#include "daemon_options.h"
#include "listen.h"
#include "log.h"
#include "route.h"
#include "server.h"

#define PROGRAM "chatmail-httpd"

static const struct cm_httpd_route metrics_routes[] = {
    {"GET", "/metrics", 0, cm_httpd_metrics},
    {NULL, NULL, 0, NULL},
};

/* What the process holds; everything here is released in main(). */
struct program {
	struct cm_config *config;
	struct cm_stats *stats;
	struct cm_httpd_context context;
	struct cm_httpd *server;
	int listen_fd; /* -1 once the server has it */
	int signal_fd;
	int pid_fd;
	int ready_fd;
};

static bool start_listening(struct program *program, struct cm_error *err)
{
	const char *where = program->config->metrics_listen;
	bool loopback;

	program->listen_fd = cm_httpd_listen(where, &loopback, err);
	if (program->listen_fd < 0)
		return false;
	if (!loopback)
		cm_log(LOG_WARNING,
		       "metrics_listen = %s: others than this machine can read the metrics", where);
	return true;
}

static bool start(struct program *program, const struct cm_daemon_options *options,
		  struct cm_error *err)
{
	int fd;

	program->signal_fd = cm_daemon_signals(err);
	if (program->signal_fd < 0 || !start_listening(program, err) ||
	    !cm_daemon_drop_privileges(options->user, err))
		return false;
	if (options->pid_path != NULL &&
	    (program->pid_fd = cm_daemon_pid_file(options->pid_path, err)) < 0)
		return false;
	program->stats = cm_stats_open(program->config->run_dir, err);
	if (program->stats == NULL)
		return false;
	program->context = (struct cm_httpd_context){program->config, program->stats};
	fd = program->listen_fd;
	program->listen_fd = -1;
	program->server = cm_httpd_start(fd, metrics_routes, &program->context, err);
	return program->server != NULL;
}

/* Until SIGTERM or SIGINT. */
static void serve(struct program *program)
{
	struct pollfd poll_fd = {.fd = program->signal_fd, .events = POLLIN};
	int number;

	for (;;) {
		poll(&poll_fd, 1, 1000);
		while ((number = cm_daemon_next_signal(program->signal_fd)) != 0) {
			if (number == SIGTERM || number == SIGINT)
				return;
			if (number == SIGHUP)
				cm_log(LOG_INFO,
				       "a changed configuration takes effect at a restart");
		}
		cm_httpd_sweep(program->server);
	}
}

static int run(struct program *program, const struct cm_daemon_options *options)
{
	struct cm_error err;

	cm_log_init(PROGRAM, CM_LOG_STDERR, false);
	program->config = cm_config_load(options->config_path, cm_config_warn_log, NULL, &err);
	if (program->config == NULL)
		goto trouble;
	if (program->config->metrics_listen[0] == '\0') {
		cm_log(LOG_INFO, "%s: metrics_listen is empty: nothing to serve",
		       program->config->path);
		return EXIT_SUCCESS;
	}
	if (!options->foreground) {
		switch (cm_daemon_background(&program->ready_fd, &err)) {
		case CM_DAEMON_STARTED:
			return EXIT_SUCCESS;
		case CM_DAEMON_FAILED:
			goto trouble;
		case CM_DAEMON_CHILD:
			break;
		}
	}
	if (!start(program, options, &err))
		goto trouble;
	if (!options->foreground)
		cm_log_init(PROGRAM, CM_LOG_SYSLOG, program->config->log_addresses);
	cm_log(LOG_INFO, "serving metrics on %s", program->config->metrics_listen);
	cm_daemon_ready(&program->ready_fd);
	serve(program);
	cm_log(LOG_INFO, "stopped");
	return EXIT_SUCCESS;
trouble:
	cm_log(LOG_ERR, "%s", err.text);
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	struct program program = {.listen_fd = -1, .signal_fd = -1, .pid_fd = -1, .ready_fd = -1};
	struct cm_daemon_options options;
	int status = cm_daemon_options_parse(PROGRAM, argc, argv, &options);

	if (status >= 0)
		return status;
	status = run(&program, &options);
	cm_httpd_stop(&program.server);
	cm_stats_close(&program.stats);
	if (program.listen_fd >= 0)
		close(program.listen_fd);
	if (program.signal_fd >= 0)
		close(program.signal_fd);
	cm_daemon_pid_file_remove(options.pid_path, &program.pid_fd);
	cm_config_free(&program.config);
	return status;
}
