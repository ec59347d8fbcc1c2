/*
 * fuzz_config - the whole of chatmail.ini
 *
 * An accepted file has a value for every key; a file written with these values is the same
 * configuration.
 */
#include "fuzz.h"

#include "config.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct cm_config *load(const void *text, size_t length, struct cm_error *err)
{
	int fd = memfd_create("chatmail.ini", MFD_CLOEXEC);
	struct cm_config *config;
	char path[32];

	require(fd >= 0);
	require(write(fd, text, length) == (ssize_t)length);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	config = cm_config_load(path, NULL, NULL, err);
	close(fd);
	return config;
}

static char *write_again(const struct cm_config *config, size_t *length_r)
{
	char *text = NULL;
	FILE *stream = open_memstream(&text, length_r);

	require(stream != NULL);
	fputs("[params]\n", stream);
	for (const struct cm_config_key *key = cm_config_keys(); key->name != NULL; key++) {
		char *value = cm_config_get(config, key->name);

		require(value != NULL);
		require(strchr(value, '\n') == NULL);
		fprintf(stream, "%s = %s\n", key->name, value);
		free(value);
	}
	require(fclose(stream) == 0);
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cm_error err = {""};
	struct cm_config *config = load(data, size, &err), *again;
	char *text, *text_again;
	size_t length, length_again;

	if (config == NULL) {
		require(err.text[0] != '\0');
		return 0;
	}
	text = write_again(config, &length);
	again = load(text, length, &err);
	if (again == NULL)
		fprintf(stderr, "%s\n%s\n", text, err.text);
	require(again != NULL);
	text_again = write_again(again, &length_again);
	require(strcmp(text, text_again) == 0);
	free(text);
	free(text_again);
	cm_config_free(&config);
	cm_config_free(&again);
	return 0;
}
