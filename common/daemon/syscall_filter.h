/*
 * syscall_filter - the system calls that our programs need, and no others
 *
 * Files, sockets, threads, memory and time. What is not on the list: to execute or debug a program,
 * to fork, to send a signal to another process, namespaces, mounts, keyrings, io_uring, BPF, memory
 * that is writable and executable, sockets of other families than AF_UNIX, AF_INET, AF_INET6 and
 * netlink's routing. Such a call fails with ENOSYS, as on a kernel without it: libraries then use
 * what there is.
 */
#ifndef CM_SYSCALL_FILTER_H
#define CM_SYSCALL_FILTER_H

#include <stdbool.h>

#include "error.h"

/* Loads the filter for good; network: other sockets than those of AF_UNIX may be made. Logs if the
   kernel has no filters, and loads none if the program was built with a sanitizer, which debugs
   itself. False with err filled if it cannot be loaded. */
bool cm_syscall_filter_load(bool network, struct cm_error *err);

#endif
