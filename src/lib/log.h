// SPDX-License-Identifier: Apache-2.0
// Log functions; where the lines go is the program's choice. The sink is the only global state of the library.
#pragma once

#include "macros.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

// A sink gets one line without newline. The default one is log_sink_stderr.
typedef void (*log_sink_fn)(enum log_level level, const char *line, void *arg);
void log_set_sink(log_sink_fn sink, void *arg);
void log_set_level(enum log_level most_verbose); // default: LOG_LEVEL_INFO
// The sink for command line programs: warnings and errors to stderr with their level, others as they are.
void log_sink_stderr(enum log_level level, const char *line, void *arg);

void log_error(const char *fmt, ...) PRINTF_LIKE(1, 2);
void log_warn(const char *fmt, ...) PRINTF_LIKE(1, 2);
void log_info(const char *fmt, ...) PRINTF_LIKE(1, 2);
void log_debug(const char *fmt, ...) PRINTF_LIKE(1, 2);
