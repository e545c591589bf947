#include "auth/policy.h"

#include "auth/token.h"
#include "wire/json.h"

/* Of any string in a token; longer ones are none. */
#define TEXT_BYTES_MAX TOKEN_BYTES_MAX

static bool lists(struct slice words, struct slice wanted)
{
	struct slice word;

	while (slice_next_word(&words, &word))
		if (slice_equal(word, wanted))
			return true;
	return false;
}

/* Is the value a string that is one of the words, or an array with such a string in it? */
static bool has_one_of(struct slice value, struct slice words)
{
	char unescaped[TEXT_BYTES_MAX];
	struct slice text;
	struct slice item;

	if (json_string(value, unescaped, sizeof(unescaped), &text))
		return lists(words, text);
	while (json_next_item(&value, &item))
		if (json_string(item, unescaped, sizeof(unescaped), &text) && lists(words, text))
			return true;
	return false;
}

static bool is_client_allowed(const struct policy *policy, const struct claims *claims)
{
	static const char *const names[] = {"client_id", "azp", "cid", "aud"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct slice client = members_find(&claims->members, slice_of(names[i]));
		if (client.data != NULL)
			return has_one_of(client, policy->clients);
	}
	return false;
}

/* The value is words (RFC 8693 section 4.2), or an array of them. */
static bool has_scope(struct slice value, struct slice scopes)
{
	char unescaped[TEXT_BYTES_MAX];
	struct slice granted;
	struct slice scope;

	if (!json_string(value, unescaped, sizeof(unescaped), &granted))
		return has_one_of(value, scopes);
	while (slice_next_word(&granted, &scope))
		if (lists(scopes, scope))
			return true;
	return false;
}

/* ---- Required claims */

struct requirement {
	struct slice name;
	struct slice value;
};

static bool next_line(struct slice *lines, struct slice *line)
{
	const char *end;

	if (lines->size == 0)
		return false;
	end = memchr(lines->data, '\n', lines->size);
	*line = (struct slice){lines->data,
	                       end != NULL ? (size_t)(end - lines->data) : lines->size};
	lines->data += line->size + (end != NULL);
	lines->size -= line->size + (end != NULL);
	return true;
}

static bool next_requirement(struct slice *lines, struct requirement *requirement)
{
	struct slice line;

	do {
		if (!next_line(lines, &line))
			return false;
	} while (line.size == 0);
	const char *equals = memchr(line.data, '=', line.size);
	size_t name_bytes = equals == NULL ? line.size : (size_t)(equals - line.data);
	requirement->name = (struct slice){line.data, name_bytes};
	requirement->value = (struct slice){line.data + name_bytes, line.size - name_bytes};
	if (equals != NULL) {
		requirement->value.data++;
		requirement->value.size--;
	}
	return true;
}

static bool is_number_or_boolean(struct slice value)
{
	return value.size > 0 && strchr("-0123456789tf", value.data[0]) != NULL;
}

static bool is_value(struct slice value, struct slice wanted)
{
	char unescaped[TEXT_BYTES_MAX];
	struct slice text;

	if (json_string(value, unescaped, sizeof(unescaped), &text))
		return slice_equal(text, wanted);
	return is_number_or_boolean(value) && slice_equal(value, wanted);
}

static bool has_value(struct slice value, struct slice wanted)
{
	struct slice item;

	if (is_value(value, wanted))
		return true;
	while (json_next_item(&value, &item))
		if (is_value(item, wanted))
			return true;
	return false;
}

static bool is_satisfied(const struct policy *policy, const struct claims *claims,
                         struct slice name)
{
	struct slice value = members_find(&claims->members, name);
	struct slice lines = policy->required_claims;
	struct requirement requirement;

	while (next_requirement(&lines, &requirement))
		if (slice_equal(requirement.name, name) && has_value(value, requirement.value))
			return true;
	return false;
}

static bool has_required_claims(const struct policy *policy, const struct claims *claims)
{
	struct slice lines = policy->required_claims;
	struct requirement requirement;

	while (next_requirement(&lines, &requirement))
		if (!is_satisfied(policy, claims, requirement.name))
			return false;
	return true;
}

/* ---- All of it */

bool policy_is_empty(const struct policy *policy)
{
	return policy->clients.size == 0 && policy->audiences.size == 0 &&
	       policy->scopes.size == 0 && policy->required_claims.size == 0;
}

enum refusal policy_check(const struct policy *policy, const struct claims *claims)
{
	const struct members *all = &claims->members;

	if (policy->clients.size > 0 && !is_client_allowed(policy, claims))
		return REFUSAL_WRONG_CLIENT;
	if (policy->audiences.size > 0 &&
	    !has_one_of(members_find(all, SLICE("aud")), policy->audiences))
		return REFUSAL_WRONG_AUDIENCE;
	if (policy->scopes.size > 0 &&
	    !has_scope(members_find(all, SLICE("scope")), policy->scopes) &&
	    !has_scope(members_find(all, SLICE("scp")), policy->scopes))
		return REFUSAL_NO_SCOPE;
	return has_required_claims(policy, claims) ? REFUSAL_NONE : REFUSAL_NO_CLAIM;
}
