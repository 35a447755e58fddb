// SPDX-License-Identifier: Apache-2.0
// Path names: joining and checking. Nothing here touches the file system.
#pragma once

#include "macros.h"

#include <stdbool.h>

// "DIR/NAME", without a doubled slash. The caller frees.
char *path_join(const char *dir, const char *name);
// The last component, within `path` itself.
const char *path_base(const char *path);
// All before the last slash ("/" for "/x", "." for "x"). The caller frees.
char *path_dir(const char *path);
// True for a single component that is neither empty, ".", ".." nor holds a slash.
bool path_is_component(const char *name);
// True for a relative path that stays below its root: not absolute, no "..", no empty path. Untrusted archives use it.
bool path_is_safe_relative(const char *path);
