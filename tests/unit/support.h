/*
 * support - functions that the unit tests share: a private directory, files in it, a
 * configuration
 */
#ifndef CM_TEST_SUPPORT_H
#define CM_TEST_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"

/* A cmocka setup: creates a private directory; *state is its path. */
static inline int test_directory_setup(void **state)
{
	const char *top = getenv("TMPDIR");
	char *path = NULL;

	if (asprintf(&path, "%s/chatmail-test.XXXXXX", top != NULL ? top : "/tmp") < 0)
		return -1;
	*state = mkdtemp(path);
	return *state != NULL ? 0 : -1;
}

static inline int test_remove_entry(const char *path, const struct stat *st, int type,
				    struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

/* The corresponding cmocka teardown. */
static inline int test_directory_teardown(void **state)
{
	int result = nftw(*state, test_remove_entry, 16, FTW_DEPTH | FTW_PHYS);

	free(*state);
	return result;
}

/* "directory/name"; the caller frees it. */
static inline char *test_path(const char *directory, const char *name)
{
	char *path = NULL;

	assert_true(asprintf(&path, "%s/%s", directory, name) >= 0);
	return path;
}

static inline void test_write(const char *directory, const char *name, const void *data,
			      size_t length)
{
	char *path = test_path(directory, name);
	FILE *stream = fopen(path, "w");

	assert_non_null(stream);
	assert_int_equal(fwrite(data, 1, length, stream), length);
	assert_int_equal(fclose(stream), 0);
	free(path);
}

static inline void test_write_text(const char *directory, const char *name, const char *text)
{
	test_write(directory, name, text, strlen(text));
}

/* The file's text; the caller frees it. */
static inline char *test_read_text(const char *directory, const char *name)
{
	char *path = test_path(directory, name);
	FILE *stream = fopen(path, "r");
	char *text = calloc(1, 65536);

	assert_non_null(stream);
	assert_non_null(text);
	assert_true(fread(text, 1, 65535, stream) < 65535);
	fclose(stream);
	free(path);
	return text;
}

/* A configuration for relay.test with the mailboxes in directory/mail, which is created, and
   the lines of more. */
static inline struct cm_config *test_config(const char *directory, const char *more)
{
	struct cm_error err = {""};
	struct cm_config *config;
	char *text = NULL, *path = test_path(directory, "chatmail.ini");
	char *mailboxes = test_path(directory, "mail");

	assert_true(asprintf(&text,
			     "[params]\nmail_domain = relay.test\nmailboxes_dir = %s/mail\n%s",
			     directory, more) >= 0);
	test_write_text(directory, "chatmail.ini", text);
	config = cm_config_load(path, NULL, NULL, &err);
	if (config == NULL)
		fail_msg("%s", err.text);
	if (mkdir(mailboxes, 0700) < 0)
		assert_int_equal(errno, EEXIST);
	free(mailboxes);
	free(text);
	free(path);
	return config;
}

#endif
