// SPDX-License-Identifier: Apache-2.0
// Calls to VirtualBox's host.
//
// Theory of operation
//
// Every call is one ioctl with a header of VirtualBox's, whose `rc` is the host's own status (negative: an error) beside the
// kernel's. HGCM parameters follow the header of a call: numbers in place, and pointers to memory of ours, which the kernel hands
// to the host. Function numbers and structures are those of VirtualBox's headers GuestPropertySvc.h and shflsvc.h. Strings of the
// shared folder service are UTF-16 unless a client asks for UTF-8, which hosts before 6.0 do not know for names.
#include "vbox.h"

#include "lib/alloc.h"
#include "lib/buf.h"
#include "lib/cursor.h"
#include "lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>

#define CALL_MS 10000
#define PARAMETERS_MAX 3
#define NAME_BYTES 1024 // of a share's name with its header; the host has at most 256 characters

enum { PROPERTY_SET = 2, PROPERTY_DELETE = 4 }; // GUEST_PROP_FN_…
enum { SHARES_LIST = 1, SHARES_NAME = 2 }; // SHFL_FN_QUERY_MAPPINGS, …_QUERY_MAP_NAME
#define SHARES_AUTOMOUNT 0x10 // SHFL_MF_AUTOMOUNT

struct host_time {
	struct vbg_ioctl_hdr header;
	uint64_t ms;
};

struct share_entry { // SHFLMAPPING
	uint32_t status, root;
};

struct call {
	struct vbg_ioctl_hgcm_call head;
	struct vmmdev_hgcm_function_parameter64 parameters[PARAMETERS_MAX];
};

static int ask_kernel(const struct vbox *v, unsigned long number, void *data)
{
	return ioctl(v->fd, number, data) < 0 ? -errno : 0;
}

int vbox_open(const struct guest *g, struct vbox *ret, struct error *err)
{
	cleanup_free char *path = guest_path(g, "/dev/" VBOX_DEVICE);
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return error_set(err, errno, "open %s", path);
	*ret = (struct vbox){ .request = ask_kernel, .fd = fd };
	return 0;
}

void vbox_close(struct vbox *v)
{
	close(v->fd);
}

static struct vbg_ioctl_hdr header(size_t size, uint32_t type)
{
	return (struct vbg_ioctl_hdr){
		.size_in = (uint32_t)size, .size_out = (uint32_t)size, .version = VBG_IOCTL_HDR_VERSION, .type = type
	};
}

// One request: kernel and host must both agree.
static int request(const struct vbox *v, unsigned long number, struct vbg_ioctl_hdr *data, const char *what,
		   struct error *err)
{
	int r = v->request(v, number, data);

	if (r < 0)
		return error_set(err, r, "%s", what);
	if (data->rc < 0)
		return error_say(err, EREMOTEIO, "%s: VirtualBox refuses it (status %d)", what, (int)data->rc);
	return 0;
}

int vbox_host_time(const struct vbox *v, int64_t *ret_ms, struct error *err)
{
	struct host_time t = { .header = header(sizeof(t), VMMDEVREQ_GET_HOST_TIME) };
	int r = request(v, VBG_IOCTL_VMMDEV_REQUEST(sizeof(t)), &t.header, "the host's time", err);

	if (r < 0)
		return r;
	if (t.ms > INT64_MAX / 1000000)
		return error_say(err, ERANGE, "the host's time is absurd");
	*ret_ms = (int64_t)t.ms;
	return 0;
}

int vbox_connect(const struct vbox *v, const char *service, uint32_t *ret_client, struct error *err)
{
	struct vbg_ioctl_hgcm_connect c = { .hdr = header(sizeof(c), VBG_IOCTL_HDR_TYPE_DEFAULT) };
	char *name = c.u.in.loc.u.localhost.service_name;
	int r;

	c.hdr.size_out = sizeof(c.hdr) + sizeof(c.u.out); // the kernel takes no other here
	c.u.in.loc.type = VMMDEV_HGCM_LOC_LOCALHOST_EXISTING;
	memcpy(name, service, strnlen(service, sizeof(c.u.in.loc.u.localhost.service_name) - 1));
	r = request(v, VBG_IOCTL_HGCM_CONNECT, &c.hdr, service, err);
	if (r == 0)
		*ret_client = c.u.out.client_id;
	return r;
}

static struct vmmdev_hgcm_function_parameter64 number(uint32_t value)
{
	return (struct vmmdev_hgcm_function_parameter64){ .type = VMMDEV_HGCM_PARM_TYPE_32BIT, .u.value32 = value };
}

static struct vmmdev_hgcm_function_parameter64 memory(enum vmmdev_hgcm_function_parameter_type type, const void *data,
						      size_t size)
{
	return (struct vmmdev_hgcm_function_parameter64){ .type = type,
							  .u.pointer.size = (uint32_t)size,
							  .u.pointer.u.linear_addr = (uintptr_t)data };
}

static struct vmmdev_hgcm_function_parameter64 text(const char *s)
{
	return memory(VMMDEV_HGCM_PARM_TYPE_LINADDR_IN, s, strlen(s) + 1);
}

// What the host sends back as numbers is in c->parameters then. All of `c` is given, used or not.
static int call(const struct vbox *v, uint32_t client, uint32_t function, uint16_t count, struct call *c,
		const char *what, struct error *err)
{
	c->head = (struct vbg_ioctl_hgcm_call){ .hdr = header(sizeof(*c), VBG_IOCTL_HDR_TYPE_DEFAULT),
						.client_id = client,
						.function = function,
						.timeout_ms = CALL_MS,
						.parm_count = count };
	return request(v, VBG_IOCTL_HGCM_CALL_64(sizeof(*c)), &c->head.hdr, what, err);
}

int vbox_set_property(const struct vbox *v, uint32_t client, const char *name, const char *value, const char *flags,
		      struct error *err)
{
	struct call c = { .parameters = { text(name), text(value), text(flags) } };

	return call(v, client, PROPERTY_SET, 3, &c, name, err);
}

int vbox_delete_property(const struct vbox *v, uint32_t client, const char *name, struct error *err)
{
	struct call c = { .parameters = { text(name) } };

	return call(v, client, PROPERTY_DELETE, 1, &c, name, err);
}

// --- shared folders

static void add_utf8(struct buf *ret, uint32_t c)
{
	static const uint8_t first[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
	int len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	if (len == 1) {
		buf_putc(ret, (char)c);
		return;
	}
	buf_putc(ret, (char)(first[len] | c >> 6 * (len - 1)));
	for (int i = len - 2; i >= 0; i--)
		buf_putc(ret, (char)(0x80 | (c >> 6 * i & 0x3f)));
}

// Reads a SHFLSTRING of UTF-16. False: it is none, or has a NUL in it.
static bool read_name(const uint8_t *data, size_t size, struct buf *ret)
{
	struct cursor c;
	uint16_t len;

	cursor_init(&c, data, size);
	cursor_skip(&c, 2); // the room that it has
	len = cursor_le16(&c); // in bytes
	for (uint16_t i = 0; i + 1 < len && !c.failed; i += 2) {
		uint32_t one = cursor_le16(&c);

		if (one >= 0xd800 && one < 0xdc00) { // the first half of a character beyond 0xffff
			uint16_t two = cursor_le16(&c);

			i += 2;
			if (two < 0xdc00 || two > 0xdfff)
				return false;
			one = 0x10000 + ((one & 0x3ff) << 10 | (two & 0x3ff));
		}
		if (one == 0 || (one >= 0xdc00 && one < 0xe000))
			return false;
		add_utf8(ret, one);
	}
	return !c.failed && len > 0 && len % 2 == 0;
}

static bool share_name(const struct vbox *v, uint32_t client, uint32_t root, struct buf *ret)
{
	uint16_t answer[NAME_BYTES / 2] = { NAME_BYTES - 4, 0 };
	struct call c = { .parameters = { number(root),
					  memory(VMMDEV_HGCM_PARM_TYPE_LINADDR, answer, sizeof(answer)) } };
	struct error err = ERROR_INIT;

	if (call(v, client, SHARES_NAME, 2, &c, "name of a shared folder", &err) < 0) {
		log_warn("VirtualBox: %s", err.msg);
		return false;
	}
	if (!read_name((const uint8_t *)answer, sizeof(answer), ret)) {
		log_warn("VirtualBox: the name of a shared folder cannot be read");
		return false;
	}
	return true;
}

int vbox_share_names(const struct vbox *v, bool automount_only, struct strv *ret, struct error *err)
{
	struct share_entry entries[VBOX_SHARES_MAX] = { { 0, 0 } };
	struct call c = { .parameters = { number(automount_only ? SHARES_AUTOMOUNT : 0), number(VBOX_SHARES_MAX),
					  memory(VMMDEV_HGCM_PARM_TYPE_LINADDR, entries, sizeof(entries)) } };
	uint32_t client = 0, count;
	int r = vbox_connect(v, VBOX_SHARES, &client, err);

	if (r == 0)
		r = call(v, client, SHARES_LIST, 3, &c, "list of shared folders", err);
	if (r < 0)
		return r;
	count = c.parameters[1].u.value32;
	for (uint32_t i = 0; i < count && i < VBOX_SHARES_MAX; i++) {
		cleanup_buf struct buf name = BUF_INIT;

		if (share_name(v, client, entries[i].root, &name))
			strv_push(ret, buf_str(&name));
	}
	return 0;
}
