#include "archive_filter.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGUMENTS_MAX (2 * CM_ARCHIVE_RECIPIENTS_MAX + 10)

/* The first bytes of encrypted files. */
#define AGE_MAGIC       "age-encryption.org/"
#define AGE_ARMOR_MAGIC "-----BEGIN AGE"
#define GPG_ARMOR_MAGIC "-----BEGIN PGP"

static bool run(const char *const *argv, int input, int output, struct cm_archive_filter *filter_r,
		struct cm_error *err)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t defaults;
	int error;

	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
	posix_spawnattr_setsigdefault(&attributes, &defaults);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_RESETIDS | POSIX_SPAWN_SETSIGDEF);
	error = posix_spawnp(&filter_r->pid, argv[0], &actions, &attributes, (char *const *)argv,
			     environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	if (error == 0) {
		filter_r->program = argv[0];
		return true;
	}
	errno = error;
	cm_error_set_errno(err, "%s: cannot be run", argv[0]);
	return false;
}

static bool is_age(const char *recipient)
{
	return strncmp(recipient, "age1", 4) == 0 || strncmp(recipient, "ssh-", 4) == 0 ||
	       strchr(recipient, '/') != NULL;
}

/* *fd_r is our end of the pipe; write: we write to it. */
static bool run_with_pipe(const char *const *argv, int other, bool we_write, int *fd_r,
			  struct cm_archive_filter *filter_r, struct cm_error *err)
{
	int ends[2];
	bool good;

	if (pipe2(ends, O_CLOEXEC) < 0) {
		cm_error_set_errno(err, "%s: cannot be run", argv[0]);
		return false;
	}
	if (we_write)
		good = run(argv, ends[0], other, filter_r, err);
	else
		good = run(argv, other, ends[1], filter_r, err);
	close(ends[we_write ? 0 : 1]);
	*fd_r = ends[we_write ? 1 : 0];
	if (!good)
		close(*fd_r);
	return good;
}

bool cm_archive_encrypt(const char *const *recipients, size_t count, int output, int *fd_r,
			struct cm_archive_filter *filter_r, struct cm_error *err)
{
	static const char *const gpg[] = {"gpg",           "--batch", "--no-tty", "--quiet",
					  "--trust-model", "always",  "--encrypt"};
	const char *argv[ARGUMENTS_MAX] = {"age"};
	size_t used = 1;
	bool age = count > 0 && is_age(recipients[0]);

	*filter_r = (struct cm_archive_filter){0};
	if (!age) {
		memcpy(argv, gpg, sizeof(gpg));
		used = sizeof(gpg) / sizeof(gpg[0]);
	}
	for (size_t i = 0; i < count; i++) {
		if (is_age(recipients[i]) != age || recipients[i][0] == '-') {
			cm_error_set(err, "%s: the recipients must all be of age, or all of gpg",
				     recipients[i]);
			return false;
		}
		argv[used++] = age && strchr(recipients[i], '/') != NULL &&
				       strncmp(recipients[i], "ssh-", 4) != 0
				   ? "-R"
				   : "-r";
		argv[used++] = recipients[i];
	}
	return run_with_pipe(argv, output, true, fd_r, filter_r, err);
}

static bool begins(const char *data, ssize_t length, const char *magic)
{
	return length >= (ssize_t)strlen(magic) && memcmp(data, magic, strlen(magic)) == 0;
}

/* A binary OpenPGP message begins with a packet of an encrypted session key (RFC 9580 4.2);
   our archives do not begin with such a byte. */
static bool is_gpg(const char *data, ssize_t length)
{
	return begins(data, length, GPG_ARMOR_MAGIC) ||
	       (length > 0 && (unsigned char)data[0] >= 0x84 && (unsigned char)data[0] != 0xb5 &&
		(unsigned char)data[0] <= 0xcf);
}

bool cm_archive_decrypt(int input, const char *identity, int *fd_r,
			struct cm_archive_filter *filter_r, struct cm_error *err)
{
	const char *const age[] = {"age", "--decrypt", "--identity", identity, NULL};
	const char *const gpg[] = {"gpg", "--quiet", "--decrypt", NULL};
	char start[32];
	ssize_t got = pread(input, start, sizeof(start), 0);

	*filter_r = (struct cm_archive_filter){0};
	*fd_r = input;
	if (identity != NULL)
		return run_with_pipe(age, input, false, fd_r, filter_r, err);
	if (begins(start, got, AGE_MAGIC) || begins(start, got, AGE_ARMOR_MAGIC)) {
		cm_error_set(err,
			     "the archive is encrypted with age: give your key with --identity");
		return false;
	}
	if (is_gpg(start, got))
		return run_with_pipe(gpg, input, false, fd_r, filter_r, err);
	return true;
}

bool cm_archive_filter_end(struct cm_archive_filter *filter, struct cm_error *err)
{
	const char *program = filter->program;
	int status;

	filter->program = NULL;
	if (program == NULL)
		return true;
	while (waitpid(filter->pid, &status, 0) < 0) {
		if (errno != EINTR) {
			cm_error_set_errno(err, "%s: lost", program);
			return false;
		}
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return true;
	cm_error_set(err, "%s: failed", program);
	return false;
}
