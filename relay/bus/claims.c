#include "bus/claims.h"

#include <assert.h>
#include <stdlib.h>

#include "bus/inbox.h"
#include "bus/link.h"
#include "bus/topic.h"
#include "common/memory.h"
#include "redis/command.h"
#include "redis/reply.h"
#include "redis/scripts.h"

#define CLAIMS_MAX 100             /* per call */
#define CALL_BYTES_MAX (64 * 1024) /* of messages; a single larger one goes alone */
#define ARGUMENTS_PER_CLAIM 4

struct call {
	struct list claims;
	claims_done *done;
	void *context;
};

struct claim *claim_create(struct inbox *inbox, const struct announcement *announcement)
{
	struct claim *claim = mem_zero(sizeof(*claim));

	list_init(&claim->link);
	claim->inbox = inbox_ref(inbox);
	claim->owner = blob_copy(announcement->owner);
	claim->message = blob_copy(announcement->message);
	claim->heard_ms = announcement->heard_ms;
	claim->loud = announcement->loud;
	claim->fresh = announcement->fresh;
	return claim;
}

void claim_destroy(struct claim *claim)
{
	list_remove(&claim->link);
	blob_unref(claim->owner);
	blob_unref(claim->message);
	inbox_unref(claim->inbox);
	free(claim);
}

static struct claim *claim_of(struct list *link)
{
	return LIST_ENTRY(link, struct claim, link);
}

static void finish(struct call *call)
{
	call->done(call->context, &call->claims);
	LIST_EACH(&call->claims, link)
		claim_destroy(claim_of(link));
	free(call);
}

static enum announce_answer answer_of(const redisReply *reply, size_t place)
{
	int64_t number;

	if (reply == NULL)
		return ANNOUNCE_LOST;
	if (!reply_integer(reply_item(reply, place), &number))
		return ANNOUNCE_REFUSED;
	switch (number) {
	case 1:
		return ANNOUNCE_ONLINE;
	case 0:
		return ANNOUNCE_KEPT;
	case -1:
		return ANNOUNCE_TAKEN;
	case -2:
		return ANNOUNCE_SILENT;
	default:
		return ANNOUNCE_REFUSED;
	}
}

static void on_answer(void *context, const redisReply *reply)
{
	struct call *call = context;
	size_t place = 0;

	LIST_EACH(&call->claims, link)
		claim_of(link)->answer = answer_of(reply, place++);
	finish(call);
}

static struct call *take(struct list *claims, size_t *count, claims_done *done, void *context)
{
	struct call *call = mem_zero(sizeof(*call));
	const struct claim *first = claim_of(claims->next);
	size_t bytes = 0;

	list_init(&call->claims);
	call->done = done;
	call->context = context;
	for (*count = 0; !list_empty(claims) && *count < CLAIMS_MAX; (*count)++) {
		struct claim *claim = claim_of(claims->next);
		bytes += claim->message->size;
		if (claim->loud != first->loud || claim->fresh != first->fresh ||
		    (*count > 0 && bytes > CALL_BYTES_MAX))
			break;
		list_remove(&claim->link);
		list_append(&call->claims, &claim->link);
	}
	return call;
}

static void add_claim(struct buffer *command, const struct claim *claim, uint64_t now)
{
	command_add(command, inbox_peer(claim->inbox));
	command_add(command, blob_slice(claim->owner));
	command_add(command, blob_slice(claim->message));
	command_add_number(command, now > claim->heard_ms ? now - claim->heard_ms : 0);
}

void claims_send(struct topic *topic, struct list *claims, claims_done *done, void *context)
{
	struct link *link = topic_link(topic);
	bool loud = claim_of(claims->next)->loud;
	bool fresh = claim_of(claims->next)->fresh;
	char head[LINK_HEAD_BYTES_MAX];
	size_t count;
	struct call *call = take(claims, &count, done, context);

	struct buffer *command = scripts_begin(link->scripts, SCRIPT_ANNOUNCE, 2 + count,
	                                       4 + ARGUMENTS_PER_CLAIM * count);
	command_add(command, topic_index(topic));
	command_add(command, topic_broadcast(topic));
	LIST_EACH(&call->claims, key) {
		assert(inbox_topic(claim_of(key)->inbox) == topic);
		command_add(command, inbox_key(claim_of(key)->inbox));
	}
	command_add(command, slice_of(link->shared->node_text));
	command_add_number(command, link->shared->settings->ttl_ms);
	command_add(command, loud ? link_head(link, PARCEL_PRESENCE, head) : SLICE(""));
	command_add_number(command, fresh);
	LIST_EACH(&call->claims, argument)
		add_claim(command, claim_of(argument), link_now_ms(link));
	scripts_send(link->scripts, SCRIPT_ANNOUNCE, on_answer, call);
}

void claims_answer(struct list *claims, enum announce_answer answer, claims_done *done,
                   void *context)
{
	struct call *call = mem_zero(sizeof(*call));

	list_init(&call->claims);
	list_move(claims, &call->claims);
	call->done = done;
	call->context = context;
	LIST_EACH(&call->claims, link)
		claim_of(link)->answer = answer;
	finish(call);
}
