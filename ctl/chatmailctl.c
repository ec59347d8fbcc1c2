/*
 * chatmailctl - the operator's program
 *
 * SYNOPSIS
 *	chatmailctl COMMAND [OPTION]...
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "command.h"

static const struct cm_command commands[] = {
    {"check", cm_command_check, "print whether the relay would accept a message, and the reason"},
    {"config", cm_command_config, "render the configuration of the servers"},
    {"certificate", cm_command_certificate,
     "check the certificate, make the servers read it again"},
    {"init", cm_command_init, "create chatmail.ini, keys and directories for a new relay"},
    {"invite", cm_command_invite, "create, list and revoke invitations"},
    {"status", cm_command_status, "show the state of the relay"},
    {"queue", cm_command_queue, "list, retry and discard waiting mail"},
    {"log", cm_command_log, "print what the relay logged about a message or an hour"},
    {"report", cm_command_report, "show the size of the mailboxes and their last use"},
    {"user", cm_command_user, "list, block, delete and move accounts"},
    {"backup", cm_command_backup, "write the whole relay to one archive"},
    {"restore", cm_command_restore, "restore a relay from an archive, or verify the archive"},
    {"migrate", cm_command_migrate, "migrate a machine from upstream's relay, or back"},
    {"dns", cm_command_dns, "print the relay's DNS records, or check them"},
    {"expire", cm_command_expire,
     "delete old messages and unused accounts now, with chatmail-expire"},
    {NULL, NULL, NULL},
};

/* The servers' programs may be only in root's PATH, which cron and hooks do not have. */
static void extend_path(void)
{
	const char *old = getenv("PATH");
	char *path;

	if (asprintf(&path, "%s:/usr/local/sbin:/usr/sbin:/sbin",
		     old != NULL ? old : "/usr/local/bin:/usr/bin:/bin") < 0)
		return;
	(void)setenv("PATH", path, 1);
	free(path);
}

int main(int argc, char **argv)
{
	argv[0] = "chatmailctl";
	/* Each file gets the mode that the code gives it: the servers must be able to read them. */
	umask(022);
	extend_path();
	return cm_command_run(commands, "Operates a chatmail relay.", argc, argv);
}
