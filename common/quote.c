#include "common/quote.h"

#include "common/utf8.h"

/* Printable ASCII without quotes and backslashes: nearly all there is. */
static inline bool is_plain(char c)
{
	return c >= ' ' && c <= '~' && c != '"' && c != '\\';
}

static bool needs_escape(uint32_t code)
{
	return code < 0x20 || code == '"' || code == '\\' || (code >= 0x7f && code < 0xa0) ||
	       code == 0x2028 || code == 0x2029;
}

static void append_escape(struct buffer *out, uint32_t code)
{
	static const char meanings[] = "\"\\\n\r\t";
	static const char letters[] = "\"\\nrt";
	const char *meaning =
		code < 0x80 ? memchr(meanings, (int)code, sizeof(meanings) - 1) : NULL;

	if (meaning == NULL) {
		buffer_printf(out, "\\u%04x", (unsigned)code);
		return;
	}
	char escape[] = {'\\', letters[meaning - meanings]};
	buffer_append(out, (struct slice){escape, sizeof(escape)});
}

void quote_append(struct buffer *out, struct slice text)
{
	size_t done = 0;
	size_t at = 0;
	uint32_t code;

	buffer_append(out, SLICE("\""));
	while (at < text.size) {
		if (is_plain(text.data[at])) {
			at++;
			continue;
		}
		size_t size = utf8_decode(text.data + at, text.data + text.size, &code);
		if (size == 0 || needs_escape(code)) {
			buffer_append(out, (struct slice){text.data + done, at - done});
			append_escape(out, size == 0 ? 0xfffd : code);
			at += size == 0 ? 1 : size;
			done = at;
		} else {
			at += size;
		}
	}
	if (at > done)
		buffer_append(out, (struct slice){text.data + done, at - done});
	buffer_append(out, SLICE("\""));
}
