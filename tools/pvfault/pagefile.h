/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The page file: places for pages, and what is known of each.
 *
 *	octet 0			struct pagefile_header, twice, a page each
 *	table_offset		struct pagefile_slot for each place
 *	data_offset		the places, one page each
 *
 * It outlives its pager, so that another one can go on. Both die with dom0, for
 * so do all domains: what was written need not be on the disk, it has to be with
 * the kernel. So the table is mapped: a record is written by storing it. Its room
 * is taken when the file is opened, for a full disk couldn't be told later. Only
 * pages go around dom0's page cache.
 *
 * The rules that make it safe to end at any point:
 * - A page leaves the guest after its content and then its record were written.
 * - A place is written only while its record in the file is empty.
 * - Of two records for one page the one with the higher sequence counts.
 * - A record that doesn't fit its checksum was being written: its page never left. That
 *   is believed, and the record erased, once Xen has counted no more pages out than are
 *   known.
 * - A page is nominated only after a record said so: nobody else can find it.
 */
#ifndef PVFAULT_PAGEFILE_H
#define PVFAULT_PAGEFILE_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "offer.h"
#include "xenif.h"

#define PAGEFILE_MAGIC		"pvfaultP"
#define PAGEFILE_VERSION	3
#define PAGEFILE_HEADERS	2

/* Where dom0's kernel tells which boot this is; tests put another one here. */
extern const char *pagefile_boot_id;

/**
 * enum pagefile_state - what a page file is good for
 * @PAGEFILE_FREE: nothing; it may be used for any domain
 * @PAGEFILE_USED: it holds, or held, pages of the domain
 * @PAGEFILE_TAKEN: as USED, and a pager that took the domain over may have paused it
 */
enum pagefile_state { PAGEFILE_FREE, PAGEFILE_USED, PAGEFILE_TAKEN };

/**
 * struct pagefile_header - whose pages these are; little-endian
 * @state: enum pagefile_state
 * @sequence: the copy with the higher one counts
 * @uuid: of the domain
 * @boot: of dom0, for the same domain may come again after the next boot
 * @nr_slots: places that there can be
 * @offer: only these pages were ever taken away
 * @sum: XXH3 of all before it
 */
struct pagefile_header {
	char magic[8];
	uint32_t version;
	uint32_t state;
	uint64_t sequence;
	uint32_t domid;
	uint32_t page_size;
	uint8_t uuid[16];
	uint8_t boot[16];
	uint64_t nr_slots;
	uint64_t table_offset;
	uint64_t data_offset;
	uint64_t nr_ranges;
	struct {
		uint64_t start, count;
	} range[XEN_PVFAULT_MAX_RANGES];
	uint64_t sum;
};

/**
 * enum pagefile_kind - what a record says
 * @SLOT_FREE: nothing, as do 32 octets of 0
 * @SLOT_PAGE: the place holds a page
 * @SLOT_ZEROES: the page is full of zeroes, whatever the place holds
 * @SLOT_NOMINATED: the page may be nominated; nothing is in the place
 */
enum pagefile_kind { SLOT_FREE, SLOT_PAGE, SLOT_ZEROES, SLOT_NOMINATED };

/**
 * struct pagefile_slot - what lies in a place; little-endian
 * @gfn: which page
 * @sequence: grows with each record
 * @sum: XXH3 of the content, seeded with @gfn: what was read from a wrong place is
 *	as wrong as what has changed
 * @kind: enum pagefile_kind
 * @check: half of an XXH3 of all before it, seeded with the number of the place
 */
struct pagefile_slot {
	uint64_t gfn;
	uint64_t sequence;
	uint64_t sum;
	uint32_t kind;
	uint32_t check;
};

static_assert(sizeof(struct pagefile_header) <= XEN_PAGE, "a header fits into a page");
static_assert(XEN_PAGE % sizeof(struct pagefile_slot) == 0, "no record spans two pages");

/**
 * struct pagefile - an open page file
 * @fd: for pages
 * @table_fd: for the rest, by the page cache
 * @table: what the file says of each of @nr_slots places
 * @adopt: it holds pages of this domain, whose pager has died
 * @torn: records that were being written then, or were spoiled since
 * @nr_slots: places that it may ever have
 * @made: places that were used at least once; what they hold is in @slot
 * @used: places that hold a page now
 * @limit: so many may be made; 0: as many as there can be
 * @free, @nr_free: places used before, free now
 */
struct pagefile {
	int fd, table_fd;
	const char *path;
	bool direct, adopt;
	struct pagefile_header *header;
	uint64_t sequence;
	uint32_t nr_slots, made, used, room, torn, limit;
	struct pagefile_slot *slot, *table;
	uint32_t *free;
	uint32_t nr_free;
};

/**
 * pagefile_open() - open or make a page file, and lock it
 * @f: where to put it
 * @path: where it is
 * @x: tells whether the domain is alive that an earlier pager left in it
 * @domain: whose pages it will hold, or holds: see @adopt
 * @most_pages: so many places it may need
 *
 * A file that isn't a page file is not touched.
 *
 * Return: 0 or an enum exitcode; then it has said why.
 */
int pagefile_open(struct pagefile *f, const char *path, struct xenif *x,
		  const struct xenif_domain *domain, uint64_t most_pages);

/* Give up all places, mark it as free, and make it small. */
void pagefile_close(struct pagefile *f);

/* Give back its room, if no place holds a page. */
void pagefile_shrink(struct pagefile *f);

/* Close it as it is: it holds pages that another pager may bring back. */
void pagefile_leave(struct pagefile *f);

/* Write another state, or offer, into it. Return: 0 or a negative errno. */
int pagefile_set_state(struct pagefile *f, enum pagefile_state state);
int pagefile_set_offer(struct pagefile *f, const struct offer *offer);
void pagefile_offer(const struct pagefile *f, struct offer *offer);

/* slots.c: take over the table of an earlier life. Return: 0 or -ENOMEM. */
int pagefile_read_table(struct pagefile *f);

/* Read it once more. */
void pagefile_forget_table(struct pagefile *f);

/* A free place with an empty record, or SLOT_NONE and errno. */
uint32_t pagefile_get(struct pagefile *f);
void pagefile_put(struct pagefile *f, uint32_t slot);

/* Has it a record in the file, of whatever kind? */
bool pagefile_in_use(const struct pagefile *f, uint32_t slot);

uint64_t pagefile_offset(const struct pagefile *f, uint32_t slot);

/* Remember what is going to be written, and compare it to what was read. */
void pagefile_seal(struct pagefile *f, uint32_t slot, uint64_t gfn, const void *page);
void pagefile_seal_zeroes(struct pagefile *f, uint32_t slot, uint64_t gfn);
bool pagefile_check(const struct pagefile *f, uint32_t slot, uint64_t gfn,
		    const void *page);
bool pagefile_zeroes(const struct pagefile *f, uint32_t slot);

/* Write the record: from now on the page may leave. */
void pagefile_commit(struct pagefile *f, uint32_t slot);

/* Write that the page is going to be nominated. */
void pagefile_note_nominated(struct pagefile *f, uint32_t slot, uint64_t gfn);

/* Pages full of zeroes need no room. */
bool pagefile_is_zero(const void *page);

#endif /* PVFAULT_PAGEFILE_H */
