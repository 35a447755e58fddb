// SPDX-License-Identifier: Apache-2.0
// `doctor`: looks at the host and at machines, and says in words what is wrong. Changes nothing.
#include "commands.h"

#include "../doctor/doctor.h"
#include "../store.h"
#include "lib/alloc.h"

static void look(const struct context *ctx, const char *name, struct report *r)
{
	cleanup_machine struct machine *m = NULL;
	struct error why = ERROR_INIT;

	if (machine_load(ctx, name, &m, &why) == 0) {
		doctor_machine(m, r);
		return;
	}
	report_title(r, "Machine \"%s\"", name);
	report_line(r, FINDING_WRONG, "config.json", "%s", why.msg);
}

static int run(const struct context *ctx, void *options, const struct strv *operands, struct error *err)
{
	cleanup_strv struct strv names = STRV_INIT;
	struct report r;
	int result = 0;

	(void)options;
	for (size_t i = 0; i < operands->count; i++)
		strv_push(&names, operands->items[i]);
	if (!names.count)
		result = machine_list(ctx, &names, err);
	report_begin(&r);
	doctor_host(ctx, &r);
	for (size_t i = 0; i < names.count; i++)
		look(ctx, names.items[i], &r);
	if (result < 0)
		return result;
	if (r.wrong)
		printf("%d thing%s wrong.\n", r.wrong, r.wrong == 1 ? " is" : "s are");
	else
		printf("Nothing is wrong.\n");
	return r.wrong ? 1 : 0;
}

const struct command command_doctor = {
	.name = "doctor",
	.arguments = "[NAME...]",
	.summary = "Look at this host and at machines, and say what is wrong and what to do",
	.run = run,
};
