#include "edge/request.h"

#include <sys/socket.h>

/* lws keeps the names of headers that it does not know in lower case, with the colon. */
#define MESH_HEADER "x-amzn-bedrock-agentcore-runtime-custom-mesh:"

bool request_read(struct lws *wsi, struct request *request)
{
	char *path = NULL;
	int path_size = 0;
	int method = lws_http_get_uri_and_method(wsi, &path, &path_size);

	if (method < 0 || path == NULL)
		return false;
	request->path = (struct slice){path, (size_t)path_size};
	switch (method) {
	case LWSHUMETH_GET:
		request->method = METHOD_GET;
		break;
	case LWSHUMETH_HEAD:
		request->method = METHOD_HEAD;
		break;
	case LWSHUMETH_POST:
		request->method = METHOD_POST;
		break;
	default:
		request->method = METHOD_OTHER;
		break;
	}
	return true;
}

struct slice request_value(struct lws *wsi, enum lws_token_indexes token, int n)
{
	char *scratch = edge_of(wsi)->scratch;
	int size = lws_hdr_copy_fragment(wsi, scratch, WRITE_BYTES_MAX, token, n);

	return size < 0 ? (struct slice){0} : slice_trim((struct slice){scratch, (size_t)size});
}

struct slice request_header(struct lws *wsi, enum lws_token_indexes token)
{
	return request_value(wsi, token, 0);
}

/* lws takes whatever stands there for one of the two. */
int request_minor_version(struct lws *wsi)
{
	struct slice version = request_header(wsi, WSI_TOKEN_HTTP);

	if (slice_is(version, "HTTP/1.1"))
		return 1;
	return slice_is(version, "HTTP/1.0") ? 0 : -1;
}

bool request_list_next(struct request_list *list, struct slice *item)
{
	while (list->rest.size == 0) {
		list->rest = request_value(list->wsi, list->token, list->value++);
		if (list->rest.data == NULL)
			return false;
	}
	const char *comma = memchr(list->rest.data, ',', list->rest.size);
	size_t size = comma != NULL ? (size_t)(comma - list->rest.data) : list->rest.size;
	*item = slice_trim((struct slice){list->rest.data, size});
	if (comma != NULL)
		size++;
	list->rest.data += size;
	list->rest.size -= size;
	return true;
}

bool request_lists(struct lws *wsi, enum lws_token_indexes token, const char *name)
{
	struct request_list list = {.wsi = wsi, .token = token};
	struct slice item;

	while (request_list_next(&list, &item))
		if (slice_equal_any_case(item, slice_of(name)))
			return true;
	return false;
}

static bool take(struct slice value, char name[NAME_MESH_BYTES_MAX], struct slice *mesh)
{
	if (!name_is_mesh(value))
		return false;
	memcpy(name, value.data, value.size);
	*mesh = (struct slice){name, value.size};
	return true;
}

static bool mesh_of_header(struct lws *wsi, char name[NAME_MESH_BYTES_MAX], struct slice *mesh)
{
	char *scratch = edge_of(wsi)->scratch;
	int size = lws_hdr_custom_copy(wsi, scratch, WRITE_BYTES_MAX, MESH_HEADER,
	                               sizeof(MESH_HEADER) - 1);

	return size < 0 || take(slice_trim((struct slice){scratch, (size_t)size}), name, mesh);
}

/*
 * Not lws_get_urlarg_by_name(): a longer argument before the one that is looked for would hide
 * it.
 */
static bool mesh_of_query(struct lws *wsi, char name[NAME_MESH_BYTES_MAX], struct slice *mesh)
{
	struct slice found = {0};

	for (int n = 0;; n++) {
		struct slice argument = request_value(wsi, WSI_TOKEN_HTTP_URI_ARGS, n);
		if (argument.data == NULL)
			return true;
		if (!slice_starts(argument, SLICE("mesh=")))
			continue;
		if (found.data != NULL)
			return false;
		argument.data += 5;
		argument.size -= 5;
		if (!take(argument, name, &found))
			return false;
		*mesh = found;
	}
}

bool request_mesh(struct lws *wsi, char name[NAME_MESH_BYTES_MAX], struct slice *mesh)
{
	const struct edge_settings *settings = &edge_of(wsi)->settings;

	*mesh = (struct slice){0};
	if (settings->mesh_by_header && !mesh_of_header(wsi, name, mesh))
		return false;
	if (mesh->data == NULL && settings->mesh_by_query && !mesh_of_query(wsi, name, mesh))
		return false;
	return true;
}

bool request_content_length(struct lws *wsi, uint64_t *length)
{
	struct slice text = request_header(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH);

	*length = 0;
	if (text.data == NULL)
		return true;
	/*
	 * Two lengths are how requests are smuggled; and lws would take whatever atoll() makes of
	 * this.
	 */
	return lws_hdr_fragment_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH, 1) == 0 &&
	       slice_number(text, length);
}

void request_peer(struct lws *wsi, struct ip *ip)
{
	struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
	socklen_t size = sizeof(address);

	getpeername(lws_get_socket_fd(wsi), (struct sockaddr *)&address, &size);
	if (!ip_from((struct sockaddr *)&address, ip))
		*ip = (struct ip){0};
}

bool request_is_local(struct lws *wsi)
{
	struct ip ip;

	request_peer(wsi, &ip);
	return ip_is_loopback(&ip) && lws_hdr_total_length(wsi, WSI_TOKEN_X_FORWARDED_FOR) == 0 &&
	       lws_hdr_custom_length(wsi, "forwarded:", 10) < 0 &&
	       lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_VIA) == 0;
}
