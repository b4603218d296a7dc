/* SPDX-License-Identifier: GPL-2.0 */
/* Pages on their way back. */
#ifndef PVFAULT_PAGEIN_H
#define PVFAULT_PAGEIN_H

#include <stdbool.h>
#include <stdint.h>

#include "io.h"

#define MAX_TRANSFERS	128
#define RETRY_NS	100000000ULL	/* no memory, no place in the ring */

struct pager;

/**
 * struct transfer - a page between guest and file, with its buffer
 * @job: must be first
 * @pager: the pager
 * @gfn: which page; its number may change while it is under way
 * @slot: its place in the file
 * @used: belongs to a page
 * @written: it is in the file, and may go
 * @tries: how often what was read was wrong
 * @failing_ns: since when it can't be read; or 0
 * @pause_ns: how long until it is tried again
 * @again_ns: when that is
 */
struct transfer {
	struct io_job job;
	struct pager *pager;
	uint64_t gfn;
	uint32_t slot;
	bool used, written;
	unsigned int tries;
	uint64_t failing_ns, pause_ns, again_ns;
};

/**
 * struct pagein - pages being read
 * @in: one for each buffer
 * @nr: how many there are
 * @used: how many belong to a page
 * @waiting: of these, pages that Xen hasn't taken
 * @lacking: it was for lack of memory that the last of these wasn't taken
 * @complained_ns: when that was last said
 * @failing: pages that couldn't be read, and are tried again
 * @failed_ns: when that was last said
 * @turned_ns: when the last of them let another page have its turn
 */
struct pagein {
	struct transfer in[MAX_TRANSFERS];
	unsigned int nr, used, waiting, failing;
	bool lacking;
	uint64_t complained_ns, failed_ns, turned_ns;
};

/* Buffers for @nr transfers. Return: 0 or -ENOMEM. */
int transfers_init(struct pager *p, struct transfer *t, unsigned int nr, bool write,
		   void (*done)(struct io_job *job, int result));
void transfers_free(struct transfer *t, unsigned int nr);
struct transfer *transfers_get(struct transfer *t, unsigned int nr);

/* The page doesn't need its place in the file any more, if it has one. */
void pagein_free_slot(struct pager *p, uint32_t nr);

int pagein_init(struct pager *p, unsigned int depth);
void pagein_free(struct pager *p);

/**
 * pagein_want() - see to it that a page comes back, if it isn't on its way
 * @p: the pager
 * @nr: a page that isn't accessible
 * @asked: it has been touched
 */
void pagein_want(struct pager *p, uint32_t nr, bool asked);

/**
 * pagein_clear() - a page that the guest clears next comes back at once
 * @p: the pager
 * @nr: a page that isn't accessible
 *
 * Not if it is wanted for another touch, too, or is being read: another task that
 * waits for it may need what is in it.
 *
 * Return: whether the guest has a page of zeroes.
 */
bool pagein_clear(struct pager *p, uint32_t nr);

/* Read what is wanted, as far as there are buffers. */
void pagein_run(struct pager *p);

/* Offer Xen once more what it had no memory for; read again what couldn't be read. */
void pagein_retry(struct pager *p);

/* When to do so next, at the latest. */
uint64_t pagein_retry_ns(const struct pager *p);

/* A page is out, and no record says where: an earlier pager's are lost, or spoiled. */
void pagein_miss(struct pager *p, uint32_t nr);

/* The guest gave away a page that is LOADING. */
void pagein_forget(struct pager *p, uint32_t nr);

#endif /* PVFAULT_PAGEIN_H */
