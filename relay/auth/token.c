#include "auth/token.h"

#include "auth/members.h"
#include "wire/json.h"

#define TYPE_BYTES_MAX 32 /* of the types below */

/* Takes what is before the next dot off the text. Returns false if there is none. */
static bool next_part(struct slice *text, struct slice *part)
{
	const char *dot = text->size == 0 ? NULL : memchr(text->data, '.', text->size);

	if (dot == NULL)
		return false;
	*part = (struct slice){text->data, (size_t)(dot - text->data)};
	*text = (struct slice){dot + 1, text->size - part->size - 1};
	return true;
}

/* A dot in the third part is not in the alphabet: so there are not four. */
static bool take_apart(struct slice text, struct token *token, struct slice *header)
{
	struct slice *const decoded[] = {header, &token->payload, &token->signature};
	struct slice rest = text;
	struct slice parts[3];
	size_t used = 0;

	if (!next_part(&rest, &parts[0]) || !next_part(&rest, &parts[1]))
		return false;
	parts[2] = rest;
	token->is_signed = (struct slice){text.data, (size_t)(rest.data - text.data) - 1};
	for (size_t i = 0; i < 3; i++) {
		if (!base64url_decode(parts[i], token->decoded + used,
		                      sizeof(token->decoded) - used, decoded[i]))
			return false;
		if (decoded[i]->size == 0)
			return false;
		used += decoded[i]->size;
	}
	return true;
}

/* Media types (RFC 7515 section 4.1.9): any case, and "application/" may be left out. */
static bool is_type(struct slice raw)
{
	static const char *const types[] = {"JWT", "at+jwt", "application/JWT",
	                                    "application/at+jwt"};
	char unescaped[TYPE_BYTES_MAX];
	struct slice type;

	if (!json_string(raw, unescaped, sizeof(unescaped), &type))
		return false;
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (slice_equal_any_case(type, slice_of(types[i])))
			return true;
	return false;
}

static enum refusal read_header(struct slice header, struct token *token)
{
	struct members members;

	if (!members_read(header, &members))
		return REFUSAL_BAD_HEADER;
	if (members_find(&members, SLICE("crit")).data != NULL ||
	    members_find(&members, SLICE("b64")).data != NULL)
		return REFUSAL_EXTENSION;

	struct slice type = members_find(&members, SLICE("typ"));
	if (type.data != NULL && !is_type(type))
		return REFUSAL_OTHER_TYPE;
	struct slice key_id = members_find(&members, SLICE("kid"));
	if (key_id.data != NULL &&
	    !json_string(key_id, token->unescaped + TOKEN_ALGORITHM_BYTES_MAX, KEY_ID_BYTES_MAX,
	                 &token->key_id))
		return REFUSAL_BAD_HEADER;
	if (!json_string(members_find(&members, SLICE("alg")), token->unescaped,
	                 TOKEN_ALGORITHM_BYTES_MAX, &token->algorithm))
		return REFUSAL_BAD_HEADER;
	return REFUSAL_NONE;
}

enum refusal token_read(struct slice text, struct token *token)
{
	struct slice header;

	token->algorithm = token->key_id = (struct slice){0};
	if (text.size > TOKEN_BYTES_MAX)
		return REFUSAL_TOO_LONG;
	if (!take_apart(text, token, &header))
		return REFUSAL_NOT_JWS;
	return read_header(header, token);
}
