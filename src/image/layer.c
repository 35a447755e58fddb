// SPDX-License-Identifier: Apache-2.0
// Turns the tree into archives.
//
// Theory of operation
// The same walk feeds three sinks: a digest (for the cache key), the standard input of mksquashfs (a tar), and the initrd (a
// cpio). A layer's archive holds the files of that layer and every folder above them; an empty folder belongs to the layer
// of the rule that asked for it. Owners, modes and times are the tree's, so the one who runs the builder does not matter.
// A layer's key is the SHA-256 of its tar, its options and mksquashfs's version; a finished layer is renamed into the cache,
// so what is there is whole.

#include "image/layer.h"

#include "image/archives.h"
#include "lib/alloc.h"
#include "lib/buf.h"
#include "lib/digest.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define LAYERS_KEPT 8 // of each cache, the newest
#define MKSQUASHFS_TIMEOUT_MS (20 * 60 * 1000)
#define ALL_LAYERS (-2)

struct writer {
	struct archive *archive;
	int layer;
	int64_t time; // of every entry
	int64_t inode; // the last one given
};

static bool is_in_layer(const struct node *node, int layer)
{
	if (layer == ALL_LAYERS)
		return true;
	if (node->type != NODE_DIR)
		return node->layer == layer;
	if (node->is_explicit && node->layer == layer)
		return true;
	for (size_t i = 0; i < node->child_count; i++) {
		if (is_in_layer(node->children[i], layer))
			return true;
	}
	return false;
}

// The newest time of a file of the layer, at most the epoch; the epoch when none has a time.
static int64_t newest_time(const struct node *node, int layer, int64_t epoch)
{
	int64_t newest = node->type != NODE_DIR && (layer == ALL_LAYERS || node->layer == layer) ? node->mtime : 0;

	for (size_t i = 0; i < node->child_count; i++) {
		int64_t below = newest_time(node->children[i], layer, epoch);

		if (below > newest)
			newest = below;
	}
	if (!node->parent && newest == 0)
		return epoch;
	return newest < epoch ? newest : epoch;
}

static void fill_entry(struct writer *w, const struct node *node, const char *path, struct archive_entry *e)
{
	static const mode_t types[] = { [NODE_DIR] = AE_IFDIR, [NODE_FILE] = AE_IFREG, [NODE_LINK] = AE_IFLNK };

	archive_entry_set_pathname(e, path + 1);
	archive_entry_set_filetype(e, types[node->type]);
	archive_entry_set_perm(e, node->mode);
	archive_entry_set_uid(e, node->uid);
	archive_entry_set_gid(e, node->gid);
	archive_entry_set_mtime(e, w->time, 0);
	archive_entry_set_ino(e, ++w->inode);
	archive_entry_set_nlink(e, node->type == NODE_DIR ? 2 : 1);
	archive_entry_set_size(e, node->type == NODE_FILE ? (int64_t)node->blob->size : 0);
	if (node->type == NODE_LINK)
		archive_entry_set_symlink(e, node->target);
}

static int64_t layer_time(const struct layer_spec *spec)
{
	return newest_time(spec->root, spec->index, spec->epoch);
}

static int write_node(struct node *node, void *arg, struct error *err)
{
	cleanup_archive_entry struct archive_entry *e = NULL;
	cleanup_free char *path = NULL;
	struct writer *w = arg;

	if (!node->parent || !is_in_layer(node, w->layer))
		return 0;
	path = tree_path(node);
	e = archive_entry_new();
	fill_entry(w, node, path, e);
	if (archive_write_header(w->archive, e) != ARCHIVE_OK)
		return archive_error(w->archive, path, err);
	if (node->type == NODE_FILE && node->blob->size > 0 &&
	    archive_write_data(w->archive, node->blob->data, node->blob->size) != (la_ssize_t)node->blob->size)
		return archive_error(w->archive, path, err);
	return 0;
}

static int write_tree(struct writer *w, struct node *root, struct error *err)
{
	int r = tree_walk(root, write_node, w, err);

	if (r == 0 && archive_write_close(w->archive) != ARCHIVE_OK)
		r = archive_error(w->archive, "end of the archive", err);
	return r;
}

static la_ssize_t write_to_digest(struct archive *a, void *arg, const void *data, size_t len)
{
	(void)a;
	digest_add(arg, data, len);
	return (la_ssize_t)len;
}

static la_ssize_t write_to_fd(struct archive *a, void *arg, const void *data, size_t len)
{
	struct error err = ERROR_INIT;

	if (file_write_fd(*(int *)arg, "archive", data, len, &err) == 0)
		return (la_ssize_t)len;
	archive_set_error(a, err.code, "%s", strerror(err.code));
	return -1;
}

static struct archive *new_tar(void)
{
	struct archive *a = archive_write_new();

	archive_write_set_format_pax_restricted(a);
	archive_write_set_bytes_per_block(a, 64 << 10);
	return a;
}

static int digest_tar(const struct layer_spec *spec, struct digest *d, struct error *err)
{
	cleanup_archive_write struct archive *a = new_tar();
	struct writer w = { .archive = a, .layer = spec->index, .time = layer_time(spec) };

	if (archive_write_open(a, d, NULL, write_to_digest, NULL) != ARCHIVE_OK)
		return archive_error(a, "archive", err);
	return write_tree(&w, spec->root, err);
}

static int layer_key(const struct layer_spec *spec, char ret[DIGEST_HEX_LEN], struct error *err)
{
	const struct layer *layer = &spec->manifest->layers[spec->index];
	cleanup_buf struct buf version = BUF_INIT;
	struct digest *d;
	int r;

	// mksquashfs -version exits with 0 or 1, depending on its version; a missing program is an error of its own.
	r = proc_run(&(struct proc_spec){ .argv = (const char *const[]){ "mksquashfs", "-version", NULL },
					  .out = PROC_CAPTURE,
					  .out_buf = &version,
					  .errs = PROC_NULL },
		     err);
	if (r < 0)
		return error_wrap(err, "install the package squashfs-tools");
	d = digest_new();
	digest_add(d, version.data, version.len);
	for (size_t i = 0; i < layer->options.count; i++)
		digest_add(d, layer->options.items[i], strlen(layer->options.items[i]) + 1);
	r = digest_tar(spec, d, err);
	digest_finish(d, ret);
	return r;
}

static pid_t start_mksquashfs(const struct layer_spec *spec, const char *output, int in_fd, int err_fd,
			      struct error *err)
{
	const struct layer *layer = &spec->manifest->layers[spec->index];
	cleanup_strv struct strv argv = STRV_INIT;

	strv_push_all(&argv, (const char *const[]){ "mksquashfs", "-", output, "-tar", NULL });
	strv_push_all(&argv, (const char *const *)strv_argv(&layer->options));
	strv_push_all(&argv,
		      (const char *const[]){ "-quiet", "-no-progress", "-exit-on-error", "-noappend", "-no-xattrs",
					     "-root-mode", "0755", "-root-uid", "0", "-root-gid", "0", NULL });
	strv_push(&argv, "-all-time"); // with -tar, -root-time has no effect
	strv_pushf(&argv, "%lld", (long long)layer_time(spec));
	strv_push(&argv, "-mkfs-time");
	strv_pushf(&argv, "%lld", (long long)layer_time(spec));
	strv_push(&argv, "-processors");
	strv_pushf(&argv, "%d", spec->jobs);
	return proc_spawn(&(struct proc_spec){ .argv = (const char *const *)strv_argv(&argv),
					       .in = PROC_FD,
					       .in_fd = in_fd,
					       .out = PROC_NULL,
					       .errs = PROC_FD,
					       .err_fd = err_fd,
					       .die_with_parent = true },
			  err);
}

static int feed_mksquashfs(const struct layer_spec *spec, int *fd, struct error *err)
{
	cleanup_archive_write struct archive *a = new_tar();
	struct writer w = { .archive = a, .layer = spec->index, .time = layer_time(spec) };

	if (archive_write_open(a, fd, NULL, write_to_fd, NULL) != ARCHIVE_OK)
		return archive_error(a, "archive", err);
	return write_tree(&w, spec->root, err);
}

// What mksquashfs said, in one line.
static void read_complaint(int fd, struct buf *ret)
{
	if (lseek(fd, 0, SEEK_SET) < 0 || file_read_fd(fd, "mksquashfs's messages", 64 << 10, ret, NULL) < 0)
		buf_clear(ret);
	buf_trim_end(ret);
	for (size_t i = 0; i < ret->len; i++) {
		if (ret->data[i] == '\n')
			ret->data[i] = ' ';
	}
}

static int finish_mksquashfs(pid_t pid, int fed, int messages, const char *output, struct error *err)
{
	struct error wait_err = ERROR_INIT;
	cleanup_buf struct buf said = BUF_INIT;
	int status = proc_wait(pid, "mksquashfs", MKSQUASHFS_TIMEOUT_MS, &wait_err);

	if (status == 0)
		return fed;
	if (status == -ETIMEDOUT) {
		kill(pid, SIGKILL);
		status = proc_wait(pid, "mksquashfs", -1, NULL);
		return error_say(err, ETIMEDOUT,
				 "mksquashfs did not finish %s in 20 minutes; fewer jobs, or less load?", output);
	}
	read_complaint(messages, &said);
	if (strstr(buf_str(&said), "No space left"))
		return error_say(err, ENOSPC, "no space left for %s; free some, or give another folder with --cache",
				 output);
	return error_say(err, EIO, "mksquashfs could not write %s: %s", output,
			 said.len > 0 ? said.data : wait_err.msg);
}

static int run_mksquashfs(const struct layer_spec *spec, const char *output, struct error *err)
{
	cleanup_close int messages = memfd_create("mksquashfs", MFD_CLOEXEC);
	cleanup_close int in = -1, out = -1;
	int ends[2];
	pid_t pid;
	int fed;

	if (messages < 0 || pipe2(ends, O_CLOEXEC) < 0)
		return error_set(err, errno, "make a pipe to mksquashfs");
	in = ends[0];
	out = ends[1];
	pid = start_mksquashfs(spec, output, in, messages, err);
	if (pid < 0)
		return pid;
	close(take_fd(&in));
	fed = feed_mksquashfs(spec, &out, err);
	close(take_fd(&out));
	return finish_mksquashfs(pid, fed, messages, output, err);
}

struct aged {
	char *path;
	time_t time;
};

static int newest_first(const void *a, const void *b)
{
	const struct aged *x = a, *y = b;

	return (x->time < y->time) - (x->time > y->time);
}

// Removes all but the newest layers of the cache: each build may leave some 60 MB there.
static void prune_cache(const char *folder)
{
	struct aged *found = NULL;
	size_t count = 0;
	DIR *dir = opendir(folder);
	struct dirent *d;
	struct stat st;

	while (dir && (d = readdir(dir))) {
		if (d->d_name[0] == '.' || fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		found = xreallocarray(found, count + 1, sizeof(*found));
		found[count++] = (struct aged){ xasprintf("%s/%s", folder, d->d_name), st.st_mtime };
	}
	if (dir)
		closedir(dir);
	if (count > 0)
		qsort(found, count, sizeof(*found), newest_first);
	for (size_t i = 0; i < count; i++) {
		if (i >= LAYERS_KEPT && unlink(found[i].path) < 0)
			log_warn("%s could not be removed: %s", found[i].path, strerror(errno));
		free(found[i].path);
	}
	free(found);
}

static int make_in_cache(const struct layer_spec *spec, const char *folder, const char *path, struct error *err)
{
	cleanup_free char *temporary = xasprintf("%s.part", path);
	int r;

	log_info("Making layer %s", spec->manifest->layers[spec->index].file);
	r = file_mkdirs(folder, 0755, err);
	if (r == 0)
		r = file_unlink(temporary, err);
	if (r < 0)
		return r;
	r = run_mksquashfs(spec, temporary, err);
	if (r == 0 && rename(temporary, path) < 0)
		r = error_set(err, errno, "move %s to %s", temporary, path);
	if (r < 0 && file_unlink(temporary, NULL) < 0)
		log_warn("%s could not be removed", temporary);
	return r;
}

int layer_make(const struct layer_spec *spec, char **ret_path, struct error *err)
{
	cleanup_free char *folder = xasprintf("%s/layers", spec->cache);
	cleanup_free char *path = NULL;
	char key[DIGEST_HEX_LEN];
	int r;

	r = layer_key(spec, key, err);
	if (r < 0)
		return r;
	path = xasprintf("%s/%s.squashfs", folder, key);
	if (file_exists(path)) {
		if (utimensat(AT_FDCWD, path, NULL, 0) < 0) // marks it as used, for prune_cache
			log_debug("%s: %s", path, strerror(errno));
	} else {
		r = make_in_cache(spec, folder, path, err);
		if (r < 0)
			return r;
		prune_cache(folder);
	}
	*ret_path = take_ptr(path);
	return 0;
}

uint64_t layer_raw_size(struct node *root, int index)
{
	uint64_t sum = root->type == NODE_FILE && root->layer == index ? root->blob->size : 0;

	for (size_t i = 0; i < root->child_count; i++)
		sum += layer_raw_size(root->children[i], index);
	return sum;
}

int initrd_write(struct node *root, int64_t epoch, int fd, struct error *err)
{
	cleanup_archive_write struct archive *a = archive_write_new();
	struct writer w = { .archive = a, .layer = ALL_LAYERS, .time = epoch };

	archive_write_set_format_cpio_newc(a);
	if (archive_write_open(a, &fd, NULL, write_to_fd, NULL) != ARCHIVE_OK)
		return archive_error(a, "initrd", err);
	return write_tree(&w, root, err);
}
