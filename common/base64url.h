/* Base64url without padding (RFC 4648 section 5, as RFC 7515 section 2 wants it). */
#pragma once

#include "common/text.h"

/* How many bytes that many characters may stand for, at most. */
#define BASE64URL_BYTES(characters) ((characters) / 4 * 3 + 2)

/*
 * Decodes all of the text into `out`. Bytes have exactly one spelling: returns false if there is
 * anything but the alphabet (padding and line breaks are not in it), if a bit is left over that is
 * not zero, or if the result is longer than `capacity`.
 */
bool base64url_decode(struct slice text, char *out, size_t capacity, struct slice *bytes);
