#include "shared_secret.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"

/* Longest content of the file. */
#define SHARED_SECRET_MAX 1024

char *cm_shared_secret_read(const char *key, const char *path, struct cm_error *err)
{
	char *secret;
	size_t length;

	if (!cm_file_read(AT_FDCWD, path, SHARED_SECRET_MAX, &secret, &length)) {
		cm_error_set_errno(err, "%s: %s", key, path);
		return NULL;
	}
	while (length > 0 && strchr(" \t\r\n", secret[length - 1]) != NULL)
		secret[--length] = '\0';
	if (length > 0 && strlen(secret) == length)
		return secret;
	cm_error_set(err, "%s: %s: %s", key, path, length == 0 ? "empty" : "contains a NUL byte");
	explicit_bzero(secret, length);
	free(secret);
	return NULL;
}

void cm_shared_secret_free(char *secret)
{
	if (secret != NULL)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}
