// SPDX-License-Identifier: Apache-2.0
// Additions to a profile.

#include "image/additions.h"

#include "lib/alloc.h"
#include "lib/buf.h"
#include "lib/file.h"
#include "lib/path.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_MAX ((size_t)256 << 20)
#define SQUASHFS_MAGIC "hsqs"

int additions_packages(const struct additions *a, const struct apt_spec *apt, struct manifest *m, struct error *err)
{
	cleanup_strv struct strv pools = STRV_INIT;
	cleanup_buf struct buf text = BUF_INIT;
	int r;

	if (a->packages.count == 0)
		return 0;
	r = apt_libraries(apt, &a->packages, &pools, err);
	if (r < 0)
		return r;
	buf_printf(&text, "layer %s\n", m->layers[manifest_last_layer(m)].name);
	for (size_t i = 0; i < a->packages.count; i++)
		buf_printf(&text, "package %s\nall\n", a->packages.items[i]);
	for (size_t i = 0; i < pools.count; i++)
		if (!strv_contains(&a->packages, pools.items[i]))
			buf_printf(&text, "libraries %s\n", pools.items[i]);
	return manifest_read_slice_text(m, "--add-package", text.data, text.len, err);
}

static int add_file(const char *source, const char *target, const struct manifest *m, int64_t epoch, struct node *root,
		    struct error *err)
{
	struct node_spec spec = { .type = NODE_FILE,
				  .mtime = epoch,
				  .layer = manifest_last_layer(m),
				  .replace = true,
				  .origin = "--add-file" };
	cleanup_buf struct buf data = BUF_INIT;
	cleanup_blob struct blob *blob = NULL;
	struct stat st;
	int r = file_read(source, FILE_MAX, &data, err);

	if (r < 0)
		return r;
	if (stat(source, &st) < 0)
		return error_set(err, errno, "look at %s", source);
	spec.mode = st.st_mode & 0111 ? 0755 : 0644;
	spec.blob = blob = blob_from(data.data, data.len);
	return tree_add(root, target, &spec, NULL, err);
}

int additions_files(const struct additions *a, const struct manifest *m, int64_t epoch, struct node *root,
		    struct error *err)
{
	for (size_t i = 0; i < a->files.count; i++) {
		const char *text = a->files.items[i], *colon = strrchr(text, ':');
		cleanup_free char *source = colon ? xstrndup(text, (size_t)(colon - text)) : NULL;
		int r;

		if (!colon || colon == text || colon[1] != '/' || !path_is_safe_relative(colon + 2))
			return error_say(err, EINVAL, "--add-file wants SRC:DST, DST from / on, not \"%s\"", text);
		r = add_file(source, colon + 1, m, epoch, root, err);
		if (r < 0)
			return error_wrap(err, "--add-file %s", text);
	}
	return 0;
}

int additions_extensions(const struct additions *a, struct node *initrd, struct error *err)
{
	for (size_t i = 0; i < a->extensions.count; i++) {
		struct node_spec spec = {
			.type = NODE_FILE, .mode = 0644, .layer = LAYER_INITRD, .origin = "--extension"
		};
		// 14 characters at most: a host that gives layers as disks says it in their serial number (HACKING.md).
		cleanup_free char *name = xasprintf("/layers/05-added-%zu.squashfs", i + 1);
		cleanup_buf struct buf data = BUF_INIT;
		cleanup_blob struct blob *blob = NULL;
		int r = file_read(a->extensions.items[i], FILE_MAX, &data, err);

		if (r < 0)
			return error_wrap(err, "--extension");
		if (data.len < 4 || memcmp(data.data, SQUASHFS_MAGIC, 4) != 0)
			return error_say(err, EINVAL,
					 "--extension %s: this is no squashfs; b2d-image extension makes one",
					 a->extensions.items[i]);
		spec.blob = blob = blob_from(data.data, data.len);
		r = tree_add(initrd, name, &spec, NULL, err);
		if (r < 0)
			return r;
	}
	return 0;
}
