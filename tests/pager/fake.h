/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A simulated Xen behind the pager's xenif.h: one domain with its pages, vCPUs,
 * mem-paging ring and frontend, a XenStore, and a disk whose reads and writes end
 * when the test says so. It behaves as Xen 4.17's mem_paging.c, and the test fails
 * if the pager breaks a rule.
 */
#ifndef PVFAULT_FAKE_H
#define PVFAULT_FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "exitcode.h"
#include "frontend.h"
#include "log.h"
#include "pager.h"

#define NR_GFNS		1024U
#define NR_VCPUS	12U
#define RING_SLOTS	8U	/* of Xen's ring */
#define FIRST_GFN	256U	/* of the usual offer, up to NR_GFNS */
#define FRONT_ORDER	1U

enum p2m { P2M_RW, P2M_OUT, P2M_PAGED, P2M_IN, P2M_HOLE };

/* The result of a guest's access. */
enum access { ACCESS_OK, ACCESS_PAUSED, ACCESS_SPINS, ACCESS_BLOCKED };

struct fake_vcpu {
	bool paused;
	struct xenif_vcpu state;
	uint64_t cr2;		/* to be taken when it runs on */
	uint64_t cr2_gfn, paused_gfn;
	int vcpu_error, inject_error;
};

struct fake_sleeper {
	uint64_t token, gfn;
};

#define MAX_SLEEPERS	4096
#define MAX_NODES	96

struct fake {
	struct xenif x;
	struct xenif_domain domain;
	bool enabled, gone, crashed;
	int enable_error, disable_error, takeover_error, alive_error, domain_error;
	int unpause_error, load_error;
	void (*on_takeover)(struct xenif *x);
	/* Called first; of writing, also of making nodes. */
	void (*on_enable)(void), (*on_write)(void), (*on_events)(void);
	unsigned int takeovers;
	int paged_bias;			/* Xen has miscounted */
	int paused;			/* so many times */
	enum p2m type[NR_GFNS];
	bool has_page[NR_GFNS];
	bool in_use[NR_GFNS];		/* somebody has it mapped */
	bool evict_busy[NR_GFNS];
	bool copy_fails[NR_GFNS];
	bool scribble;			/* somebody does, just before a nomination */
	bool dirty[NR_GFNS];		/* so a live migration would send it */
	bool needless[NR_GFNS];		/* its guest said so at its last touch */
	uint64_t stamp[NR_GFNS];	/* what the guest last wrote there */
	uint8_t (*memory)[XEN_PAGE];
	long free_pages;
	struct fake_vcpu vcpu[NR_VCPUS];

	struct xenif_request queue[RING_SLOTS];
	unsigned int nr_queued, slots_used;
	struct xenif_request answered[RING_SLOTS];
	unsigned int nr_answered;
	unsigned long requests, answers;

	struct xen_pvfault_front *front;
	struct xen_pvfault_ring *ring;
	uint32_t front_all, old_cons, serial;
	bool front_mapped, ring_mapped;
	int port;
	unsigned long notifies, injected;
	struct fake_sleeper sleeper[MAX_SLEEPERS];
	unsigned int nr_sleepers, max_sleepers;
	unsigned long ready_seen, ready_unknown;

	struct { char *path, *value; } node[MAX_NODES];
	unsigned int nr_nodes;
	const char *fired[8192];
	unsigned int nr_fired;
	int write_error;
	bool store_gone;
};

extern struct fake fake;

/* After so many calls of Xen the pager is killed: it goes to fake_killed. */
extern unsigned long fake_kill_in;
extern jmp_buf fake_killed;
extern struct pager *pager;
extern char page_file[256];

/* Acts of the guest and of others. */
enum access fake_touch(unsigned int vcpu, uint64_t gfn);
enum access fake_walk(unsigned int vcpu, uint64_t gfn);
/* A touch of a page that it clears next. */
enum access fake_clear(unsigned int vcpu, uint64_t gfn);
void fake_foreign(uint64_t gfn);
void fake_drop(uint64_t gfn);
void fake_fill(uint64_t gfn);
void fake_write(uint64_t gfn, uint64_t stamp);
void fake_write_nominated(uint64_t gfn, uint64_t stamp);
/* Does an accessible page hold what the guest last wrote there? */
void fake_verify(uint64_t gfn);
unsigned int fake_away(void);

/* The frontend. */
void fake_store(const char *path, const char *value);
void fake_fire(const char *token);
const char *fake_node(const char *path);
void front_node(const char *name, const char *value);
void front_state(enum xenbus_state state);
enum xenbus_state back_state(void);
void front_nodes(const char *offer);
void front_offer(const char *offer);
bool front_agreed(void);
void front_connect(const char *offer);
void front_take(void);
bool sleeps_on(uint64_t gfn);

/* The disk. */
struct io *fake_io_open(int fd);
extern unsigned int io_waiting;
void io_end(unsigned int nth, int error);	/* one of those that wait */
void io_end_all(void);
void io_bad(uint64_t gfn);			/* its place can't be read; 0: all can */
extern bool io_by_itself;			/* end with the next reap */
extern int io_write_error, io_read_error;	/* of all from now on */

/* The first gfn that the guest may have offered; nothing else may be taken. */
extern uint64_t fake_first_gfn;

/* The pager, started against all this with nothing taken yet. */
int start(void **state);
int start_connected(void **state);
int stop(void **state);
void rounds(unsigned int nr);
void seconds(unsigned int nr);
extern bool collect_evictions;	/* as the loop does; else one is enough */
/* Take pages until @nr are out. */
void take_away(unsigned int nr);
uint64_t one_out(void);
/* What lies in the file of a page that is out isn't what was written there. */
void spoil(uint64_t gfn);
void check_balance(void);
/* The pager is gone; start another one with the same file. Return: an exitcode */
void bury(void);
int start_again(void);
/* start_again(), and the new one goes on with @nr pages that are out. */
void adopted(unsigned int nr);
/* All vCPUs touch all pages, until all are there and right. */
void touch_all(void);
/* Bring everything back and end, as SIGTERM does. */
void assert_all_back(void);
void leave_now(void);

#define pager_test(name) \
	cmocka_unit_test_setup_teardown(name, start, stop)
#define pager_test_connected(name) \
	cmocka_unit_test_setup_teardown(name, start_connected, stop)

/* The groups of tests. Return: how many failed. */
int test_pages(void);
int test_offer(void);
int test_ready(void);
int test_vmring(void);
int test_faults(void);
int test_clear(void);
int test_evict(void);
int test_file(void);
int test_device(void);
int test_neighbours(void);
int test_loop(void);
int test_start(void);
int test_status(void);
int test_adopt(void);
int test_records(void);
int test_run(void);
int test_random(void);

#endif /* PVFAULT_FAKE_H */
