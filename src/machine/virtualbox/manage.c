// SPDX-License-Identifier: Apache-2.0
// Runs VBoxManage; see internal.h.
#include "internal.h"

#include "../run.h"
#include "lib/proc.h"
#include "lib/strv.h"

#include <errno.h>
#include <string.h>

enum { MANAGE_TIMEOUT_MS = 60 * 1000 };

static const struct refusal {
	const char *part; // of the message
	int code;
} refusals[] = {
	{ "Could not find a registered machine", ENODEV },
	{ "E_ACCESSDENIED", EACCES },
	{ "already exists", EEXIST },
	{ "already locked", EBUSY },
	{ "while it is locked", EBUSY },
};

static int refused(const struct manage *manage, const char *stderr_text, struct error *err)
{
	cleanup_buf struct buf message = BUF_INIT;
	int code = EPROTO;

	output_error(stderr_text, &message);
	for (size_t i = 0; i < ARRAY_SIZE(refusals) && code == EPROTO; i++)
		if (strstr(stderr_text, refusals[i].part))
			code = refusals[i].code;
	return error_say(err, code, "VBoxManage %s %s: %s", manage->words[0], manage->words[1] ? manage->words[1] : "",
			 buf_str(&message));
}

// Its messages are read by us, so they must not be translated.
static void plain_language(struct strv *ret)
{
	for (char **variable = environ; *variable; variable++)
		if (strncmp(*variable, "LC_", 3) != 0 && strncmp(*variable, "LANG", 4) != 0)
			strv_push(ret, *variable);
	strv_push(ret, "LC_ALL=C.UTF-8");
}

int manage_run(const struct manage *manage, struct error *err)
{
	cleanup_strv struct strv argv = STRV_INIT;
	cleanup_strv struct strv environment = STRV_INIT;
	cleanup_buf struct buf errors = BUF_INIT;
	cleanup_buf struct buf output = BUF_INIT;

	strv_push(&argv, "VBoxManage");
	strv_push_all(&argv, manage->words);
	plain_language(&environment);
	struct proc_spec spec = { .argv = (const char *const *)strv_argv(&argv),
				  .env = (const char *const *)strv_argv(&environment),
				  .in = manage->input ? PROC_DATA : PROC_NULL,
				  .input = manage->input,
				  .input_len = manage->input_len,
				  .out = PROC_CAPTURE,
				  .out_buf = &output,
				  .errs = PROC_CAPTURE,
				  .err_buf = &errors,
				  .timeout_ms = manage->timeout_ms ? manage->timeout_ms : MANAGE_TIMEOUT_MS,
				  .own_group = true };
	run_log(spec.argv);
	int r = proc_run(&spec, err);
	if (r < 0)
		return r;
	if (r > 0)
		return refused(manage, buf_str(&errors), err);
	output_strip_warning(&output);
	if (manage->output)
		buf_puts(manage->output, buf_str(&output));
	return 0;
}
