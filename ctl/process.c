#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* Longest output that is kept; the rest is read and dropped. */
#define PROCESS_OUTPUT_MAX 4194304

static int spawn(const char *const *argv, int output, bool errors, pid_t *pid_r)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int error = posix_spawn_file_actions_init(&actions);

	if (error != 0)
		return error;
	error = posix_spawnattr_init(&attributes);
	if (error != 0) {
		posix_spawn_file_actions_destroy(&actions);
		return error;
	}
	error = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_RESETIDS);
	if (error == 0)
		error = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null",
							 O_RDONLY, 0);
	if (error == 0)
		error = posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
	if (error == 0 && errors)
		error = posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
	if (error == 0)
		error = posix_spawnp(pid_r, argv[0], &actions, &attributes, (char *const *)argv,
				     environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return error;
}

/* Reads to the end; drops output beyond PROCESS_OUTPUT_MAX, because the writer must not
   block. */
static bool collect(int fd, struct cm_process_result *result)
{
	FILE *stream = open_memstream(&result->output, &result->length);
	char buffer[16384];
	size_t total = 0;
	ssize_t got;

	if (stream == NULL)
		return false;
	while ((got = read(fd, buffer, sizeof(buffer))) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			break;
		if (total + (size_t)got <= PROCESS_OUTPUT_MAX)
			total += fwrite(buffer, 1, (size_t)got, stream);
	}
	return (fclose(stream) == 0) && got == 0;
}

static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return CM_PROCESS_NOT_FOUND;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool cm_process_run(const char *const *argv, bool errors, struct cm_process_result *result_r,
		    struct cm_error *err)
{
	int ends[2], error;
	pid_t pid = -1;
	bool good;

	*result_r = (struct cm_process_result){0};
	if (pipe2(ends, O_CLOEXEC) < 0) {
		cm_error_set_errno(err, "%s: cannot be run", argv[0]);
		return false;
	}
	error = spawn(argv, ends[1], errors, &pid);
	close(ends[1]);
	good = error == 0 || error == ENOENT;
	if (error == 0) {
		good = collect(ends[0], result_r);
		error = errno;
		result_r->status = wait_for(pid);
	} else if (error == ENOENT) {
		result_r->status = CM_PROCESS_NOT_FOUND;
		result_r->output = calloc(1, 1);
		good = result_r->output != NULL;
	}
	close(ends[0]);
	if (!good) {
		errno = error;
		cm_error_set_errno(err, "%s: cannot be run", argv[0]);
		free(result_r->output);
		*result_r = (struct cm_process_result){0};
	}
	return good;
}

bool cm_process_open(const char *const *argv, struct cm_process_stream *process_r,
		     struct cm_error *err)
{
	int ends[2], error;

	*process_r = (struct cm_process_stream){0};
	if (pipe2(ends, O_CLOEXEC) < 0) {
		cm_error_set_errno(err, "%s: cannot be run", argv[0]);
		return false;
	}
	error = spawn(argv, ends[1], false, &process_r->pid);
	close(ends[1]);
	if (error == 0) {
		process_r->stream = fdopen(ends[0], "r");
		if (process_r->stream != NULL)
			return true;
		error = errno;
		kill(process_r->pid, SIGTERM);
		wait_for(process_r->pid);
	}
	close(ends[0]);
	errno = error;
	cm_error_set_errno(err, "%s: cannot be run", argv[0]);
	return false;
}

void cm_process_close(struct cm_process_stream *process)
{
	if (process->stream == NULL)
		return;
	fclose(process->stream);
	process->stream = NULL;
	kill(process->pid, SIGTERM);
	wait_for(process->pid);
}
