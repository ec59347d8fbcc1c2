/*
 * chatmail-transport - deliver outgoing mail over HTTPS to relays that accept it
 *
 * See chatmail-transport(8). This file handles the options, the signals and the configuration.
 */
#include <curl/curl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "config.h"
#include "daemon.h"
#include "lmtp.h"
#include "log.h"
#include "post.h"
#include "sandbox.h"
#include "socketmap.h"
#include "spool.h"
#include "unix_socket.h"

/* Milliseconds between checks for signals that the loop's descriptor missed. */
#define TICK 1000
/* Grace period at the end, in seconds: Postfix retries unfinished messages. */
#define DRAIN 20

#define DEFAULT_DIRECTORY "/var/spool/postfix/chatmail"

/* Of the sockets: Postfix connects as a member of their group. */
#define SOCKET_MODE 0660
#define BACKLOG     128

struct program {
	const char *directory; /* of the sockets */
	struct cm_config *config;
	struct delivery_world world;
	struct lmtp_server *lmtp;
	struct socketmap_server *socketmap;
	struct cm_federation *federation;
	struct cm_stats *stats;
	struct loop_watch signals;
	bool signalled;
};

static void on_signal(void *context, short revents)
{
	struct program *program = context;

	(void)revents;
	program->signalled = true;
}

static void turn(struct program *program)
{
	loop_run(program->world.loop, TICK);
	post_finish(program->world.loop);
	delivery_finish(&program->world);
}

/* DIRECTORY/NAME; NULL if out of memory. */
static char *join(const char *directory, const char *name)
{
	char *path = NULL;

	return asprintf(&path, "%s/%s", directory, name) >= 0 ? path : NULL;
}

static bool open_servers(struct program *program, struct cm_error *err)
{
	const struct cm_config *config = program->config;
	char *lmtp = join(program->directory, "transport.sock");
	char *map = join(program->directory, "transport-map.sock");
	char *links = join(program->directory, "transport");
	struct socketmap_options options;
	int listener = -1;
	bool good = false;

	if (lmtp == NULL || map == NULL || links == NULL) {
		cm_error_set(err, "out of memory");
		goto out;
	}
	listener = cm_unix_socket_listen(lmtp, SOCKET_MODE, BACKLOG, err);
	if (listener < 0)
		goto out;
	program->lmtp = lmtp_server_new(&program->world, listener, config->max_message_size);
	if (program->lmtp == NULL) {
		cm_error_set(err, "out of memory");
		goto out;
	}
	listener = cm_unix_socket_listen(map, SOCKET_MODE, BACKLOG, err);
	if (listener < 0)
		goto out;
	options = (struct socketmap_options){
	    .directory = links,
	    .lmtp_socket = lmtp,
	    .outbound = config->outbound,
	    .federation = program->federation,
	    .stats = program->stats,
	};
	program->socketmap = socketmap_server_new(&program->world, listener, &options, err);
	good = program->socketmap != NULL;
out:
	free(lmtp);
	free(map);
	free(links);
	return good;
}

/* With NULL nothing is counted. */
static struct cm_stats *open_stats(const struct cm_config *config)
{
	struct cm_error err;
	struct cm_stats *stats = cm_stats_open(config->run_dir, &err);

	if (stats == NULL)
		cm_log(LOG_WARNING, "no statistics: %s", err.text);
	return stats;
}

static bool prepare(struct program *program, int signals, struct cm_error *err)
{
	struct delivery_world *world = &program->world;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0) {
		cm_error_set(err, "cannot initialize libcurl");
		return false;
	}
	world->loop = loop_new();
	world->routes = route_table_new();
	world->private_peers = program->config->outbound_private;
	program->federation = cm_federation_new(program->config);
	program->stats = open_stats(program->config);
	if (world->loop == NULL || world->routes == NULL || program->federation == NULL) {
		cm_error_set(err, "out of memory");
		return false;
	}
	world->mx = mx_new(world->loop, program->config->resolver, err);
	if (world->mx == NULL)
		return false;
	program->signals = (struct loop_watch){
	    .fd = signals,
	    .events = POLLIN,
	    .ready = on_signal,
	    .context = program,
	};
	if (!loop_add(world->loop, &program->signals)) {
		cm_error_set(err, "out of memory");
		return false;
	}
	return open_servers(program, err);
}

/* Ends on request; SIGHUP has no effect: a changed configuration needs a restart. */
static void serve(struct program *program, struct cm_daemon *daemon)
{
	int number = 0;
	int64_t end;

	while (number != SIGTERM && number != SIGINT) {
		turn(program);
		number = cm_daemon_next_signal(daemon->signals);
	}
	lmtp_server_stop(program->lmtp);
	for (end = cm_clock_seconds() + DRAIN;
	     lmtp_server_busy(program->lmtp) > 0 && cm_clock_seconds() < end;)
		turn(program);
}

static void close_all(struct program *program)
{
	lmtp_server_free(&program->lmtp);
	socketmap_server_free(&program->socketmap);
	delivery_end_probes(&program->world);
	delivery_finish(&program->world);
	mx_free(&program->world.mx);
	loop_free(&program->world.loop);
	route_table_free(&program->world.routes);
	cm_federation_free(&program->federation);
	cm_stats_close(&program->stats);
	curl_global_cleanup();
}

/* The program does not access mailboxes. */
static bool confine(const struct program *program, const struct cm_daemon *daemon,
		    struct cm_error *err)
{
	struct cm_sandbox sandbox = {.network = true};

	cm_sandbox_allow_daemon(&sandbox, daemon, program->config);
	cm_sandbox_allow(&sandbox, program->directory, CM_SANDBOX_WRITE);
	cm_sandbox_allow(&sandbox, spool_directory(), CM_SANDBOX_WRITE);
	cm_sandbox_allow(&sandbox, getenv("SSL_CERT_FILE"), CM_SANDBOX_READ);
	cm_sandbox_allow(&sandbox, getenv("SSL_CERT_DIR"), CM_SANDBOX_READ);
	return cm_sandbox_enter(&sandbox, err);
}

static int run(struct program *program, struct cm_daemon *daemon)
{
	struct cm_error err;

	program->config = cm_config_load(daemon->config_path, cm_config_warn_log, NULL, &err);
	if (program->config == NULL)
		return cm_daemon_fail(&err);
	cm_log_show_addresses(program->config->log_addresses);
	if (!confine(program, daemon, &err) || !prepare(program, daemon->signals, &err))
		return cm_daemon_fail(&err);
	cm_log(LOG_INFO, "ready");
	cm_daemon_ready(daemon);
	serve(program, daemon);
	cm_log(LOG_INFO, "stopped");
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct program program = {.directory = DEFAULT_DIRECTORY};
	const struct cm_option options[] = {
	    {"socket-directory", 's', "DIRECTORY",
	     "directory of the sockets for Postfix\n(" DEFAULT_DIRECTORY ")", cm_option_path,
	     &program.directory, 0, 0},
	    {.name = NULL},
	};
	struct cm_daemon daemon = {
	    .name = "chatmail-transport",
	    .synopsis = "[-s DIRECTORY]",
	    .summary = "Delivers outgoing mail over HTTPS to relays that accept it.",
	};
	int status = cm_daemon_parse(&daemon, options, argc, argv);

	if (status < 0)
		status = cm_daemon_start(&daemon, NULL, NULL);
	if (status < 0) {
		status = run(&program, &daemon);
		close_all(&program);
		cm_config_free(&program.config);
	}
	cm_daemon_end(&daemon);
	return status;
}
