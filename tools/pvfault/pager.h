/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The pager: what its files share.
 *
 *	run.c		what comes after what
 *	loop.c		waits for events and lets the others work
 *	 faults.c	takes requests from Xen: notifies, holds, or answers at once
 *	 pagein.c	reads pages back, after a touch or to drain
 *	 evict.c	takes pages away
 *	 adopt.c	goes on where an earlier pager has died
 *	 device.c	the xenbus device, seen by the frontend
 *	 neighbours.c	its other devices: may it be paged beside them?
 *	 target.c	how much the domain may keep
 *	 drain.c	brings everything back
 *	 audit.c	looks if Xen agrees
 *
 * Single-threaded: nothing here is called from two places at once.
 */
#ifndef PVFAULT_PAGER_H
#define PVFAULT_PAGER_H

#include <stdbool.h>
#include <stdint.h>

#include "audit.h"
#include "device.h"
#include "evict.h"
#include "io.h"
#include "options.h"
#include "pagefile.h"
#include "pagein.h"
#include "pages.h"
#include "policy.h"
#include "ready.h"
#include "stats.h"
#include "waiters.h"
#include "xenif.h"

/**
 * enum bring - which pages are being brought back without being asked for
 * @BRING_NONE: none; otherwise pages may be taken away
 * @BRING_KEPT: those that aren't offered any more
 * @BRING_ALL: all
 */
enum bring { BRING_NONE, BRING_KEPT, BRING_ALL };

/**
 * struct pager - everything
 * @options: the command line
 * @xen: the way to Xen
 * @domain: the domain's figures, as Xen reported them last
 * @pages: the state of each page on offer
 * @waiters: tasks and vCPUs that wait for pages
 * @ready: the READY ring
 * @file: the page file
 * @io: reads and writes of the page file
 * @policy: chooses the next page to go
 * @pagein: pages being read
 * @evict: pages being written
 * @device: the xenbus device
 * @stats: counters
 * @now_ns: CLOCK_MONOTONIC, taken once in each round of the loop
 * @loaded: pages brought back since @domain was read, to correct its tot_pages
 * @evicted: pages evicted since then
 * @back: pages that came back, for a live migration
 * @nr_back: how many there are
 * @target_pages: how many the domain may keep; UINT64_MAX: all
 * @most_pages: that it may ever have, whatever it has to do with now
 * @bring: see above
 * @cursor: where drain.c looks next
 * @adopted: @pages are those of an earlier pager, until a frontend has been found
 * @attached: paging is enabled, and this is the domain's pager
 * @step: what has been done of run_steps()
 * @steps_ns: when to go on with them
 * @audit: are there others?
 * @leaving: SIGTERM: bring everything back and end
 * @gone: there is no domain any more
 * @crashed: a page is lost, and the domain was told so
 * @busy: come back soon, there is something to try again
 * @status_fd: the socket for --status and --drain, or -1
 * @status_folder: of its socket
 */
struct pager {
	struct options options;
	struct xenif *xen;
	struct xenif_domain domain;
	struct pages pages;
	struct waiters waiters;
	struct ready ready;
	struct pagefile file;
	struct io *io;
	struct policy policy;
	struct pagein pagein;
	struct evict evict;
	struct device device;
	struct stats stats;
	uint64_t now_ns;
	uint64_t loaded, evicted;
	uint64_t back[XENIF_BACK];
	unsigned int nr_back;
	uint64_t target_pages, most_pages;
	enum bring bring;
	uint32_t cursor;
	bool adopted, attached, leaving, gone, crashed, busy;
	unsigned int step;
	uint64_t steps_ns;
	struct audit audit;
	int status_fd;
	const char *status_folder;
};

uint64_t now_ns(void);

/* Everything but Xen and the file, which the caller opens. */
int pager_init(struct pager *p);
void pager_free(struct pager *p);

/* faults.c: take all requests that are there. */
void faults_run(struct pager *p);
/* The page can be touched: answer the held vCPUs, and say READY for the tasks. */
void faults_wake(struct pager *p, uint32_t nr);

/* target.c */
int target_start(struct pager *p);
void target_changed(struct pager *p);
/* How many pages should go now. */
uint64_t target_excess(const struct pager *p);
/* Why a page can't come back, as the beginning of a sentence. */
const char *target_no_memory(const struct pager *p);

/* drain.c: go on bringing back what @bring says. Return: whether it wants any now. */
bool drain_run(struct pager *p);
bool drain_done(const struct pager *p);
/* Each second while it isn't done. */
void drain_complain(struct pager *p);

/* loop.c: one round after events, and all of them. */
void pager_round(struct pager *p);
void pager_tick(struct pager *p);
/* Is it gone? How much memory does it have, and may it have? */
void pager_look_at_domain(struct pager *p);
/* A page is there again. Xen is told before the frontend is, or its vCPUs run on. */
void pager_came_back(struct pager *p, uint64_t gfn);
void pager_take_watches(struct pager *p);
/* Return: an enum exitcode. */
int pager_loop(struct pager *p);

/* Watches, by their tokens. */
#define WATCH_FRONTEND	"frontend"
#define WATCH_TARGET	"target"
#define WATCH_DOMAIN	"domain"

#endif /* PVFAULT_PAGER_H */
