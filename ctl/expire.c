/*
 * expire - chatmailctl expire: run chatmail-expire, so that operators need only one program
 *
 * SYNOPSIS
 *
 *	chatmailctl expire [options of chatmail-expire(8)]
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"

#define EXPIRE_PROGRAM CM_BIN_DIR "/chatmail-expire"

int cm_command_expire(int argc, char **argv)
{
	(void)argc;
	(void)execv(EXPIRE_PROGRAM, argv);
	fprintf(stderr, "chatmailctl expire: %s: cannot be run: %s\n", EXPIRE_PROGRAM,
		strerror(errno));
	return CM_EXIT_TROUBLE;
}
