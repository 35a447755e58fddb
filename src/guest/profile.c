// SPDX-License-Identifier: Apache-2.0
// The profile. One that only sets variables, as Docker Machine writes it, is read by us; any other is evaluated by a shell, whose
// variables are then read. Starting a shell takes an emulated processor a tenth of a second, with the engine waiting.
#include "profile.h"

#include "assignments.h"
#include "lib/alloc.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/path.h"
#include "lib/proc.h"

#include <errno.h>
#include <string.h>

#define DEADLINE_MS 10000
#define DUMP_MAX (256 * 1024)
#define PLAIN_MAX (64 * 1024)

static const struct {
	const char *name, *value;
} defaults[PROFILE_COUNT] = {
	[PROFILE_EXTRA_ARGS] = { "EXTRA_ARGS", "" },
	[PROFILE_DOCKER_HOST] = { "DOCKER_HOST", NULL }, // by DOCKER_TLS
	[PROFILE_DOCKER_TLS] = { "DOCKER_TLS", "auto" },
	[PROFILE_DOCKER_STORAGE] = { "DOCKER_STORAGE", "auto" },
	[PROFILE_DOCKER_DIR] = { "DOCKER_DIR", "/var/lib/docker" },
	[PROFILE_DOCKER_ULIMITS] = { "DOCKER_ULIMITS", "1048576" },
	[PROFILE_DOCKER_LOGFILE] = { "DOCKER_LOGFILE", "/var/lib/boot2docker/docker.log" },
	[PROFILE_CERTDIR] = { "CERTDIR", "/var/lib/boot2docker/tls/" },
	[PROFILE_CERT_INTERFACES] = { "CERT_INTERFACES", "eth0 eth1" },
	[PROFILE_CACERT] = { "CACERT", NULL }, // below CERTDIR, as the next ones
	[PROFILE_CAKEY] = { "CAKEY", NULL },
	[PROFILE_SERVERCERT] = { "SERVERCERT", NULL },
	[PROFILE_SERVERKEY] = { "SERVERKEY", NULL },
	[PROFILE_CERT] = { "CERT", NULL },
	[PROFILE_KEY] = { "KEY", NULL },
	[PROFILE_ORG] = { "ORG", "Boot2Docker" },
	[PROFILE_SERVERORG] = { "SERVERORG", NULL }, // ORG
	[PROFILE_CAORG] = { "CAORG", NULL }, // ORG + "CA"
	[PROFILE_NTP_SERVER] = { "NTP_SERVER", "" },
};

static const struct {
	enum profile_name which;
	const char *file;
} certificate_files[] = {
	{ PROFILE_CACERT, "ca.pem" },           { PROFILE_CAKEY, "cakey.pem" }, { PROFILE_SERVERCERT, "server.pem" },
	{ PROFILE_SERVERKEY, "serverkey.pem" }, { PROFILE_CERT, "cert.pem" },   { PROFILE_KEY, "key.pem" },
};

// The shell prints its variables when it exits, however it does (a profile may call exit), to the fd that we read; the profile's
// own output goes to stderr. $1 is the profile, $2 the names. Each process costs an emulated processor a tenth of a second:
// there is none besides the shell, whose `export -p` is read by us.
static const char script[] = "exec 3>&1 >&2\n"
			     "b2d_dump() {\n"
			     "	unset IFS\n"
			     "	for b2d_name in $b2d_names; do\n"
			     "		eval \"[ -n \\\"\\${$b2d_name+x}\\\" ]\" || continue\n"
			     "		eval \"printf '%s=%s\\\\0' $b2d_name \\\"\\${$b2d_name}\\\"\" >&3\n"
			     "	done\n"
			     "	printf '\\0' >&3\n"
			     "	export -p >&3\n"
			     "	printf '\\0' >&3\n"
			     "}\n"
			     "b2d_names=$2\n"
			     "trap b2d_dump EXIT\n"
			     ". \"$1\"\n";

static void take_variable(const char *record, struct profile *ret)
{
	for (size_t i = 0; i < PROFILE_COUNT; i++) {
		size_t len = strlen(defaults[i].name);

		if (strncmp(record, defaults[i].name, len) != 0 || record[len] != '=')
			continue;
		free(ret->values[i]);
		ret->values[i] = xstrdup(record + len + 1);
		ret->is_set[i] = true;
	}
}

// What the shell itself puts into its environment is not the profile's.
static bool is_shells_own(const char *record)
{
	static const char *const own[] = { "PATH=", "HOME=", "PWD=", "OLDPWD=", "SHLVL=", "_=", "TERM=" };

	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		if (strncmp(record, own[i], strlen(own[i])) == 0)
			return true;
	return false;
}

// Appends the character of a shell word at *p to it, and goes on behind it. `*quote` is the quote that is open, or 0.
static void take_character(const char **p, char *quote, struct buf *word)
{
	char c = *(*p)++;

	if (c == *quote) {
		*quote = 0;
	} else if (!*quote && (c == '\'' || c == '"')) {
		*quote = c;
	} else {
		if (c == '\\' && *quote != '\'' && **p)
			c = *(*p)++;
		buf_putc(word, c);
	}
}

// `export -p` prints `export NAME=VALUE` lines (POSIX, "export"), quoted so that a shell reads them back.
static void take_exports(const char *text, struct profile *ret)
{
	static const char prefix[] = "export ";

	for (const char *p = text; strncmp(p, prefix, strlen(prefix)) == 0;) {
		cleanup_buf struct buf word = BUF_INIT;
		char quote = 0;

		p += strlen(prefix);
		while (*p && (quote || *p != '\n'))
			take_character(&p, &quote, &word);
		if (*p)
			p++;
		if (strchr(buf_str(&word), '=') && *buf_str(&word) != '=' && !is_shells_own(buf_str(&word)))
			strv_push(&ret->env, buf_str(&word));
	}
}

bool profile_parse_dump(const char *dump, size_t len, struct profile *ret)
{
	const char *end = dump + len, *p = dump;

	if (len == 0 || dump[len - 1] != '\0')
		return false;
	for (; p < end && *p; p += strlen(p) + 1)
		take_variable(p, ret);
	if (p + 1 >= end) // the end of the first part was the end of it all
		return false;
	take_exports(p + 1, ret);
	return true;
}

static void set_default(struct profile *p, enum profile_name which, char *value)
{
	if (p->values[which])
		free(value);
	else
		p->values[which] = value;
}

static void fill_defaults(struct profile *p)
{
	bool tls;

	for (size_t i = 0; i < PROFILE_COUNT; i++)
		if (defaults[i].value)
			set_default(p, (enum profile_name)i, xstrdup(defaults[i].value));
	tls = strcmp(p->values[PROFILE_DOCKER_TLS], "no") != 0;
	set_default(p, PROFILE_DOCKER_HOST, xasprintf("-H tcp://0.0.0.0:%d", tls ? 2376 : 2375));
	for (size_t i = 0; i < ARRAY_SIZE(certificate_files); i++)
		set_default(p, certificate_files[i].which,
			    path_join(p->values[PROFILE_CERTDIR], certificate_files[i].file));
	set_default(p, PROFILE_SERVERORG, xstrdup(p->values[PROFILE_ORG]));
	set_default(p, PROFILE_CAORG, xasprintf("%sCA", p->values[PROFILE_ORG]));
}

// A shell finds a syntax error when it gets there; then it has run what comes before.
static bool has_syntax_error(const char *path)
{
	const char *const argv[] = { "/bin/sh", "-n", path, NULL };
	cleanup_buf struct buf errors = BUF_INIT; // said before, when it was run
	struct proc_spec spec = { .argv = argv, .timeout_ms = DEADLINE_MS, .errs = PROC_CAPTURE, .err_buf = &errors };

	return proc_run(&spec, NULL) != 0;
}

static int run_shell(const char *path, struct profile *ret, struct error *err)
{
	cleanup_buf struct buf names = BUF_INIT, dump = BUF_INIT, errors = BUF_INIT;
	const char *argv[] = { "/bin/sh", "-c", script, "profile", path, NULL, NULL };
	static const char *const env[] = { "PATH=" GUEST_PATH, "HOME=/root", NULL };
	struct proc_spec spec = { .argv = argv,
				  .env = env,
				  .timeout_ms = DEADLINE_MS,
				  .own_group = true,
				  .out = PROC_CAPTURE,
				  .errs = PROC_CAPTURE,
				  .out_buf = &dump,
				  .err_buf = &errors,
				  .capture_max = DUMP_MAX };
	int r;

	for (size_t i = 0; i < PROFILE_COUNT; i++)
		buf_printf(&names, "%s ", defaults[i].name);
	argv[5] = buf_str(&names);
	r = proc_run(&spec, err);
	if (r < 0)
		return r;
	buf_trim_end(&errors);
	if (errors.len > 0)
		log_warn("profile: %.400s", buf_str(&errors));
	if ((r != 0 && has_syntax_error(path)) || !profile_parse_dump(buf_str(&dump), dump.len, ret))
		return error_say(err, EINVAL, "the shell gave up on it with exit status %d", r);
	if (r != 0)
		log_warn("profile: it ended with exit status %d", r);
	return 0;
}

static bool read_plain(const char *path, struct profile *ret)
{
	cleanup_buf struct buf text = BUF_INIT;
	struct assignments a;

	if (file_read(path, PLAIN_MAX, &text, NULL) < 0 || !assignments_read(buf_str(&text), text.len, &a))
		return false;
	for (size_t i = 0; i < a.all.count; i++)
		take_variable(a.all.items[i], ret);
	for (size_t i = 0; i < a.exported.count; i++)
		if (!is_shells_own(a.exported.items[i]))
			strv_push(&ret->env, a.exported.items[i]);
	assignments_done(&a);
	return true;
}

void profile_evaluate(const struct guest *g, struct profile *ret)
{
	cleanup_free char *path = guest_path(g, PROFILE_FILE);
	struct error err = ERROR_INIT;

	*ret = (struct profile){ .env = STRV_INIT };
	if (file_exists(path) && !read_plain(path, ret) && run_shell(path, ret, &err) < 0) {
		log_error("%s is not used, defaults are taken instead: %s", PROFILE_FILE, err.msg);
		profile_done(ret);
	}
	fill_defaults(ret);
}

void profile_done(struct profile *p)
{
	for (size_t i = 0; i < PROFILE_COUNT; i++)
		free(p->values[i]);
	strv_done(&p->env);
	*p = (struct profile){ .env = STRV_INIT };
}
