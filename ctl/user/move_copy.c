#include "move_copy.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backend_client.h"
#include "file.h"
#include "process.h"

/* Maximum number of runs of dsync, which must be repeated if the mailbox changes meanwhile. */
#define DSYNC_ATTEMPTS 5
#define DSYNC_AGAIN    2

/* Seconds to wait for changes in progress. */
#define CHANGES_TIMEOUT 60

/* Enters a directory of mailboxes_dir: root must not follow a link that vmail made there. The
   arguments are mailboxes_dir, and the name twice. */
#define ENTER "cd '%s' && top=$(pwd -P) && cd '%s' && test \"$(pwd -P)\" = \"$top/%s\""

/* The exit status of a command that looks for an account. */
#define NOT_FOUND 1

/* Runs a shell command on a host, with the file input as its standard input unless that is NULL.
   The shell here splits --rsh into words. */
static bool remote(struct cm_move *move, const char *host, const char *input, const char *command,
		   struct cm_process_result *result_r)
{
	static const char script[] = "set -f; file=$1 rsh=$2; shift 2; exec $rsh \"$@\" <\"$file\"";
	const char *const argv[] = {
	    "sh",      "-c", script,  "sh", input != NULL ? input : "/dev/null",
	    move->rsh, host, command, NULL};

	return cm_process_run(argv, false, result_r, &move->job.err);
}

/* The same for a command from a format, whose output is ignored. Returns the exit status,
   or -1 with err filled. */
static int remote_status(struct cm_move *move, const char *host, const char *input,
			 const char *format, ...) __attribute__((format(printf, 4, 5)));

static int remote_status(struct cm_move *move, const char *host, const char *input,
			 const char *format, ...)
{
	struct cm_process_result result = {0};
	va_list arguments;
	char *command;
	int status = -1, length;

	va_start(arguments, format);
	length = vasprintf(&command, format, arguments);
	va_end(arguments);
	if (length < 0) {
		cm_error_set(&move->job.err, "out of memory");
		return -1;
	}
	if (remote(move, host, input, command, &result))
		status = result.status;
	free(result.output);
	free(command);
	return status;
}

static bool failed(struct cm_move *move, const char *host, const char *what, int status)
{
	if (status >= 0)
		cm_error_set(&move->job.err, "%s: %s: failed with exit status %d", host, what,
			     status);
	return false;
}

bool cm_move_mail(struct cm_move *move)
{
	bool ipv6 = strchr(move->from, ':') != NULL;
	int status = DSYNC_AGAIN;

	for (int i = 0; i < DSYNC_ATTEMPTS && status == DSYNC_AGAIN; i++)
		status =
		    remote_status(move, move->to, NULL, "doveadm backup -R -u '%s' 'tcp:%s%s%s:%d'",
				  move->address.text, ipv6 ? "[" : "", move->from, ipv6 ? "]" : "",
				  CM_BACKEND_DSYNC_PORT);
	return status == 0 || failed(move, move->to, "doveadm", status);
}

/* A file in memory with the output, because it has the password's hash. -1 with err filled. */
static int keep(struct cm_move *move, const struct cm_process_result *result)
{
	int fd = memfd_create("transfer", 0);

	if (fd >= 0 && cm_file_write_fully(fd, result->output, result->length))
		return fd;
	cm_error_set_errno(&move->job.err, "a file in memory: cannot be written");
	cm_file_close(fd);
	return -1;
}

bool cm_move_files(struct cm_move *move)
{
	const char *directory = move->job.config->mailboxes_dir, *address = move->address.text;
	struct cm_process_result result = {0};
	char *command, path[32];
	int status = -1, fd = -1;

	if (asprintf(&command,
		     "cd '%s/%s' && tar -cf - $(ls -d " CM_ACCOUNT_PASSWORD_FILE
		     " " CM_ACCOUNT_ENFORCE_FILE " " CM_ACCOUNT_BLOCKED_FILE
		     " " CM_ACCOUNT_METADATA_FILE " 2>/dev/null)",
		     directory, address) < 0) {
		cm_error_set(&move->job.err, "out of memory");
		return false;
	}
	if (remote(move, move->from, NULL, command, &result)) {
		if (result.status == 0)
			fd = keep(move, &result);
		else
			(void)failed(move, move->from, "tar", result.status);
	}
	if (fd >= 0) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		/* The old copy will be deleted, so this one must survive a power failure. */
		status = remote_status(move, move->to, path,
				       "umask 077 && mkdir -p '%s/%s' && " ENTER " && "
				       "tar -xpf - && chown -hR vmail:vmail . && sync && "
				       "test -h '%s/" CM_BACKENDS_MAP_DIR "/%s'",
				       directory, address, directory, address, address, directory,
				       address);
		cm_file_close(fd);
		if (status != 0)
			(void)failed(move, move->to, "tar", status);
	}
	if (result.output != NULL)
		explicit_bzero(result.output, result.length);
	free(result.output);
	free(command);
	return status == 0;
}

/* A new link replaces an old one in one step. */
bool cm_move_link(struct cm_move *move, const char *host, const char *target)
{
	const char *directory = move->job.config->mailboxes_dir, *address = move->address.text;
	int status;

	if (target == NULL)
		status = remote_status(move, host, NULL, "rm -f '%s/" CM_BACKENDS_MAP_DIR "/%s'",
				       directory, address);
	else
		status =
		    remote_status(move, host, NULL,
				  "umask 077 && mkdir -p '%s/" CM_BACKENDS_MAP_DIR "' && " ENTER
				  " && rm -f '.%s' && ln -s -- '%s' '.%s' && "
				  "chown -h vmail:vmail . '.%s' && mv -f '.%s' '%s'",
				  directory, directory, CM_BACKENDS_MAP_DIR, CM_BACKENDS_MAP_DIR,
				  address, target, address, address, address, address);
	return status == 0 || failed(move, host, "recording the move", status);
}

bool cm_move_block(struct cm_move *move)
{
	int status;

	if (!cm_move_link(move, move->from, move->to))
		return false;
	status = remote_status(move, move->from, NULL,
			       "doveadm kick '%s' >/dev/null 2>&1; timeout %d flock '%s/%s' true",
			       move->address.text, CHANGES_TIMEOUT, move->job.config->mailboxes_dir,
			       move->address.text);
	return status == 0 || failed(move, move->from, "waiting for the mailbox", status);
}

bool cm_move_delete(struct cm_move *move, const char *host)
{
	int status =
	    remote_status(move, host, NULL,
			  "touch -h '%s/" CM_BACKENDS_MAP_DIR "/%s' && "
			  "chatmailctl user delete --yes '%s'",
			  move->job.config->mailboxes_dir, move->address.text, move->address.text);

	return status == 0 || failed(move, host, "chatmailctl user delete", status);
}

bool cm_move_look(struct cm_move *move, const char *host, enum cm_move_copy *copy_r)
{
	const char *directory = move->job.config->mailboxes_dir, *address = move->address.text;
	struct cm_process_result result = {0};
	char *command;
	bool good;

	if (asprintf(&command,
		     "cd '%s' || exit 2; test -e '%s/" CM_ACCOUNT_PASSWORD_FILE
		     "' || exit %d; readlink '" CM_BACKENDS_MAP_DIR "/%s' || echo",
		     directory, address, NOT_FOUND, address) < 0) {
		cm_error_set(&move->job.err, "out of memory");
		return false;
	}
	good = remote(move, host, NULL, command, &result);
	free(command);
	if (good && result.status != 0 && result.status != NOT_FOUND)
		good = failed(move, host, "looking for the account", result.status);
	if (good && (result.status != 0 || result.length == 0))
		*copy_r = CM_MOVE_NO_COPY;
	else if (good && result.output[0] == CM_BACKENDS_ARRIVING)
		*copy_r = CM_MOVE_ARRIVING;
	else if (good)
		*copy_r = result.output[0] == '\n' ? CM_MOVE_IN_USE : CM_MOVE_LEAVING;
	free(result.output);
	return good;
}
