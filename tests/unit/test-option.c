// SPDX-License-Identifier: Apache-2.0
// Unit tests of the option tables.
#include "test.h"

#include "lib/option.h"

#include <errno.h>

struct options {
	bool force;
	char *driver;
	int memory;
	struct strv labels;
};

static const struct option_row rows[] = {
	{ .name = "force",
	  .letter = 'f',
	  .type = OPTION_BOOL,
	  .offset = offsetof(struct options, force),
	  .help = "do it" },
	{ .name = "driver",
	  .letter = 'd',
	  .type = OPTION_STRING,
	  .offset = offsetof(struct options, driver),
	  .env = "B2D_TEST_DRIVER",
	  .value = "none",
	  .argument = "NAME",
	  .help = "driver to use" },
	{ .name = "memory",
	  .type = OPTION_INT,
	  .offset = offsetof(struct options, memory),
	  .value = "1024",
	  .min = 128,
	  .max = 65536,
	  .argument = "MB",
	  .help = "memory" },
	{ .name = "label",
	  .type = OPTION_LIST,
	  .offset = offsetof(struct options, labels),
	  .env = "B2D_TEST_LABEL",
	  .argument = "LABEL" },
	{ .name = NULL },
};
static const struct option_row *const tables[] = { rows, NULL };

static struct options options;
static struct strv operands;
static struct error err;

static int start(void **state)
{
	(void)state;
	unsetenv("B2D_TEST_DRIVER");
	unsetenv("B2D_TEST_LABEL");
	error_clear(&err);
	return 0;
}

static int end(void **state)
{
	(void)state;
	option_done(tables, &options);
	strv_done(&operands);
	memset(&options, 0, sizeof(options));
	return 0;
}

#define PARSE(...)                                                                                            \
	({                                                                                                    \
		char *const argv[] = { (char[]){ "prog" }, __VA_ARGS__ };                                     \
		option_parse(tables, &options, ARRAY_SIZE(argv), argv,                                        \
			     &(struct option_parse){ .operands = &operands, .stop_at_operand = stop }, &err); \
	})
#define W(text) ((char[]){ text })

static bool stop;

static void defaults_come_last_and_flags_first(void **state)
{
	(void)state;
	setenv("B2D_TEST_DRIVER", "qemu", 1);
	assert_ok(PARSE(W("name")), &err);
	assert_string_equal(options.driver, "qemu");
	assert_int_equal(options.memory, 1024);
	end(NULL);
	assert_ok(PARSE(W("-d"), W("generic")), &err);
	assert_string_equal(options.driver, "generic");
}

static void flags_have_every_form_of_docker_machine(void **state)
{
	(void)state;
	assert_ok(PARSE(W("--memory=2048"), W("-driver"), W("x"), W("--label"), W("a=1"), W("name"), W("-label=b"),
			W("-f")),
		  &err);
	assert_int_equal(options.memory, 2048);
	assert_string_equal(options.driver, "x");
	assert_int_equal(options.labels.count, 2);
	assert_string_equal(options.labels.items[0], "a=1");
	assert_true(options.force);
	assert_int_equal(operands.count, 1);
	end(NULL);
	assert_ok(PARSE(W("--force=false")), &err);
	assert_false(options.force);
}

static void a_list_on_the_command_line_replaces_the_environments(void **state)
{
	(void)state;
	setenv("B2D_TEST_LABEL", "x,y", 1);
	assert_ok(PARSE(W("name")), &err);
	assert_int_equal(options.labels.count, 2);
	end(NULL);
	assert_ok(PARSE(W("--label"), W("z,z")), &err);
	assert_int_equal(options.labels.count, 1);
	assert_string_equal(options.labels.items[0], "z,z");
}

static void bad_input_is_named(void **state)
{
	(void)state;
	assert_int_equal(PARSE(W("--nonsense")), -EINVAL);
	assert_contains(err.msg, "flag provided but not defined: -nonsense");
	assert_int_equal(PARSE(W("--memory")), -EINVAL);
	assert_contains(err.msg, "flag needs an argument: --memory");
	assert_int_equal(PARSE(W("--memory"), W("12")), -ERANGE);
	assert_string_equal(err.msg, "--memory: 12 is not within 128 to 65536");
	assert_int_equal(PARSE(W("--memory=big")), -EINVAL);
	assert_int_equal(PARSE(W("--force=maybe")), -EINVAL);
	setenv("B2D_TEST_DRIVER", "", 1); // empty counts as not set
	end(NULL);
	assert_ok(PARSE(W("x")), &err);
	assert_string_equal(options.driver, "none");
}

static void options_end_at_two_dashes_or_at_an_operand(void **state)
{
	(void)state;
	assert_ok(PARSE(W("-f"), W("--"), W("-d")), &err);
	assert_int_equal(operands.count, 1);
	assert_string_equal(operands.items[0], "-d");
	end(NULL);
	stop = true;
	int r = PARSE(W("-f"), W("name"), W("-t"), W("--"), W("ls"));
	stop = false;
	assert_int_equal(r, 0);
	assert_int_equal(operands.count, 4);
	assert_string_equal(operands.items[1], "-t");
	assert_string_equal(operands.items[2], "--");
}

static void help_shows_defaults_and_variables(void **state)
{
	cleanup_buf struct buf help = BUF_INIT;

	(void)state;
	option_help(tables, &help);
	assert_contains(buf_str(&help), "--driver, -d NAME");
	assert_contains(buf_str(&help), "driver to use (default: none) [$B2D_TEST_DRIVER]");
	assert_null(strstr(buf_str(&help), "--label")); // no help text: accepted but not shown
}

#define with_options(test) cmocka_unit_test_setup_teardown(test, start, end)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		with_options(defaults_come_last_and_flags_first),
		with_options(flags_have_every_form_of_docker_machine),
		with_options(a_list_on_the_command_line_replaces_the_environments),
		with_options(bad_input_is_named),
		with_options(options_end_at_two_dashes_or_at_an_operand),
		with_options(help_shows_defaults_and_variables),
	};

	return cmocka_run_group_tests_name("option", tests, NULL, NULL);
}
