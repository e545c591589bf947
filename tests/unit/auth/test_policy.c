/* Each kind of demand must be met, by one of the values that are given for it. */
#include "auth/policy.h"

#include <stdio.h>

#include "tests/unit/assert_slice.h"

static struct claims claims;

static enum refusal check(const struct policy *policy, const char *payload)
{
	assert_int_equal(claims_read(slice_of(payload), &claims), REFUSAL_NONE);
	return policy_check(policy, &claims);
}

/* The claims, besides those that each token has. */
static enum refusal check_more(const struct policy *policy, const char *more)
{
	char payload[1024];

	snprintf(payload, sizeof(payload), "{\"iss\":\"i\",\"sub\":\"s\",\"exp\":1%s%s}",
	         more[0] == '\0' ? "" : ",", more);
	return check(policy, payload);
}

struct row {
	const char *more;
	enum refusal refusal;
};

static void check_rows(const struct policy *policy, const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		enum refusal refusal = check_more(policy, rows[i].more);
		if (refusal != rows[i].refusal)
			fail_msg("%s: %s", rows[i].more, refusal_name(refusal));
	}
}

#define CHECK_ROWS(policy, rows) check_rows((policy), (rows), sizeof(rows) / sizeof(*(rows)))

static void without_demands_anybody_will_do(void **state)
{
	(void)state;
	const struct policy none = {.clients = SLICE("")};
	const struct policy some = {.scopes = SLICE("a")};

	assert_true(policy_is_empty(&none));
	assert_false(policy_is_empty(&some));
	assert_int_equal(check_more(&none, ""), REFUSAL_NONE);
}

static void a_client_is_named_in_one_of_three_places(void **state)
{
	(void)state;
	const struct policy policy = {.clients = SLICE("app1 app2")};
	static const struct row rows[] = {
		{"\"client_id\":\"app1\"", REFUSAL_NONE},
		{"\"client_id\":\"app2\"", REFUSAL_NONE},
		{"\"client_id\":\"app\\u0032\"", REFUSAL_NONE},
		{"\"azp\":\"app2\"", REFUSAL_NONE},
		{"\"aud\":\"app1\"", REFUSAL_NONE},
		{"\"aud\":[\"x\",\"app1\"]", REFUSAL_NONE},
		{"\"client_id\":\"app3\"", REFUSAL_WRONG_CLIENT},
		{"\"client_id\":\"app\"", REFUSAL_WRONG_CLIENT},
		{"\"client_id\":\"APP1\"", REFUSAL_WRONG_CLIENT},
		{"\"client_id\":\"app1 app2\"", REFUSAL_WRONG_CLIENT},
		{"\"client_id\":\"\"", REFUSAL_WRONG_CLIENT},
		{"\"client_id\":null", REFUSAL_WRONG_CLIENT},
		{"\"client_id\":1", REFUSAL_WRONG_CLIENT},
		{"", REFUSAL_WRONG_CLIENT},
		/* Where the token says whom it was issued to, for whom it is does not matter. */
		{"\"client_id\":\"evil\",\"aud\":\"app1\"", REFUSAL_WRONG_CLIENT},
		{"\"azp\":\"evil\",\"aud\":[\"app1\"]", REFUSAL_WRONG_CLIENT},
		{"\"client_id\":\"evil\",\"azp\":\"app1\"", REFUSAL_WRONG_CLIENT},
		{"\"client_id\":\"app1\",\"azp\":\"app1\",\"aud\":\"api\"", REFUSAL_NONE},
	};

	CHECK_ROWS(&policy, rows);
}

static void an_audience_is_a_string_or_an_array(void **state)
{
	(void)state;
	const struct policy policy = {.audiences = SLICE("api1 https://api.example/")};
	static const struct row rows[] = {
		{"\"aud\":\"api1\"", REFUSAL_NONE},
		{"\"aud\":\"https:\\/\\/api.example\\/\"", REFUSAL_NONE},
		{"\"aud\":[\"api1\"]", REFUSAL_NONE},
		{"\"aud\":[\"other\",1,null,\"https://api.example/\"]", REFUSAL_NONE},
		{"", REFUSAL_WRONG_AUDIENCE},
		{"\"aud\":null", REFUSAL_WRONG_AUDIENCE},
		{"\"aud\":\"\"", REFUSAL_WRONG_AUDIENCE},
		{"\"aud\":[]", REFUSAL_WRONG_AUDIENCE},
		{"\"aud\":1", REFUSAL_WRONG_AUDIENCE},
		{"\"aud\":{\"api1\":\"api1\"}", REFUSAL_WRONG_AUDIENCE},
		{"\"aud\":[[\"api1\"]]", REFUSAL_WRONG_AUDIENCE},
		{"\"aud\":\"api1 other\"", REFUSAL_WRONG_AUDIENCE},
		{"\"aud\":\"api\"", REFUSAL_WRONG_AUDIENCE},
		{"\"aud\":\"api11\"", REFUSAL_WRONG_AUDIENCE},
		{"\"aud\":\"https://api.example\"", REFUSAL_WRONG_AUDIENCE},
		{"\"aud\":\"api1\\u0000\"", REFUSAL_WRONG_AUDIENCE},
		{"\"client_id\":\"api1\",\"azp\":\"api1\"", REFUSAL_WRONG_AUDIENCE},
	};

	CHECK_ROWS(&policy, rows);
}

static void scopes_are_words_or_an_array(void **state)
{
	(void)state;
	const struct policy policy = {.scopes = SLICE("relay.join admin")};
	static const struct row rows[] = {
		{"\"scope\":\"relay.join\"", REFUSAL_NONE},
		{"\"scope\":\"openid relay.join profile\"", REFUSAL_NONE},
		{"\"scope\":\"openid\\u0020admin\"", REFUSAL_NONE},
		{"\"scope\":[\"openid\",\"admin\"]", REFUSAL_NONE},
		{"\"scp\":\"relay.join openid\"", REFUSAL_NONE},
		{"\"scp\":[\"openid\",\"relay.join\"]", REFUSAL_NONE},
		{"\"scope\":\"openid\",\"scp\":\"admin\"", REFUSAL_NONE},
		{"", REFUSAL_NO_SCOPE},
		{"\"scope\":\"\"", REFUSAL_NO_SCOPE},
		{"\"scope\":\"openid\"", REFUSAL_NO_SCOPE},
		{"\"scope\":\"relay.join.not admin2\"", REFUSAL_NO_SCOPE},
		{"\"scope\":\"relay.join,admin\"", REFUSAL_NO_SCOPE},
		{"\"scope\":[\"openid admin\"]", REFUSAL_NO_SCOPE},
		{"\"scope\":[]", REFUSAL_NO_SCOPE},
		{"\"scope\":null", REFUSAL_NO_SCOPE},
		{"\"scope\":{\"admin\":\"admin\"}", REFUSAL_NO_SCOPE},
		{"\"scopes\":\"admin\"", REFUSAL_NO_SCOPE},
	};

	CHECK_ROWS(&policy, rows);
	assert_true(refusal_is_insufficient(REFUSAL_NO_SCOPE));
	assert_true(refusal_is_insufficient(REFUSAL_NO_CLAIM));
	assert_false(refusal_is_insufficient(REFUSAL_WRONG_AUDIENCE));
	assert_false(refusal_is_insufficient(REFUSAL_EXPIRED));
}

static void each_claim_that_is_required_has_one_of_its_values(void **state)
{
	(void)state;
	const struct policy policy = {
		.required_claims = SLICE("role=dev\ntoken_use=access\nrole=ops\nlevel=3\nok=true")};
#define REST ",\"token_use\":\"access\",\"level\":3,\"ok\":true"
	static const struct row rows[] = {
		{"\"role\":\"dev\"" REST, REFUSAL_NONE},
		{"\"role\":\"ops\"" REST, REFUSAL_NONE},
		{"\"role\":[\"x\",\"ops\"]" REST, REFUSAL_NONE},
		{"\"role\":\"d\\u0065v\"" REST, REFUSAL_NONE},
		{"\"role\":\"dev\",\"token_use\":\"access\",\"level\":\"3\",\"ok\":\"true\"",
	         REFUSAL_NONE},
		{"\"role\":\"dev\",\"token_use\":\"access\",\"level\":[1,3],\"ok\":[true]",
	         REFUSAL_NONE},
		{"\"role\":\"qa\"" REST, REFUSAL_NO_CLAIM},
		{"\"role\":\"dev ops\"" REST, REFUSAL_NO_CLAIM},
		{"\"role\":[]" REST, REFUSAL_NO_CLAIM},
		{"\"role\":[[\"dev\"]]" REST, REFUSAL_NO_CLAIM},
		{"\"role\":{\"dev\":true}" REST, REFUSAL_NO_CLAIM},
		{"\"role\":null" REST, REFUSAL_NO_CLAIM},
		{"\"other\":\"dev\"" REST, REFUSAL_NO_CLAIM},
		{"\"role\":\"dev\",\"token_use\":\"id\",\"level\":3,\"ok\":true", REFUSAL_NO_CLAIM},
		{"\"role\":\"dev\",\"token_use\":\"access\",\"level\":3.0,\"ok\":true",
	         REFUSAL_NO_CLAIM},
		{"\"role\":\"dev\",\"token_use\":\"access\",\"level\":3,\"ok\":false",
	         REFUSAL_NO_CLAIM},
		{"\"role\":\"dev\",\"token_use\":\"access\",\"level\":3", REFUSAL_NO_CLAIM},
		{"", REFUSAL_NO_CLAIM},
	};

	CHECK_ROWS(&policy, rows);
}

static void odd_requirements_mean_what_they_say(void **state)
{
	(void)state;
	const struct policy equals = {.required_claims = SLICE("q=a=b")};
	const struct policy url = {.required_claims = SLICE("https://x.example/role=dev")};
	const struct policy null = {.required_claims = SLICE("a=null")};
	const struct policy object = {.required_claims = SLICE("a={}")};

	assert_int_equal(check_more(&equals, "\"q\":\"a=b\""), REFUSAL_NONE);
	assert_int_equal(check_more(&equals, "\"q=a\":\"b\""), REFUSAL_NO_CLAIM);
	assert_int_equal(check_more(&url, "\"https:\\/\\/x.example\\/role\":[\"dev\"]"),
	                 REFUSAL_NONE);
	assert_int_equal(check_more(&null, "\"a\":null"), REFUSAL_NO_CLAIM);
	assert_int_equal(check_more(&null, ""), REFUSAL_NO_CLAIM);
	assert_int_equal(check_more(&null, "\"a\":\"null\""), REFUSAL_NONE);
	assert_int_equal(check_more(&object, "\"a\":{}"), REFUSAL_NO_CLAIM);
}

static void all_kinds_are_demanded_together(void **state)
{
	(void)state;
	const struct policy policy = {.clients = SLICE("app"),
	                              .audiences = SLICE("api"),
	                              .scopes = SLICE("join"),
	                              .required_claims = SLICE("role=dev")};
	static const struct row rows[] = {
		{"\"client_id\":\"app\",\"aud\":\"api\",\"scope\":\"join\",\"role\":\"dev\"",
	         REFUSAL_NONE},
		{"\"client_id\":\"x\",\"aud\":\"api\",\"scope\":\"join\",\"role\":\"dev\"",
	         REFUSAL_WRONG_CLIENT},
		{"\"client_id\":\"app\",\"aud\":\"x\",\"scope\":\"join\",\"role\":\"dev\"",
	         REFUSAL_WRONG_AUDIENCE},
		{"\"client_id\":\"app\",\"aud\":\"api\",\"scope\":\"x\",\"role\":\"dev\"",
	         REFUSAL_NO_SCOPE},
		{"\"client_id\":\"app\",\"aud\":\"api\",\"scope\":\"join\",\"role\":\"x\"",
	         REFUSAL_NO_CLAIM},
	};

	CHECK_ROWS(&policy, rows);
}

/* ---- Tokens as they are issued, with what their users would configure */

static const char cognito_id[] =
	"{\"at_hash\":\"x\",\"sub\":\"aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee\",\"cognito:groups\":[\"dev\"],"
	"\"email_verified\":true,\"iss\":\"https:\\/\\/cognito-idp.us-west-2.amazonaws.com\\/us-west-2_example\","
	"\"cognito:username\":\"alice\",\"origin_jti\":\"j\",\"aud\":\"1example23456789\",\"event_id\":\"e\","
	"\"token_use\":\"id\",\"auth_time\":1676312777,\"exp\":1676316377,\"iat\":1676312777,\"jti\":\"j\","
	"\"email\":\"alice@example.com\"}";

static const char cognito_access[] =
	"{\"sub\":\"aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee\",\"device_key\":\"k\",\"cognito:groups\":[\"dev\"],"
	"\"iss\":\"https://cognito-idp.us-west-2.amazonaws.com/us-west-2_example\",\"version\":2,"
	"\"client_id\":\"1example23456789\",\"origin_jti\":\"j\",\"event_id\":\"e\",\"token_use\":\"access\","
	"\"scope\":\"phone openid profile resourceserver.1/appclient2 email\",\"auth_time\":1676313851,"
	"\"exp\":1676317451,\"iat\":1676313851,\"jti\":\"j\",\"username\":\"alice\"}";

static const char okta_access[] =
	"{\"ver\":1,\"jti\":\"AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE\","
	"\"iss\":\"https://example.okta.com/oauth2/default\",\"aud\":\"api://default\",\"sub\":\"alice@example.com\","
	"\"iat\":1467145094,\"exp\":1467148694,\"cid\":\"nmdP1fcyvdVO11AL7ECm\",\"uid\":\"00ugrenMeqvYla4HW0g3\","
	"\"scp\":[\"openid\",\"email\",\"relay\"],\"auth_time\":1467145000}";

static const char entra_v2[] =
	"{\"aud\":\"6e74172b-be56-4843-9ff4-e66a39bb12e3\","
	"\"iss\":\"https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0\","
	"\"iat\":1537231048,\"nbf\":1537231048,\"exp\":1537234948,\"aio\":\"x\","
	"\"azp\":\"6e74172b-be56-4843-9ff4-e66a39bb12e3\",\"azpacr\":\"0\",\"name\":\"Alice\","
	"\"oid\":\"690222be-ff1a-4d56-abd1-7e4f7d38e474\",\"preferred_username\":\"alice@example.com\","
	"\"rh\":\"I\",\"roles\":[\"Relay.Join\"],\"scp\":\"access_as_user\",\"sub\":\"HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ\","
	"\"tid\":\"72f988bf-86f1-41af-91ab-2d7cd011db47\",\"uti\":\"f\",\"ver\":\"2.0\"}";

static const char keycloak[] =
	"{\"exp\":1600000300,\"iat\":1600000000,\"auth_time\":1600000000,\"jti\":\"j\","
	"\"iss\":\"https://keycloak.example/realms/demo\",\"aud\":\"account\",\"sub\":\"f:1:alice\",\"typ\":\"Bearer\","
	"\"azp\":\"relay-ui\",\"session_state\":\"s\",\"acr\":\"1\",\"allowed-origins\":[\"*\"],"
	"\"realm_access\":{\"roles\":[\"offline_access\",\"uma_authorization\"]},"
	"\"resource_access\":{\"account\":{\"roles\":[\"manage-account\",\"view-profile\"]}},"
	"\"scope\":\"openid email profile\",\"sid\":\"s\",\"email_verified\":true,\"preferred_username\":\"alice\"}";

static void tokens_of_real_issuers_are_accepted(void **state)
{
	(void)state;
	static const struct {
		const char *payload;
		struct policy policy;
		enum refusal refusal;
	} rows[] = {
		{cognito_id, {.clients = SLICE("1example23456789")}, REFUSAL_NONE},
		{cognito_id, {.audiences = SLICE("1example23456789")}, REFUSAL_NONE},
		{cognito_id,
	         {.required_claims =
	                  SLICE("token_use=id\ncognito:groups=dev\nemail_verified=true")},
	         REFUSAL_NONE},
		{cognito_id, {.required_claims = SLICE("token_use=access")}, REFUSAL_NO_CLAIM},
		{cognito_id, {.scopes = SLICE("openid")}, REFUSAL_NO_SCOPE},
		{cognito_access, {.clients = SLICE("1example23456789")}, REFUSAL_NONE},
		{cognito_access, {.scopes = SLICE("resourceserver.1/appclient2")}, REFUSAL_NONE},
		{cognito_access,
	         {.required_claims = SLICE("token_use=access\nversion=2")},
	         REFUSAL_NONE},
		{cognito_access, {.audiences = SLICE("1example23456789")}, REFUSAL_WRONG_AUDIENCE},
		{okta_access,
	         {.audiences = SLICE("api://default"), .scopes = SLICE("relay")},
	         REFUSAL_NONE},
		{okta_access, {.required_claims = SLICE("cid=nmdP1fcyvdVO11AL7ECm")}, REFUSAL_NONE},
		{okta_access, {.scopes = SLICE("admin")}, REFUSAL_NO_SCOPE},
		{entra_v2,
	         {.audiences = SLICE("6e74172b-be56-4843-9ff4-e66a39bb12e3")},
	         REFUSAL_NONE},
		{entra_v2,
	         {.clients = SLICE("6e74172b-be56-4843-9ff4-e66a39bb12e3")},
	         REFUSAL_NONE},
		{entra_v2,
	         {.scopes = SLICE("access_as_user"),
	          .required_claims = SLICE(
			  "roles=Relay.Join\nver=2.0\ntid=72f988bf-86f1-41af-91ab-2d7cd011db47")},
	         REFUSAL_NONE},
		{entra_v2, {.required_claims = SLICE("roles=Relay.Admin")}, REFUSAL_NO_CLAIM},
		{keycloak, {.clients = SLICE("relay-ui")}, REFUSAL_NONE},
		{keycloak,
	         {.audiences = SLICE("account"), .scopes = SLICE("profile")},
	         REFUSAL_NONE},
		{keycloak,
	         {.required_claims = SLICE("typ=Bearer\nemail_verified=true")},
	         REFUSAL_NONE},
		{keycloak, {.clients = SLICE("account")}, REFUSAL_WRONG_CLIENT},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		enum refusal refusal = check(&rows[i].policy, rows[i].payload);
		if (refusal != rows[i].refusal)
			fail_msg("%zu: %s", i, refusal_name(refusal));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_demands_anybody_will_do),
		cmocka_unit_test(a_client_is_named_in_one_of_three_places),
		cmocka_unit_test(an_audience_is_a_string_or_an_array),
		cmocka_unit_test(scopes_are_words_or_an_array),
		cmocka_unit_test(each_claim_that_is_required_has_one_of_its_values),
		cmocka_unit_test(odd_requirements_mean_what_they_say),
		cmocka_unit_test(all_kinds_are_demanded_together),
		cmocka_unit_test(tokens_of_real_issuers_are_accepted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
