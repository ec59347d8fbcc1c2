/*
 * metadata_limit - caps the size of one SETMETADATA
 *
 * Dovecot stores a literal of any size in a file below mail_temp_dir before any code checks the
 * value, so a client could fill the disk. A client that sends far more than the longest token is
 * disconnected; a value that exceeds the limit by less is refused, and the session continues.
 */
#include "lib.h"

#include "imap-commands.h"
#include "imap-common.h"
#include "istream.h"

#include "imap/plugin.h"

#define SETMETADATA_MAX (1024 * 1024)

static void before_command(struct client_command_context *cmd ATTR_UNUSED)
{
}

/* Called whenever a command has read all available input, finished or not. */
static void after_command(struct client_command_context *cmd)
{
	uoff_t bytes_in;

	if (cmd->name == NULL || strcasecmp(cmd->name, "SETMETADATA") != 0)
		return;
	bytes_in = cmd->stats.bytes_in + i_stream_get_absolute_offset(cmd->client->input) -
		   cmd->stats_start.bytes_in;
	if (bytes_in > SETMETADATA_MAX && !cmd->client->disconnected)
		client_disconnect_with_error(cmd->client, "Too large SETMETADATA");
}

void cm_metadata_limit_init(void)
{
	command_hook_register(before_command, after_command);
}

void cm_metadata_limit_deinit(void)
{
	command_hook_unregister(before_command, after_command);
}
