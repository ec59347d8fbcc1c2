#include "reload.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

const struct cm_reload cm_reloads[CM_RELOAD_COUNT] = {
    {"nginx", "/run/nginx.pid", "/etc/nginx/", {"nginx", "-s", "reload", NULL}},
    {"Dovecot", "/run/dovecot/master.pid", "/etc/dovecot/", {"doveadm", "reload", NULL}},
    {"Postfix", "/var/spool/postfix/pid/master.pid", "/etc/postfix/", {"postfix", "reload", NULL}},
};

/* `nginx -t` leaves an empty file, a killed server an old number. */
bool cm_reload_runs(const struct cm_reload *server)
{
	FILE *file = fopen(server->pid_file, "re");
	long pid = 0;

	if (file == NULL)
		return false;
	if (fscanf(file, "%ld", &pid) != 1)
		pid = 0;
	(void)fclose(file);
	return pid > 0 && (kill((pid_t)pid, 0) == 0 || errno == EPERM);
}
