// SPDX-License-Identifier: Apache-2.0
// The package list as SPDX 2.3 (https://spdx.github.io/spdx-spec/v2.3/); see spdx.h.
#include "image/spdx.h"

#include "lib/alloc.h"
#include "lib/digest.h"
#include "lib/version.h"

#include <jansson.h>
#include <string.h>
#include <time.h>

// What is not a letter, a digit or one of "-._~" is percent-encoded (the purl specification).
static char *purl(const struct apt_package *p)
{
	cleanup_buf struct buf b = BUF_INIT;
	const char *const parts[] = { p->name, "@", p->version };

	buf_puts(&b, "pkg:deb/debian/");
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		for (const char *c = parts[i]; *c; c++)
			if (*c == '+' || *c == ':')
				buf_printf(&b, "%%%02X", (unsigned char)*c);
			else
				buf_putc(&b, *c);
	buf_puts(&b, "?arch=amd64");
	return buf_steal(&b);
}

static json_t *package_json(const struct apt_package *p, size_t number)
{
	cleanup_free char *id = xasprintf("SPDXRef-Package-%zu", number);
	cleanup_free char *locator = purl(p);

	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:s, s:s, s:s, s:[{s:s, s:s}], s:[{s:s, s:s, s:s}]}", "SPDXID",
			 id, "name", p->name, "versionInfo", p->version, "supplier", "Organization: Debian",
			 "downloadLocation", "NOASSERTION", "filesAnalyzed", 0, "licenseConcluded", "NOASSERTION",
			 "licenseDeclared", "NOASSERTION", "copyrightText", "NOASSERTION", "checksums", "algorithm",
			 "SHA256", "checksumValue", p->sha256, "externalRefs", "referenceCategory", "PACKAGE-MANAGER",
			 "referenceType", "purl", "referenceLocator", locator);
}

static json_t *describes(size_t number)
{
	cleanup_free char *id = xasprintf("SPDXRef-Package-%zu", number);

	return json_pack("{s:s, s:s, s:s}", "spdxElementId", "SPDXRef-DOCUMENT", "relationshipType", "DESCRIBES",
			 "relatedSpdxElement", id);
}

// A document's name space must be its own: the digest of what it lists makes it so.
static void digest_packages(const struct apt_set *set, char ret_hex[DIGEST_HEX_LEN])
{
	struct digest *d = digest_new();

	for (size_t i = 0; i < set->count; i++)
		digest_add(d, set->items[i].sha256, strlen(set->items[i].sha256));
	digest_finish(d, ret_hex);
}

void spdx_print(const struct apt_set *set, const char *version, int64_t epoch, struct buf *ret)
{
	json_t *packages = json_array(), *relationships = json_array();
	cleanup_free char *name = xasprintf("Boot2Docker-%s", version);
	cleanup_free char *space = NULL;
	char digest[DIGEST_HEX_LEN], created[32];
	time_t seconds = (time_t)epoch;
	struct tm utc;

	digest_packages(set, digest);
	space = xasprintf("https://spdx.org/spdxdocs/%s-%.32s", name, digest);
	strftime(created, sizeof(created), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &utc));
	for (size_t i = 0; i < set->count; i++) {
		json_array_append_new(packages, package_json(&set->items[i], i + 1));
		json_array_append_new(relationships, describes(i + 1));
	}
	json_t *document =
		json_pack("{s:s, s:s, s:s, s:s, s:s, s:{s:s, s:[s]}, s:o, s:o}", "spdxVersion", "SPDX-2.3",
			  "dataLicense", "CC0-1.0", "SPDXID", "SPDXRef-DOCUMENT", "name", name, "documentNamespace",
			  space, "creationInfo", "created", created, "creators", "Tool: b2d-image-" B2D_VERSION,
			  "packages", packages, "relationships", relationships);
	cleanup_free char *text = json_dumps(document, JSON_INDENT(1));

	buf_puts(ret, text);
	buf_putc(ret, '\n');
	json_decref(document);
}
