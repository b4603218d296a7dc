/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The page file: places for pages, and what is known of each.
 *
 *	octet 0			struct pagefile_header, twice, a page each
 *	table_offset		struct pagefile_slot for each place
 *	data_offset		the places, one page each
 *
 * It outlives its pager, so that another one can go on. It need not outlive dom0, because
 * no domain does. So data need not be on the disk, only with the kernel: the table is
 * mapped, and a record is written by storing it. The table's room on the disk is taken
 * when the file is opened, because a full disk could not be reported later. Only pages
 * go around dom0's page cache.
 *
 * The rules that make it safe to end at any point:
 * - A page leaves the guest after its content and then its record were written.
 * - A place is written only while its record in the file is empty.
 * - Of two records for one page the one with the higher sequence counts.
 * - A record that doesn't fit its checksum was being written: its page never left. That
 *   is believed, and the record erased, once Xen has counted no more pages out than are
 *   known.
 * - A page is nominated only after a record said so, because nothing else shows it.
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
 * enum pagefile_state - how a page file may be used
 * @PAGEFILE_FREE: nothing; it may be used for any domain
 * @PAGEFILE_USED: it holds, or held, pages of the domain
 * @PAGEFILE_TAKEN: as USED, and a pager that took the domain over may have paused it
 */
enum pagefile_state { PAGEFILE_FREE, PAGEFILE_USED, PAGEFILE_TAKEN };

/**
 * struct pagefile_header - the domain of these pages; little-endian
 * @magic: "pvfaultP"
 * @version: of this layout
 * @state: enum pagefile_state
 * @sequence: the copy with the higher one counts
 * @domid: number of the domain
 * @page_size: 4096
 * @uuid: of the domain
 * @boot: of dom0, because the same domain may come again after the next boot
 * @nr_slots: places that there can be
 * @table_offset: where the records begin
 * @data_offset: where the places begin
 * @nr_ranges: of the offer
 * @range: the offer; only these pages were ever taken away
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
 * enum pagefile_kind - the meaning of a record
 * @SLOT_FREE: nothing, as do 32 octets of 0
 * @SLOT_PAGE: the place holds a page
 * @SLOT_ZEROES: the page is full of zeroes, whatever the place holds
 * @SLOT_NOMINATED: the page may be nominated; nothing is in the place
 */
enum pagefile_kind { SLOT_FREE, SLOT_PAGE, SLOT_ZEROES, SLOT_NOMINATED };

/**
 * struct pagefile_slot - the record of a place; little-endian
 * @gfn: which page
 * @sequence: grows with each record
 * @sum: XXH3 of the content, seeded with @gfn, so that a page read from a wrong place
 *	is found, too
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
 * @path: where it is
 * @direct: pages go around the page cache
 * @header: the header, as last written
 * @sequence: of the last record
 * @table: the file's table, mapped: a record for each of @nr_slots places
 * @slot: the records, as far as they are known here
 * @adopt: it holds pages of this domain, whose pager has died
 * @torn: records that were being written then, or were spoiled since
 * @nr_slots: places that it may ever have
 * @made: places that were used at least once; @slot has their records
 * @used: places that hold a page now
 * @room: places for which @slot and @free have room
 * @limit: so many may be made; 0: as many as there can be
 * @free: places used before, free now
 * @nr_free: how many there are
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
 * @domain: the domain of its pages
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
