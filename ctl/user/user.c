/*
 * user - chatmailctl user: manage accounts
 *
 * SYNOPSIS
 *
 *	chatmailctl user list|show|block|unblock|delete|password|export|import [options]
 */
#include "user.h"

#include <stddef.h>

#include "command.h"

static const struct cm_command commands[] = {
    {"list", cm_user_list, "list the accounts"},
    {"show", cm_user_show, "show one account"},
    {"block", cm_user_block, "block accounts: no login, no new mail"},
    {"unblock", cm_user_unblock, "unblock accounts"},
    {"password", cm_user_password, "set a new password"},
    {"move", cm_user_move, "move an account to another backend"},
    {"delete", cm_user_delete, "delete accounts with their mail"},
    {"export", cm_user_export, "write an account to an archive"},
    {"import", cm_user_import, "restore an account from an archive"},
    {NULL, NULL, NULL},
};

int cm_command_user(int argc, char **argv)
{
	return cm_command_run(commands, "Manages the relay's accounts.", argc, argv);
}
