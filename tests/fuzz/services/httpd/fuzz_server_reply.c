/*
 * fuzz_server_reply - what Postfix or a backend replies; also an address that Postfix gets
 *
 * However the bytes arrive, the replies are the same, and none of them is longer than its bounds.
 */
#include "fuzz.h"

#include <string.h>

#include "backend_client.h"
#include "server_reply.h"
#include "smtp_client.h"

#define REPLIES_MAX 64

struct seen {
	size_t count;
	int codes[REPLIES_MAX];
	char texts[REPLIES_MAX][CM_SMTP_REPLY_SIZE];
	bool broken;
};

/* Reads all replies that are in the input. */
static void read_all(struct cm_reply_input *input, struct seen *seen)
{
	enum cm_reply result = CM_REPLY_COMPLETE;

	while (seen->count < REPLIES_MAX && !seen->broken) {
		char *text = seen->texts[seen->count];
		int *code = &seen->codes[seen->count];

		result = cm_reply_next(input, text, CM_SMTP_REPLY_SIZE, code);
		if (result != CM_REPLY_COMPLETE)
			break;
		require(strspn(text, "0123456789") == 3 && text[3] != '-');
		require(strlen(text) < CM_SMTP_REPLY_SIZE && strchr(text, '\n') == NULL);
		require(*code >= 0 && *code <= 999);
		seen->count++;
	}
	seen->broken = seen->broken || result == CM_REPLY_BROKEN;
}

static void replies(const uint8_t *data, size_t size, size_t piece, struct seen *seen)
{
	struct cm_reply_input input = {.begin = 0};

	seen->count = 0;
	seen->broken = false;
	while (size > 0 && seen->count < REPLIES_MAX && !seen->broken) {
		size_t room, count;
		char *space = cm_reply_room(&input, &room);

		if (room == 0) {
			seen->broken = true;
			break;
		}
		count = size < piece ? size : piece;
		count = count < room ? count : room;
		memcpy(space, data, count);
		cm_reply_arrived(&input, count);
		data += count;
		size -= count;
		read_all(&input, seen);
		require(input.lines <= CM_REPLY_LINES_MAX + 1);
	}
}

static void compare(const struct seen *one, const struct seen *other)
{
	require(one->count == other->count && one->broken == other->broken);
	for (size_t i = 0; i < one->count; i++) {
		require(one->codes[i] == other->codes[i]);
		require(strcmp(one->texts[i], other->texts[i]) == 0);
	}
}

/* As a line of IMAP, and as an address of a request. */
static void single(const uint8_t *data, size_t size)
{
	char text[CM_BACKEND_TEXT_SIZE] = "", *line = strndup((const char *)data, size);

	require(line != NULL);
	if (cm_backend_judge(line, text) == CM_BACKEND_LOGIN_REFUSED)
		require(strlen(text) < sizeof(text) && strstr(line, text) != NULL);
	else
		require(text[0] == '\0');
	if (cm_smtp_client_sendable(line))
		require(strpbrk(line, "\r\n <>\t") == NULL);
	free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct seen whole, bytes;

	replies(data, size, size, &whole);
	replies(data, size, 1, &bytes);
	compare(&whole, &bytes);
	single(data, size);
	return 0;
}
