// SPDX-License-Identifier: Apache-2.0
// The boot log. Lines are written with one write each to O_APPEND files, so that the steps, which are processes of their own,
// do not tear each other's lines.
#include "bootlog.h"

#include "lib/alloc.h"
#include "lib/buf.h"
#include "lib/log.h"

#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

static struct {
	int kmsg, file;
	struct buf early; // what was said before the file could be opened
} sink = { .kmsg = -1, .file = -1 };

int64_t bootlog_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void write_line(int fd, const char *line, size_t len)
{
	if (fd >= 0 && write(fd, line, len) < 0)
		return; // there is nowhere left to report it
}

static void bootlog_sink(enum log_level level, const char *line, void *arg)
{
	static const char kernel_level[] = { '3', '4', '6', '7' }; // KERN_ERR, WARNING, INFO, DEBUG
	static const char *const words[] = { "error: ", "warning: ", "", "" };
	int64_t now = bootlog_now_us();
	cleanup_buf struct buf text = BUF_INIT;

	(void)arg;
	buf_printf(&text, "<%c>boot2docker: %.900s\n", kernel_level[level], line);
	write_line(sink.kmsg, text.data, text.len);
	buf_clear(&text);
	buf_printf(&text, "%4lld.%06lld %s%s\n", (long long)(now / 1000000), (long long)(now % 1000000), words[level],
		   line);
	if (sink.file >= 0)
		write_line(sink.file, text.data, text.len);
	else if (sink.early.len < 64 * 1024)
		buf_add(&sink.early, text.data, text.len);
}

void bootlog_open(const struct guest *g)
{
	cleanup_free char *kmsg = guest_path(g, "/dev/kmsg");

	sink.kmsg = open(kmsg, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	log_set_sink(bootlog_sink, NULL);
	if (g->options.debug)
		log_set_level(LOG_LEVEL_DEBUG);
}

void bootlog_attach_file(const struct guest *g)
{
	cleanup_free char *path = guest_path(g, BOOTLOG_FILE);

	if (sink.file >= 0)
		close(sink.file);
	sink.file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644);
	if (sink.file >= 0 && sink.early.len > 0)
		write_line(sink.file, sink.early.data, sink.early.len);
	buf_done(&sink.early);
}

int bootlog_fd(void)
{
	return sink.file;
}

void bootlog_console(const char *fmt, ...)
{
	cleanup_buf struct buf text = BUF_INIT;
	cleanup_close int console = -1;
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	log_warn("%s", buf_str(&text));
	console = open("/dev/console", O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	buf_puts(&text, "\r\n");
	write_line(console, text.data, text.len);
}
