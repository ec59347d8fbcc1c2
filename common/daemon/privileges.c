#include "privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

/* Looks the user up. False with err filled if there is no such user. */
static bool find_user(const char *user, struct passwd **password_r, struct cm_error *err)
{
	errno = 0;
	*password_r = getpwnam(user);
	if (*password_r != NULL)
		return true;
	if (errno != 0)
		cm_error_set_errno(err, "user %s: cannot be looked up", user);
	else
		cm_error_set(err, "user %s: does not exist", user);
	return false;
}

bool cm_privileges_drop(const char *user, struct cm_error *err)
{
	struct passwd *password;

	if (user == NULL || *user == '\0')
		return true;
	if (!find_user(user, &password, err))
		return false;
	if (geteuid() != 0) {
		if (geteuid() == password->pw_uid)
			return true;
		cm_error_set(err, "cannot become user %s: not started by root", user);
		return false;
	}
	if (initgroups(user, password->pw_gid) != 0 || setgid(password->pw_gid) != 0 ||
	    setuid(password->pw_uid) != 0) {
		cm_error_set_errno(err, "cannot become user %s", user);
		return false;
	}
	if (password->pw_uid != 0 && setuid(0) == 0) {
		cm_error_set(err, "user %s: could become root again", user);
		return false;
	}
	return true;
}
