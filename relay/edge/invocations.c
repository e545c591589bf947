/*
 * Happy path: head -> body, dropped -> the hub lists the mesh (Redis) -> the answer is built ->
 * lws says that it may be written.
 *
 * What may go wrong:
 *  - Redis does not answer within a second: "degraded", without peers.
 *  - The client leaves while the list is under way: the entry stays until the list is there.
 *  - Too many at once: 503.
 *  - The body is longer than the bound: 413. Chunked: 411 (see http.c), since lws does not decode
 *    it.
 */
#include "edge/invocations.h"

#include <stdlib.h>

#include "common/memory.h"
#include "edge/answer.h"
#include "edge/guest.h"
#include "edge/http.h"
#include "wire/json.h"

#define INVOCATIONS_MAX 256
#define BODY_BYTES_MAX ((uint64_t)1 << 20)
#define LIST_MS_MAX 1000

struct invocation {
	struct list link;
	struct edge *edge;
	struct lws *wsi;      /* NULL: the client has left */
	bool listing;         /* on_list() is still to come */
	bool last;            /* the connection ends with it */
	struct buffer answer; /* empty until it is there */
	size_t mesh_size;
	char mesh[NAME_MESH_BYTES_MAX];
};

static struct invocation *find(const struct edge *edge, const struct lws *wsi)
{
	LIST_EACH(&edge->invocations, link) {
		struct invocation *invocation = LIST_ENTRY(link, struct invocation, link);
		if (invocation->wsi == wsi)
			return invocation;
	}
	return NULL;
}

static void end(struct invocation *invocation)
{
	list_remove(&invocation->link);
	invocation->edge->invocation_count--;
	buffer_fini(&invocation->answer);
	free(invocation);
}

static void append_answer(struct buffer *out, const struct slice *ids, size_t count)
{
	buffer_printf(out, "{\"status\":\"%s\",\"peers\":[", ids != NULL ? "ok" : "degraded");
	if (ids == NULL)
		count = 0;
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			buffer_append(out, SLICE(","));
		json_append_string(out, ids[i]);
	}
	buffer_printf(out, "],\"count\":%zu}", count);
}

static void on_list(void *context, const struct slice *ids, size_t count)
{
	struct invocation *invocation = context;

	invocation->listing = false;
	if (invocation->edge == NULL) {
		free(invocation);
		return;
	}
	if (invocation->wsi == NULL) {
		end(invocation);
		return;
	}
	append_answer(&invocation->answer, ids, count);
	lws_callback_on_writable(invocation->wsi);
}

static void begin_list(struct invocation *invocation)
{
	invocation->listing = true;
	hub_list(invocation->edge->hub, (struct slice){invocation->mesh, invocation->mesh_size},
	         LIST_MS_MAX, on_list, invocation);
}

int invocations_on_request(struct edge *edge, struct lws *wsi, const struct request *request)
{
	char name[NAME_MESH_BYTES_MAX];
	struct slice mesh;
	struct rejection rejection;
	uint64_t length = 0;

	(void)request;
	if (!request_content_length(wsi, &length) || length > BODY_BYTES_MAX)
		return answer_error(wsi, 413, "the body is too large", NULL);
	if (!guest_may_look(edge, wsi, name, &mesh, &rejection))
		return answer_error(wsi, rejection.status, rejection.why, rejection.headers);
	if (edge->invocation_count >= INVOCATIONS_MAX)
		return answer_error(wsi, 503, "too many invocations at once", RETRY_LATER);

	struct invocation *invocation = mem_zero(sizeof(*invocation));
	invocation->edge = edge;
	invocation->wsi = wsi;
	memcpy(invocation->mesh, mesh.data, mesh.size);
	invocation->mesh_size = mesh.size;
	list_append(&edge->invocations, &invocation->link);
	edge->invocation_count++;

	/*
	 * Without a length there is no body, but lws would wait for one, and take the next
	 * request for it.
	 */
	if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) == 0) {
		invocation->last = true;
		begin_list(invocation);
	}
	return 0;
}

int invocations_on_body(struct edge *edge, struct lws *wsi)
{
	struct invocation *invocation = find(edge, wsi);

	if (invocation != NULL && !invocation->listing && invocation->answer.size == 0)
		begin_list(invocation);
	return 0;
}

int invocations_on_writable(struct edge *edge, struct lws *wsi)
{
	struct invocation *invocation = find(edge, wsi);

	if (invocation == NULL || invocation->answer.size == 0)
		return 0;
	int result = answer_write(wsi, &(struct answer){
					       .status = 200,
					       .body = buffer_slice(&invocation->answer),
					       .last = invocation->last,
				       });
	end(invocation);
	return result;
}

void invocations_on_end(struct edge *edge, struct lws *wsi)
{
	struct invocation *invocation = find(edge, wsi);

	if (invocation == NULL)
		return;
	invocation->wsi = NULL;
	if (!invocation->listing)
		end(invocation);
}

void invocations_fini(struct edge *edge)
{
	/* Lists under way end later, and free what is left. */
	LIST_EACH(&edge->invocations, link) {
		struct invocation *invocation = LIST_ENTRY(link, struct invocation, link);
		list_remove(link);
		buffer_fini(&invocation->answer);
		invocation->edge = NULL;
		invocation->wsi = NULL;
	}
}
