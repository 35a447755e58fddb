// SPDX-License-Identifier: Apache-2.0
// `init`: the older tool's create: makes the machine that the profile describes, without starting it.
#include "commands.h"

#include "../driver.h"
#include "../older-profile.h"
#include "../store.h"
#include "lib/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

static const struct option_row *const tables[] = { older_profile_rows, NULL };

static void add_number(struct strv *words, const char *driver, const char *flag, int value)
{
	if (!value)
		return;
	strv_pushf(words, "--%s-%s", driver, flag);
	strv_pushf(words, "%d", value);
}

static void add_text(struct strv *words, const char *driver, const char *flag, const char *value)
{
	if (!*value)
		return;
	strv_pushf(words, "--%s-%s", driver, flag);
	strv_push(words, value);
}

static int prefix_length(const char *mask, struct error *err)
{
	struct in_addr address;

	if (!*mask)
		return 24;
	if (inet_pton(AF_INET, mask, &address) != 1)
		return error_say(err, EINVAL, "NetMask \"%s\" is no address", mask);
	uint32_t bits = ntohl(address.s_addr);
	int length = __builtin_popcount(bits);
	if (!length || bits != UINT32_MAX << (32 - length))
		return error_say(err, EINVAL, "NetMask %s is no mask", mask);
	return length;
}

static int add_network(struct strv *words, const struct older_profile *p, struct error *err)
{
	if (!p->dhcp_enabled)
		strv_push(words, "--virtualbox-hostonly-no-dhcp");
	if (!*p->host_ip)
		return 0;
	int length = prefix_length(p->netmask, err);
	if (length < 0)
		return length;
	strv_push(words, "--virtualbox-hostonly-cidr");
	strv_pushf(words, "%s/%d", p->host_ip, length);
	return 0;
}

// The words of the `create` that makes what the profile describes.
static int create_words(const struct older_profile *p, const char *driver, struct strv *words, struct error *err)
{
	const char *const first[] = { "create", "--no-start", "--driver", driver, NULL };
	bool is_virtualbox = strcmp(driver, "virtualbox") == 0;
	int r = 0;

	strv_push_all(words, first);
	add_number(words, driver, "memory", p->memory);
	add_number(words, driver, "cpu-count", p->cpus);
	add_number(words, driver, "disk-size", p->disk_size);
	add_text(words, driver, "boot2docker-url", *p->iso ? p->iso : p->iso_url);
	if (is_virtualbox) {
		r = add_network(words, p, err);
	} else {
		add_number(words, driver, "ssh-port", p->ssh_port);
		add_number(words, driver, "docker-port", p->docker_port);
	}
	strv_push(words, "--");
	strv_push(words, p->vm);
	return r;
}

static int run(const struct context *ctx, void *arg, const struct strv *operands, struct error *err)
{
	const struct older_profile *profile = arg;
	const char *driver = *profile->driver ? profile->driver : driver_default();
	cleanup_strv struct strv words = STRV_INIT;

	if (operands->count)
		return error_say(err, EINVAL, "Error: init takes flags only; name the machine with --vm %s",
				 operands->items[0]);
	if (strcmp(driver, "qemu") != 0 && strcmp(driver, "virtualbox") != 0)
		return error_say(err, EINVAL, "init makes machines with qemu or virtualbox, not with \"%s\"", driver);
	if (machine_exists(ctx, profile->vm)) {
		log_info("Virtual machine %s already exists", profile->vm);
		return 0;
	}
	int r = create_words(profile, driver, &words, err);
	if (r == 0)
		r = command_call(ctx, &words, err);
	if (r == 0)
		log_info("Initialization of virtual machine \"%s\" complete.\nUse `%s up` to start it.", profile->vm,
			 ctx->program);
	return r;
}

const struct command command_init = {
	.name = "init",
	.arguments = "",
	.summary = "Create the machine of the profile, without starting it",
	.options = tables,
	.options_size = sizeof(struct older_profile),
	.takes_profile = true,
	.run = run,
};
