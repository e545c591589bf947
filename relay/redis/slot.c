#include "redis/slot.h"

unsigned slot_of(struct slice tag)
{
	unsigned crc = 0;

	for (size_t i = 0; i < tag.size; i++) {
		crc ^= (unsigned)(unsigned char)tag.data[i] << 8;
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1;
		crc &= 0xffff;
	}
	return crc % SLOT_COUNT;
}

/* Returns false if there is no name. */
static bool read_master(struct slice name, uint64_t port, const struct address_host *asked,
                        struct slot_range *range)
{
	if (port == 0 || port > UINT16_MAX)
		return false;
	range->master = (struct address_host){asked->name, (uint16_t)port};
	if (name.size == 0)
		return asked->name != NULL;
	if (name.size >= SLOT_HOST_BYTES_MAX || slice_is(name, "?"))
		return false;
	memcpy(range->text, name.data, name.size);
	range->text[name.size] = '\0';
	range->master.name = range->text;
	return true;
}

bool slot_read_range(const redisReply *item, const struct address_host *asked,
                     struct slot_range *range)
{
	const redisReply *master = reply_item(item, 2);
	uint64_t first = reply_number(reply_item(item, 0), SLOT_COUNT);
	uint64_t last = reply_number(reply_item(item, 1), SLOT_COUNT);

	if (first > last || last >= SLOT_COUNT)
		return false;
	range->first = (unsigned)first;
	range->last = (unsigned)last;
	return read_master(reply_text(reply_item(master, 0)),
	                   reply_number(reply_item(master, 1), 0), asked, range);
}

/* Takes what is before the last `separator` of `text` as `word`, and leaves what is behind it. */
static bool cut_last(struct slice *text, char separator, struct slice *word)
{
	const char *at = memrchr(text->data, separator, text->size);

	if (at == NULL)
		return false;
	*word = (struct slice){text->data, (size_t)(at - text->data)};
	text->size -= word->size + 1;
	text->data = at + 1;
	return true;
}

/* The host may be left out, and may have colons. */
bool slot_read_moved(struct slice error, const struct address_host *asked, struct slot_range *range)
{
	const struct slice start = SLICE("MOVED ");
	struct slice host;
	struct slice number;
	uint64_t slot;
	uint64_t port;

	if (!slice_starts(error, start))
		return false;
	error.data += start.size;
	error.size -= start.size;
	if (!cut_last(&error, ':', &host) || !slice_number(error, &port) ||
	    !cut_last(&host, ' ', &number) || !slice_number(number, &slot) || slot >= SLOT_COUNT)
		return false;
	range->first = range->last = (unsigned)slot;
	return read_master(host, port, asked, range);
}
