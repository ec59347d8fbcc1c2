#include "sandbox.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"
#include "syscall_filter.h"

/* From versions of Landlock that are newer than the oldest header files. */
#define ACCESS_FS_TRUNCATE  (1ULL << 14)
#define ACCESS_NET_BIND_TCP (1ULL << 0)
#define SCOPE_ABSTRACT_UNIX (1ULL << 0)
#define SCOPE_SIGNAL        (1ULL << 1)

#define READ_FILES (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
/* Without devices: no program here creates one. */
#define WRITE_FILES                                                                                \
	(READ_FILES | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |              \
	 LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |                            \
	 LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |                              \
	 LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER | ACCESS_FS_TRUNCATE)
#define ALL_FILES                                                                                  \
	(WRITE_FILES | LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR |                 \
	 LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK)
/* The rights that a rule for a file may grant. */
#define FILE_ITSELF                                                                                \
	(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_FS_TRUNCATE)

/* The rights that one version of Landlock handles. The kernel accepts a longer structure if
   its end is zero. */
struct ruleset {
	uint64_t files, network, scopes;
};

/* For libraries: their modules, certificates, time zones, and name resolution. File modes
   still restrict access. */
static const char *const everybody_reads[] = {
    "/etc",
    "/lib",
    "/lib64",
    "/usr",
    "/proc",
    "/sys/devices/system/cpu",
    "/sys/fs/cgroup",
    "/run/resolvconf",
    "/run/systemd/resolve",
    "/run/NetworkManager",
    "/dev/random",
    "/dev/urandom",
};

static void allow(struct cm_sandbox *sandbox, const char *path, size_t length,
		  enum cm_sandbox_access access)
{
	if (length == 0 || sandbox->count == CM_SANDBOX_PATHS_MAX)
		return;
	sandbox->paths[sandbox->count].path = path;
	sandbox->paths[sandbox->count].length = length;
	sandbox->paths[sandbox->count].access = access;
	sandbox->count++;
}

void cm_sandbox_allow(struct cm_sandbox *sandbox, const char *path, enum cm_sandbox_access access)
{
	if (path != NULL)
		allow(sandbox, path, strlen(path), access);
}

void cm_sandbox_allow_parent(struct cm_sandbox *sandbox, const char *path,
			     enum cm_sandbox_access access)
{
	const char *slash = path != NULL ? strrchr(path, '/') : NULL;

	if (slash != NULL)
		allow(sandbox, path, slash > path ? (size_t)(slash - path) : 1, access);
	else if (path != NULL)
		allow(sandbox, ".", 1, access);
}

static size_t top_length(const char *path)
{
	return 1 + strcspn(path + 1, "/");
}

/* The longest existing part of an absolute path, without symbolic links, malloc'd. */
static char *existing_part(const char *path)
{
	char *part = strdup(path), *real = NULL;

	while (part != NULL && *part != '\0' && (real = realpath(part, NULL)) == NULL)
		*strrchr(part, '/') = '\0';
	free(part);
	return real;
}

void cm_sandbox_allow_top(struct cm_sandbox *sandbox, const char *path,
			  enum cm_sandbox_access access)
{
	char *real;

	if (path == NULL || *path != '/')
		return;
	allow(sandbox, path, top_length(path), access);
	real = existing_part(path);
	if (real != NULL && real[1] != '\0' && top_length(real) < sizeof(sandbox->real_top)) {
		memcpy(sandbox->real_top, real, top_length(real));
		allow(sandbox, sandbox->real_top, top_length(real), access);
	}
	free(real);
}

void cm_sandbox_allow_daemon(struct cm_sandbox *sandbox, const struct cm_daemon *daemon,
			     const struct cm_config *config)
{
	cm_sandbox_allow(sandbox, config->run_dir, CM_SANDBOX_WRITE);
	cm_sandbox_allow_parent(sandbox, daemon->config_path, CM_SANDBOX_READ);
	cm_sandbox_allow_parent(sandbox, daemon->pid_path, CM_SANDBOX_WRITE);
}

/* --- Landlock ------------------------------------------------------------------------------- */

/* Returns Landlock's version; 0 if the kernel has none or it is disabled. */
static long landlock_version(void)
{
	long version =
	    syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	return version > 0 ? version : 0;
}

static struct ruleset known_by(long version)
{
	struct ruleset ruleset = {.files = ALL_FILES};

	/* Without REFER no file may be moved between directories, whether they are allowed or
	   not. */
	if (version < 2)
		ruleset.files &= ~LANDLOCK_ACCESS_FS_REFER;
	if (version < 3)
		ruleset.files &= ~ACCESS_FS_TRUNCATE;
	if (version >= 4)
		ruleset.network = ACCESS_NET_BIND_TCP;
	if (version >= 6)
		ruleset.scopes = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL;
	return ruleset;
}

/* A path that cannot be opened is simply not allowed. */
static bool add_rule(int fd, uint64_t handled, const char *path, uint64_t access,
		     struct cm_error *err)
{
	struct landlock_path_beneath_attr rule = {.allowed_access = access & handled};
	struct stat st;
	bool good = true;

	rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (rule.parent_fd < 0)
		return true;
	if (fstat(rule.parent_fd, &st) == 0 && !S_ISDIR(st.st_mode))
		rule.allowed_access &= FILE_ITSELF;
	if (syscall(SYS_landlock_add_rule, fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0) {
		cm_error_set_errno(err, "%s: cannot be allowed by Landlock", path);
		good = false;
	}
	close(rule.parent_fd);
	return good;
}

static bool add_rules(const struct cm_sandbox *sandbox, int fd, uint64_t handled,
		      struct cm_error *err)
{
	bool good = add_rule(fd, handled, "/dev/null", WRITE_FILES, err);
	size_t common = sizeof(everybody_reads) / sizeof(everybody_reads[0]);
	char *path;

	for (size_t i = 0; good && i < common; i++)
		good = add_rule(fd, handled, everybody_reads[i], READ_FILES, err);
	for (size_t i = 0; good && i < sandbox->count; i++) {
		path = strndup(sandbox->paths[i].path, sandbox->paths[i].length);
		if (path == NULL) {
			cm_error_set(err, "out of memory");
			return false;
		}
		good = add_rule(
		    fd, handled, path,
		    sandbox->paths[i].access == CM_SANDBOX_WRITE ? WRITE_FILES : READ_FILES, err);
		free(path);
	}
	return good;
}

static bool restrict_files(const struct cm_sandbox *sandbox, struct cm_error *err)
{
	long version = landlock_version();
	struct ruleset ruleset = known_by(version);
	bool good;
	int fd;

	if (version < 2) {
		cm_log(LOG_INFO, "this kernel has no Landlock: files are not restricted");
		return true;
	}
	fd = (int)syscall(SYS_landlock_create_ruleset, &ruleset, sizeof(ruleset), 0);
	if (fd < 0) {
		cm_error_set_errno(err, "cannot use Landlock");
		return false;
	}
	good = add_rules(sandbox, fd, ruleset.files, err);
	if (good && syscall(SYS_landlock_restrict_self, fd, 0) != 0) {
		cm_error_set_errno(err, "cannot use Landlock");
		good = false;
	}
	close(fd);
	return good;
}

/* --- Privileges ----------------------------------------------------------------------------- */

/* A process that is not root may have been started with capabilities, for a port below 1024.
   Without any, capset() may be forbidden. */
static bool drop_capabilities(struct cm_error *err)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
	const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};

	if (geteuid() == 0 || (syscall(SYS_capget, &header, data) == 0 && data[0].permitted == 0 &&
			       data[1].permitted == 0))
		return true;
	if (syscall(SYS_capset, &header, none) == 0)
		return true;
	cm_error_set_errno(err, "cannot drop capabilities");
	return false;
}

bool cm_sandbox_enter(const struct cm_sandbox *sandbox, struct cm_error *err)
{
	if (!drop_capabilities(err))
		return false;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
		cm_error_set_errno(err, "cannot set no_new_privs");
		return false;
	}
	/* The filter comes last: it does not allow Landlock's calls. */
	return restrict_files(sandbox, err) && cm_syscall_filter_load(sandbox->network, err);
}
