/*
 * chatmail-httpd - the relay's small web service
 *
 * Behind a proxy, it creates accounts for clients on web_listen of chatmail.ini, accepts mail
 * from other relays on mxdeliv_listen, and serves the statistics as OpenMetrics on
 * metrics_listen. Binds, becomes an unprivileged user, and serves until SIGTERM. See
 * chatmail-httpd(8).
 */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon.h"
#include "listen.h"
#include "log.h"
#include "registration_limits.h"
#include "route.h"
#include "sandbox.h"
#include "server.h"

static const struct cm_httpd_route metrics_routes[] = {
    {"GET", "/metrics", 0, cm_httpd_metrics, NULL},
    {NULL, NULL, 0, NULL, NULL},
};

/* Clients send an empty body; a small one is accepted. */
static const struct cm_httpd_route web_routes[] = {
    {"POST", "/new", 1024, cm_httpd_new, NULL},
    {"GET", "/new", 0, cm_httpd_new_redirect, NULL},
    {"GET", "/new/qr.svg", 0, cm_httpd_new_qr, NULL},
    {"POST", "/invite/qr", 64, cm_httpd_invite_qr, NULL},
    /* Upstream's old path, which occurs in old links. */
    {"POST", "/cgi-bin/newemail.py", 1024, cm_httpd_new, NULL},
    {"GET", "/cgi-bin/newemail.py", 0, cm_httpd_new_redirect, NULL},
    {NULL, NULL, 0, NULL, NULL},
};

static const struct cm_httpd_route mxdeliv_routes[] = {
    {"POST", "/mxdeliv", 0, NULL, &cm_httpd_mxdeliv},
    {NULL, NULL, 0, NULL, NULL},
};

static const struct cm_httpd_limits metrics_limits = {
    .connections = 64, .idle_seconds = 5, .life_seconds = 15};

/* The proxy buffers slow clients. Its requests come in bursts, and each account waits for the
   disk. */
static const struct cm_httpd_limits web_limits = {
    .connections = 1024, .threads = 4, .idle_seconds = 30, .life_seconds = 60};

/* Each waits for Postfix. */
static const struct cm_httpd_limits mxdeliv_limits = {.connections = 128,
						      .blocks = true,
						      .per_client = 32,
						      .header_bytes = 131072,
						      .idle_seconds = 60,
						      .life_seconds = 600};

struct listener {
	const char *where; /* "": none */
	const struct cm_httpd_route *routes;
	const struct cm_httpd_limits *limits;
	const char *exposed; /* the warning if other machines can connect: a format for where */
	struct cm_httpd *server;
	int fd; /* -1 once the server owns it */
};

enum {
	METRICS,
	WEB,
	MXDELIV,
	LISTENER_COUNT,
};

/* Everything here is released in main(). */
struct program {
	struct cm_daemon daemon;
	struct cm_config *config;
	struct cm_stats *stats;
	struct cm_limits *limits;
	struct cm_httpd_context context;
	struct listener listeners[LISTENER_COUNT];
};

static bool start_listening(void *context, const struct cm_daemon *daemon, struct cm_error *err)
{
	struct program *program = context;

	program->config = cm_config_load(daemon->config_path, cm_config_warn_log, NULL, err);
	if (program->config == NULL)
		return false;
	cm_log_show_addresses(program->config->log_addresses);
	program->listeners[METRICS].where = program->config->metrics_listen;
	program->listeners[WEB].where = program->config->web_listen;
	program->listeners[MXDELIV].where = program->config->mxdeliv_listen;
	for (size_t i = 0; i < LISTENER_COUNT; i++) {
		struct listener *listener = &program->listeners[i];
		bool local;

		if (listener->where[0] == '\0')
			continue;
		listener->fd = cm_httpd_listen(listener->where, &local, err);
		if (listener->fd < 0)
			return false;
		if (!local)
			cm_log(LOG_WARNING, listener->exposed, listener->where);
	}
	return true;
}

/* Accounts and invitations are in mailboxes_dir. */
static bool confine(const struct program *program, struct cm_error *err)
{
	struct cm_sandbox sandbox = {.network = true};

	cm_sandbox_allow_daemon(&sandbox, &program->daemon, program->config);
	cm_sandbox_allow_top(&sandbox, program->config->mailboxes_dir, CM_SANDBOX_WRITE);
	for (size_t i = 0; i < LISTENER_COUNT; i++)
		cm_sandbox_allow_parent(&sandbox, cm_httpd_socket_path(program->listeners[i].where),
					CM_SANDBOX_WRITE);
	return cm_sandbox_enter(&sandbox, err);
}

static bool start(struct program *program, struct cm_error *err)
{
	if (!confine(program, err))
		return false;
	program->stats = cm_stats_open(program->config->run_dir, err);
	if (program->stats == NULL)
		return false;
	if (program->listeners[WEB].fd >= 0 &&
	    (program->limits = cm_limits_open(program->config->run_dir, err)) == NULL)
		return false;
	program->context =
	    (struct cm_httpd_context){program->config, program->stats, program->limits};
	for (size_t i = 0; i < LISTENER_COUNT; i++) {
		struct listener *listener = &program->listeners[i];
		int fd = listener->fd;

		if (fd < 0)
			continue;
		listener->fd = -1;
		listener->server =
		    cm_httpd_start(fd, listener->routes, &program->context, listener->limits, err);
		if (listener->server == NULL)
			return false;
	}
	return true;
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
		for (size_t i = 0; i < LISTENER_COUNT; i++)
			if (program->listeners[i].server != NULL)
				cm_httpd_sweep(program->listeners[i].server);
	}
}

static int run(struct program *program)
{
	struct cm_error err;

	if (program->listeners[METRICS].fd < 0 && program->listeners[WEB].fd < 0 &&
	    program->listeners[MXDELIV].fd < 0) {
		cm_log(LOG_INFO,
		       "%s: metrics_listen, web_listen and mxdeliv_listen are empty: there is "
		       "nothing to serve",
		       program->config->path);
		return EXIT_SUCCESS;
	}
	if (!start(program, &err))
		return cm_daemon_fail(&err);
	cm_daemon_ready(&program->daemon);
	if (program->listeners[METRICS].server != NULL)
		cm_log(LOG_INFO, "serving metrics on %s", program->listeners[METRICS].where);
	if (program->listeners[WEB].server != NULL)
		cm_log(LOG_INFO, "creating accounts on %s", program->listeners[WEB].where);
	if (program->listeners[MXDELIV].server != NULL)
		cm_log(LOG_INFO, "accepting mail on %s", program->listeners[MXDELIV].where);
	serve(program);
	cm_log(LOG_INFO, "stopped");
	return EXIT_SUCCESS;
}

static void close_listeners(struct program *program)
{
	for (size_t i = 0; i < LISTENER_COUNT; i++) {
		struct listener *listener = &program->listeners[i];

		if (listener->server != NULL || listener->fd >= 0)
			cm_httpd_unlink(listener->where);
		cm_httpd_stop(&listener->server);
		if (listener->fd >= 0)
			close(listener->fd);
	}
}

int main(int argc, char **argv)
{
	struct program program = {
	    .daemon =
		{
		    .name = "chatmail-httpd",
		    .summary = "Creates accounts over the web on web_listen of chatmail.ini, "
			       "accepts mail from other relays\non mxdeliv_listen, and serves the "
			       "relay's statistics as OpenMetrics on metrics_listen.",
		},
	    .listeners =
		{
		    [METRICS] =
			{
			    .routes = metrics_routes,
			    .limits = &metrics_limits,
			    .exposed = "metrics_listen = %s: other machines can read the metrics",
			    .fd = -1,
			},
		    [WEB] =
			{
			    .routes = web_routes,
			    .limits = &web_limits,
			    .exposed =
				"web_listen = %s: passwords would cross the network unencrypted",
			    .fd = -1,
			},
		    [MXDELIV] =
			{
			    .routes = mxdeliv_routes,
			    .limits = &mxdeliv_limits,
			    .exposed = "mxdeliv_listen = %s: other machines can connect",
			    .fd = -1,
			},
		},
	};
	int status = cm_daemon_parse(&program.daemon, NULL, argc, argv);

	if (status < 0)
		status = cm_daemon_start(&program.daemon, start_listening, &program);
	if (status < 0)
		status = run(&program);
	close_listeners(&program);
	cm_limits_close(&program.limits);
	cm_stats_close(&program.stats);
	cm_config_free(&program.config);
	cm_daemon_end(&program.daemon);
	return status;
}
