#include "wire/name.h"

#include "common/utf8.h"

/* C0, DEL and C1. */
static bool is_control(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0);
}

#define EACH_BYTE(byte) (0x0101010101010101U * (byte))

static bool is_printable_word(const char *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
	/* A high bit comes from 0x80 and more, from below 0x20, from 0x7f, or over from one of them. */
	uint64_t odd = word | (word - EACH_BYTE(0x20U)) | (word + EACH_BYTE(1U));
	return (odd & EACH_BYTE(0x80U)) == 0;
}

/* Is it printable ASCII, at least eight bytes of it? Nearly all names are. */
static bool is_plain(struct slice text)
{
	if (text.size < 8)
		return false;
	for (size_t i = 0; i + 8 < text.size; i += 8) {
		if (!is_printable_word(text.data + i))
			return false;
	}
	return is_printable_word(text.data + text.size - 8);
}

static bool is_printable(struct slice text)
{
	const char *end = text.data + text.size;
	uint32_t code;

	if (is_plain(text))
		return true;
	for (const char *at = text.data; at < end;) {
		size_t size = utf8_decode(at, end, &code);
		if (size == 0 || is_control(code))
			return false;
		at += size;
	}
	return true;
}

bool name_is_id(struct slice name)
{
	return name.size >= 1 && name.size <= NAME_ID_BYTES_MAX && is_printable(name);
}

bool name_is_type(struct slice name)
{
	return name.size >= 1 && name.size <= NAME_TYPE_BYTES_MAX && is_printable(name);
}

bool name_is_mesh(struct slice name)
{
	if (name.size < 1 || name.size > NAME_MESH_BYTES_MAX)
		return false;
	for (size_t i = 0; i < name.size; i++) {
		char c = name.data[i];
		bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		if (!is_letter && !(c >= '0' && c <= '9') && c != '_' && c != '.' && c != '-')
			return false;
	}
	return true;
}
