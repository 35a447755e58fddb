// SPDX-License-Identifier: Apache-2.0
// What tells this machine from others of its template; see identity.h.
#include "identity.h"

#include "disk.h"
#include "disk_renew.h"
#include "lib/alloc.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/path.h"
#include "lib/strv.h"
#include "network.h"
#include "storage.h"
#include "uuid.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>

#define BRIDGE "docker0"

int identity_engine(const struct guest *g, const char *docker_dir, struct error *err)
{
	cleanup_free char *path = xasprintf("%s%s/engine-id", g->root, docker_dir);
	cleanup_free char *id = NULL;
	int r = uuid_draw_text(&id, err);

	return r == 0 ? file_replace(path, id, strlen(id), 0600, err) : r;
}

// ioctl(2) of ext4: EXT4_IOC_SETFSUUID and its struct fsuuid, of <linux/ext4.h> since Linux 6.0.
struct volume_id {
	uint32_t len, flags;
	uint8_t bytes[UUID_LEN];
};
#define SET_VOLUME_ID _IOC(_IOC_WRITE, 'f', 44, offsetof(struct volume_id, bytes))

int identity_volume(struct guest *g, struct error *err)
{
	struct volume_id id = { .len = UUID_LEN };
	cleanup_free char *path = guest_path(g, GUEST_DATA);
	cleanup_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return error_set(err, errno, "open %s", path);
	int r = uuid_draw(id.bytes, err);
	if (r < 0)
		return r;
	return ioctl(fd, SET_VOLUME_ID, &id) < 0
		       ? error_set(err, errno, "give the file system of %s another identifier", path)
		       : 0;
}

// Swap partitions of the disk were written through the disk: what the kernel remembers of what they begin with is no longer so.
static void forget_swap_headers(const struct guest *g, const char *disk)
{
	cleanup_free char *swaps = guest_read(g, "/proc/swaps");
	cleanup_strv struct strv words = STRV_INIT;

	strv_split(&words, swaps ? swaps : "", " \t\n");
	for (size_t i = 0; i < words.count; i++) {
		if (strncmp(words.items[i], disk, strlen(disk)) != 0)
			continue;
		cleanup_close int fd = open(words.items[i], O_RDONLY | O_CLOEXEC);

		if (fd < 0 || ioctl(fd, BLKFLSBUF) < 0)
			log_warn("%s shows its former identifier until the next start: %s", words.items[i],
				 strerror(errno));
	}
}

int identity_disk(struct guest *g, struct error *err)
{
	cleanup_free char *name = guest_read(g, STORAGE_NOTE);

	if (!name || !path_is_component(name))
		return 0; // the data is in memory
	cleanup_free char *number = xasprintf("%s/sys/class/block/%s/partition", g->root, name);
	if (!file_exists(number))
		return 0; // of the whole disk, or none
	cleanup_free char *disk = disk_of_partition(&(struct disk_facts){ .name = name, .partition = 1 });
	cleanup_free char *path = xasprintf("%s/dev/%s", g->root, disk);

	int r = disk_renew_identifiers(path, err);
	if (r == 0)
		forget_swap_headers(g, path);
	return r;
}

// The engine draws it when it makes the bridge, and does not keep it.
int identity_bridge(struct guest *g, struct error *err)
{
	cleanup_free char *bridge = guest_path(g, "/sys/class/net/" BRIDGE);
	uint8_t mac[NETWORK_MAC_LEN];

	if (!file_exists(bridge))
		return 0; // the profile says so (--bridge)
	if (getrandom(mac, sizeof(mac), 0) != (ssize_t)sizeof(mac))
		return error_set(err, errno, "random bytes for a MAC address");
	mac[0] = (mac[0] & 0xfc) | 0x02; // of one station, locally administered (IEEE 802, section 8.4)
	return network_set_mac(BRIDGE, mac, err);
}
