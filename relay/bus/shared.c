#include "bus/shared.h"

#include <stdio.h>

#include "bus/link.h"
#include "common/random.h"
#include "common/timers.h"
#include "redis/session.h"

void shared_name_node(struct shared *shared)
{
	do
		shared->node = random_u64();
	while (shared->node == 0);
	keys_node_text(shared->node, shared->node_text);
	snprintf(shared->redis.client_name, sizeof(shared->redis.client_name), "p2p-relay:%s",
	         shared->node_text);
	LIST_EACH(&shared->links, link)
		session_fail(LIST_ENTRY(link, struct link, in_shared)->session,
		             "this node has another number now");
}

uint64_t shared_now_ms(const struct shared *shared)
{
	return timers_now(shared->timers);
}

uint64_t shared_hold_off_ms(const struct shared *shared)
{
	return 2 * shared->settings->ttl_ms / 3;
}
