/* What a process in the sandbox can and cannot do. Each test runs in a child, because a
   process cannot leave its sandbox. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <netdb.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "log.h"
#include "sandbox.h"

#if defined(__SANITIZE_ADDRESS__)
#define FILTERED 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FILTERED 0
#endif
#endif
#ifndef FILTERED
#define FILTERED 1
#endif

static char directory[] = "/tmp/test_sandbox.XXXXXX";
static char path[64], other[64];
static const char *top; /* for cm_sandbox_allow_top() */

/* The exit status of the child is the line of the first failed expectation. */
#define EXPECT(condition)                                                                          \
	do {                                                                                       \
		if (!(condition))                                                                  \
			_exit(__LINE__ & 0xff ? __LINE__ & 0xff : 1);                              \
	} while (0)

#define REFUSED(call)                                                                              \
	((call) == -1 && (errno == ENOSYS || errno == EACCES || errno == EPERM || errno == EXDEV))

/* The wait status of a child that runs act(). */
static int child_status(bool network, void (*act)(void))
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		struct cm_sandbox sandbox = {.network = network};
		struct cm_error err;

		cm_sandbox_allow(&sandbox, directory, CM_SANDBOX_WRITE);
		cm_sandbox_allow_top(&sandbox, top, CM_SANDBOX_WRITE);
		EXPECT(cm_sandbox_enter(&sandbox, &err));
		act();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void in_sandbox(bool network, void (*act)(void))
{
	int status = child_status(network, act);

	if (WIFSIGNALED(status))
		fail_msg("killed by signal %d", WTERMSIG(status));
	if (WEXITSTATUS(status) != 0)
		fail_msg("an expectation in line %d (modulo 256)", WEXITSTATUS(status));
}

/* False if this test's kernel has no seccomp, as under qemu-user, or under AddressSanitizer. */
static bool filtered(void)
{
	return FILTERED && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL) == -1 &&
	       errno == EFAULT;
}

/* False if this test's kernel has no Landlock of that version. */
static bool landlock(long version)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, 1) >= version;
}

static bool can_write(const char *name)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	return fd >= 0 && write(fd, "x", 1) == 1 && close(fd) == 0;
}

static void *in_thread(void *context)
{
	*(bool *)context = can_write(path);
	return NULL;
}

/* --- What programs do ------------------------------------------------------------------------ */

static void act_files(void)
{
	char moved[80];
	struct stat st;

	EXPECT(can_write(path));
	snprintf(moved, sizeof(moved), "%s/sub", directory);
	EXPECT(mkdir(moved, 0700) == 0);
	strcat(moved, "/moved");
	EXPECT(rename(path, moved) == 0);
	EXPECT(stat(moved, &st) == 0 && st.st_size == 1);
	EXPECT(unlink(moved) == 0);
	*strrchr(moved, '/') = '\0';
	EXPECT(rmdir(moved) == 0);
	EXPECT(open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0);
	EXPECT(open("/dev/null", O_RDWR | O_CLOEXEC) >= 0);
}

static void test_files_that_are_allowed(void **state)
{
	(void)state;
	in_sandbox(false, act_files);
}

/* The mailboxes are on another disk, and a link leads there. */
static char elsewhere[] = "/var/tmp/test_sandbox.XXXXXX";
static char link_path[80], linked_file[160];

static void act_linked(void)
{
	EXPECT(can_write(linked_file));
	EXPECT(unlink(linked_file) == 0);
}

static void test_a_link_to_another_top(void **state)
{
	char missing[160];

	(void)state;
	assert_non_null(mkdtemp(elsewhere));
	snprintf(link_path, sizeof(link_path), "%s/mail", directory);
	assert_int_equal(symlink(elsewhere, link_path), 0);
	snprintf(linked_file, sizeof(linked_file), "%s/file", link_path);
	top = link_path;
	in_sandbox(false, act_linked);
	/* A path below it that does not exist yet. */
	snprintf(missing, sizeof(missing), "%s/new/domain", link_path);
	top = missing;
	in_sandbox(false, act_linked);
	top = NULL;
	unlink(link_path);
	rmdir(elsewhere);
}

static void act_network(void)
{
	struct addrinfo *found, hints = {.ai_socktype = SOCK_STREAM};
	pthread_t thread;
	bool written = false;

	EXPECT(pthread_create(&thread, NULL, in_thread, &written) == 0);
	EXPECT(pthread_join(thread, NULL) == 0 && written);
	EXPECT(getaddrinfo("127.0.0.1", "25", &hints, &found) == 0);
	freeaddrinfo(found);
	EXPECT(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0);
	EXPECT(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0);
}

static void test_threads_and_sockets(void **state)
{
	(void)state;
	in_sandbox(true, act_network);
}

static void act_abort(void)
{
	abort();
}

/* A program that aborts must end by that, not hang. */
static void test_a_program_can_still_abort(void **state)
{
	int status = child_status(false, act_abort);

	(void)state;
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

/* --- What an attacker would do ---------------------------------------------------------------- */

static void act_foreign_files(void)
{
	EXPECT(REFUSED(open(other, O_RDONLY | O_CLOEXEC)));
	EXPECT(REFUSED(open(other, O_WRONLY | O_CLOEXEC)));
	EXPECT(REFUSED(open("/etc/intruder", O_WRONLY | O_CREAT | O_CLOEXEC, 0600)));
	EXPECT(REFUSED(open("/usr/intruder", O_WRONLY | O_CREAT | O_CLOEXEC, 0600)));
	EXPECT(REFUSED(open("/root", O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
	EXPECT(REFUSED(unlink(other)));
	EXPECT(can_write(path));
	EXPECT(REFUSED(rename(path, "/tmp/intruder")));
	EXPECT(unlink(path) == 0);
	EXPECT(REFUSED(link("/etc/passwd", path)));
	EXPECT(REFUSED(mknod(path, S_IFCHR | 0600, 0x103)));
}

static void test_other_files_are_out_of_reach(void **state)
{
	(void)state;
	if (!landlock(2))
		skip();
	in_sandbox(false, act_foreign_files);
}

static void act_processes(void)
{
	char *const nothing[] = {NULL};

	EXPECT(REFUSED(execve("/bin/true", nothing, nothing)));
	EXPECT(REFUSED(fork()));
	EXPECT(REFUSED(vfork()));
	EXPECT(REFUSED(kill(getppid(), 0)));
	EXPECT(REFUSED(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL)));
	EXPECT(REFUSED(syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0)));
	EXPECT(REFUSED(syscall(SYS_pidfd_open, getppid(), 0)));
}

static void test_no_other_process(void **state)
{
	(void)state;
	if (!filtered())
		skip();
	in_sandbox(true, act_processes);
}

static void act_kernel(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	EXPECT(page != MAP_FAILED);
	EXPECT(REFUSED(mprotect(page, 4096, PROT_READ | PROT_EXEC)));
	EXPECT(mmap(NULL, 4096, PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
	       MAP_FAILED);
	EXPECT(REFUSED(unshare(0x10000000))); /* CLONE_NEWUSER */
	EXPECT(REFUSED(mount("none", directory, "tmpfs", 0, NULL)));
	EXPECT(REFUSED(chroot(directory)));
	EXPECT(REFUSED(setuid(0)));
	EXPECT(REFUSED(syscall(SYS_io_uring_setup, 1, NULL)));
	EXPECT(REFUSED(syscall(SYS_bpf, 0, NULL, 0)));
	EXPECT(REFUSED(syscall(SYS_keyctl, 0, 0, 0)));
	EXPECT(REFUSED(syscall(SYS_memfd_create, "intruder", 0)));
	EXPECT(REFUSED(syscall(SYS_userfaultfd, 0)));
	EXPECT(REFUSED(ioctl(0, TIOCSTI, "x")));
	EXPECT(REFUSED(socket(AF_PACKET, SOCK_RAW, 0)));
	EXPECT(REFUSED(socket(AF_INET, SOCK_STREAM, 0)));
}

static void test_dangerous_system_calls_are_refused(void **state)
{
	(void)state;
	if (!filtered())
		skip();
	in_sandbox(false, act_kernel);
}

static void act_listen(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	EXPECT(fd >= 0);
	EXPECT(REFUSED(bind(fd, (const struct sockaddr *)&address, sizeof(address))));
}

static void test_no_port_to_listen_on(void **state)
{
	(void)state;
	if (!landlock(4))
		skip();
	in_sandbox(true, act_listen);
}

static bool seccomp; /* for act_status() */

static void act_status(void)
{
	char text[8192];
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	ssize_t length = read(fd, text, sizeof(text) - 1);

	EXPECT(length > 0);
	text[length] = '\0';
	EXPECT(strstr(text, "\nNoNewPrivs:\t1\n") != NULL);
	EXPECT(!seccomp || strstr(text, "\nSeccomp:\t2\n") != NULL);
	EXPECT(geteuid() == 0 || strstr(text, "\nCapEff:\t0000000000000000\n") != NULL);
	EXPECT(geteuid() == 0 || strstr(text, "\nCapPrm:\t0000000000000000\n") != NULL);
}

static void test_kernel_reports_the_limits(void **state)
{
	(void)state;
	seccomp = filtered();
	in_sandbox(false, act_status);
}

static int set_up(void **state)
{
	(void)state;
	cm_log_init("test_sandbox", CM_LOG_STDERR);
	if (mkdtemp(directory) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/file", directory);
	snprintf(other, sizeof(other), "%s.other", directory);
	return can_write(other) ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(path);
	unlink(other);
	return rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_files_that_are_allowed),
	    cmocka_unit_test(test_a_link_to_another_top),
	    cmocka_unit_test(test_threads_and_sockets),
	    cmocka_unit_test(test_a_program_can_still_abort),
	    cmocka_unit_test(test_other_files_are_out_of_reach),
	    cmocka_unit_test(test_no_other_process),
	    cmocka_unit_test(test_dangerous_system_calls_are_refused),
	    cmocka_unit_test(test_no_port_to_listen_on),
	    cmocka_unit_test(test_kernel_reports_the_limits),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
