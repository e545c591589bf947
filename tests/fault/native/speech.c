#include "speech.h"

/* Takes the word off the begin of the text, if it is there. */
static bool eat(struct slice *text, struct slice word)
{
	if (!slice_starts(*text, word))
		return false;
	text->data += word.size;
	text->size -= word.size;
	return true;
}

static bool eat_number(struct slice *text, uint32_t *number)
{
	size_t digits = 0;
	uint64_t value = 0;

	while (digits < text->size && digits < 10 && text->data[digits] >= '0' &&
	       text->data[digits] <= '9')
		value = value * 10 + (uint64_t)(text->data[digits++] - '0');
	if (digits == 0 || value > UINT32_MAX)
		return false;
	*number = (uint32_t)value;
	text->data += digits;
	text->size -= digits;
	return true;
}

/* Goes behind the first of these words. */
static bool skip_to(struct slice *text, struct slice word)
{
	const char *found = memmem(text->data, text->size, word.data, word.size);

	if (found == NULL)
		return false;
	text->size -= (size_t)(found - text->data) + word.size;
	text->data = found + word.size;
	return true;
}

/* After the type. */
static bool hear_payload(struct slice text, struct heard *heard, bool direct)
{
	uint32_t from, to;

	return eat(&text, SLICE(",\"from\":\"p")) && eat_number(&text, &heard->other) &&
	       (!direct || (eat(&text, SLICE("\",\"to\":\"p")) && eat_number(&text, &to))) &&
	       eat(&text, SLICE("\",\"data\":{\"f\":")) && eat_number(&text, &from) &&
	       from == heard->other && eat(&text, SLICE(",\"s\":")) &&
	       eat_number(&text, &heard->number) && eat(&text, SLICE(",\"fill\":\""));
}

static bool hear_presence(struct slice text, struct heard *heard)
{
	if (!eat(&text, SLICE(",\"from\":\"p")) || !eat_number(&text, &heard->other) ||
	    !eat(&text, SLICE("\",\"data\":{\"status\":\"")))
		return false;
	heard->kind = eat(&text, SLICE("online\"")) ? RECORD_GOT_ONLINE : RECORD_GOT_OFFLINE;
	if (heard->kind == RECORD_GOT_OFFLINE)
		return eat(&text, SLICE("offline\"}"));
	if (eat(&text, SLICE(",\"v\":")) && !eat_number(&text, &heard->number))
		return false;
	return eat(&text, SLICE("}"));
}

static uint8_t error_code(struct slice *text)
{
	static const char *const names[] = {
		[FAULT_ERROR_PEER_NOT_FOUND] = "peer_not_found\"",
		[FAULT_ERROR_PEER_UNREACHABLE] = "peer_unreachable\"",
		[FAULT_ERROR_BUS_UNAVAILABLE] = "bus_unavailable\"",
		[FAULT_ERROR_RATE_LIMITED] = "rate_limited\"",
		[FAULT_ERROR_NO_PRESENCE] = "no_presence\"",
		[FAULT_ERROR_MESH_FULL] = "mesh_full\"",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i] != NULL && eat(text, slice_of(names[i])))
			return (uint8_t)i;
	return FAULT_ERROR_OTHER;
}

static bool hear_error(struct slice text, struct heard *heard)
{
	struct slice rest;

	if (!skip_to(&text, SLICE("\"data\":{\"code\":\"")))
		return false;
	heard->code = error_code(&text);
	rest = text;
	heard->about_presence = skip_to(&rest, SLICE("\"type\":\"presence\""));
	rest = text;
	if (!skip_to(&rest, SLICE("\"id\":")) || !eat_number(&rest, &heard->number))
		heard->number = NO_NUMBER;
	if (heard->code == FAULT_ERROR_BUS_UNAVAILABLE &&
	    skip_to(&text, SLICE("\"delivered\":\"unknown\"")))
		heard->code = FAULT_ERROR_BUS_UNAVAILABLE_UNKNOWN;
	return true;
}

static bool hear(struct slice text, struct heard *heard)
{
	if (eat(&text, SLICE("{\"timestamp\":"))) /* inserted by the relay */
		skip_to(&text, SLICE(",\"type\":\""));
	else if (!eat(&text, SLICE("{\"type\":\"")))
		return false;
	if (eat(&text, SLICE("direct\""))) {
		heard->fence = memmem(text.data, text.size, "\"data\":\"fence\"", 14) != NULL;
		if (heard->fence)
			return true;
		heard->kind = RECORD_GOT_DIRECT;
		return hear_payload(text, heard, true);
	}
	if (eat(&text, SLICE("broadcast\""))) {
		heard->kind = RECORD_GOT_BROADCAST;
		return hear_payload(text, heard, false);
	}
	if (eat(&text, SLICE("presence\"")))
		return hear_presence(text, heard);
	if (eat(&text, SLICE("error\""))) {
		heard->kind = RECORD_GOT_ERROR;
		return hear_error(text, heard);
	}
	if (eat(&text, SLICE("drain\""))) {
		heard->kind = RECORD_GOT_DRAIN;
		return skip_to(&text, SLICE("\"reconnect_ms\":")) &&
		       eat_number(&text, &heard->number);
	}
	heard->kind = RECORD_GOT_RESYNC;
	if (eat(&text, SLICE("resync\"")))
		return true;
	heard->kind = RECORD_JOINED;
	return eat(&text, SLICE("capabilities_response\""));
}

struct heard speech_hear(struct slice text)
{
	struct heard heard = {.kind = RECORD_GOT_STRANGE};

	if (!hear(text, &heard))
		heard = (struct heard){.kind = RECORD_GOT_STRANGE};
	return heard;
}

struct slice speech_capabilities(struct buffer *out, bool events)
{
	buffer_clear(out);
	buffer_printf(out, "{\"type\":\"capabilities\",\"data\":{\"accept\":[%s]}}",
	              events ? "\"events\"" : "");
	return buffer_slice(out);
}

struct slice speech_presence(struct buffer *out, uint32_t peer, uint32_t version)
{
	buffer_clear(out);
	buffer_printf(out,
	              "{\"type\":\"presence\",\"from\":\"p%u\",\"data\":{\"status\":\"online\"",
	              peer);
	if (version > 0)
		buffer_printf(out, ",\"v\":%u", version);
	buffer_printf(out, "},\"timestamp\":1}");
	return buffer_slice(out);
}

struct slice speech_offline(struct buffer *out, uint32_t peer)
{
	buffer_clear(out);
	buffer_printf(out,
	              "{\"type\":\"presence\",\"from\":\"p%u\",\"data\":{\"status\":\"offline\"},"
	              "\"timestamp\":1}",
	              peer);
	return buffer_slice(out);
}

/* Data that differs from peer to peer, or it would be taken for an echo; and an id for the error. */
static struct slice finish(struct buffer *out, uint32_t peer, uint32_t number, size_t fill_bytes)
{
	buffer_printf(out, ",\"data\":{\"f\":%u,\"s\":%u,\"fill\":\"", peer, number);
	memset(buffer_reserve(out, fill_bytes + 1), 'x', fill_bytes);
	out->size += fill_bytes;
	buffer_printf(out, "\"},\"id\":%u}", number);
	return buffer_slice(out);
}

struct slice speech_fence(struct buffer *out, uint32_t peer)
{
	buffer_clear(out);
	buffer_printf(out,
	              "{\"type\":\"direct\",\"from\":\"p%u\",\"to\":\"p%u\",\"data\":\"fence\"}",
	              peer, peer);
	return buffer_slice(out);
}

struct slice speech_direct(struct buffer *out, uint32_t peer, uint32_t to, uint32_t number,
                           size_t fill_bytes)
{
	buffer_clear(out);
	buffer_printf(out, "{\"type\":\"direct\",\"from\":\"p%u\",\"to\":\"p%u\"", peer, to);
	return finish(out, peer, number, fill_bytes);
}

struct slice speech_broadcast(struct buffer *out, uint32_t peer, uint32_t number, size_t fill_bytes)
{
	buffer_clear(out);
	buffer_printf(out, "{\"type\":\"broadcast\",\"from\":\"p%u\"", peer);
	return finish(out, peer, number, fill_bytes);
}
