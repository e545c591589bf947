#include "common/utf8.h"

bool utf8_valid(struct slice text)
{
	uint32_t code;

	for (size_t i = 0; i < text.size;) {
		size_t size = utf8_decode(text.data + i, text.data + text.size, &code);
		if (size == 0)
			return false;
		i += size;
	}
	return true;
}
