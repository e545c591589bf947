#include "bus/keys.h"

#include <inttypes.h>
#include <stdio.h>

static char *put(char *at, struct slice bytes)
{
	if (bytes.size > 0)
		memcpy(at, bytes.data, bytes.size);
	return at + bytes.size;
}

static struct blob *join(struct slice prefix, struct slice tag, struct slice kind, struct slice id)
{
	struct blob *name = blob_create(prefix.size + tag.size + kind.size + id.size + 2);
	char *at = name->bytes;

	at = put(at, prefix);
	*at++ = '{';
	at = put(at, tag);
	*at++ = '}';
	at = put(at, kind);
	put(at, id);
	return name;
}

struct blob *keys_index(struct slice prefix, struct slice mesh)
{
	return join(prefix, mesh, SLICE(":peers"), SLICE(""));
}

struct blob *keys_broadcast(struct slice prefix, struct slice mesh)
{
	return join(prefix, mesh, SLICE(":broadcast"), SLICE(""));
}

struct blob *keys_peer(struct slice prefix, struct slice mesh, struct slice id)
{
	return join(prefix, mesh, SLICE(":peer:"), id);
}

struct blob *keys_demotion(struct slice prefix)
{
	return join(prefix, SLICE("~"), SLICE(":demotion"), SLICE(""));
}

void keys_node_text(uint64_t node, char text[KEYS_NODE_BYTES + 1])
{
	snprintf(text, KEYS_NODE_BYTES + 1, "%016" PRIx64, node);
}

struct blob *keys_node(struct slice prefix, struct slice tag, uint64_t node)
{
	char text[KEYS_NODE_BYTES + 1];

	keys_node_text(node, text);
	return join(prefix, tag, SLICE(":node:"), slice_of(text));
}
