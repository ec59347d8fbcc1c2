/*
 * chatmail-milter - Postfix asks this program about every message
 *
 * Start, signals and end; what a message meets is in session.c, and why signals are caught by
 * handlers in listener.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <unistd.h>

#include "config.h"
#include "daemon.h"
#include "daemon_options.h"
#include "error.h"
#include "listener.h"
#include "log.h"
#include "runtime.h"

#define NAME           "chatmail-milter"
#define DEFAULT_SOCKET CM_RUN_DIR "/milter.sock"

/* What the reply to the last one may take to be sent. */
#define REPLY_MILLISECONDS 500

/* Not a signal: libmilter takes no more connections. */
#define LISTENER_ENDED 255

/* How long messages under way may take to end after SIGTERM. */
#define STOP_MILLISECONDS 30000
/* How often that is interrupted to see whether a second SIGTERM says "now". */
#define STEP_MILLISECONDS 200

struct options {
	const char *ini;
	const char *pid_file;
	struct cm_listener_options listener; /* its user is the program's */
	bool foreground;
};

static int signal_pipe[2] = {-1, -1};

static void usage(FILE *stream)
{
	fputs("Usage: " NAME " [OPTION]...\n"
	      "Judge the mail that passes through Postfix, by the milter protocol.\n"
	      "\n"
	      "  -c, --config INI      configuration (" CM_CONFIG_DEFAULT_PATH ")\n"
	      "  -s, --socket SOCKET   PATH, unix:PATH, inet:PORT@HOST or inet6:PORT@HOST\n"
	      "                        (" DEFAULT_SOCKET ")\n"
	      "  -g, --group GROUP     group that the Unix socket is given to\n"
	      "  -m, --mode MODE       permissions of the Unix socket, octal (0660)\n"
	      "  -p, --pid-file FILE   write the process id, and refuse to run twice\n"
	      "  -u, --user USER       if started by root, become this user once the socket is\n"
	      "                        open (" CM_DAEMON_USER ")\n"
	      "  -f, --foreground      stay in the foreground, log to standard error\n"
	      "  -h, --help            print this\n"
	      "  -V, --version         print the version\n"
	      "\n"
	      "SIGHUP reads the configuration again; SIGTERM ends after the messages under way.\n",
	      stream);
}

static bool parse_mode(const char *text, mode_t *mode_r)
{
	char *end;
	unsigned long mode = strtoul(text, &end, 8);

	if (*text < '0' || *text > '7' || *end != '\0' || mode > 0777)
		return false;
	*mode_r = (mode_t)mode;
	return true;
}

/* A background process works in "/", so relative paths would mean something else there. */
static bool paths_are_absolute(const struct options *options)
{
	const char *paths[] = {options->ini, cm_listener_path(options->listener.socket),
			       options->pid_file};

	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
		if (paths[i] != NULL && paths[i][0] != '/') {
			fprintf(stderr, NAME ": %s: not an absolute path, as -f alone allows\n",
				paths[i]);
			return false;
		}
	return true;
}

/* Returns -1 to go on, else the exit status. */
static int parse_options(int argc, char **argv, struct options *options)
{
	static const struct option known[] = {
	    {"config", required_argument, NULL, 'c'},   {"socket", required_argument, NULL, 's'},
	    {"group", required_argument, NULL, 'g'},    {"mode", required_argument, NULL, 'm'},
	    {"pid-file", required_argument, NULL, 'p'}, {"user", required_argument, NULL, 'u'},
	    {"foreground", no_argument, NULL, 'f'},     {"help", no_argument, NULL, 'h'},
	    {"version", no_argument, NULL, 'V'},        {NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "c:s:g:m:p:u:fhV", known, NULL)) != -1) {
		switch (option) {
		case 'c':
			options->ini = optarg;
			break;
		case 's':
			options->listener.socket = optarg;
			break;
		case 'g':
			options->listener.group = optarg;
			break;
		case 'm':
			if (!parse_mode(optarg, &options->listener.mode)) {
				fprintf(stderr, NAME ": --mode %s: not octal permissions\n",
					optarg);
				return 2;
			}
			break;
		case 'p':
			options->pid_file = optarg;
			break;
		case 'u':
			options->listener.user = optarg;
			break;
		case 'f':
			options->foreground = true;
			break;
		case 'h':
			usage(stdout);
			return 0;
		case 'V':
			puts(NAME " " CM_VERSION);
			return 0;
		default:
			fputs("Try '" NAME " --help'.\n", stderr);
			return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, NAME ": unexpected argument: %s\n", argv[optind]);
		return 2;
	}
	return options->foreground || paths_are_absolute(options) ? -1 : 2;
}

static void on_signal(int number)
{
	unsigned char byte = (unsigned char)number;
	int saved_errno = errno;

	/* A full pipe has enough news in it. */
	if (write(signal_pipe[1], &byte, 1) < 0)
		errno = saved_errno;
}

static bool catch_signals(struct cm_error *err)
{
	/* SA_NODEFER: a blocked signal would go to libmilter's thread. */
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART | SA_NODEFER};
	struct sigaction ignore = {.sa_handler = SIG_IGN};

	if (pipe2(signal_pipe, O_CLOEXEC | O_NONBLOCK) == 0 &&
	    sigaction(SIGHUP, &action, NULL) == 0 && sigaction(SIGTERM, &action, NULL) == 0 &&
	    sigaction(SIGINT, &action, NULL) == 0 && sigaction(SIGPIPE, &ignore, NULL) == 0)
		return true;
	cm_error_set_errno(err, "cannot set up signals");
	return false;
}

/* The next signal, or 0 after so long. */
static int next_signal(int milliseconds)
{
	struct pollfd fd = {.fd = signal_pipe[0], .events = POLLIN};
	unsigned char byte;

	if (poll(&fd, 1, milliseconds) > 0 && read(signal_pipe[0], &byte, 1) == 1)
		return byte;
	return 0;
}

static bool load(const struct options *options, struct cm_error *err)
{
	if (!cm_runtime_load(options->ini, cm_config_warn_log, NULL, err))
		return false;
	cm_log_init(NAME, options->foreground ? CM_LOG_STDERR : CM_LOG_SYSLOG,
		    cm_runtime_logs_addresses());
	return true;
}

/* Every connection is a descriptor, and a large message one more. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static void reload(const struct options *options)
{
	struct cm_error err;

	if (load(options, &err))
		cm_log(LOG_INFO, "configuration read again");
	else
		cm_log(LOG_ERR, "the configuration stays as it was: %s", err.text);
}

/* Waits for the messages under way. False if some are left. libmilter sends a message's last reply
   when the callback has returned, and tells nobody: hence the moment after the last one. */
static bool finish_messages(void)
{
	cm_runtime_stop();
	for (int waited = 0; waited < STOP_MILLISECONDS; waited += STEP_MILLISECONDS) {
		if (cm_runtime_wait_idle(STEP_MILLISECONDS)) {
			poll(NULL, 0, REPLY_MILLISECONDS);
			return true;
		}
		if (next_signal(0) == SIGTERM)
			break;
	}
	return cm_runtime_wait_idle(0);
}

static void on_listener_end(void)
{
	on_signal(LISTENER_ENDED);
}

static int serve(const struct options *options, struct cm_error *err)
{
	int number;

	if (!cm_listener_start(on_listener_end, err))
		return EXIT_FAILURE;
	cm_log(LOG_INFO, "listening on %s", options->listener.socket);
	do {
		number = next_signal(-1);
		if (number == SIGHUP)
			reload(options);
	} while (number != SIGTERM && number != SIGINT && number != LISTENER_ENDED);
	cm_listener_close();
	if (number == LISTENER_ENDED) {
		cm_error_set(err, "libmilter gave up");
		return EXIT_FAILURE;
	}
	cm_log(LOG_INFO, "stopping");
	if (!finish_messages()) {
		cm_log(LOG_WARNING, "ending with messages under way: they are tried again");
		/* Not exit(): threads still use what that would take down. */
		_exit(EXIT_SUCCESS);
	}
	return EXIT_SUCCESS;
}

/* Everything between the options and the service, in the order that privileges allow. */
static int start_and_serve(const struct options *options, int *ready_fd, int *pid_fd,
			   struct cm_error *err)
{
	raise_descriptor_limit();
	if (options->pid_file != NULL) {
		*pid_fd = cm_daemon_pid_file(options->pid_file, err);
		if (*pid_fd < 0)
			return EXIT_FAILURE;
	}
	if (!catch_signals(err) || !cm_listener_open(&options->listener, err) ||
	    !cm_daemon_drop_privileges(options->listener.user, err) || !load(options, err))
		return EXIT_FAILURE;
	cm_daemon_ready(ready_fd);
	return serve(options, err);
}

int main(int argc, char **argv)
{
	struct options options = {
	    .ini = CM_CONFIG_DEFAULT_PATH,
	    .listener =
		{
		    .socket = DEFAULT_SOCKET,
		    .user = geteuid() == 0 ? CM_DAEMON_USER : NULL,
		    .mode = 0660,
		},
	};
	int ready_fd = -1, pid_fd = -1, status;
	struct cm_error err = {""};

	status = parse_options(argc, argv, &options);
	if (status >= 0)
		return status;
	if (!options.foreground) {
		switch (cm_daemon_background(&ready_fd, &err)) {
		case CM_DAEMON_STARTED:
			return EXIT_SUCCESS;
		case CM_DAEMON_FAILED:
			fprintf(stderr, NAME ": %s\n", err.text);
			return EXIT_FAILURE;
		case CM_DAEMON_CHILD:
			break;
		}
	}
	cm_log_init(NAME, CM_LOG_STDERR, false);
	status = start_and_serve(&options, &ready_fd, &pid_fd, &err);
	if (status != EXIT_SUCCESS)
		cm_log(LOG_ERR, "%s", err.text);
	if (options.pid_file != NULL)
		cm_daemon_pid_file_remove(options.pid_file, &pid_fd);
	return status;
}
