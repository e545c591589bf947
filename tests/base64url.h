/* The other half of common/base64url, which the relay does not need. */
#pragma once

#include "common/buffer.h"

static inline void base64url_append(struct buffer *out, struct slice bytes)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	uint32_t held = 0;
	unsigned bits = 0;

	for (size_t i = 0; i < bytes.size; i++) {
		held = held << 8 | (unsigned char)bytes.data[i];
		for (bits += 8; bits >= 6; bits -= 6)
			buffer_append(out, (struct slice){&alphabet[held >> (bits - 6) & 63], 1});
	}
	if (bits > 0)
		buffer_append(out, (struct slice){&alphabet[held << (6 - bits) & 63], 1});
}
