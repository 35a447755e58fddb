// SPDX-License-Identifier: Apache-2.0
// Path patterns of the manifests.
#pragma once

#include <stdbool.h>

// `*` and `?` stay within one component, `[a-z]` is a set, `**` crosses slashes. Everything else stands for itself.
bool glob_match(const char *pattern, const char *path);
bool glob_is_pattern(const char *text); // false: it is a plain path
