/*
 * syscall_filter - the system calls that our programs need, and no others
 *
 * Files, sockets, threads, memory and time. Not allowed are: executing or debugging a program,
 * forking, signals to other processes, namespaces, mounts, keyrings, io_uring, BPF, memory that
 * is writable and executable, and sockets of families other than AF_UNIX, AF_INET, AF_INET6 and
 * netlink's routing. Such a call fails with ENOSYS, as on a kernel without it, so that libraries
 * fall back to other calls.
 */
#ifndef CM_SYSCALL_FILTER_H
#define CM_SYSCALL_FILTER_H

#include <stdbool.h>

#include "error.h"

/* Loads the filter for good; network: allow sockets other than AF_UNIX. If the kernel has no
   filters, logs that; if the program was built with a sanitizer, which debugs itself, loads
   none. False with err filled if the filter cannot be loaded. */
bool cm_syscall_filter_load(bool network, struct cm_error *err);

#endif
