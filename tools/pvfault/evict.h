/* SPDX-License-Identifier: GPL-2.0 */
/* Pages on their way out. */
#ifndef PVFAULT_EVICT_H
#define PVFAULT_EVICT_H

#include <stdbool.h>
#include <stdint.h>

#include "pagein.h"

/**
 * struct evict - pages being written, and those that must be put back
 * @out: one for each buffer
 * @nr: how many there are
 * @used: how many belong to a page
 * @settling: gfns that Xen still has to take back
 * @nr_settling: how many there are
 * @few: start even with a few pages, because there was time to collect more
 * @not_before_ns: no new evictions before, because the file can't take them or the
 *	guest has nothing to give
 * @full: the file was full or broken at last, and that was said
 */
struct evict {
	struct transfer out[MAX_TRANSFERS];
	unsigned int nr, used;
	uint64_t settling[MAX_TRANSFERS];
	unsigned int nr_settling;
	bool few;
	uint64_t not_before_ns;
	bool full;
};

int evict_init(struct pager *p, unsigned int depth);
void evict_free(struct pager *p);

/* Evict the pages whose copies are in the file and that haven't changed since. */
void evict_written(struct pager *p);

/* Begin to take away up to @want pages, once it is worth it. */
void evict_run(struct pager *p, uint64_t want);

/* Try again to settle the pages that Xen still has to take back. */
void evict_retry(struct pager *p);

#endif /* PVFAULT_EVICT_H */
