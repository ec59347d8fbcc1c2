/*
 * resources - is the machine too busy or too full for new accounts?
 */
#ifndef CM_RESOURCES_H
#define CM_RESOURCES_H

#include "config.h"
#include "error.h"

enum cm_resource {
	CM_RESOURCE_OK,
	CM_RESOURCE_LOAD,   /* max_load_1m, which applies to each processor */
	CM_RESOURCE_MEMORY, /* min_available_memory */
	CM_RESOURCE_DISK,   /* min_free_disk_space, on the file system of mailboxes_dir */
	/* The file system of mailboxes_dir has too few free inodes, one for each
	   CM_RESOURCE_INODE_BYTES of min_free_disk_space: a mailbox consists of small files. */
	CM_RESOURCE_INODES,
	CM_RESOURCE_TROUBLE, /* cannot be determined */
};

/* Bytes that mkfs.ext4 plans for each inode. */
#define CM_RESOURCE_INODE_BYTES 16384

/* Returns the first resource that is short. A limit of 0 is off. Unless the result is
   CM_RESOURCE_OK, err contains the reason and the key of chatmail.ini. */
enum cm_resource cm_resources_check(const struct cm_config *config, struct cm_error *err);

#endif
