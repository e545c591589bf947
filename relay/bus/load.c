/*
 * The happy path: ZRANGE gives the ids; HMGET, 500 at a time, what each announced.
 *
 * Failures: the session ends or the topic is closed under way: given up; the next session begins
 * anew. Redis refuses a command: begun anew a second later.
 */
#include "bus/load.h"

#include <assert.h>
#include <stdlib.h>

#include "bus/link.h"
#include "bus/reply.h"
#include "bus/session.h"
#include "bus/topic.h"
#include "common/memory.h"
#include "common/random.h"
#include "common/timers.h"
#include "mesh/mesh.h"

#define CHUNK 500 /* peers asked for at once */
#define ROUND_MS_MIN (4 * 60 * 1000)
#define ROUND_MS_JITTER (2 * 60 * 1000)
#define RETRY_MS 1000

/* All nodes lose Redis at once: their loads are spread by 2.5 us for each peer and node. */
#define LOADS_PER_MS 400

struct load {
	struct topic *topic;
	struct timer timer;
	struct blob **ids;
	size_t count;
	size_t asked;       /* ids[] before this one are asked for */
	size_t answered;    /* and those before this one answered, in the same order */
	unsigned under_way; /* commands */
	bool running;
	bool failed;
	bool complete; /* has been loaded once in this session: only what is unknown is asked for */
	bool missed;   /* messages, since the last complete one */
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
	timer_set(topic_link(load->topic)->timers, &load->timer, delay_ms);
}

static void end(struct load *load)
{
	bool missed = load->missed;

	load->running = false;
	forget_ids(load);
	if (topic_owner(load->topic) == NULL || !session_is_ready(topic_link(load->topic)->session))
		return;
	if (load->failed) {
		set_timer(load, RETRY_MS);
		return;
	}
	set_timer(load, ROUND_MS_MIN + random_below(ROUND_MS_JITTER));
	load->complete = true;
	load->missed = false;
	mesh_load_end(topic_owner(load->topic), missed);
}

/* ---- Asking */

static void send(struct load *load, const struct slice *words, size_t count,
                 redisCallbackFn *callback)
{
	topic_ref(load->topic);
	load->under_way++;
	session_ask(topic_link(load->topic)->session, words, count, callback, load);
}

static void on_peer(redisAsyncContext *redis, void *reply, void *context);

static void ask(struct load *load, struct slice id)
{
	struct link *link = topic_link(load->topic);
	struct blob *key = keys_peer(slice_of(link->settings->prefix), topic_mesh(load->topic), id);
	const struct slice words[] = {SLICE("HMGET"), blob_slice(key), SLICE("presence"),
	                              SLICE("seen")};

	send(load, words, 4, on_peer);
	blob_unref(key);
}

static void next_chunk(struct load *load)
{
	bool ready = session_is_ready(topic_link(load->topic)->session);

	while (ready && load->asked < load->count && load->under_way < CHUNK)
		ask(load, blob_slice(load->ids[load->asked++]));
	if (load->under_way == 0)
		end(load);
}

/* ---- Answers */

/* True if the answer may be used; else the load is over, or will be with the last answer. */
static bool is_good(struct load *load, const redisReply *reply)
{
	enum answer answer = session_judge(topic_link(load->topic)->session, reply);

	load->under_way--;
	if (answer == ANSWER_ERROR)
		load->failed = true;
	return answer == ANSWER_OK && load->running && topic_owner(load->topic) != NULL;
}

static void on_peer(redisAsyncContext *redis, void *reply, void *context)
{
	struct load *load = context;
	struct topic *topic = load->topic;
	const redisReply *presence = reply_item(reply, 0);
	size_t place = load->answered++;

	(void)redis;
	if (is_good(load, reply) && presence != NULL && presence->type == REDIS_REPLY_STRING)
		mesh_load_peer(topic_owner(topic), blob_slice(load->ids[place]),
		               reply_text(presence), reply_number(reply_item(reply, 1), 0));
	if (load->under_way == 0 && load->running)
		next_chunk(load);
	topic_unref(topic);
}

/* Takes the ids over, those without the known ones if only the unknown are wanted. */
static void take_ids(struct load *load, const redisReply *reply)
{
	struct mesh *owner;

	load->ids = mem_alloc(reply_count(reply) * sizeof(*load->ids));
	for (size_t i = 0; i < reply_count(reply) && (owner = topic_owner(load->topic)) != NULL;
	     i++) {
		struct slice id = reply_text(reply_item(reply, i));
		if (load->complete && mesh_knows(owner, id))
			mesh_load_peer(owner, id, (struct slice){0}, 0);
		else
			load->ids[load->count++] = blob_copy(id);
	}
}

static void on_index(redisAsyncContext *redis, void *reply, void *context)
{
	struct load *load = context;
	struct topic *topic = load->topic;

	(void)redis;
	if (is_good(load, reply)) {
		take_ids(load, reply);
		next_chunk(load);
	} else if (load->running) {
		end(load);
	}
	topic_unref(topic);
}

/* ---- Beginning */

static void on_timer(void *context)
{
	struct load *load = context;
	const struct slice words[] = {SLICE("ZRANGE"), topic_index(load->topic), SLICE("0"),
	                              SLICE("-1")};

	if (!session_is_ready(topic_link(load->topic)->session))
		return;
	assert(load->under_way == 0 && load->count == 0);
	load->running = true;
	load->failed = false;
	load->asked = 0;
	load->answered = 0;
	mesh_load_begin(topic_owner(load->topic));
	send(load, words, 4, on_index);
}

void load_start(struct load *load)
{
	uint64_t loads = mesh_peer_count(topic_owner(load->topic)) * topic_nodes(load->topic);

	if (!load->running)
		set_timer(load, load->missed ? random_below(loads / LOADS_PER_MS + 1) : 0);
}

void load_stop(struct load *load)
{
	timer_stop(topic_link(load->topic)->timers, &load->timer);
	load->running = false;
}

void load_lost(struct load *load, bool missed)
{
	load_stop(load);
	forget_ids(load);
	load->complete = false;
	load->missed = load->missed || missed;
}

struct load *load_create(struct topic *topic)
{
	struct load *load = mem_zero(sizeof(*load));

	load->topic = topic;
	timer_init(&load->timer, on_timer, load);
	return load;
}

void load_destroy(struct load *load)
{
	if (load == NULL)
		return;
	timer_stop(topic_link(load->topic)->timers, &load->timer);
	forget_ids(load);
	free(load);
}
