// SPDX-License-Identifier: GPL-2.0
/* The places of a page file and their records, see pagefile.h. */

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xxhash.h>

#include "pagefile.h"
#include "pages.h"

static uint32_t record_sum(const struct pagefile_slot *s, uint64_t slot)
{
	return XXH3_64bits_withSeed(s, offsetof(struct pagefile_slot, check), slot);
}

static bool is_empty(const struct pagefile_slot *s)
{
	static const struct pagefile_slot empty;

	return !memcmp(s, &empty, sizeof(empty));
}

static bool grow(struct pagefile *f, uint64_t room)
{
	void *p;

	if (room > f->nr_slots)
		room = f->nr_slots;
	if (room <= f->made)
		return false;
	p = realloc(f->slot, room * sizeof(*f->slot));
	if (!p)
		return false;
	f->slot = p;
	p = realloc(f->free, room * sizeof(*f->free));
	if (!p)
		return false;
	f->free = p;
	f->room = room;
	return true;
}

uint32_t pagefile_get(struct pagefile *f)
{
	uint32_t slot;

	if (f->nr_free) {
		slot = f->free[--f->nr_free];
	} else {
		if (f->limit && f->made >= f->limit) {
			errno = EDQUOT;
			return SLOT_NONE;
		}
		if (f->made == f->room && !grow(f, f->room ? f->room * 2ULL : 4096)) {
			errno = ENOMEM;
			return SLOT_NONE;
		}
		slot = f->made++;
	}
	f->slot[slot] = (struct pagefile_slot) { .gfn = ~0ULL };
	f->used++;
	return slot;
}

void pagefile_put(struct pagefile *f, uint32_t slot)
{
	f->free[f->nr_free++] = slot;
	f->used--;
	f->slot[slot] = (struct pagefile_slot) { .gfn = ~0ULL };
	f->table[slot] = (struct pagefile_slot) { 0 };
}

uint64_t pagefile_offset(const struct pagefile *f, uint32_t slot)
{
	return f->header->data_offset + (uint64_t)slot * XEN_PAGE;
}

void pagefile_seal(struct pagefile *f, uint32_t slot, uint64_t gfn, const void *page)
{
	f->slot[slot] = (struct pagefile_slot) {
		.gfn = gfn,
		.sum = XXH3_64bits_withSeed(page, XEN_PAGE, gfn),
		.kind = SLOT_PAGE,
	};
}

void pagefile_seal_zeroes(struct pagefile *f, uint32_t slot, uint64_t gfn)
{
	f->slot[slot] = (struct pagefile_slot) {
		.gfn = gfn,
		.kind = SLOT_ZEROES,
	};
}

bool pagefile_check(const struct pagefile *f, uint32_t slot, uint64_t gfn,
		    const void *page)
{
	return f->slot[slot].gfn == gfn &&
	       f->slot[slot].sum == XXH3_64bits_withSeed(page, XEN_PAGE, gfn);
}

bool pagefile_zeroes(const struct pagefile *f, uint32_t slot)
{
	return f->slot[slot].kind == SLOT_ZEROES;
}

void pagefile_commit(struct pagefile *f, uint32_t slot)
{
	struct pagefile_slot *s = &f->slot[slot];

	s->sequence = ++f->sequence;
	s->check = record_sum(s, slot);
	f->table[slot] = *s;
}

void pagefile_note_nominated(struct pagefile *f, uint32_t slot, uint64_t gfn)
{
	f->slot[slot] = (struct pagefile_slot) { .gfn = gfn, .kind = SLOT_NOMINATED };
	pagefile_commit(f, slot);
}

/* A record as it was found. */
static int take_record(struct pagefile *f, uint32_t slot, const struct pagefile_slot *s)
{
	bool good = s->kind >= SLOT_PAGE && s->kind <= SLOT_NOMINATED && s->sequence &&
		    s->check == record_sum(s, slot);

	if (is_empty(s))
		return 0;
	while (slot >= f->room)
		if (!grow(f, f->room ? f->room * 2ULL : 4096))
			return -ENOMEM;
	/* Those between are free. */
	while (f->made <= slot) {
		f->slot[f->made] = (struct pagefile_slot) { .gfn = ~0ULL };
		f->free[f->nr_free++] = f->made++;
	}
	f->nr_free--;
	f->used++;
	f->slot[slot] = *s;
	if (good) {
		if (s->sequence > f->sequence)
			f->sequence = s->sequence;
		return 0;
	}
	/* The page of this record is unknown, so the record stays, and so does its place. */
	f->torn++;
	f->slot[slot] = (struct pagefile_slot) { .gfn = ~0ULL };
	return 0;
}

int pagefile_read_table(struct pagefile *f)
{
	struct pagefile_slot s;
	uint64_t slot;
	int rc = 0;

	for (slot = 0; slot < f->nr_slots && !rc; slot++) {
		s = f->table[slot];
		rc = take_record(f, slot, &s);
	}
	return rc;
}

void pagefile_forget_table(struct pagefile *f)
{
	f->made = 0;
	f->used = 0;
	f->nr_free = 0;
	f->torn = 0;
}

bool pagefile_in_use(const struct pagefile *f, uint32_t slot)
{
	return !is_empty(&f->table[slot]);
}

bool pagefile_is_zero(const void *page)
{
	const uint64_t *word = page;

	/* Most other pages have a first word that isn't zero. If it is, compare all to it. */
	return !*word && !memcmp(word, word + 1, XEN_PAGE - sizeof(*word));
}
