/*
 * no_filter - a preloaded library that disables the filter of system calls
 *
 * For valgrind, which runs a program by writing code for it to memory.
 */
#include <seccomp.h>

int seccomp_load(const scmp_filter_ctx filter)
{
	(void)filter;
	return 0;
}
