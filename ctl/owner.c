#include "owner.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

bool cm_owner_become(const char *directory, struct cm_error *err)
{
	struct stat st;

	if (stat(directory, &st) < 0) {
		cm_error_set_errno(err, "%s: cannot be opened", directory);
		return false;
	}
	if (getuid() != 0)
		return true;
	if (setegid(st.st_gid) == 0 && seteuid(st.st_uid) == 0)
		return true;
	cm_error_set_errno(err, "%s: cannot become its owner", directory);
	return false;
}

void cm_owner_return(void)
{
	/* This never fails; continuing with other rights would be wrong. */
	if (geteuid() != getuid() && seteuid(getuid()) < 0)
		abort();
	if (getegid() != getgid() && setegid(getgid()) < 0)
		abort();
}
