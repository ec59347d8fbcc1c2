/*
 * fuzz_signer - a signed message verifies in the form in which Postfix sends it
 *
 * Input: a message; its header ends at the first empty line. The body comes in pieces whose
 * length is the input's last byte.
 */
#include "fuzz.h"

#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "dkim_message.h"
#include "line_limit.h"
#include "signer.h"

#define NOW       ((time_t)1893456000)
#define SENT_SIZE (1024 * 1024)

static const char pem[] = "-----BEGIN PRIVATE KEY-----\n"
			  "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
			  "-----END PRIVATE KEY-----\n";

static struct cm_signer *make_signer(void)
{
	char directory[] = "/tmp/fuzz_signer.XXXXXX", path[64];
	struct cm_signer *signer;
	FILE *file;

	require(mkdtemp(directory) != NULL);
	snprintf(path, sizeof(path), "%s/s.private", directory);
	file = fopen(path, "w");
	require(file != NULL);
	require(fputs(pem, file) >= 0 && fclose(file) == 0);
	signer = cm_signer_new(directory, "s", "relay.test", NULL);
	require(signer != NULL);
	unlink(path);
	rmdir(directory);
	return signer;
}

/* The message as it is sent, made from the same text at once. */
static struct {
	char text[SENT_SIZE];
	size_t length;
} sent;

static void add_sent(void *context, const char *data, size_t length)
{
	(void)context;
	require(length <= SENT_SIZE - sent.length);
	memcpy(sent.text + sent.length, data, length);
	sent.length += length;
}

/* The next field with its folding, without the last line end; *text moves on. NULL at the end of
   the header. */
static char *next_field(char **text, char *end)
{
	char *field = *text, *line = field;

	if (field >= end || *field == '\n')
		return NULL;
	for (;;) {
		char *line_end = memchr(line, '\n', (size_t)(end - line));

		if (line_end == NULL)
			line_end = end;
		line = line_end < end ? line_end + 1 : end;
		if (line >= end || (*line != ' ' && *line != '\t')) {
			*line_end = '\0';
			*text = line;
			return field;
		}
	}
}

static void take_field(struct cm_signature *signature, struct cm_dkim_message *message, char *field)
{
	char *colon = strchr(field, ':'), *leaves;

	if (colon == NULL || colon == field)
		return;
	*colon = '\0';
	cm_signature_header(signature, field, colon + 1);
	leaves = cm_line_limit_field(CM_SIGNER_LINE_MAX, strlen(field) + 1, colon + 1);
	require(leaves != NULL);
	cm_dkim_message_field(message, field, leaves);
	free(leaves);
}

static void verify(struct cm_signature *signature, struct cm_dkim_message *message,
		   const struct cm_signer *signer, const char *body, size_t length)
{
	char *record = cm_signing_key_record(&cm_signer_keys(signer)->key[0]);
	struct cm_line_limit limit;
	const char *why = NULL;

	require(record != NULL);
	cm_dkim_message_field(message, "DKIM-Signature", cm_signature_value(signature, 0));
	cm_dkim_message_end_fields(message, "relay.test", NOW);
	sent.length = 0;
	cm_line_limit_init(&limit, CM_SIGNER_LINE_MAX, add_sent, NULL);
	cm_line_limit_add(&limit, body, length);
	cm_line_limit_end(&limit);
	cm_dkim_message_body(message, sent.text, sent.length);
	cm_dkim_message_end_body(message);
	require(cm_dkim_message_candidates(message) == 1);
	require(cm_dkim_message_body_matches(message, 0));
	require(cm_dkim_message_verify(message, 0, record, strlen(record), &why) ==
		CM_DKIM_ANSWER_VALID);
	free(record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct cm_signer *signer;
	size_t piece = size > 0 && data[size - 1] > 0 ? data[size - 1] : 1;
	char *text = malloc(size + 1), *rest = text, *end = text + size, *field;
	struct cm_dkim_message *message = cm_dkim_message_new();
	struct cm_signature *signature;

	if (signer == NULL)
		signer = make_signer();
	require(text != NULL && message != NULL);
	memcpy(text, data, size);
	*end = '\0';
	signature = cm_signature_begin(signer);
	require(signature != NULL);
	while ((field = next_field(&rest, end)) != NULL)
		if (strncasecmp(field, "dkim-signature", strlen("dkim-signature")) != 0)
			take_field(signature, message, field);
	for (const char *at = rest; at < end; at += piece)
		cm_signature_body(signature, at,
				  piece < (size_t)(end - at) ? piece : (size_t)(end - at));
	if (cm_signature_end(signature, NOW, NULL))
		verify(signature, message, signer, rest, (size_t)(end - rest));
	cm_dkim_message_free(&message);
	cm_signature_free(&signature);
	free(text);
	return 0;
}
