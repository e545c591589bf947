#include "websocket.h"

void websocket_append_request(struct buffer *out, const char *target)
{
	buffer_printf(out,
	              "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
	              "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
	              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
	              target);
}

size_t websocket_read_answer(struct slice bytes, int *status)
{
	const char *end = memmem(bytes.data, bytes.size, "\r\n\r\n", 4);
	uint64_t number;

	if (end == NULL)
		return 0;
	size_t size = (size_t)(end - bytes.data) + 4;
	*status = 0;
	if (size > 13 && slice_starts(bytes, SLICE("HTTP/1.1 ")) &&
	    slice_number((struct slice){bytes.data + 9, 3}, &number))
		*status = (int)number;
	/* RFC 6455 section 1.3 has the answer to this key. */
	if (*status == 101 && memmem(bytes.data, size, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", 28) == NULL)
		*status = 0;
	return size;
}

void websocket_append_frame(struct buffer *out, enum websocket_opcode opcode, struct slice payload)
{
	uint8_t head[14] = {(uint8_t)(0x80 | opcode)};
	size_t size = 2;

	if (payload.size < 126) {
		head[1] = (uint8_t)(0x80 | payload.size);
	} else if (payload.size < 65536) {
		head[1] = 0x80 | 126;
		head[2] = (uint8_t)(payload.size >> 8);
		head[3] = (uint8_t)payload.size;
		size = 4;
	} else {
		head[1] = 0x80 | 127;
		for (int i = 0; i < 8; i++)
			head[2 + i] = (uint8_t)(payload.size >> (56 - 8 * i));
		size = 10;
	}
	buffer_append(out, (struct slice){(const char *)head, size + 4});
	buffer_append(out, payload);
}

size_t websocket_read_frame(struct slice bytes, struct websocket_frame *frame)
{
	const uint8_t *head = (const uint8_t *)bytes.data;
	size_t begin = 2;

	if (bytes.size < 2)
		return 0;
	frame->opcode = (enum websocket_opcode)(head[0] & 0x0f);
	frame->last = head[0] & 0x80;
	frame->masked = head[1] & 0x80;
	uint64_t size = head[1] & 0x7f;
	if (size >= 126) {
		size_t extended = size == 126 ? 2 : 8;

		begin += extended;
		if (bytes.size < begin)
			return 0;
		size = 0;
		for (size_t i = 0; i < extended; i++)
			size = size << 8 | head[2 + i];
	}
	if (bytes.size - begin < size)
		return 0;
	frame->payload = (struct slice){bytes.data + begin, (size_t)size};
	return begin + (size_t)size;
}
