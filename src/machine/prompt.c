// SPDX-License-Identifier: Apache-2.0
// A question to the person at the terminal; see prompt.h.
#include "prompt.h"

#include <stdio.h>

bool prompt_yes(const char *question)
{
	char answer[64];

	fputs(question, stdout);
	fflush(stdout);
	return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}
