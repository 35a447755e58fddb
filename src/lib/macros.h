// SPDX-License-Identifier: Apache-2.0
// Attributes and small macros that every file of the project may use.
#pragma once

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define MUST_CHECK __attribute__((warn_unused_result))

// Cleanup attributes: `cleanup_free char *p = NULL;` frees p when it goes out of scope.
#define CLEANUP(fn) __attribute__((cleanup(fn)))
#define cleanup_free CLEANUP(cleanup_free_ptr)
#define cleanup_close CLEANUP(cleanup_close_fd)
#define cleanup_fclose CLEANUP(cleanup_fclose_file)

static inline void cleanup_free_ptr(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_close_fd(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void cleanup_fclose_file(FILE **file)
{
	if (*file)
		fclose(*file);
}

// Hand over what a cleanup attribute guards: returns the value, leaves NULL or -1 behind.
#define take_ptr(p)                        \
	({                                 \
		__typeof__(p) taken = (p); \
		(p) = NULL;                \
		taken;                     \
	})

static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}
