#include "syscall_filter.h"

#include <errno.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* The argument of clone(2) that contains the flags. */
#ifdef __s390x__
#define CLONE_FLAGS 1
#else
#define CLONE_FLAGS 0
#endif

/* By name: libseccomp knows which of them exist on this architecture. */
static const char *const allowed[] = {
    /* Files. */
    "_llseek",
    "access",
    "chdir",
    "chmod",
    "chown",
    "close",
    "close_range",
    "copy_file_range",
    "creat",
    "dup",
    "dup2",
    "dup3",
    "faccessat",
    "faccessat2",
    "fadvise64",
    "fadvise64_64",
    "fallocate",
    "fchdir",
    "fchmod",
    "fchmodat",
    "fchmodat2",
    "fchown",
    "fchownat",
    "fcntl",
    "fcntl64",
    "fdatasync",
    "flock",
    "fstat",
    "fstat64",
    "fstatat64",
    "fstatfs",
    "fstatfs64",
    "fsync",
    "ftruncate",
    "ftruncate64",
    "futimesat",
    "getcwd",
    "getdents",
    "getdents64",
    "link",
    "linkat",
    "lseek",
    "lstat",
    "lstat64",
    "mkdir",
    "mkdirat",
    "newfstatat",
    "open",
    "openat",
    "openat2",
    "pipe",
    "pipe2",
    "pread64",
    "preadv",
    "preadv2",
    "pwrite64",
    "pwritev",
    "pwritev2",
    "read",
    "readahead",
    "readlink",
    "readlinkat",
    "readv",
    "rename",
    "renameat",
    "renameat2",
    "rmdir",
    "sendfile",
    "sendfile64",
    "stat",
    "stat64",
    "statfs",
    "statfs64",
    "statx",
    "symlink",
    "symlinkat",
    "sync_file_range",
    "syncfs",
    "truncate",
    "truncate64",
    "umask",
    "unlink",
    "unlinkat",
    "utime",
    "utimensat",
    "utimensat_time64",
    "utimes",
    "write",
    "writev",
    "inotify_add_watch",
    "inotify_init",
    "inotify_init1",
    "inotify_rm_watch",
    /* Sockets, except socket(). */
    "accept",
    "accept4",
    "bind",
    "connect",
    "getpeername",
    "getsockname",
    "getsockopt",
    "listen",
    "recv",
    "recvfrom",
    "recvmmsg",
    "recvmmsg_time64",
    "recvmsg",
    "send",
    "sendmmsg",
    "sendmsg",
    "sendto",
    "setsockopt",
    "shutdown",
    "socketpair",
    /* Waiting. */
    "clock_nanosleep",
    "clock_nanosleep_time64",
    "epoll_create",
    "epoll_create1",
    "epoll_ctl",
    "epoll_pwait",
    "epoll_pwait2",
    "epoll_wait",
    "eventfd",
    "eventfd2",
    "nanosleep",
    "pause",
    "_newselect",
    "poll",
    "ppoll",
    "ppoll_time64",
    "pselect6",
    "pselect6_time64",
    "select",
    "timerfd_create",
    "timerfd_gettime",
    "timerfd_settime",
    /* Threads, except clone(). */
    "arch_prctl",
    "exit",
    "exit_group",
    "futex",
    "futex_time64",
    "futex_waitv",
    "get_robust_list",
    "get_thread_area",
    "gettid",
    "membarrier",
    "restart_syscall",
    "rseq",
    "sched_getaffinity",
    "sched_getparam",
    "sched_getscheduler",
    "sched_yield",
    "set_robust_list",
    "set_thread_area",
    "set_tid_address",
    "set_tls",
    "cacheflush",
    "riscv_flush_icache",
    /* Memory, except mmap() and mprotect(). */
    "brk",
    "madvise",
    "mincore",
    "mlock",
    "mlock2",
    "mremap",
    "msync",
    "munlock",
    "munmap",
    /* Signals to the process itself: tgkill() is below. */
    "rt_sigaction",
    "rt_sigpending",
    "rt_sigprocmask",
    "rt_sigreturn",
    "rt_sigsuspend",
    "rt_sigtimedwait",
    "rt_sigtimedwait_time64",
    "sigaltstack",
    "sigreturn",
    "tkill",
    /* Time and IDs. */
    "clock_getres",
    "clock_getres_time64",
    "clock_gettime",
    "clock_gettime64",
    "getcpu",
    "getegid",
    "getegid32",
    "geteuid",
    "geteuid32",
    "getgid",
    "getgid32",
    "getgroups",
    "getgroups32",
    "getpgid",
    "getpgrp",
    "getpid",
    "getppid",
    "getpriority",
    "getrandom",
    "getresgid",
    "getresgid32",
    "getresuid",
    "getresuid32",
    "getrlimit",
    "getrusage",
    "gettimeofday",
    "getuid",
    "getuid32",
    "prlimit64",
    "sysinfo",
    "time",
    "times",
    "ugetrlimit",
    "uname",
};

/* An allowed call with a condition on one argument: argument & mask == value. */
struct condition {
	const char *name;
	unsigned int argument;
	scmp_datum_t mask, value;
};

/* The part of an int argument that the kernel reads. */
#define INT_BITS 0xffffffff

static const struct condition conditions[] = {
    /* Threads. glibc falls back to clone() from clone3(), whose flags a filter cannot read. */
    {"clone", CLONE_FLAGS, CLONE_THREAD, CLONE_THREAD},
    /* No writable memory becomes executable: code would come in that way. Libraries are
       already loaded. */
    {"mmap", 2, PROT_EXEC, 0},
    {"mmap", 2, PROT_EXEC | PROT_WRITE, PROT_EXEC},
    {"mmap2", 2, PROT_EXEC, 0},
    {"mmap2", 2, PROT_EXEC | PROT_WRITE, PROT_EXEC},
    {"mprotect", 2, PROT_EXEC, 0},
    {"prctl", 0, INT_BITS, PR_SET_NAME},
    /* isatty(), and requests of libraries on sockets. Not TIOCSTI. */
    {"ioctl", 1, INT_BITS, FIONBIO},
    {"ioctl", 1, INT_BITS, FIONREAD},
    {"ioctl", 1, INT_BITS, TCGETS},
    {"ioctl", 1, INT_BITS, TIOCGWINSZ},
    {"socket", 0, INT_BITS, AF_UNIX},
};

static const struct condition network_conditions[] = {
    {"socket", 0, INT_BITS, AF_INET},
    {"socket", 0, INT_BITS, AF_INET6},
};

static int add(scmp_filter_ctx filter, const char *name, unsigned int count,
	       const struct scmp_arg_cmp *comparisons)
{
	int number = seccomp_syscall_resolve_name(name), error;

	if (number == __NR_SCMP_ERROR)
		return 0;
	error = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, count, comparisons);
	/* Not on this architecture, or already added. */
	return error == -EDOM || error == -EEXIST ? 0 : error;
}

static int add_conditions(scmp_filter_ctx filter, const struct condition *list, size_t count)
{
	int error = 0;

	for (size_t i = 0; error == 0 && i < count; i++) {
		struct scmp_arg_cmp comparison =
		    SCMP_CMP(list[i].argument, SCMP_CMP_MASKED_EQ, list[i].mask, list[i].value);

		error = add(filter, list[i].name, 1, &comparison);
	}
	return error;
}

static int add_rules(scmp_filter_ctx filter, bool network)
{
	/* Libraries read the addresses of this machine this way. */
	const struct scmp_arg_cmp routing[] = {
	    SCMP_A0(SCMP_CMP_MASKED_EQ, INT_BITS, AF_NETLINK),
	    SCMP_A2(SCMP_CMP_MASKED_EQ, INT_BITS, 0),
	};
	const struct scmp_arg_cmp own_threads =
	    SCMP_A0(SCMP_CMP_MASKED_EQ, INT_BITS, (scmp_datum_t)getpid());
	int error = add(filter, "tgkill", 1, &own_threads);

	for (size_t i = 0; error == 0 && i < sizeof(allowed) / sizeof(allowed[0]); i++)
		error = add(filter, allowed[i], 0, NULL);
	if (error == 0)
		error =
		    add_conditions(filter, conditions, sizeof(conditions) / sizeof(*conditions));
	if (error == 0 && network)
		error = add(filter, "socket", 2, routing);
	if (error == 0 && network)
		error = add_conditions(filter, network_conditions,
				       sizeof(network_conditions) / sizeof(*network_conditions));
	return error;
}

/* The kernel may have been built without filters, or a container may forbid them. */
static bool kernel_filters(void)
{
	return prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0;
}

bool cm_syscall_filter_load(bool network, struct cm_error *err)
{
	scmp_filter_ctx filter;
	int error;

	if (SANITIZED)
		return true;
	if (!kernel_filters()) {
		cm_log(LOG_INFO, "this kernel has no seccomp: system calls are not restricted");
		return true;
	}
	filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	error = filter != NULL ? add_rules(filter, network) : -ENOMEM;
	if (error == 0)
		error = seccomp_load(filter);
	seccomp_release(filter);
	if (error == 0)
		return true;
	cm_error_set(err, "cannot load the filter of system calls: %s", strerror(-error));
	return false;
}
