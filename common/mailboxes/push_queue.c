#include "push_queue.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"

char *cm_push_queue_path(const struct cm_config *config)
{
	char *path;

	if (asprintf(&path, "%s/" CM_PUSH_QUEUE_DIR, config->mailboxes_dir) < 0)
		return NULL;
	return path;
}

static int open_queue(const struct cm_config *config)
{
	char *path = cm_push_queue_path(config);
	int queue = -1;

	if (path == NULL)
		return -1;
	queue = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (queue < 0 && errno == ENOENT && (mkdir(path, 0700) == 0 || errno == EEXIST))
		queue = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	free(path);
	return queue;
}

bool cm_push_queue_add(const struct cm_config *config, const struct cm_address *address,
		       const char *token, time_t now, struct cm_error *err)
{
	char name[CM_FILE_RANDOM_SIZE];
	char *text = NULL;
	int length, queue;
	bool good;

	if (!cm_token_valid(token, strlen(token))) {
		cm_error_set(err, "not a push token");
		return false;
	}
	queue = open_queue(config);
	length = asprintf(&text, "%s\n%" PRIdMAX "\n%s", address->text, (intmax_t)now, token);
	good = queue >= 0 && length >= 0 && cm_file_random_name(name) &&
	       cm_file_write(queue, name, CM_PUSH_QUEUE_TMP_PREFIX, text, (size_t)length, 0600,
			     CM_FILE_REPLACE);
	if (!good)
		cm_error_set_errno(err, CM_PUSH_QUEUE_DIR ": cannot be written to");
	if (length >= 0)
		free(text);
	if (queue >= 0)
		close(queue);
	return good;
}

static bool parse_time(const char *text, size_t length, time_t *time_r)
{
	char digits[24];
	char *end;
	intmax_t value;

	if (length == 0 || length >= sizeof(digits) || text[0] < '0' || text[0] > '9')
		return false;
	memcpy(digits, text, length);
	digits[length] = '\0';
	errno = 0;
	value = strtoimax(digits, &end, 10);
	if (errno != 0 || *end != '\0')
		return false;
	*time_r = (time_t)value;
	return true;
}

bool cm_push_entry_parse(const char *text, size_t length, struct cm_push_entry *entry_r)
{
	const char *end, *time_line, *token_line;
	size_t token_length;

	if (length > 0 && text[length - 1] == '\n')
		length--;
	end = text + length;
	time_line = memchr(text, '\n', length);
	if (time_line == NULL)
		return false;
	time_line++;
	token_line = memchr(time_line, '\n', (size_t)(end - time_line));
	if (token_line == NULL)
		return false;
	token_line++;
	token_length = (size_t)(end - token_line);
	if (!cm_address_parse(text, (size_t)(time_line - 1 - text), &entry_r->address) ||
	    !parse_time(time_line, (size_t)(token_line - 1 - time_line), &entry_r->time) ||
	    !cm_token_valid(token_line, token_length))
		return false;
	memcpy(entry_r->token, token_line, token_length);
	entry_r->token[token_length] = '\0';
	return true;
}
