/*
 * The happy path: ZRANGE gives the ids; HMGET, 500 at a time, what each announced.
 *
 * Failures: the session ends, the topic is closed or moves under way: load_end(), and the answers
 * that are to come free it. Redis refuses a command: begun anew a second later. In the place of the
 * index, or of a peer's key, is something of another type, which is not ours: it does not count, and
 * the index goes, since nobody is announced before it has been read (the scripts mend the rest).
 *
 * While Redis is younger than the hold-off, nodes announce their peers without an event. So what is
 * loaded then is loaded once more when that is over.
 */
#include "bus/load.h"

#include <assert.h>
#include <stdlib.h>

#include "bus/link.h"
#include "bus/topic.h"
#include "common/memory.h"
#include "common/random.h"
#include "common/timers.h"
#include "mesh/mesh.h"
#include "redis/reply.h"
#include "redis/session.h"

#define CHUNK 500 /* peers asked for at once */
#define ROUND_MS_MIN (4 * 60 * 1000)
#define ROUND_MS_JITTER (2 * 60 * 1000)
#define RETRY_MS 1000
#define YOUNG_MS_MORE 1500 /* Redis tells its age in whole seconds */

/* All nodes lose Redis at once: their loads are spread by 2.5 us for each peer and node. */
#define LOADS_PER_MS 400

struct load {
	struct topic *topic; /* counted */
	struct timer timer;
	struct blob **ids;
	size_t count;
	size_t asked;       /* ids[] before this one are asked for */
	size_t answered;    /* and those before this one answered, in the same order */
	unsigned under_way; /* commands */
	bool failed;
	bool complete; /* has been loaded once: only what is unknown is asked for */
	bool ended;
};

static void forget_ids(struct load *load)
{
	for (size_t i = 0; i < load->count; i++)
		blob_unref(load->ids[i]);
	free(load->ids);
	load->ids = NULL;
	load->count = 0;
}

static void set_timer(struct load *load, uint64_t delay_ms)
{
	timer_set(topic_link(load->topic)->shared->timers, &load->timer, delay_ms);
}

static uint64_t spread_ms(const struct topic *topic)
{
	uint64_t loads = mesh_peer_count(topic_owner(topic)) * topic_nodes(topic);

	return random_below(loads / LOADS_PER_MS + 1);
}

/* How long peers may still be announced without an event; 0 = no more. */
static uint64_t young_ms(const struct topic *topic)
{
	const struct link *link = topic_link(topic);
	uint64_t until_ms = shared_hold_off_ms(link->shared) + YOUNG_MS_MORE;
	uint64_t age_ms = session_redis_age_ms(link->session);

	return age_ms < until_ms ? until_ms - age_ms : 0;
}

static void finish(struct load *load)
{
	bool missed = topic_missed(load->topic);
	uint64_t young = young_ms(load->topic);

	forget_ids(load);
	if (load->failed) {
		set_timer(load, RETRY_MS);
		return;
	}
	if (young > 0)
		set_timer(load, young + spread_ms(load->topic));
	else
		set_timer(load, ROUND_MS_MIN + random_below(ROUND_MS_JITTER));
	load->complete = young == 0;
	topic_loaded(load->topic);
	mesh_load_end(topic_owner(load->topic), missed);
}

static void free_if_done(struct load *load)
{
	struct topic *topic = load->topic;

	if (!load->ended || load->under_way > 0)
		return;
	forget_ids(load);
	free(load);
	topic_unref(topic);
}

/* ---- Asking */

static void send(struct load *load, const struct slice *words, size_t count, line_done *done)
{
	load->under_way++;
	session_ask(topic_link(load->topic)->session, words, count, done, load);
}

static void on_peer(void *context, enum answer answer, const redisReply *reply);

static void ask(struct load *load, struct slice id)
{
	struct link *link = topic_link(load->topic);
	struct blob *key =
		keys_peer(slice_of(link->shared->settings->prefix), topic_mesh(load->topic), id);
	const struct slice words[] = {SLICE("HMGET"), blob_slice(key), SLICE("presence"),
	                              SLICE("seen")};

	send(load, words, 4, on_peer);
	blob_unref(key);
}

/* While an answer is being worked off, it is still under way: so nothing is freed beneath it. */
static void next_chunk(struct load *load)
{
	bool ready = session_is_ready(topic_link(load->topic)->session);

	while (ready && load->asked < load->count && load->under_way < CHUNK)
		ask(load, blob_slice(load->ids[load->asked++]));
	if (ready && load->under_way == 1)
		finish(load);
}

/* ---- Answers */

static bool is_foreign(const redisReply *reply)
{
	return slice_starts(reply_text(reply), SLICE("WRONGTYPE "));
}

static void on_peer(void *context, enum answer answer, const redisReply *reply)
{
	struct load *load = context;
	const redisReply *presence = reply_item(reply, 0);
	size_t place = load->answered++;

	load->failed = load->failed || (answer != ANSWER_OK && !is_foreign(reply));
	if (answer == ANSWER_OK && !load->ended && reply_is_string(presence))
		mesh_load_peer(topic_owner(load->topic), blob_slice(load->ids[place]),
		               reply_text(presence), reply_number(reply_item(reply, 1), 0));
	if (load->under_way == 1 && !load->ended)
		next_chunk(load);
	load->under_way--;
	free_if_done(load);
}

/* Takes the ids over, those without the known ones if only the unknown are wanted. */
static void take_ids(struct load *load, const redisReply *reply)
{
	load->ids = mem_alloc(reply_count(reply) * sizeof(*load->ids));
	for (size_t i = 0; i < reply_count(reply) && !load->ended; i++) {
		struct mesh *owner = topic_owner(load->topic);
		struct slice id = reply_text(reply_item(reply, i));
		if (load->complete && mesh_knows(owner, id))
			mesh_load_peer(owner, id, (struct slice){0}, 0);
		else
			load->ids[load->count++] = blob_copy(id);
	}
}

static void on_deleted(void *context, enum answer answer, const redisReply *reply)
{
	(void)context;
	(void)answer;
	(void)reply;
}

static void delete_index(const struct load *load)
{
	const struct slice words[] = {SLICE("DEL"), topic_index(load->topic)};

	session_ask(topic_link(load->topic)->session, words, 2, on_deleted, NULL);
}

static void on_index(void *context, enum answer answer, const redisReply *reply)
{
	struct load *load = context;

	if (answer == ANSWER_ERROR && is_foreign(reply))
		delete_index(load);
	load->failed = answer != ANSWER_OK;
	if (!load->failed && !load->ended)
		take_ids(load, reply);
	if (!load->ended)
		next_chunk(load);
	load->under_way--;
	free_if_done(load);
}

/* ---- Beginning and ending */

static void on_timer(void *context)
{
	struct load *load = context;
	const struct slice words[] = {SLICE("ZRANGE"), topic_index(load->topic), SLICE("0"),
	                              SLICE("-1")};

	if (!session_is_ready(topic_link(load->topic)->session))
		return;
	assert(load->under_way == 0 && load->count == 0);
	load->asked = 0;
	load->answered = 0;
	mesh_load_begin(topic_owner(load->topic));
	send(load, words, 4, on_index);
}

struct load *load_begin(struct topic *topic)
{
	struct load *load = mem_zero(sizeof(*load));

	load->topic = topic_ref(topic);
	timer_init(&load->timer, on_timer, load);
	set_timer(load, topic_missed(topic) ? spread_ms(topic) : 0);
	return load;
}

void load_end(struct load *load)
{
	if (load == NULL)
		return;
	timer_stop(topic_link(load->topic)->shared->timers, &load->timer);
	load->ended = true;
	free_if_done(load);
}
