/*
 * Whatever an issuer says of itself: what is taken from it is what another parser reads, and a URL
 * of it can be asked for without a byte that HTTP would trip over.
 */
#include "auth/discovery.h"

#include "auth/members.h"
#include "tests/fuzz/opinion.h"
#include "tests/fuzz/words.h"
#include "wire/scan.h"

#define ISSUER "https://a.example/b"

static const struct slice words[] = {
	SLICE("{"),
	SLICE("},"),
	SLICE("\"issuer\":\"" ISSUER "\","),
	SLICE("\"issuer\":\"" ISSUER "/\","),
	SLICE("\"iss\\u0075er\":\"https:\\/\\/a.example\\/b\","),
	SLICE("\"issuer\":\"https://c.example\","),
	SLICE("\"jwks_uri\":\"https://a.example/keys\","),
	SLICE("\"jwks\\u005furi\":\"https:\\/\\/a.example:8443\\/keys?b=c\","),
	SLICE("\"jwks_uri\":\"http://a.example/keys\","),
	SLICE("https://[2001:db8::1]:443/"),
	SLICE("https://192.0.2.1/"),
	SLICE("user:password@"),
	SLICE("/../"),
	SLICE("%0d%0a"),
	SLICE("\\r\\nHost: d"),
	SLICE("\\u0000"),
	SLICE("\\ud83d\\ude00"),
	SLICE("#e"),
	SLICE(":65536"),
	SLICE("null"),
	SLICE("[[[["),
};
static const size_t word_count = sizeof(words) / sizeof(words[0]);

static void check_url(const char *url)
{
	const char *error = NULL;

	if (fetch_url_is_good(url, &error)) {
		assert(strncasecmp(url, "https://", 8) == 0 && strlen(url) <= FETCH_URL_BYTES_MAX);
		for (const char *at = url; *at != '\0'; at++)
			assert(*at > ' ' && *at < 0x7f);
	} else {
		assert(error != NULL && strlen(error) > 0);
	}
}

/* Does the other parser read the very same text there, once? */
static bool says(yyjson_val *root, const char *name, const char *text)
{
	size_t found;
	yyjson_val *value = opinion_member(root, name, &found);

	return found == 1 && yyjson_is_str(value) && slice_is(opinion_text(value), text);
}

/* What must be refused only for what it says is not. */
static bool is_complete(struct slice document, yyjson_val *root)
{
	struct members members;

	return members_read(document, &members) &&
	       (says(root, "issuer", ISSUER) || says(root, "issuer", ISSUER "/")) &&
	       says(root, "jwks_uri", "https://a.example/keys");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice document = {(const char *)data, size};
	struct discovery discovery;
	struct slice issuer;
	const char *error = NULL;
	char *url = calloc(size + 1, 1);

	memcpy(url, data, size);
	check_url(url);
	free(url);
	if (discovery_issuer(document, &issuer))
		assert(issuer.data == document.data && issuer.size + 33 <= size);

	yyjson_doc *doc = opinion_read(document);
	yyjson_val *root = yyjson_doc_get_root(doc);
	if (discovery_read(document, SLICE(ISSUER), &discovery, &error)) {
		assert(yyjson_is_obj(root) && opinion_depth(root) <= SCAN_DEPTH_MAX);
		assert(says(root, "issuer", discovery.issuer));
		assert(says(root, "jwks_uri", discovery.keys_url));
		assert(strncmp(discovery.issuer, ISSUER, strlen(ISSUER)) == 0);
		assert(strlen(discovery.issuer) <= strlen(ISSUER "/"));
		check_url(discovery.keys_url);
	} else {
		assert(error != NULL && !is_complete(document, root));
	}
	yyjson_doc_free(doc);
	return 0;
}
