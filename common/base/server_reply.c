#include "server_reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *cm_reply_room(struct cm_reply_input *input, size_t *room_r)
{
	if (input->begin > 0) {
		input->end -= input->begin;
		memmove(input->bytes, input->bytes + input->begin, input->end);
		input->begin = 0;
	}
	*room_r = sizeof(input->bytes) - input->end;
	return input->bytes + input->end;
}

void cm_reply_arrived(struct cm_reply_input *input, size_t count)
{
	input->end += count;
}

char *cm_reply_line(struct cm_reply_input *input)
{
	char *line = input->bytes + input->begin;
	char *end = memchr(line, '\n', input->end - input->begin);

	if (end == NULL)
		return NULL;
	input->begin = (size_t)(end + 1 - input->bytes);
	if (end > line && end[-1] == '\r')
		end--;
	*end = '\0';
	return line;
}

enum cm_reply cm_reply_next(struct cm_reply_input *input, char *text_r, size_t size, int *code_r)
{
	const char *line;

	while ((line = cm_reply_line(input)) != NULL) {
		if (strspn(line, "0123456789") != 3 || ++input->lines > CM_REPLY_LINES_MAX)
			return CM_REPLY_BROKEN;
		if (line[3] == '-')
			continue;
		input->lines = 0;
		snprintf(text_r, size, "%s", line);
		*code_r = atoi(line);
		return CM_REPLY_COMPLETE;
	}
	return CM_REPLY_PARTIAL;
}
