// SPDX-License-Identifier: Apache-2.0
// Replays a folder of inputs through a fuzzer, so that the normal test run keeps every bug found by fuzzing fixed.
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Inputs are small; one that is not does not belong into a corpus.
enum { INPUT_MAX = 1 << 20 };

// The fuzzer gets each input in a heap block of just its size, so that reading past the end shows under ASan.
static int replay(const char *folder, const char *name)
{
	char path[4096];
	int length = snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *file = length < (int)sizeof(path) ? fopen(path, "re") : NULL;
	if (!file) {
		fprintf(stderr, "replay: cannot open %s/%s\n", folder, name);
		return -1;
	}
	uint8_t *bytes = malloc(INPUT_MAX);
	size_t size = bytes ? fread(bytes, 1, INPUT_MAX, file) : 0;
	fclose(file);
	uint8_t *input = bytes ? realloc(bytes, size + !size) : NULL;
	if (!input) {
		fprintf(stderr, "replay: out of memory for %s\n", path);
		free(bytes);
		return -1;
	}
	fprintf(stderr, "replay: %s, %zu bytes\n", path, size);
	LLVMFuzzerTestOneInput(input, size);
	free(input);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
		return 2;
	}
	DIR *folder = opendir(argv[1]);
	if (!folder) {
		fprintf(stderr, "replay: cannot open the folder %s\n", argv[1]);
		return 1;
	}
	int count = 0, failed = 0;
	for (const struct dirent *entry; (entry = readdir(folder));) {
		if (entry->d_name[0] == '.')
			continue;
		count++;
		failed |= replay(argv[1], entry->d_name) < 0;
	}
	closedir(folder);
	if (!count)
		fprintf(stderr, "replay: %s is empty\n", argv[1]);
	return failed || !count;
}
