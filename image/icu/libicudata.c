// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * ICU's library of data, without data: what languages are sorted and written like, 32 MB.
 *
 * Samba alone is linked with ICU, and asks it for something only where its settings name the character set UTF8-NFC or
 * UTF8-NFD, which ours never do.  Whoever asked would hear that there is none (U_FILE_ACCESS_ERROR).
 */
#include <stdint.h>

struct data {
	uint16_t head; /* bytes until the table of contents */
	uint8_t magic[2];
	uint16_t information;
	uint16_t none;
	uint8_t big_endian, character_set, character_bytes, nothing;
	uint8_t format[4], format_version[4], version[4];
	uint8_t rest[8];
	uint32_t entries;
};

const struct data NAME __attribute__((aligned(16))) = {
	.head = 32,
	.magic = { 0xda, 0x27 },
	.information = 20,
	.character_bytes = 2,
	.format = "CmnD",
	.format_version = { 1 },
	.entries = 0,
};
