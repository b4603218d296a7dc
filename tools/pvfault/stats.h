/* SPDX-License-Identifier: GPL-2.0 */
/* The pager's counters, for people and tests: "name value" lines. */
#ifndef PVFAULT_STATS_H
#define PVFAULT_STATS_H

#include <stdint.h>
#include <stdio.h>

/*
 * requests = told + held + resident + dropped + foreign
 * held is the sum of held_*, which name the first reason that was found
 */
#define PAGER_COUNTERS(X)						\
	X(requests)		/* of Xen's ring */			\
	X(answers)		/* each of them has one, in the end */	\
	X(told)			/* the task sleeps, its vCPU runs */	\
	X(held)			/* the vCPU waits for the page */	\
	X(held_asked)		/* --hold */				\
	X(held_no_frontend)	/* none is connected, or it leaves */	\
	X(held_mode)		/* tell[] hasn't the bit of its mode */	\
	X(held_irqs_off)	/* RFLAGS.IF is clear */		\
	X(held_event)		/* Xen has to inject something else */	\
	X(held_full)		/* max-outstanding */			\
	X(held_failed)		/* Xen refused to look or to inject */	\
	X(resident)		/* the page was there already */	\
	X(dropped)		/* the guest gave the page away */	\
	X(foreign)		/* touched by another domain */		\
	X(stray)		/* of these, pages not on offer */	\
	X(page_ins)		/* pages brought back */		\
	X(page_ins_asked)	/* ... because they were touched */	\
	X(zero_ins)		/* pages of zeroes, which aren't read */ \
	X(clear_ins)		/* zeroes for contents that nobody needed */ \
	X(zero_outs)							\
	X(evictions)							\
	X(nominations)							\
	X(refused)		/* in use, can't be nominated */	\
	X(cancelled)		/* touched while on its way out */	\
	X(put_back)		/* nominated and not evicted */		\
	X(ready)		/* tokens for which READY was said */	\
	X(ready_all)							\
	X(notifies)							\
	X(no_memory)		/* Xen had no memory for a page */	\
	X(write_errors)							\
	X(read_errors)		/* tried again until it can be read */	\
	X(wrong_sums)		/* some get better */			\
	X(load_errors)		/* Xen refused a page, and not for memory */ \
	X(changed)		/* written to by dom0 on its way out */	\
	X(lost)			/* pages that can't be read */		\
	X(adopted)		/* pages found out at a takeover */	\
	X(connects)							\
	X(offers)		/* changes of an offer */		\
	X(frontend_errors)	/* what it wrote makes no sense */	\
	X(watches)		/* changes in XenStore that were told */

#define LATENCY_BUCKETS	64

#define STAT_FIELD(name) unsigned long name;
struct stats {
	PAGER_COUNTERS(STAT_FIELD)
	/* From touch to access, of told and held. */
	uint64_t latency_nr, latency_sum_ns, latency_min_ns, latency_max_ns;
	/* How many took how long: two buckets for each power of 2 in us. */
	unsigned long latency[LATENCY_BUCKETS];
};

#undef STAT_FIELD

void stats_latency(struct stats *s, uint64_t ns);

/* So many thousandths took no longer, in us, to within a third. */
uint64_t stats_percentile(const struct stats *s, unsigned int thousandths);

struct pager;

/* Write all, and how many pages are where, to @file. */
void stats_print(const struct pager *p, FILE *file);

/* To the file of --stats, at one stroke; to stderr if @loud and there is none. */
void stats_write(const struct pager *p, int loud);

#endif /* PVFAULT_STATS_H */
