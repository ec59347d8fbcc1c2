/*
 * replay - pass every file of a directory to a fuzz target
 *
 * So the corpus is a regression test that needs no libFuzzer.
 */
#include "fuzz.h"

#include <dirent.h>
#include <string.h>

#define INPUT_MAX 1048576

static void replay(const char *directory, const char *name)
{
	static uint8_t buffer[INPUT_MAX];
	char *path = NULL;
	FILE *stream;
	uint8_t *exact;
	size_t length;

	require(asprintf(&path, "%s/%s", directory, name) > 0);
	stream = fopen(path, "r");
	require(stream != NULL);
	length = fread(buffer, 1, sizeof(buffer), stream);
	require(feof(stream));
	fclose(stream);
	/* In a block of exactly its size, so that sanitizers detect a read past its end. */
	exact = malloc(length > 0 ? length : 1);
	require(exact != NULL);
	memcpy(exact, buffer, length);
	LLVMFuzzerTestOneInput(exact, length);
	free(exact);
	free(path);
}

int main(int argc, char **argv)
{
	size_t count = 0;

	for (int i = 1; i < argc; i++) {
		DIR *directory = opendir(argv[i]);
		struct dirent *entry;

		require(directory != NULL);
		while ((entry = readdir(directory)) != NULL) {
			if (entry->d_name[0] == '.')
				continue;
			replay(argv[i], entry->d_name);
			count++;
		}
		closedir(directory);
	}
	printf("%zu inputs\n", count);
	return count > 0 ? 0 : 1;
}
