// SPDX-License-Identifier: Apache-2.0
// Fuzzes the templates: the input is a template, then a NUL and the JSON that it is rendered with (none: a small machine).
#include "lib/alloc.h"
#include "lib/json.h"
#include "machine/template/template.h"

#include <string.h>

static const char default_data[] =
	"{\"Name\":\"m\",\"Driver\":{\"Port\":2376,\"IP\":\"127.0.0.1\"},\"List\":[1,\"x\",null,true,{}]}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_template struct template *t = NULL;
	cleanup_json json_t *root = NULL;
	cleanup_buf struct buf out = BUF_INIT;
	cleanup_free char *input = xstrndup((const char *)data, size);
	size_t len = strlen(input);

	if (len < size) {
		if (json_read_text((const char *)data + len + 1, size - len - 1, "data", &root, NULL) < 0)
			return 0;
	} else if (json_read_text(default_data, strlen(default_data), "data", &root, NULL) < 0) {
		abort();
	}
	if (template_parse(input, &t, NULL) < 0)
		return 0;
	if (template_render(t, root, size % 2, &out, NULL) < 0)
		return 0;
	return 0;
}
