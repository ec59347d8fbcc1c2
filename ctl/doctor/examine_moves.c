/*
 * examine_moves - on a backend: moves of accounts that did not end
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "account.h"
#include "backends.h"
#include "directory.h"
#include "examination.h"

/* Seconds. Large mailboxes take long. */
#define MOVE_AGE_MAX 3600

/* Whether a link still blocks an account that is here. */
static bool is_left(int mailboxes, int links, const char *name, time_t now)
{
	struct stat st;

	return name[0] != '.' && fstatat(links, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       now - st.st_mtime > MOVE_AGE_MAX && cm_account_has_password(mailboxes, name);
}

static unsigned int count_left(int mailboxes)
{
	DIR *links = cm_directory_stream(cm_directory_open(mailboxes, CM_BACKENDS_MAP_DIR));
	const struct dirent *entry;
	unsigned int count = 0;

	if (links == NULL)
		return 0;
	while ((entry = readdir(links)) != NULL)
		if (is_left(mailboxes, dirfd(links), entry->d_name, time(NULL)))
			count++;
	closedir(links);
	return count;
}

void cm_examine_moves(const struct cm_doctor *doctor, struct cm_checks *checks)
{
	static const char key[] = "moves", title[] = "moved accounts";
	const char *directory = doctor->config->mailboxes_dir;
	struct cm_check *check;
	DIR *mailboxes;
	unsigned int count;

	if (doctor->config->backend_listen[0] == '\0')
		return;
	mailboxes = opendir(directory);
	if (mailboxes == NULL)
		return;
	count = count_left(dirfd(mailboxes));
	closedir(mailboxes);
	if (count == 0) {
		cm_checks_add(checks, key, title, CM_HEALTH_GOOD, "none is blocked");
		return;
	}
	check = cm_checks_add(checks, key, title, CM_HEALTH_FAULT,
			      "blocked by a move that did not end: %u", count);
	cm_check_remedy(
	    check,
	    "repeat chatmailctl user move on a front, for the addresses in %s/" CM_BACKENDS_MAP_DIR
	    " that have a mailbox here",
	    directory);
}
