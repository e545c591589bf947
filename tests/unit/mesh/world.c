#include "world.h"

#include <assert.h>
#include <stdlib.h>

#include "common/list.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/metrics.h"
#include "mesh/mesh.h"
#include "wire/name.h"
#include "wire/parcel.h"

#define INBOXES_MAX 64
#define SOCKETS_MAX 64

struct world *world;

struct topic {
	struct mesh *owner; /* NULL: closed */
};

struct inbox {
	struct lease *owner; /* NULL: closed */
	bool deaf;           /* not to be heard */
	char id[NAME_ID_BYTES_MAX + 1];
};

/* What the bus has to do, in order. */
struct errand {
	struct list link;
	enum kind { LOAD, SUBSCRIBED, ANSWER, BROADCAST, DIRECT, UNHEARD, CHECK } kind;
	struct inbox *inbox;
	struct blob *bytes;
	char target[NAME_ID_BYTES_MAX + 1];
};

static struct {
	struct world world;
	uint64_t now_ms;
	struct topic topic;
	struct inbox inboxes[INBOXES_MAX];
	size_t inbox_count;
	struct socket *sockets[SOCKETS_MAX];
	size_t socket_count;
	struct list errands;
	struct buffer token;
} self;

/* ---- The edge */

static void unframe(struct buffer *out, const unsigned char *bytes, size_t size)
{
	size_t at = 0;

	while (at < size) {
		size_t length = bytes[at + 1];
		size_t head = 2;
		if (length == 126) {
			length = (size_t)bytes[at + 2] << 8 | bytes[at + 3];
			head = 4;
		}
		assert(length < 65536 && at + head + length <= size);
		buffer_append(out, (struct slice){(const char *)bytes + at + head, length});
		if ((bytes[at] & 0x80) != 0)
			buffer_append(out, SLICE("\n"));
		at += head + length;
	}
}

static bool edge_send(struct socket *socket, struct blob *frames, uint32_t begin, uint32_t end,
                      bool exempt)
{
	(void)exempt;
	assert(begin <= end && end <= frames->size && socket->connection != NULL);
	unframe(&socket->sent, (const unsigned char *)frames->bytes + begin, end - begin);
	return true;
}

static size_t edge_backlog(const struct socket *socket)
{
	return socket->backlog;
}

static void edge_close(struct socket *socket, enum close_code code, const char *reason)
{
	assert(socket->closed == 0 && strlen(reason) <= 123);
	socket->closed = code;
}

static void edge_read(struct socket *socket, bool on)
{
	assert(socket->reading != on);
	socket->reading = on;
}

static enum authorized edge_authorize(struct socket *socket, struct slice token,
                                      uint64_t *expires_ms)
{
	(void)socket;
	assert(token.size <= AUTH_TOKEN_BYTES_MAX);
	buffer_append(&self.token, token);
	*expires_ms = 1760000000000;
	return world->authorized;
}

static const struct edge_port edge = {edge_send, edge_backlog, edge_close, edge_read,
                                      edge_authorize};

/* ---- The bus */

static struct errand *add_errand(enum kind kind, struct inbox *inbox)
{
	struct errand *errand = mem_zero(sizeof(*errand));

	errand->kind = kind;
	errand->inbox = inbox;
	list_append(&self.errands, &errand->link);
	return errand;
}

static uint64_t bus_node(const struct bus *bus)
{
	(void)bus;
	return WORLD_NODE;
}

static enum bus_state bus_state(const struct bus *bus)
{
	(void)bus;
	return self.world.state;
}

static struct topic *bus_topic_open(struct bus *bus, struct slice mesh, struct mesh *owner)
{
	(void)bus;
	(void)mesh;
	assert(self.topic.owner == NULL);
	self.topic.owner = owner;
	add_errand(LOAD, NULL);
	return &self.topic;
}

static void bus_topic_close(struct topic *topic)
{
	topic->owner = NULL;
}

static bool bus_topic_is_pressed(const struct topic *topic)
{
	(void)topic;
	return self.world.pressed;
}

static struct inbox *bus_inbox_open(struct topic *topic, struct slice peer, struct lease *owner)
{
	struct inbox *inbox = &self.inboxes[self.inbox_count++];

	(void)topic;
	assert(self.inbox_count < INBOXES_MAX);
	memcpy(inbox->id, peer.data, peer.size);
	inbox->owner = owner;
	add_errand(SUBSCRIBED, inbox);
	return inbox;
}

static void bus_inbox_close(struct inbox *inbox, bool leave)
{
	inbox->owner = NULL;
	self.world.left += leave;
}

static void bus_inbox_listen(struct inbox *inbox, bool on)
{
	inbox->deaf = !on;
	if (on)
		add_errand(SUBSCRIBED, inbox);
}

static void append_presence(struct buffer *bytes, struct slice id, struct slice message)
{
	char sizes[6] = {(char)(id.size >> 8),      (char)id.size,     0, 0,
	                 (char)(message.size >> 8), (char)message.size};

	buffer_append(bytes, (struct slice){sizes, 2});
	buffer_append(bytes, id);
	buffer_append(bytes, (struct slice){sizes + 2, 4});
	buffer_append(bytes, message);
}

static struct blob *presence_parcel(uint64_t node, struct slice id, struct slice message)
{
	const struct parcel parcel = {.kind = PARCEL_PRESENCE, .node = node, .time_ms = 1000};
	char head[PARCEL_HEAD_BYTES_MAX];
	struct buffer bytes = {0};

	buffer_append(&bytes, (struct slice){head, parcel_head(&parcel, head)});
	append_presence(&bytes, id, message);
	struct blob *blob = blob_copy(buffer_slice(&bytes));
	buffer_fini(&bytes);
	return blob;
}

static void bus_announce(struct inbox *inbox, const struct announcement *announcement)
{
	struct slice id = slice_of(inbox->id);

	self.world.announced++;
	self.world.announced_heard_ms = announcement->heard_ms;
	assert(announcement->loud);
	add_errand(ANSWER, inbox);
	if (self.world.answer == ANNOUNCE_ONLINE && !self.world.mute)
		add_errand(BROADCAST, NULL)->bytes =
			presence_parcel(WORLD_NODE, id, announcement->message);
}

static void bus_refresh(struct inbox *inbox, uint64_t heard_ms)
{
	assert(inbox->owner != NULL);
	self.world.refreshed++;
	self.world.refreshed_heard_ms = heard_ms;
}

static bool bus_publish(struct topic *topic, struct slice target, const struct slice *parts,
                        size_t part_count)
{
	struct buffer bytes = {0};
	struct parcel parcel;

	(void)topic;
	if (self.world.queue_full)
		return false;
	for (size_t i = 0; i < part_count; i++)
		buffer_append(&bytes, parts[i]);
	assert(parcel_read(buffer_slice(&bytes), &parcel) == PARCEL_OK);
	assert(slice_equal(parcel.target, target));

	buffer_append(&self.world.published, target.data == NULL ? SLICE("*") : target);
	buffer_append(&self.world.published, SLICE(" "));
	buffer_append(&self.world.published, parcel.body);
	buffer_append(&self.world.published, SLICE("\n"));

	bool unheard = target.data != NULL && self.world.nobody != NULL &&
	               slice_is(target, self.world.nobody);
	struct errand *errand = add_errand(unheard               ? UNHEARD
	                                   : target.data != NULL ? DIRECT
	                                                         : BROADCAST,
	                                   NULL);
	errand->bytes = blob_copy(buffer_slice(&bytes));
	if (target.data != NULL)
		memcpy(errand->target, target.data, target.size);
	buffer_fini(&bytes);
	return true;
}

static void bus_check(struct topic *topic, struct slice peer)
{
	(void)topic;
	self.world.checked++;
	memcpy(add_errand(CHECK, NULL)->target, peer.data, peer.size);
}

static void bus_list(struct bus *bus, struct slice mesh, uint64_t timeout_ms, bus_list_done *done,
                     void *context)
{
	(void)bus;
	(void)mesh;
	(void)timeout_ms;
	done(context, NULL, 0);
}

static const struct bus_port bus = {
	.node = bus_node,
	.state = bus_state,
	.topic_open = bus_topic_open,
	.topic_close = bus_topic_close,
	.topic_is_pressed = bus_topic_is_pressed,
	.inbox_open = bus_inbox_open,
	.inbox_close = bus_inbox_close,
	.inbox_listen = bus_inbox_listen,
	.announce = bus_announce,
	.refresh = bus_refresh,
	.publish = bus_publish,
	.check = bus_check,
	.list = bus_list,
};

static void deliver_direct(const char *target, struct slice bytes)
{
	for (size_t i = 0; i < self.inbox_count; i++)
		if (self.inboxes[i].owner != NULL && !self.inboxes[i].deaf &&
		    strcmp(self.inboxes[i].id, target) == 0)
			lease_receive(self.inboxes[i].owner, bytes);
}

static void run_errand(const struct errand *errand)
{
	struct mesh *mesh = self.topic.owner;
	struct lease *lease = errand->inbox == NULL ? NULL : errand->inbox->owner;

	switch (errand->kind) {
	case LOAD:
		mesh_load_begin(mesh);
		mesh_load_end(mesh, false);
		break;
	case SUBSCRIBED:
		if (lease != NULL)
			lease_subscribed(lease);
		break;
	case ANSWER:
		if (lease != NULL)
			lease_answered(lease, self.world.answer);
		break;
	case BROADCAST:
		if (mesh != NULL)
			mesh_receive(mesh, blob_slice(errand->bytes));
		break;
	case DIRECT:
		deliver_direct(errand->target, blob_slice(errand->bytes));
		break;
	case UNHEARD:
		mesh_unpublished(mesh, slice_of(errand->target), blob_slice(errand->bytes),
		                 UNPUBLISHED_NOBODY);
		break;
	case CHECK:
		if (slice_is(self.world.missing, errand->target))
			mesh_peer_missing(mesh, self.world.missing);
		break;
	}
}

void world_settle(void)
{
	while (!list_empty(&self.errands)) {
		struct errand *errand = LIST_ENTRY(self.errands.next, struct errand, link);
		list_remove(&errand->link);
		run_errand(errand);
		blob_unref(errand->bytes);
		free(errand);
	}
}

/* ---- The world */

static struct hub_settings default_settings(void)
{
	return (struct hub_settings){
		.ttl_ms = WORLD_TTL_MS,
		.join_ms_max = 30000,
		.presence_repeat_ms = 0,
		.echo_window_ms = 5000,
		.mesh_peers_max = 100,
		.agents_max = 8,
		.message_bytes_max = 1 << 20,
		.outbox_bytes_max = 1 << 22,
		.joins_in_flight_max = 8,
		.joins_waiting_max = 8,
		.drop_types = "relay-log",
		.version = "test",
	};
}

uint64_t world_now(void)
{
	return self.now_ms;
}

static struct world *create(const struct hub_settings *settings)
{
	memset(&self, 0, sizeof(self));
	self.now_ms = 1000000;
	self.world.answer = ANNOUNCE_ONLINE;
	self.world.state = BUS_UP;
	self.world.authorized = AUTHORIZED_WITHOUT_ANY;
	log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
	list_init(&self.errands);
	self.world.timers = timers_create(world_now, NULL, NULL);
	self.world.hub = hub_create(settings, self.world.timers, &edge, &bus, NULL);
	return &self.world;
}

static void destroy(void)
{
	for (size_t i = 0; i < self.socket_count; i++) {
		world_disconnect(self.sockets[i]);
		buffer_fini(&self.sockets[i]->sent);
		free(self.sockets[i]);
	}
	hub_destroy(world->hub);
	while (!list_empty(&self.errands)) {
		struct errand *errand = LIST_ENTRY(self.errands.next, struct errand, link);
		list_remove(&errand->link);
		blob_unref(errand->bytes);
		free(errand);
	}
	timers_destroy(world->timers);
	buffer_fini(&world->published);
	buffer_fini(&self.token);
	metrics_reset();
}

int world_set_up(void **state)
{
	struct hub_settings settings = default_settings();

	(void)state;
	world = create(&settings);
	return 0;
}

int world_tear_down(void **state)
{
	(void)state;
	destroy();
	return 0;
}

void world_set_up_with(void (*change)(struct hub_settings *settings))
{
	struct hub_settings settings = default_settings();

	destroy();
	change(&settings);
	world = create(&settings);
}

void world_pass(uint64_t ms)
{
	uint64_t end = self.now_ms + ms;
	uint64_t wait_ms;

	world_settle();
	while (timers_run(world->timers, &wait_ms) && self.now_ms + wait_ms <= end) {
		self.now_ms += wait_ms;
		world_settle();
	}
	world_settle();
	self.now_ms = end;
}

struct socket *world_connect_as(const char *owner)
{
	struct socket *socket = mem_zero(sizeof(*socket));

	assert(self.socket_count < SOCKETS_MAX);
	self.sockets[self.socket_count++] = socket;
	socket->reading = true;
	socket->connection = hub_connect(world->hub, SLICE("default"), slice_of(owner), socket);
	return socket;
}

struct socket *world_connect(void)
{
	return world_connect_as("");
}

void world_disconnect(struct socket *socket)
{
	connection_destroy(socket->connection);
	socket->connection = NULL;
}

void world_say(struct socket *socket, const char *message)
{
	assert(socket->reading);
	connection_receive(socket->connection, slice_of(message));
	world_settle();
}

struct socket *world_join(const char *id)
{
	struct socket *socket = world_connect();
	struct buffer message = {0};

	buffer_printf(&message,
	              "{\"type\":\"presence\",\"from\":\"%s\",\"data\":{\"of\":\"%s\"}}%c", id, id,
	              0);
	world_say(socket, message.data);
	buffer_fini(&message);
	world_sent(socket);
	return socket;
}

static const char *take(struct buffer *buffer, struct buffer *last)
{
	buffer_fini(last);
	*last = *buffer;
	*buffer = (struct buffer){0};
	buffer_append(last, (struct slice){"", 1});
	return last->data;
}

const char *world_sent(struct socket *socket)
{
	static struct buffer last;

	return take(&socket->sent, &last);
}

const char *world_published(void)
{
	static struct buffer last;

	return take(&world->published, &last);
}

const char *world_token(void)
{
	static struct buffer last;

	return take(&self.token, &last);
}

static void other(enum parcel_kind kind, const char *target, const char *from, const char *body)
{
	const struct parcel parcel = {.kind = kind,
	                              .node = WORLD_OTHER_NODE,
	                              .connection = 1,
	                              .time_ms = 1000,
	                              .from = slice_of(from)};
	char head[PARCEL_HEAD_BYTES_MAX];
	struct buffer bytes = {0};

	buffer_append(&bytes, (struct slice){head, parcel_head(&parcel, head)});
	buffer_append(&bytes, slice_of(body));
	if (target != NULL)
		deliver_direct(target, buffer_slice(&bytes));
	else
		mesh_receive(self.topic.owner, buffer_slice(&bytes));
	buffer_fini(&bytes);
}

void world_other_presence(const char *id, const char *message)
{
	struct blob *parcel = presence_parcel(WORLD_OTHER_NODE, slice_of(id), slice_of(message));

	mesh_receive(self.topic.owner, blob_slice(parcel));
	blob_unref(parcel);
	world_settle();
}

void world_other_presence_twice(const char *id, const char *first, const char *second)
{
	struct blob *parcel = presence_parcel(WORLD_OTHER_NODE, slice_of(id), slice_of(first));
	struct buffer bytes = {0};

	buffer_append(&bytes, blob_slice(parcel));
	append_presence(&bytes, SLICE("between"),
	                SLICE("{\"type\":\"presence\",\"from\":\"between\"}"));
	append_presence(&bytes, slice_of(id), slice_of(second));
	mesh_receive(self.topic.owner, buffer_slice(&bytes));
	buffer_fini(&bytes);
	blob_unref(parcel);
	world_settle();
}

void world_other_offline(const char *ids)
{
	other(PARCEL_OFFLINE, NULL, "", ids);
	world_settle();
}

void world_other_broadcast(const char *from, const char *message)
{
	other(PARCEL_MESSAGE, NULL, from, message);
	world_settle();
}

void world_other_direct(const char *target, const char *from, const char *message)
{
	other(PARCEL_MESSAGE, target, from, message);
	world_settle();
}

static struct blob *message_parcel(uint64_t node, const char *from, size_t from_size,
                                   const char *message)
{
	const struct parcel parcel = {
		.kind = PARCEL_MESSAGE, .node = node, .from = {from, from_size}};
	char head[PARCEL_HEAD_BYTES_MAX];
	struct buffer bytes = {0};

	buffer_append(&bytes, (struct slice){head, parcel_head(&parcel, head)});
	buffer_append(&bytes, slice_of(message));
	struct blob *blob = blob_copy(buffer_slice(&bytes));
	buffer_fini(&bytes);
	return blob;
}

void world_bundle(uint64_t node, const char *target, const char *const *messages)
{
	const struct parcel bundle = {.kind = PARCEL_BUNDLE, .node = node};
	char head[PARCEL_HEAD_BYTES_MAX];
	struct buffer bytes = {0};

	buffer_append(&bytes, (struct slice){head, parcel_head(&bundle, head)});
	for (; *messages != NULL; messages++) {
		const char *space = strchr(*messages, ' ');
		struct blob *parcel =
			space != NULL ? message_parcel(node, *messages, (size_t)(space - *messages),
		                                       space + 1)
				      : blob_copy(slice_of(*messages));
		parcel_append_length(&bytes, parcel->size);
		buffer_append(&bytes, blob_slice(parcel));
		blob_unref(parcel);
	}
	if (target != NULL)
		deliver_direct(target, buffer_slice(&bytes));
	else
		mesh_receive(self.topic.owner, buffer_slice(&bytes));
	buffer_fini(&bytes);
	world_settle();
}

bool world_listens(const char *id)
{
	for (size_t i = 0; i < self.inbox_count; i++)
		if (self.inboxes[i].owner != NULL && strcmp(self.inboxes[i].id, id) == 0)
			return !self.inboxes[i].deaf;
	return false;
}

struct mesh *world_mesh(void)
{
	return self.topic.owner;
}

void world_reconnect(void)
{
	for (size_t i = 0; i < self.inbox_count; i++)
		if (self.inboxes[i].owner != NULL)
			lease_subscribed(self.inboxes[i].owner);
	mesh_load_begin(self.topic.owner);
	mesh_load_end(self.topic.owner, true);
	world_settle();
}
