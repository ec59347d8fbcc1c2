#include "lib.h"

#include "log_repeats.h"

#include "relay.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define INTERVAL 60 /* seconds */

/* Lines of each session that gets no inotify instance. */
static const char *const lines[] = {
    "Inotify instance limit",
};

/* A file in run_dir, whose modification time is that of the last line. */
static bool was_logged(const char *run_dir, unsigned int number)
{
	const char *path = t_strdup_printf("%s/logged.%u", run_dir, number);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	bool recently = FALSE;
	struct stat st;
	time_t age;

	if (fd < 0) {
		fd = open(path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			return FALSE;
		age = fstat(fd, &st) == 0 ? time(NULL) - st.st_mtime : INTERVAL;
		recently = age >= 0 && age < INTERVAL;
	}
	if (!recently)
		(void)futimens(fd, NULL);
	close(fd);
	return recently;
}

bool cm_log_repeats(const char *text)
{
	const struct cm_config *config;

	for (unsigned int i = 0; i < N_ELEMENTS(lines); i++) {
		if (strstr(text, lines[i]) == NULL)
			continue;
		config = cm_relay_config();
		return config != NULL && was_logged(config->run_dir, i);
	}
	return FALSE;
}
