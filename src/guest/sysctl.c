// SPDX-License-Identifier: Apache-2.0
// Kernel parameters from /etc/sysctl.conf, what the kernel keeps free, and when it takes memory for used up.
//
// While transparent huge pages are on, the kernel keeps enough memory free to make some at any time (khugepaged,
// mm/khugepaged.c: set_recommended_min_free_kbytes()): 45 MB in a machine with 2 GB, and with the watermarks above it some
// 100 MB that no container gets. Here a program that wants huge pages asks for them (madvise), and the reserve is what the
// kernel takes without them: 4 * sqrt(memory in kB) kB (mm/page_alloc.c: calculate_min_free_kbytes()).
//
// A machine whose memory is used up can go on for minutes without doing anything: it throws away pages of the programs that run,
// and reads them again from the layers at once. The kernel kills the largest process as soon as what was used within the last
// second does not stay in memory (mm/vmscan.c: lru_gen_min_ttl; "Thrashing prevention" in admin-guide/mm/multigen_lru.rst).
#include "sysctl.h"

#include "lib/alloc.h"
#include "lib/contract.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/path.h"
#include "lib/strv.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>

#define WORKING_SET_MS "1000"

// "net.ipv4.ip_forward" -> ROOT/proc/sys/net/ipv4/ip_forward. A name with slashes keeps its dots (interface names have them).
static char *parameter_path(const struct guest *g, const char *name)
{
	char *path = xasprintf("%s/proc/sys/%s", g->root, name);

	if (!strchr(name, '/'))
		for (char *p = path + strlen(g->root) + strlen("/proc/sys/"); *p; p++)
			if (*p == '.')
				*p = '/';
	return path;
}

static char *trim(char *text)
{
	size_t len;

	text += strspn(text, " \t");
	len = strlen(text);
	while (len > 0 && strchr(" \t\r", text[len - 1]))
		text[--len] = '\0';
	return text;
}

static void apply_line(const struct guest *g, char *line)
{
	struct error err = ERROR_INIT;
	char *value = strchr(line, '=');
	bool optional = line[0] == '-';
	char *name = line + optional;

	if (!value) {
		log_warn("sysctl.conf: \"%s\" is not NAME = VALUE; ignored", line);
		return;
	}
	*value++ = '\0';
	name = trim(name);
	value = trim(value);
	if (!path_is_safe_relative(name)) {
		log_warn("sysctl.conf: \"%s\" is not the name of a parameter; ignored", name);
		return;
	}
	cleanup_free char *path = parameter_path(g, name);

	if (file_write_existing(path, value, &err) < 0 && !optional)
		log_warn("sysctl.conf: %s", err.msg);
}

uint64_t sysctl_reserve_kb(uint64_t memory_kb)
{
	uint64_t reserve = 128, most = 262144; // the kernel's own bounds

	while (reserve < most && reserve * reserve < 16 * memory_kb)
		reserve++;
	return reserve;
}

static void limit_reserve(const struct guest *g)
{
	cleanup_free char *huge_pages = guest_path(g, "/sys/kernel/mm/transparent_hugepage/enabled");
	cleanup_free char *reserve = guest_path(g, "/proc/sys/vm/min_free_kbytes");
	struct error err = ERROR_INIT;
	struct sysinfo info;
	char text[24];

	if (sysinfo(&info) < 0)
		return;
	snprintf(text, sizeof(text), "%" PRIu64, sysctl_reserve_kb((uint64_t)info.totalram * info.mem_unit / 1024));
	// In this order: the kernel raises the reserve again when huge pages are set.
	if ((file_exists(huge_pages) && file_write_existing(huge_pages, "madvise", &err) < 0) ||
	    file_write_existing(reserve, text, &err) < 0)
		log_warn("memory reserve: %s", err.msg);
}

static void end_thrashing(const struct guest *g)
{
	cleanup_free char *path = guest_path(g, "/sys/kernel/mm/lru_gen/min_ttl_ms");
	struct error err = ERROR_INIT;

	if (file_exists(path) && file_write_existing(path, WORKING_SET_MS, &err) < 0)
		log_warn("thrashing prevention: %s", err.msg);
}

int sysctl_end_boot(struct guest *g, struct error *err)
{
	cleanup_free char *cmdline = guest_read(g, "/proc/cmdline");
	cleanup_free char *path = guest_path(g, "/proc/sys/kernel/" CONTRACT_STALL_PANIC);

	if (!cmdline || !strstr(cmdline, "sysctl.kernel." CONTRACT_STALL_PANIC "=1") || !file_exists(path))
		return 0; // a wish of the user's stays
	return file_write_existing(path, "0", err);
}

int sysctl_apply(struct guest *g, struct error *err)
{
	cleanup_free char *path = guest_path(g, "/etc/sysctl.conf");
	cleanup_buf struct buf text = BUF_INIT;
	cleanup_strv struct strv lines = STRV_INIT;
	int r = file_read(path, 256 * 1024, &text, err);

	limit_reserve(g);
	end_thrashing(g);
	if (r < 0)
		return r;
	strv_split(&lines, buf_str(&text), "\n");
	for (size_t i = 0; i < lines.count; i++) {
		char *line = trim(lines.items[i]);

		if (*line && *line != '#' && *line != ';')
			apply_line(g, line);
	}
	return 0;
}
