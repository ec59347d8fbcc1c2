/*
 * status_programs - find the relay's running programs in /proc
 *
 * PID files are not used: their paths differ between distributions, and a stale one names another
 * process. A process is identified by its program file and, if others have the same name
 * (Postfix's "master"), by a part of its path.
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "status_gather.h"

/* The first word of the command line. False if the process is gone or belongs to the kernel. */
static bool read_program(int proc, const char *pid, char *program, size_t size)
{
	char name[64];
	ssize_t length;
	int fd;

	if ((size_t)snprintf(name, sizeof(name), "%s/cmdline", pid) >= sizeof(name))
		return false;
	fd = openat(proc, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	length = read(fd, program, size - 1);
	close(fd);
	if (length <= 0)
		return false;
	program[length] = '\0';
	return true;
}

/* nginx overwrites its command line: "nginx: master process /usr/sbin/nginx -g ...". */
static bool is_program(const struct cm_program *program, const char *path)
{
	static const char renamed[] = ": master process";
	const char *slash = strrchr(path, '/');
	size_t length = strlen(program->file);

	if (strncmp(path, program->file, length) == 0 &&
	    strncmp(path + length, renamed, strlen(renamed)) == 0)
		return true;
	return strcmp(slash == NULL ? path : slash + 1, program->file) == 0 &&
	       (program->path == NULL || strstr(path, program->path) != NULL);
}

static void note_process(struct cm_program *programs, size_t count, const char *path, pid_t pid)
{
	for (size_t i = 0; i < count; i++) {
		if (!is_program(&programs[i], path))
			continue;
		if (programs[i].state != CM_PROGRAM_RUNNING || pid < programs[i].pid)
			programs[i].pid = pid;
		programs[i].state = CM_PROGRAM_RUNNING;
	}
}

void cm_status_find_programs(struct cm_program *programs, size_t count)
{
	DIR *proc = opendir("/proc");
	char path[1024];
	struct dirent *entry;

	if (proc == NULL)
		return;
	while ((entry = readdir(proc)) != NULL)
		if (isdigit((unsigned char)entry->d_name[0]) &&
		    read_program(dirfd(proc), entry->d_name, path, sizeof(path)))
			note_process(programs, count, path, (pid_t)atol(entry->d_name));
	closedir(proc);
}
