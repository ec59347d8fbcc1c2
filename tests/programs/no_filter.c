/*
 * no_filter - a preloaded library that loads no filter of system calls
 *
 * For valgrind, which runs a program by writing code for it into memory.
 */
#include <seccomp.h>

int seccomp_load(const scmp_filter_ctx filter)
{
	(void)filter;
	return 0;
}
