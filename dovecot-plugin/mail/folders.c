/*
 * folders - limit the number of folders of an account
 *
 * A folder costs the client one line and the disk seven inodes, and no quota counts them.
 */
#include "lib.h"

#include "mail-storage-private.h"

#include "account.h"
#include "directory.h"
#include "plugin.h"
#include "relay.h"

#include <stdlib.h>
#include <string.h>

struct folders_mailbox {
	union mailbox_module_context module_ctx;
};

static MODULE_CONTEXT_DEFINE_INIT(folders_module, &mail_storage_module_register);

#define FOLDERS_MAILBOX(box) ((struct folders_mailbox *)MODULE_CONTEXT_REQUIRE(box, folders_module))

/* Maildir++: each folder is a directory whose name starts with a dot. Stops counting at max. */
static unsigned int count_folders(const char *path, unsigned int max)
{
	DIR *directory = opendir(path);
	const struct dirent *entry;
	unsigned int count = 0;

	if (directory == NULL)
		return 0;
	while (count < max && (entry = readdir(directory)) != NULL)
		if (entry->d_name[0] == '.' && entry->d_type == DT_DIR &&
		    !cm_directory_is_dot(entry->d_name))
			count++;
	closedir(directory);
	return count;
}

static bool is_full(struct mailbox *box)
{
	const struct cm_config *config = cm_relay_config();
	struct cm_address address;
	bool full;
	char *path;

	if (config == NULL || config->max_mailbox_folders == 0 || box->inbox_any ||
	    !cm_relay_address(config, box->storage->user->username, &address))
		return FALSE;
	path = cm_account_path(config, &address);
	full = path != NULL &&
	       count_folders(path, config->max_mailbox_folders) >= config->max_mailbox_folders;
	free(path);
	return full;
}

static int create_box(struct mailbox *box, const struct mailbox_update *update, bool directory)
{
	if (is_full(box)) {
		mail_storage_set_error(box->storage, MAIL_ERROR_LIMIT, "Too many folders");
		return -1;
	}
	return FOLDERS_MAILBOX(box)->module_ctx.super.create_box(box, update, directory);
}

void cm_folders_mailbox_allocated(struct mailbox *box)
{
	struct mailbox_vfuncs *v = box->vlast;
	struct folders_mailbox *folders = p_new(box->pool, struct folders_mailbox, 1);

	folders->module_ctx.super = *v;
	box->vlast = &folders->module_ctx.super;
	v->create_box = create_box;
	MODULE_CONTEXT_SET(box, folders_module, folders);
}
