// SPDX-License-Identifier: Apache-2.0
// Log functions; see log.h.
#include "log.h"

#include "buf.h"

#include <stdarg.h>
#include <stdbool.h>

static log_sink_fn log_sink = log_sink_stderr;
static void *log_sink_arg;
static enum log_level log_most_verbose = LOG_LEVEL_INFO;

void log_set_sink(log_sink_fn sink, void *arg)
{
	log_sink = sink;
	log_sink_arg = arg;
}

void log_set_level(enum log_level most_verbose)
{
	log_most_verbose = most_verbose;
}

void log_sink_stderr(enum log_level level, const char *line, void *arg)
{
	static const char *const prefix[] = { "error: ", "warning: ", "", "" };

	(void)arg;
	fprintf(stderr, "%s%s\n", prefix[level], line);
}

PRINTF_LIKE(2, 0) static void log_line(enum log_level level, const char *fmt, va_list ap)
{
	cleanup_buf struct buf line = BUF_INIT;

	if (level > log_most_verbose)
		return;
	buf_vprintf(&line, fmt, ap);
	log_sink(level, buf_str(&line), log_sink_arg);
}

#define LOG_FUNCTION(name, level)         \
	void name(const char *fmt, ...)   \
	{                                 \
		va_list ap;               \
		va_start(ap, fmt);        \
		log_line(level, fmt, ap); \
		va_end(ap);               \
	}

LOG_FUNCTION(log_error, LOG_LEVEL_ERROR)
LOG_FUNCTION(log_warn, LOG_LEVEL_WARN)
LOG_FUNCTION(log_info, LOG_LEVEL_INFO)
LOG_FUNCTION(log_debug, LOG_LEVEL_DEBUG)
