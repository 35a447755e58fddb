// SPDX-License-Identifier: Apache-2.0
// What the guest wrote to its console; see console.h.
#include "console.h"

#include "driver.h"
#include "lib/buf.h"
#include "lib/file.h"
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

enum { TAIL_BYTES = 8192, TAIL_LINES = 20 };

// The last bytes of the console.
static int read_tail(const struct machine *m, struct buf *ret)
{
	cleanup_free char *path = m->driver->console_path ? m->driver->console_path(m) : NULL;
	cleanup_close int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);

	if (size < 0)
		return -ENOENT;
	if (lseek(fd, size > TAIL_BYTES ? size - TAIL_BYTES : 0, SEEK_SET) < 0)
		return -errno;
	return file_read_fd(fd, path, TAIL_BYTES * 2, ret, NULL);
}

static const char *last_lines(const struct buf *text)
{
	const char *start = buf_str(text) + text->len;

	for (int lines = 0; start > text->data; start--)
		if (start[-1] == '\n' && lines++ == TAIL_LINES)
			break;
	return start;
}

void console_show(const struct machine *m)
{
	cleanup_buf struct buf text = BUF_INIT;

	if (!m->driver->console_path)
		return;
	if (read_tail(m, &text) < 0 || !text.len) {
		fprintf(stderr, "The console of \"%s\" is empty.\n", m->name);
		return;
	}
	buf_trim_end(&text);
	fprintf(stderr, "The last lines of the console of \"%s\":\n    ", m->name);
	// The guest's bytes must not steer the user's terminal.
	for (const char *c = last_lines(&text); *c; c++)
		if (*c == '\n')
			fputs("\n    ", stderr);
		else if ((unsigned char)*c >= ' ' && *c != 0x7f)
			fputc(*c, stderr);
	fputc('\n', stderr);
}

// Emulated processors of QEMU before 8.1 now and then run an instruction that the kernel has just written over (QEMU's commit
// "accel/tcg: Always lock pages before translation"). The kernel panics while it starts ("int3"), or one of its processors is not woken any
// more, until it finds out by itself (panic_on_rcu_stall on its command line). It boots again by itself (panic=1 there), so that is no
// reason to give up.
enum { BEARABLE_PANICS = 2 };
static const char *const bearable[] = { "Oops: int3: 0000", "Kernel panic - not syncing: RCU Stall" };

static int count(const struct buf *text, const char *what)
{
	const char *end = text->data + text->len;
	int n = 0;

	for (const char *p = text->data; text->len && (p = memmem(p, (size_t)(end - p), what, strlen(what)));
	     p += strlen(what))
		n++;
	return n;
}

bool console_has_panic(const struct machine *m)
{
	cleanup_buf struct buf text = BUF_INIT;
	int borne = 0;

	if (read_tail(m, &text) < 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(bearable); i++)
		if (count(&text, bearable[i]))
			borne = BEARABLE_PANICS;
	return count(&text, "Kernel panic - not syncing") > borne;
}
