#include "auth/keys.h"

#include <stdlib.h>

#include "auth/members.h"
#include "common/memory.h"
#include "wire/json.h"

struct keys {
	size_t count;
	struct key *list[KEYS_MAX];
};

static void read_list(struct keys *keys, struct slice list, const char **error)
{
	struct slice jwk;

	*error = "the key set is empty";
	/* Also those of no use count: to find that out may take a look at a point and its curve. */
	for (size_t looked_at = 0; looked_at < KEYS_MAX && json_next_item(&list, &jwk);
	     looked_at++) {
		struct key *key = key_read(jwk, error);
		if (key != NULL)
			keys->list[keys->count++] = key;
	}
}

struct keys *keys_read(struct slice jwks, const char **error)
{
	struct keys *keys = mem_zero(sizeof(*keys));
	struct members members;
	struct slice list = {0};

	if (members_read(jwks, &members))
		list = members_find(&members, SLICE("keys"));
	if (list.data != NULL && list.data[0] == '[')
		read_list(keys, list, error);
	else
		*error = "the key set is no JSON object with an array `keys`";
	if (keys->count > 0) {
		*error = NULL;
		return keys;
	}
	keys_destroy(keys);
	return NULL;
}

void keys_destroy(struct keys *keys)
{
	if (keys == NULL)
		return;
	for (size_t i = 0; i < keys->count; i++)
		key_destroy(keys->list[i]);
	free(keys);
}

size_t keys_count(const struct keys *keys)
{
	return keys->count;
}

static bool is_named(const struct key *key, struct slice id)
{
	return key_id(key).data != NULL && slice_equal(key_id(key), id);
}

enum refusal keys_verify(const struct keys *keys, const struct token *token,
                         const struct key **signer)
{
	bool has_id = token->key_id.data != NULL;
	bool found = false;
	size_t tried = 0;

	for (size_t i = 0; i < keys->count && tried < KEYS_TRIED_MAX; i++) {
		const struct key *key = keys->list[i];
		if (has_id && !is_named(key, token->key_id))
			continue;
		found = true;
		if (!key_fits(key, token->algorithm))
			continue;
		tried++;
		if (key_verify(key, token->algorithm, token->is_signed, token->signature)) {
			*signer = key;
			return REFUSAL_NONE;
		}
	}
	if (found && tried == 0)
		return REFUSAL_WRONG_ALGORITHM;
	return found && has_id ? REFUSAL_WRONG_SIGNATURE : REFUSAL_UNKNOWN_KEY;
}

bool keys_have(const struct keys *keys, const unsigned char thumbprint[KEY_THUMBPRINT_BYTES])
{
	for (size_t i = 0; i < keys->count; i++)
		if (memcmp(key_thumbprint(keys->list[i]), thumbprint, KEY_THUMBPRINT_BYTES) == 0)
			return true;
	return false;
}
