#include "bus/slot.h"

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
