/*
 * chatmailctl - the operator's program
 *
 * SYNOPSIS
 *	chatmailctl COMMAND [OPTION]...
 */
#include <stddef.h>

#include "command.h"

static const struct cm_command commands[] = {
    {"check", cm_command_check, "print whether the relay would accept a message, and why"},
    {"config", cm_command_config, "render the configuration of the servers"},
    {"certificate", cm_command_certificate, "check the certificate, make the servers read it"},
    {"init", cm_command_init, "make chatmail.ini, keys and directories of a new relay"},
    {"invite", cm_command_invite, "make, list and revoke invitations"},
    {"status", cm_command_status, "show the state of the relay"},
    {"queue", cm_command_queue, "list, retry and discard the mail that waits"},
    {"log", cm_command_log, "print what the relay logged about a message or an hour"},
    {"report", cm_command_report, "show the size of the mailboxes and when they were used"},
    {"user", cm_command_user, "list, block, delete and move accounts"},
    {"backup", cm_command_backup, "write the whole relay into one archive"},
    {"restore", cm_command_restore, "restore a relay from such an archive, or verify it"},
    {"migrate", cm_command_migrate, "move a machine over from upstream's relay, and back"},
    {"dns", cm_command_dns, "print the relay's DNS records, or check them"},
    {"expire", cm_command_expire,
     "delete old messages and unused accounts now: runs chatmail-expire"},
    {NULL, NULL, NULL},
};

int main(int argc, char **argv)
{
	argv[0] = "chatmailctl";
	return cm_command_run(commands, "Operates a chatmail relay.", argc, argv);
}
