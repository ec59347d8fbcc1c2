/*
 * fuzz_metadata_json - an account's file of push tokens
 *
 * All tokens that are read are valid. Setting a token succeeds whatever the file contains: a broken
 * one is replaced.
 */
#include "fuzz.h"

#include "tokens.h"

#include <string.h>
#include <unistd.h>

#define TOKEN "openpgp:a-new-token"

static char directory[] = "/tmp/fuzz-metadata-XXXXXX";
static char path[sizeof(directory) + sizeof("/metadata.json")];
static char lock[sizeof(directory) + sizeof("/metadata.json.lock")];

static void remove_directory(void)
{
	unlink(path);
	unlink(lock);
	rmdir(directory);
}

static void make_directory(void)
{
	if (*path != '\0')
		return;
	require(mkdtemp(directory) != NULL);
	stpcpy(stpcpy(path, directory), "/metadata.json");
	stpcpy(stpcpy(lock, path), ".lock");
	atexit(remove_directory);
}

static void put(const uint8_t *data, size_t size)
{
	FILE *stream = fopen(path, "w");

	require(stream != NULL);
	require(fwrite(data, 1, size, stream) == size);
	require(fclose(stream) == 0);
}

static bool read_tokens(bool *has_new_r)
{
	struct cm_tokens tokens;
	struct cm_error err;

	*has_new_r = false;
	if (!cm_tokens_get(directory, time(NULL), &tokens, &err))
		return false;
	require(tokens.count <= CM_TOKENS_MAX);
	for (size_t i = 0; i < tokens.count; i++) {
		require(cm_token_valid(tokens.token[i], strlen(tokens.token[i])));
		*has_new_r |= strcmp(tokens.token[i], TOKEN) == 0;
	}
	cm_tokens_free(&tokens);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cm_error err;
	bool has_new;

	make_directory();
	put(data, size);
	read_tokens(&has_new);
	require(cm_tokens_set(directory, TOKEN, time(NULL), &err));
	require(read_tokens(&has_new) && has_new);
	require(cm_tokens_remove(directory, TOKEN, &err));
	require(read_tokens(&has_new) && !has_new);
	return 0;
}
