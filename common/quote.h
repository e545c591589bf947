/* Text as a JSON string, fit for clients, log files and terminals, whatever is in it. */
#pragma once

#include "common/buffer.h"
#include "common/text.h"

/*
 * Appends the text with quotes around. Quotes, backslashes, control characters (C0, DEL, C1) and
 * the separators U+2028 and U+2029 are escaped; a byte that is not UTF-8 becomes U+FFFD.
 */
void quote_append(struct buffer *out, struct slice text);
