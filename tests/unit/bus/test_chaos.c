/*
 * Peers come, talk and go on three nodes while connections are cut and Redis is killed, at random.
 * ASan sees to it that nothing is used after its end; and when it is quiet again, all agree.
 */
#include "tests/unit/bus/fixture.h"

#define NODES 3
#define PEERS 12
#define CHAOS_MS 8000

struct chaos {
	struct world *world;
	struct node nodes[NODES];
	struct lease leases[NODES][PEERS];
	bool open[NODES][PEERS];
	unsigned seed;
};

static unsigned chance(struct chaos *chaos, unsigned bound)
{
	return (unsigned)rand_r(&chaos->seed) % bound;
}

static void come_or_go(struct chaos *chaos, unsigned at, unsigned peer)
{
	struct lease *lease = &chaos->leases[at][peer];
	char id[16];

	if (chaos->open[at][peer]) {
		lease_close(lease, lease->subscribed > 0);
		chaos->open[at][peer] = false;
		return;
	}
	snprintf(id, sizeof(id), "peer%u", peer);
	lease_open(lease, &chaos->nodes[at], id);
	lease->announces_when_subscribed = true;
	chaos->open[at][peer] = true;
}

static void on_listed(void *context, const struct slice *ids, size_t count)
{
	(void)ids;
	(void)count;
	(*(unsigned *)context)++;
}

static void act(struct chaos *chaos)
{
	static unsigned listed;
	unsigned at = chance(chaos, NODES);
	unsigned peer = chance(chaos, PEERS);
	struct node *node = &chaos->nodes[at];
	struct lease *lease = &chaos->leases[at][peer];
	unsigned dice = chance(chaos, 100);

	if (dice < 30)
		come_or_go(chaos, at, peer);
	else if (dice < 60)
		publish(node, dice % 2 == 0 ? "peer1" : NULL, "x", 1);
	else if (dice < 75 && chaos->open[at][peer])
		bus_port()->refresh(lease->inbox, clock_mono_ms());
	else if (dice < 85 && chaos->open[at][peer] && lease->subscribed > 0)
		announce_as(lease, true);
	else if (dice < 90)
		bus_port()->check(node->mesh.topic, SLICE("peer1"));
	else if (dice < 95)
		bus_port()->list(node->bus, SLICE("m"), 100, on_listed, &listed);
}

static void spoil(struct chaos *chaos)
{
	struct server *server = &chaos->world->server;

	switch (chance(chaos, 5)) {
	case 0:
		server_cli(server, "CLIENT KILL TYPE pubsub", NULL, 0);
		break;
	case 1:
		server_cli(server, "CLIENT KILL TYPE normal", NULL, 0);
		break;
	case 2:
		server_cli(server, "SCRIPT FLUSH", NULL, 0);
		break;
	case 3:
		server_kill(server);
		run_ms(chaos->world, 50);
		server_start(server);
		break;
	default:
		kill(server->pid, SIGSTOP);
		run_ms(chaos->world, 100);
		kill(server->pid, SIGCONT);
	}
}

/* Everybody who is here beats; so whoever is not here any more is all that can lapse. */
static void calm_down(struct chaos *chaos)
{
	uint64_t end = clock_mono_ms() + 3 * chaos->world->settings.ttl_ms;

	while (clock_mono_ms() < end) {
		for (int at = 0; at < NODES; at++)
			for (int peer = 0; peer < PEERS; peer++)
				if (chaos->open[at][peer])
					bus_port()->refresh(chaos->leases[at][peer].inbox,
					                    clock_mono_ms());
		run_ms(chaos->world, 150);
	}
}

/* One question for all: nobody beats meanwhile, and a lease is short. */
static void check_agreement(struct chaos *chaos)
{
	char online[PEERS + 1] = "";
	char command[256];

	for (unsigned peer = 0; peer < PEERS; peer++) {
		online[peer] = '0';
		for (int at = 0; at < NODES; at++)
			if (chaos->open[at][peer])
				online[peer] = '1';
	}
	snprintf(
		command, sizeof(command),
		"EVAL \"local all = {'', ''} for i = 0, %d do local name = 'relay:{m}:peer:peer' .. i "
		"all[1] = all[1] .. redis.call('EXISTS', name) "
		"all[2] = all[2] .. math.min(redis.call('PUBSUB', 'NUMSUB', name)[2], 1) "
		"end return all[1] .. all[2]\" 0",
		PEERS - 1);
	const char *found = ask(&chaos->world->server, command);
	assert_int_equal(strlen(found), 2 * PEERS);
	assert_memory_equal(found, online, PEERS);
	assert_memory_equal(found + PEERS, online, PEERS);
}

/* As the mesh does: who was lost is announced again. */
static void announce_who_was_lost(struct chaos *chaos)
{
	for (int at = 0; at < NODES; at++) {
		for (int peer = 0; peer < PEERS; peer++) {
			struct lease *lease = &chaos->leases[at][peer];
			if (chaos->open[at][peer] && lease->lost > 0) {
				lease->lost = 0;
				announce_as(lease, true);
			}
		}
	}
}

static void all_agree_after_chaos(void **state)
{
	static struct chaos chaos;

	(void)state;
	chaos.world = world_create();
	chaos.world->settings.ttl_ms = 2000;
	chaos.seed = (unsigned)getpid();
	print_message("seed %u\n", chaos.seed);
	for (int at = 0; at < NODES; at++) {
		node_start(&chaos.nodes[at], chaos.world);
		node_open(&chaos.nodes[at], chaos.world);
	}

	uint64_t end = clock_mono_ms() + CHAOS_MS;
	while (clock_mono_ms() < end) {
		for (unsigned i = chance(&chaos, 20); i > 0; i--)
			act(&chaos);
		event_base_loop(chaos.world->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
		if (chance(&chaos, 3) == 0)
			turn(chaos.world);
		if (chance(&chaos, 100) == 0)
			spoil(&chaos);
	}
	for (int at = 0; at < NODES; at++)
		AWAIT(chaos.world, state_of(&chaos.nodes[at]) == BUS_UP);
	calm_down(&chaos);
	announce_who_was_lost(&chaos);
	run_ms(chaos.world, 300);
	check_agreement(&chaos);

	for (unsigned at = 0; at < NODES; at++) {
		for (unsigned peer = 0; peer < PEERS; peer++)
			if (chaos.open[at][peer])
				come_or_go(&chaos, at, peer);
		AWAIT(chaos.world, bus_is_settled(chaos.nodes[at].bus));
		node_stop(&chaos.nodes[at]);
	}
	world_destroy(chaos.world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(all_agree_after_chaos)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
