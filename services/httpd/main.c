/*
 * chatmail-httpd - the relay's small web service
 *
 * Serves the statistics as OpenMetrics on metrics_listen of chatmail.ini. Binds, becomes an
 * unprivileged user, and serves until SIGTERM. See chatmail-httpd(8).
 */
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon.h"
#include "listen.h"
#include "log.h"
#include "route.h"
#include "server.h"

#define PROGRAM      "chatmail-httpd"
#define DEFAULT_USER "vmail"

static const struct cm_httpd_route metrics_routes[] = {
    {"GET", "/metrics", 0, cm_httpd_metrics},
    {NULL, NULL, 0, NULL},
};

struct options {
	const char *config_path;
	const char *pid_file;
	const char *user; /* NULL: DEFAULT_USER if started by root, else no change */
	bool foreground;
};

static const char usage[] =
    "usage: " PROGRAM " [-f] [-c INI] [-p PIDFILE] [-u USER]\n"
    "\n"
    "  -c, --config INI     configuration file (default " CM_CONFIG_DEFAULT_PATH ")\n"
    "  -f, --foreground     stay in the foreground, log to standard error\n"
    "  -p, --pid-file FILE  write the process id to FILE\n"
    "  -u, --user USER      run as USER when started by root (default " DEFAULT_USER ")\n"
    "      --help           show this help\n"
    "      --version        show the version\n";

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

/* False: *status_r says how to exit. */
static bool parse_options(int argc, char **argv, struct options *options_r, int *status_r)
{
	static const struct option long_options[] = {
	    {"config", required_argument, NULL, 'c'},
	    {"foreground", no_argument, NULL, 'f'},
	    {"pid-file", required_argument, NULL, 'p'},
	    {"user", required_argument, NULL, 'u'},
	    {"help", no_argument, NULL, 'h'},
	    {"version", no_argument, NULL, 'V'},
	    {NULL, 0, NULL, 0},
	};
	int option;

	*options_r = (struct options){.config_path = CM_CONFIG_DEFAULT_PATH};
	*status_r = EXIT_SUCCESS;
	while ((option = getopt_long(argc, argv, "c:fp:u:", long_options, NULL)) != -1) {
		switch (option) {
		case 'c':
			options_r->config_path = optarg;
			break;
		case 'f':
			options_r->foreground = true;
			break;
		case 'p':
			options_r->pid_file = optarg;
			break;
		case 'u':
			options_r->user = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			return false;
		case 'V':
			puts(PROGRAM " " CM_VERSION);
			return false;
		default:
			goto wrong;
		}
	}
	if (optind == argc)
		return true;
	fprintf(stderr, PROGRAM ": unexpected argument: %s\n", argv[optind]);
wrong:
	fputs(usage, stderr);
	*status_r = 2;
	return false;
}

static void warn(const char *text, void *context)
{
	(void)context;
	cm_log(LOG_WARNING, "%s", text);
}

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

static bool start(struct program *program, const struct options *options, struct cm_error *err)
{
	const char *user = options->user;
	int fd;

	if (user == NULL && geteuid() == 0)
		user = DEFAULT_USER;
	program->signal_fd = cm_daemon_signals(err);
	if (program->signal_fd < 0 || !start_listening(program, err) ||
	    !cm_daemon_drop_privileges(user, err))
		return false;
	if (options->pid_file != NULL &&
	    (program->pid_fd = cm_daemon_pid_file(options->pid_file, err)) < 0)
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

static int run(struct program *program, const struct options *options)
{
	struct cm_error err;

	cm_log_init(PROGRAM, CM_LOG_STDERR, false);
	program->config = cm_config_load(options->config_path, warn, NULL, &err);
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
	struct options options;
	int status;

	if (!parse_options(argc, argv, &options, &status))
		return status;
	status = run(&program, &options);
	cm_httpd_stop(&program.server);
	cm_stats_close(&program.stats);
	if (program.listen_fd >= 0)
		close(program.listen_fd);
	if (program.signal_fd >= 0)
		close(program.signal_fd);
	cm_daemon_pid_file_remove(options.pid_file, &program.pid_fd);
	cm_config_free(&program.config);
	return status;
}
