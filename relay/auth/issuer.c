/*
 * The happy path: fetch the discovery document, then the keys that it names, and the same again in
 * five minutes.
 *
 * Failures: either can't be fetched, or is not what it should be. All of them end in fail(), which
 * keeps what is known, and tries again.
 */
#include "auth/issuer.h"

#include <stdio.h>
#include <stdlib.h>

#include "auth/discovery.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/metrics.h"
#include "common/random.h"
#include "common/timers.h"

#define REFRESH_MS 300000
#define REFRESH_JITTER_MS 30000 /* nodes that started together do not ask together */
#define ASKED_MS_MIN 60000      /* between refreshes for the sake of unknown keys */
#define BACKOFF_MS_FIRST 1000
#define BACKOFF_MS_MAX 60000
#define REASON_BYTES 160

struct issuer {
	struct fetch_means means;
	char *url;
	char *expected; /* name */
	issuer_refreshed *refreshed;
	void *context;
	struct discovery discovery; /* the last good one */
	struct keys *keys;          /* NULL: none yet */
	struct fetch *fetch;        /* NULL: none is under way */
	struct timer next;
	unsigned failures; /* one after the other */
	uint64_t asked_ms; /* the last refresh for the sake of an unknown key; 0: none */
	char reason[REASON_BYTES];
	struct metric *fetches[FETCH_UNUSABLE + 1];
};

/* ---- The end of a refresh */

static void end(struct issuer *issuer, uint64_t wait_ms)
{
	timer_set(issuer->means.timers, &issuer->next, wait_ms);
	if (issuer->refreshed != NULL)
		issuer->refreshed(issuer->context, issuer);
}

static uint64_t backoff_ms(const struct issuer *issuer)
{
	uint64_t most = BACKOFF_MS_FIRST;

	for (unsigned i = 1; i < issuer->failures && most < BACKOFF_MS_MAX; i++)
		most *= 2;
	if (most > BACKOFF_MS_MAX)
		most = BACKOFF_MS_MAX;
	return most / 2 + random_below(most / 2 + 1);
}

/* One line per trouble, not per try. `what` did not come, because of `why`. */
static void fail(struct issuer *issuer, enum fetch_result result, const char *what, const char *why)
{
	char reason[REASON_BYTES];

	metric_add(issuer->fetches[result], 1);
	snprintf(reason, sizeof(reason), "%s %s", what, why);
	if (issuer->failures == 0 || strcmp(reason, issuer->reason) != 0)
		log_warn("issuer_unavailable", LOG_TEXT("url", issuer->url),
		         LOG_TEXT("reason", reason),
		         LOG_TEXT("meaning", issuer->keys != NULL
		                                     ? "its keys that are known stay in use"
		                                     : "no token of it is accepted yet"));
	memcpy(issuer->reason, reason, sizeof(reason));
	issuer->failures++;
	end(issuer, backoff_ms(issuer));
}

static void succeed(struct issuer *issuer, struct keys *keys)
{
	metric_add(issuer->fetches[FETCH_OK], 1);
	if (issuer->keys == NULL || issuer->failures > 0)
		log_info("issuer_available", LOG_TEXT("issuer", issuer->discovery.issuer),
		         LOG_NUMBER("keys", keys_count(keys)));
	keys_destroy(issuer->keys);
	issuer->keys = keys;
	issuer->failures = 0;
	end(issuer, REFRESH_MS - REFRESH_JITTER_MS + random_below(2 * REFRESH_JITTER_MS + 1));
}

/* ---- A refresh */

static void on_keys(void *context, const struct fetch_answer *answer)
{
	struct issuer *issuer = context;
	const char *error = NULL;

	issuer->fetch = NULL;
	if (answer->result != FETCH_OK) {
		fail(issuer, answer->result, "the issuer's keys:", answer->reason);
		return;
	}
	struct keys *keys = keys_read(answer->body, &error);
	if (keys != NULL)
		succeed(issuer, keys);
	else
		fail(issuer, FETCH_UNUSABLE, "the issuer's keys:", error);
}

static void on_discovery(void *context, const struct fetch_answer *answer)
{
	struct issuer *issuer = context;
	struct discovery discovery;
	const char *error = NULL;

	issuer->fetch = NULL;
	if (answer->result != FETCH_OK) {
		fail(issuer, answer->result, "the issuer's discovery document:", answer->reason);
	} else if (!discovery_read(answer->body, slice_of(issuer->expected), &discovery, &error)) {
		fail(issuer, FETCH_UNUSABLE, "the issuer's discovery document", error);
	} else {
		metric_add(issuer->fetches[FETCH_OK], 1);
		issuer->discovery = discovery;
		issuer->fetch = fetch_start(&issuer->means, discovery.keys_url,
		                            !answer->is_from_private, on_keys, issuer);
	}
}

static void refresh(void *context)
{
	struct issuer *issuer = context;

	issuer->fetch = fetch_start(&issuer->means, issuer->url, false, on_discovery, issuer);
}

void issuer_start(struct issuer *issuer)
{
	refresh(issuer);
}

bool issuer_refresh(struct issuer *issuer)
{
	uint64_t now = timers_now(issuer->means.timers);

	if (issuer->fetch != NULL)
		return true;
	if (issuer->failures > 0 ||
	    (issuer->asked_ms != 0 && now - issuer->asked_ms < ASKED_MS_MIN))
		return false;
	issuer->asked_ms = now;
	timer_stop(issuer->means.timers, &issuer->next);
	refresh(issuer);
	return true;
}

/* ---- What is known */

struct slice issuer_name(const struct issuer *issuer)
{
	return slice_of(issuer->discovery.issuer);
}

const struct keys *issuer_keys(const struct issuer *issuer)
{
	return issuer->keys;
}

bool issuer_is_ready(const struct issuer *issuer, const char **reason)
{
	if (issuer->keys == NULL)
		*reason = issuer->reason;
	return issuer->keys != NULL;
}

/* ---- Life */

static char *copy(struct slice text)
{
	char *bytes = mem_alloc(text.size + 1);

	memcpy(bytes, text.data, text.size);
	bytes[text.size] = '\0';
	return bytes;
}

static void count_fetches(struct issuer *issuer)
{
	static const char *const results[] = {
		[FETCH_OK] = "ok",
		[FETCH_UNREACHABLE] = "unreachable",
		[FETCH_UNTRUSTED] = "untrusted",
		[FETCH_REFUSED] = "refused",
		[FETCH_UNUSABLE] = "unusable",
	};

	for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++)
		issuer->fetches[i] = metric_counter("p2p_relay_issuer_fetches_total",
		                                    "Documents fetched from issuers, by result.",
		                                    "result", results[i]);
}

struct issuer *issuer_create(const struct fetch_means *means, const char *url,
                             issuer_refreshed *refreshed, void *context, const char **error)
{
	struct slice expected;

	if (!fetch_url_is_good(url, error))
		return NULL;
	if (!discovery_issuer(slice_of(url), &expected)) {
		*error = "does not end in /.well-known/openid-configuration";
		return NULL;
	}

	struct issuer *issuer = mem_zero(sizeof(*issuer));
	issuer->means = *means;
	issuer->url = copy(slice_of(url));
	issuer->expected = copy(expected);
	issuer->refreshed = refreshed;
	issuer->context = context;
	snprintf(issuer->reason, sizeof(issuer->reason), "the issuer's keys: not fetched yet");
	timer_init(&issuer->next, refresh, issuer);
	count_fetches(issuer);
	return issuer;
}

void issuer_destroy(struct issuer *issuer)
{
	if (issuer == NULL)
		return;
	timer_stop(issuer->means.timers, &issuer->next);
	fetch_cancel(issuer->fetch);
	keys_destroy(issuer->keys);
	free(issuer->url);
	free(issuer->expected);
	free(issuer);
}
