// SPDX-License-Identifier: Apache-2.0
// SHA-256 of bytes and files.

#include "lib/digest.h"

#include "lib/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>

#define BLOCK (256 << 10)

struct digest {
	EVP_MD_CTX *context;
};

struct digest *digest_new(void)
{
	struct digest *d = xcalloc(1, sizeof(*d));

	d->context = EVP_MD_CTX_new();
	if (!d->context || EVP_DigestInit_ex(d->context, EVP_sha256(), NULL) != 1)
		abort(); // libcrypto without SHA-256 or without memory
	return d;
}

void digest_add(struct digest *d, const void *data, size_t len)
{
	if (EVP_DigestUpdate(d->context, data, len) != 1)
		abort();
}

void digest_finish(struct digest *d, char ret_hex[DIGEST_HEX_LEN])
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned int len = 0;

	if (EVP_DigestFinal_ex(d->context, sum, &len) != 1 || len != 32)
		abort();
	for (unsigned int i = 0; i < len; i++)
		snprintf(ret_hex + 2 * i, 3, "%02x", sum[i]);
	EVP_MD_CTX_free(d->context);
	free(d);
}

int digest_file(const char *path, char ret_hex[DIGEST_HEX_LEN], struct error *err)
{
	cleanup_free unsigned char *block = xmalloc(BLOCK);
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct digest *d;
	ssize_t n;

	if (fd < 0)
		return error_set(err, errno, "open %s", path);
	d = digest_new();
	while ((n = read(fd, block, BLOCK)) > 0)
		digest_add(d, block, (size_t)n);
	digest_finish(d, ret_hex);
	return n < 0 ? error_set(err, errno, "read %s", path) : 0;
}
