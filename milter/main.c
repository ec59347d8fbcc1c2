/*
 * chatmail-milter - the milter to which Postfix passes every message
 *
 * Start, signals and end; session.c handles the messages.
 */
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/select.h>
#include <sys/types.h>
#include <unistd.h>

#include "config.h"
#include "daemon.h"
#include "error.h"
#include "listener.h"
#include "log.h"
#include "options.h"
#include "runtime.h"
#include "sandbox.h"
#include "self_check.h"
#include "signer.h"
#include "supervisor.h"

#define DEFAULT_SOCKET CM_RUN_DIR "/milter.sock"

/* Interval of the checks that libmilter still replies, unless the service manager requests a
   shorter one; and the number of checks in a row that may fail. */
#define CHECK_MILLISECONDS 10000
#define CHECK_FAILURES     3

/* Fewer free descriptors than this are too few if libmilter uses select(). */
#define SPARE_DESCRIPTORS 64

/* Grace period for libmilter to send the last reply. */
#define REPLY_MILLISECONDS 500

/* Grace period for messages in progress after SIGTERM. */
#define STOP_MILLISECONDS 30000
/* Interval of the checks for a second SIGTERM during that period. */
#define STEP_MILLISECONDS 200

/* True if libmilter accepts no more connections. */
static atomic_bool listener_ended;

struct program {
	struct cm_daemon daemon;
	struct cm_listener_options listener;
};

static bool set_mode(const struct cm_option *option, const char *text, struct cm_error *err)
{
	char *end;
	unsigned long mode = strtoul(text, &end, 8);

	if (*text >= '0' && *text <= '7' && *end == '\0' && mode <= 0777) {
		*(mode_t *)option->value = (mode_t)mode;
		return true;
	}
	cm_error_set(err, "not permissions in octal");
	return false;
}

/* Returns -1 to continue, otherwise the exit status. */
static int parse(struct program *program, int argc, char **argv)
{
	const struct cm_option options[] = {
	    {"socket", 's', "SOCKET",
	     "PATH, unix:PATH, inet:PORT@HOST or inet6:PORT@HOST\n(" DEFAULT_SOCKET ")",
	     cm_option_text, &program->listener.socket, 0, 0},
	    {"group", 'g', "GROUP", "group of the Unix socket", cm_option_text,
	     &program->listener.group, 0, 0},
	    {"mode", 'm', "MODE", "permissions of the Unix socket, octal (0660)", set_mode,
	     &program->listener.mode, 0, 0},
	    {.name = NULL},
	};
	int status;

	status = cm_daemon_parse(&program->daemon, options, argc, argv);
	if (status >= 0)
		return status;
	program->listener.user = program->daemon.user;
	return cm_daemon_check_path(&program->daemon, "socket",
				    cm_listener_path(program->listener.socket));
}

/* Returns the next signal, or 0 after the timeout. */
static int next_signal(const struct program *program, int milliseconds)
{
	struct pollfd fd = {.fd = program->daemon.signals, .events = POLLIN};

	return poll(&fd, 1, milliseconds) > 0 ? cm_daemon_next_signal(fd.fd) : 0;
}

static bool load(const struct program *program, struct cm_error *err)
{
	if (!cm_runtime_load(program->daemon.config_path, cm_config_warn_log, NULL, err))
		return false;
	cm_log_show_addresses(cm_runtime_logs_addresses());
	return true;
}

static void reload(const struct program *program)
{
	struct cm_error err;

	if (load(program, &err))
		cm_log(LOG_INFO, "configuration read again");
	else
		cm_log(LOG_ERR, "the configuration stays as it was: %s", err.text);
}

/* Waits for the messages in progress. False if some are left. libmilter sends a message's last
   reply after the callback has returned, without notice: hence the grace period after the last
   message. */
static bool finish_messages(const struct program *program)
{
	cm_runtime_stop();
	for (int waited = 0; waited < STOP_MILLISECONDS; waited += STEP_MILLISECONDS) {
		if (cm_runtime_wait_idle(STEP_MILLISECONDS)) {
			poll(NULL, 0, REPLY_MILLISECONDS);
			return true;
		}
		if (next_signal(program, 0) == SIGTERM)
			break;
	}
	return cm_runtime_wait_idle(0);
}

static void on_listener_end(void)
{
	listener_ended = true;
	kill(getpid(), SIGTERM);
}

/* Logs each time that the number of descriptors approaches the limit of select(). */
static void watch_descriptors(void)
{
	static bool logged;
	unsigned int open_count = cm_self_check_descriptors();
	bool near = open_count + SPARE_DESCRIPTORS > FD_SETSIZE;

	if (near && !logged)
		cm_log(LOG_WARNING,
		       "%u descriptors are open, and libmilter supports %d: lower "
		       "max_smtp_connections",
		       open_count, FD_SETSIZE);
	logged = near;
}

/* Serves until a signal ends the program (returns the signal), or libmilter does not reply
   (returns 0). */
static int wait_for_end(const struct program *program)
{
	bool selects = cm_self_check_selects();
	int period = cm_supervisor_watchdog(CHECK_MILLISECONDS), failures = 0, number;

	for (;;) {
		number = next_signal(program, period);
		if (number == SIGTERM || number == SIGINT)
			return number;
		if (number == SIGHUP)
			reload(program);
		if (number != 0)
			continue;
		if (selects)
			watch_descriptors();
		failures = cm_listener_answers(period) ? 0 : failures + 1;
		if (failures == 0)
			cm_supervisor_notify("WATCHDOG=1");
		if (failures == CHECK_FAILURES)
			return 0;
	}
}

static int serve(const struct program *program)
{
	struct cm_error err;

	if (!cm_listener_start(on_listener_end, &err))
		return cm_daemon_fail(&err);
	cm_log(LOG_INFO, "listening on %s", program->listener.socket);
	/* With threads still running, not exit(): its destructors would free memory that they use.
	 */
	if (wait_for_end(program) == 0) {
		cm_error_set(&err, "libmilter does not answer");
		_exit(cm_daemon_fail(&err));
	}
	cm_listener_close();
	if (listener_ended) {
		cm_error_set(&err, "libmilter failed");
		return cm_daemon_fail(&err);
	}
	cm_log(LOG_INFO, "stopping");
	if (!finish_messages(program)) {
		cm_log(LOG_WARNING, "exiting with messages in progress: their senders will retry");
		_exit(EXIT_SUCCESS);
	}
	return EXIT_SUCCESS;
}

/* Does what needs root: opens the socket, and reads the DKIM key. */
static bool open_as_root(void *context, const struct cm_daemon *daemon, struct cm_error *err)
{
	const struct program *program = context;

	cm_runtime_read_key(daemon->config_path);
	return cm_listener_open(&program->listener, err);
}

/* Write access: its socket and the counters. */
static bool confine(const struct program *program, struct cm_error *err)
{
	struct cm_config *config = cm_config_load(program->daemon.config_path, NULL, NULL, err);
	struct cm_sandbox sandbox = {.network = true};
	bool good;

	if (config == NULL)
		return false;
	cm_sandbox_allow_daemon(&sandbox, &program->daemon, config);
	cm_sandbox_allow_parent(&sandbox, cm_listener_path(program->listener.socket),
				CM_SANDBOX_WRITE);
	cm_sandbox_allow_top(&sandbox, config->mailboxes_dir, CM_SANDBOX_READ);
	/* Allows a changed key to be read again, if its mode permits that. */
	cm_sandbox_allow(&sandbox, config->dkim_keys_dir, CM_SANDBOX_READ);
	cm_sandbox_allow(&sandbox, getenv(CM_SIGNER_CREDENTIALS), CM_SANDBOX_READ);
	good = cm_sandbox_enter(&sandbox, err);
	cm_config_free(&config);
	return good;
}

static int run(struct program *program)
{
	struct cm_error err;

	if (!confine(program, &err) || !load(program, &err))
		return cm_daemon_fail(&err);
	cm_daemon_ready(&program->daemon);
	return serve(program);
}

int main(int argc, char **argv)
{
	struct program program = {
	    .daemon =
		{
		    .name = "chatmail-milter",
		    .synopsis = "[-s SOCKET] [-g GROUP] [-m MODE]",
		    .summary =
			"Checks the mail that passes through Postfix, by the milter protocol.",
		    .closing = "SIGHUP reads the configuration again; SIGTERM ends the program "
			       "after the messages in progress.",
		},
	    .listener = {.socket = DEFAULT_SOCKET, .mode = 0660},
	};
	int status = parse(&program, argc, argv);

	if (status < 0)
		status = cm_daemon_start(&program.daemon, open_as_root, &program);
	if (status < 0)
		status = run(&program);
	cm_daemon_end(&program.daemon);
	return status;
}
