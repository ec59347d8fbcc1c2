/*
 * kill_at - a preloaded library that kills its program at one of its steps
 *
 * The library counts the calls that change a file system, and kills the program with SIGKILL just
 * before call number KILL_AT, counted from 1. With KILL_AT=0 it does not kill, and appends the
 * number of calls to the file KILL_COUNT. fsync() does nothing, because a killed program's writes
 * stay.
 */
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static unsigned long steps;

static void step(void)
{
	static unsigned long last = (unsigned long)-1;
	const char *text = getenv("KILL_AT");

	if (last == (unsigned long)-1)
		last = text != NULL ? strtoul(text, NULL, 10) : 0;
	if (++steps == last)
		raise(SIGKILL);
}

__attribute__((destructor)) static void report(void)
{
	const char *path = getenv("KILL_COUNT");
	FILE *stream = path != NULL ? fopen(path, "a") : NULL;

	if (stream == NULL)
		return;
	fprintf(stream, "%lu\n", steps);
	fclose(stream);
}

/* The next definition of a function: the C library's. */
#define NEXT(name) __typeof__(&name) next = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	NEXT(renameat);

	step();
	return next(from_fd, from, to_fd, to);
}

int unlinkat(int fd, const char *name, int flags)
{
	NEXT(unlinkat);

	step();
	return next(fd, name, flags);
}

int unlink(const char *name)
{
	NEXT(unlink);

	step();
	return next(name);
}

int remove(const char *name)
{
	NEXT(remove);

	step();
	return next(name);
}

int mkdir(const char *name, mode_t mode)
{
	NEXT(mkdir);

	step();
	return next(name, mode);
}

ssize_t write(int fd, const void *data, size_t length)
{
	NEXT(write);

	step();
	return next(fd, data, length);
}

int fchmod(int fd, mode_t mode)
{
	NEXT(fchmod);

	step();
	return next(fd, mode);
}

int fsync(int fd)
{
	(void)fd;
	step();
	return 0;
}

int syncfs(int fd)
{
	(void)fd;
	step();
	return 0;
}
