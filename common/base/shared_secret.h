/*
 * shared_secret - a secret that the relay shares with another program, in its own file
 */
#ifndef CM_SHARED_SECRET_H
#define CM_SHARED_SECRET_H

#include "error.h"

/* The file's content without a final line end, malloc'd. NULL with err filled, also if it is
   empty; key is the key of chatmail.ini that names the file. Free it with
   cm_shared_secret_free(), which wipes it. */
char *cm_shared_secret_read(const char *key, const char *path, struct cm_error *err);
void cm_shared_secret_free(char *secret);

#endif
