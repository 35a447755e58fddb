// SPDX-License-Identifier: Apache-2.0
#include "image/iso.h"
int iso_make(const struct iso_spec *spec, struct error *err)
{
	(void)spec;
	return error_say(err, 0, "not yet");
}
