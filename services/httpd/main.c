/*
 * chatmail-httpd - the relay's small web service
 *
 * Serves the statistics as OpenMetrics on metrics_listen of chatmail.ini. Binds, becomes an
 * unprivileged user, and serves until SIGTERM. See chatmail-httpd(8).
 */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon.h"
#include "listen.h"
#include "log.h"
#include "route.h"
#include "server.h"

static const struct cm_httpd_route metrics_routes[] = {
    {"GET", "/metrics", 0, cm_httpd_metrics},
    {NULL, NULL, 0, NULL},
};

/* Everything here is released in main(). */
struct program {
	struct cm_daemon daemon;
	struct cm_config *config;
	struct cm_stats *stats;
	struct cm_httpd_context context;
	struct cm_httpd *server;
	int listen_fd; /* -1: metrics_listen is empty, or the server has it */
};

static bool start_listening(void *context, const struct cm_daemon *daemon, struct cm_error *err)
{
	struct program *program = context;
	const char *where;
	bool loopback;

	program->config = cm_config_load(daemon->config_path, cm_config_warn_log, NULL, err);
	if (program->config == NULL)
		return false;
	cm_log_show_addresses(program->config->log_addresses);
	where = program->config->metrics_listen;
	if (*where == '\0')
		return true;
	program->listen_fd = cm_httpd_listen(where, &loopback, err);
	if (program->listen_fd < 0)
		return false;
	if (!loopback)
		cm_log(LOG_WARNING,
		       "metrics_listen = %s: others than this machine can read the metrics", where);
	return true;
}

static bool start(struct program *program, struct cm_error *err)
{
	int fd = program->listen_fd;

	program->stats = cm_stats_open(program->config->run_dir, err);
	if (program->stats == NULL)
		return false;
	program->context = (struct cm_httpd_context){program->config, program->stats};
	program->listen_fd = -1;
	program->server = cm_httpd_start(fd, metrics_routes, &program->context, err);
	return program->server != NULL;
}

/* Until SIGTERM or SIGINT. */
static void serve(struct program *program)
{
	struct pollfd poll_fd = {.fd = program->daemon.signals, .events = POLLIN};
	int number;

	for (;;) {
		poll(&poll_fd, 1, 1000);
		while ((number = cm_daemon_next_signal(program->daemon.signals)) != 0) {
			if (number == SIGTERM || number == SIGINT)
				return;
			if (number == SIGHUP)
				cm_log(LOG_INFO,
				       "a changed configuration takes effect at a restart");
		}
		cm_httpd_sweep(program->server);
	}
}

static int run(struct program *program)
{
	struct cm_error err;

	if (program->listen_fd < 0) {
		cm_log(LOG_INFO, "%s: metrics_listen is empty: nothing to serve",
		       program->config->path);
		return EXIT_SUCCESS;
	}
	if (!start(program, &err))
		return cm_daemon_fail(&err);
	cm_daemon_ready(&program->daemon);
	cm_log(LOG_INFO, "serving metrics on %s", program->config->metrics_listen);
	serve(program);
	cm_log(LOG_INFO, "stopped");
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct program program = {
	    .daemon =
		{
		    .name = "chatmail-httpd",
		    .summary = "Serves the relay's statistics as OpenMetrics on metrics_listen of "
			       "chatmail.ini.",
		},
	    .listen_fd = -1,
	};
	int status = cm_daemon_parse(&program.daemon, NULL, argc, argv);

	if (status < 0)
		status = cm_daemon_start(&program.daemon, start_listening, &program);
	if (status < 0)
		status = run(&program);
	cm_httpd_stop(&program.server);
	cm_stats_close(&program.stats);
	if (program.listen_fd >= 0)
		close(program.listen_fd);
	cm_config_free(&program.config);
	cm_daemon_end(&program.daemon);
	return status;
}
