/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The page file: places for pages, and a checksum of each.
 *
 *	octet 0			struct pagefile_header, one page
 *	meta_offset		struct pagefile_slot for each place, whole pages
 *	data_offset		the places, one page each
 *
 * The table of places has its room in the file, so that a later pager can find
 * out what lies where after this one died. Today the table is kept in memory
 * only, and its room in the file is a hole.
 */
#ifndef PVFAULT_PAGEFILE_H
#define PVFAULT_PAGEFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "xenif.h"

#define PAGEFILE_MAGIC		"pvfaultP"
#define PAGEFILE_VERSION	1

/**
 * struct pagefile_header - what a page file begins with; little-endian
 * @in_use: 1 while a pager uses it; what it held then is not known any more
 * @uuid: of the domain whose pages these are
 * @sum: XXH3 of all before it
 */
struct pagefile_header {
	char magic[8];
	uint32_t version;
	uint32_t in_use;
	uint32_t domid;
	uint32_t page_size;
	uint8_t uuid[16];
	uint64_t nr_slots;
	uint64_t meta_offset;
	uint64_t data_offset;
	uint64_t sum;
};

/**
 * struct pagefile_slot - what lies in a place; little-endian
 * @gfn: which page, or ~0
 * @sum: XXH3 of its content, seeded with @gfn: what was read from a wrong place
 *	is as wrong as what has changed
 */
struct pagefile_slot {
	uint64_t gfn;
	uint64_t sum;
};

/**
 * struct pagefile - an open page file
 * @nr_slots: places that it may ever have
 * @made: places that were used at least once; their table is in @slot
 * @used: places that hold a page now
 * @free, @nr_free: places used before, free now
 */
struct pagefile {
	int fd;
	const char *path;
	bool direct;
	struct pagefile_header *header;
	uint32_t nr_slots, made, used, room;
	struct pagefile_slot *slot;
	uint32_t *free;
	uint32_t nr_free;
};

/**
 * pagefile_open() - open or make a page file, and lock it
 * @f: where to put it
 * @path: where it is
 * @x: tells whether the domain is alive that an earlier pager left in it
 * @domain: whose pages it will hold
 *
 * A file that isn't a page file is not touched.
 *
 * Return: 0 or an enum exitcode; then it has said why.
 */
int pagefile_open(struct pagefile *f, const char *path, struct xenif *x,
		  const struct xenif_domain *domain);

/* Give up all places, mark it as not in use, and make it small. */
void pagefile_close(struct pagefile *f);

/* A free place, or SLOT_NONE if there is none, or no memory for its entry. */
uint32_t pagefile_get(struct pagefile *f);
void pagefile_put(struct pagefile *f, uint32_t slot);

uint64_t pagefile_offset(const struct pagefile *f, uint32_t slot);

/* Remember what is going to be written, and compare it to what was read. */
void pagefile_seal(struct pagefile *f, uint32_t slot, uint64_t gfn, const void *page);
bool pagefile_check(const struct pagefile *f, uint32_t slot, uint64_t gfn,
		    const void *page);

/* Pages full of zeroes need no place. */
bool pagefile_is_zero(const void *page);

#endif /* PVFAULT_PAGEFILE_H */
