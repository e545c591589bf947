#include "auth/memory.h"

#include <stdlib.h>

#include <openssl/evp.h>

#include "auth/claims.h"
#include "common/list.h"
#include "common/memory.h"
#include "common/table.h"

#define DIGEST_BYTES 32

struct remembered {
	struct table_entry entry; /* its key is the digest */
	struct list link;         /* in the memory's list */
	unsigned char digest[DIGEST_BYTES];
	struct grant grant; /* its slices are in `text` */
	size_t bytes;       /* of all of it */
	char text[];
};

struct memory {
	struct table table;
	struct list list; /* whom nobody asked for longest comes first */
	size_t bytes;
};

struct memory *memory_create(void)
{
	struct memory *memory = mem_zero(sizeof(*memory));

	table_init(&memory->table);
	list_init(&memory->list);
	return memory;
}

static void forget(struct memory *memory, struct remembered *remembered)
{
	table_remove(&memory->table, &remembered->entry);
	list_remove(&remembered->link);
	memory->bytes -= remembered->bytes;
	free(remembered);
}

void memory_destroy(struct memory *memory)
{
	if (memory == NULL)
		return;
	LIST_EACH(&memory->list, link)
		forget(memory, LIST_ENTRY(link, struct remembered, link));
	table_fini(&memory->table);
	free(memory);
}

static void take_digest(struct slice token, unsigned char digest[DIGEST_BYTES])
{
	if (EVP_Digest(token.data, token.size, digest, NULL, EVP_sha256(), NULL) != 1)
		abort();
}

static struct remembered *find(struct memory *memory, const unsigned char digest[DIGEST_BYTES])
{
	struct table_entry *entry =
		table_find(&memory->table, (struct slice){(const char *)digest, DIGEST_BYTES});

	return entry == NULL ? NULL : TABLE_HOLDER(entry, struct remembered, entry);
}

const struct grant *memory_find(struct memory *memory, struct slice token, uint64_t now_ms)
{
	unsigned char digest[DIGEST_BYTES];

	take_digest(token, digest);
	struct remembered *found = find(memory, digest);
	if (found == NULL)
		return NULL;
	if (claims_expired(found->grant.expires_ms, now_ms)) {
		forget(memory, found);
		return NULL;
	}
	list_remove(&found->link);
	list_append(&memory->list, &found->link);
	return &found->grant;
}

/* Makes room for one more, and a little room in any case where the oldest have expired. */
static void make_room(struct memory *memory, size_t bytes, uint64_t now_ms)
{
	while (!list_empty(&memory->list)) {
		struct remembered *oldest = LIST_ENTRY(memory->list.next, struct remembered, link);
		if (memory->table.size < MEMORY_TOKENS_MAX &&
		    memory->bytes + bytes <= MEMORY_BYTES_MAX &&
		    !claims_expired(oldest->grant.expires_ms, now_ms))
			break;
		forget(memory, oldest);
	}
}

static struct slice append(char **end, struct slice text)
{
	struct slice copy = {*end, text.size};

	if (text.size > 0)
		memcpy(*end, text.data, text.size);
	*end += text.size;
	return copy;
}

/* Returns owned: a copy, in no list. */
static struct remembered *copy_of(const struct grant *grant)
{
	size_t bytes = sizeof(struct remembered) + grant->issuer.size + grant->subject.size +
	               grant->meshes.size;
	struct remembered *copy = mem_alloc(bytes);
	char *end = copy->text;

	copy->bytes = bytes;
	copy->grant = *grant;
	copy->grant.issuer = append(&end, grant->issuer);
	copy->grant.subject = append(&end, grant->subject);
	copy->grant.meshes = append(&end, grant->meshes);
	return copy;
}

const struct grant *memory_keep(struct memory *memory, struct slice token,
                                const struct grant *grant, uint64_t now_ms)
{
	struct remembered *remembered = copy_of(grant);

	take_digest(token, remembered->digest);
	struct remembered *old = find(memory, remembered->digest);
	if (old != NULL)
		forget(memory, old);
	make_room(memory, remembered->bytes, now_ms);
	table_insert(&memory->table, &remembered->entry,
	             (struct slice){(const char *)remembered->digest, DIGEST_BYTES});
	list_append(&memory->list, &remembered->link);
	memory->bytes += remembered->bytes;
	return &remembered->grant;
}

size_t memory_count(const struct memory *memory)
{
	return memory->table.size;
}
