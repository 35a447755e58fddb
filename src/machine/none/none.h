// SPDX-License-Identifier: Apache-2.0
// The driver none: an engine somewhere, of which only the URL is known. It is neither provisioned nor reached by SSH.
#pragma once

#include "../driver.h"

extern const struct driver none_driver;
extern const struct option_row none_options_rows[];

// The flags of create for it.
struct none_options {
	char *url; // tcp://HOST[:PORT]
};
