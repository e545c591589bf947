#include "edge/answer.h"

static const char *reason_of(unsigned status)
{
	switch (status) {
	case 200:
		return "OK";
	case 400:
		return "Bad Request";
	case 401:
		return "Unauthorized";
	case 403:
		return "Forbidden";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 411:
		return "Length Required";
	case 413:
		return "Content Too Large";
	case 426:
		return "Upgrade Required";
	case 429:
		return "Too Many Requests";
	default:
		return "Service Unavailable";
	}
}

static bool write_whole(struct lws *wsi, const struct answer *answer)
{
	struct buffer out = {0};

	buffer_printf(&out,
	              "HTTP/1.1 %u %s\r\n"
	              "Content-Type: %s\r\n"
	              "Content-Length: %zu\r\n"
	              "Cache-Control: no-store\r\n"
	              "X-Content-Type-Options: nosniff\r\n"
	              "%s%s\r\n",
	              answer->status, reason_of(answer->status),
	              answer->type != NULL ? answer->type : "application/json", answer->body.size,
	              answer->last ? "Connection: close\r\n" : "",
	              answer->headers != NULL ? answer->headers : "");
	if (!answer->without_body)
		buffer_append(&out, answer->body);

	bool written =
		lws_write(wsi, (unsigned char *)out.data, out.size, LWS_WRITE_HTTP_FINAL) >= 0;
	buffer_fini(&out);
	return written;
}

int answer_write(struct lws *wsi, const struct answer *answer)
{
	if (!write_whole(wsi, answer))
		return -1;
	/* What the kernel did not take is sent before lws closes. */
	if (answer->last)
		return -1;
	return lws_http_transaction_completed(wsi) != 0 ? -1 : 0;
}

static bool write_error(struct lws *wsi, unsigned status, const char *why, const char *headers)
{
	char body[256];
	struct request request;
	int size = snprintf(body, sizeof(body), "{\"error\":\"%s\"}\n", why);

	return write_whole(wsi,
	                   &(struct answer){
				   .status = status,
				   .body = {body, (size_t)size < sizeof(body) ? (size_t)size
	                                                                      : sizeof(body) - 1},
				   .headers = headers,
				   .without_body = request_read(wsi, &request) &&
	                                           request.method == METHOD_HEAD,
				   .last = true,
			   });
}

int answer_error(struct lws *wsi, unsigned status, const char *why, const char *headers)
{
	write_error(wsi, status, why, headers);
	return -1;
}

int answer_refusal(struct lws *wsi, unsigned status, const char *why, const char *headers)
{
	return write_error(wsi, status, why, headers) ? 1 : -1;
}
