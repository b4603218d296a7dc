/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Common parts of the tests of the table: threads that get NOT_PRESENT, and an
 * account of all that must have been counted.
 *
 * Nothing depends on timing. Where an order matters, one thread is stopped at
 * a point inside the table (sim_hook) until the other has done its part. A
 * wait with a limit decides only how long a failure takes.
 */
#ifndef PVFAULT_UNIT_H
#define PVFAULT_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include <linux/jiffies.h>
#include <linux/sched.h>

#include "internal.h"

#define NR_CPUS		6	/* not a power of two */
#define MARKS		64	/* of each CPU */
#define BATCHED		32	/* tokens in batches, of each CPU */
#define MAX_SLEEPERS	8
#define MAX_TOKEN	5999	/* except ~0 */

/* A thread that has got NOT_PRESENT. */
struct sleeper {
	pthread_t thread;
	struct task_struct *task;
	pvfault_token_t token;
	unsigned int batch;	/* of so many tokens from there on; 0: no batch */
	unsigned int added;	/* to the batch, before there was no slot */
	u32 generation;
	unsigned int cpu;
	int told_cpu;
	/* Stop at the nth time it comes by this point, if nth isn't 0. */
	enum sim_point point;
	int nth;
	enum pvfault_end end;
	bool at_gate, gate_open;
	bool returned;
	bool joined;
	unsigned int state_after;
	bool irqs_off_after;
};

extern struct sleeper sleepers[MAX_SLEEPERS];

/* Orders nothing in the sanitizer's eyes, so that no wait here hides a race. */
static inline bool get(bool *flag)
{
	return __atomic_load_n(flag, SIM_RELAXED);
}

static inline void set(bool *flag)
{
	__atomic_store_n(flag, true, SIM_RELAXED);
}

void nap(void);

extern unsigned int patience_ms;

/* Wait for @cond; its value says whether it came true. */
#define wait_for_ms(ms, cond)						\
({									\
	struct timespec __now, __end;					\
	bool __true;							\
									\
	clock_gettime(CLOCK_MONOTONIC, &__end);				\
	__end.tv_sec += (ms) / 1000;					\
	__end.tv_nsec += (ms) % 1000 * 1000000L;			\
	while (!(__true = (cond))) {					\
		clock_gettime(CLOCK_MONOTONIC, &__now);			\
		if ((__now.tv_sec - __end.tv_sec) * 1000000000L +	\
		    __now.tv_nsec - __end.tv_nsec > 0)			\
			break;						\
		nap();							\
	}								\
	__true;								\
})
#define wait_for(cond)	wait_for_ms(patience_ms, cond)

/* Sleepers. The main thread has CPU 0, they have the others. */
struct sleeper *tell(pvfault_token_t token, unsigned int cpu);
struct sleeper *tell_gated(pvfault_token_t token, u32 generation,
			   unsigned int cpu, int told_cpu,
			   enum sim_point point, int nth);
struct sleeper *put_to_sleep(pvfault_token_t token, unsigned int cpu);
struct sleeper *tell_batch(pvfault_token_t token, unsigned int n, unsigned int cpu);
struct sleeper *put_batch_to_sleep(pvfault_token_t token, unsigned int n, unsigned int cpu);
struct sleeper *abandon(pvfault_token_t token, unsigned int cpu);
bool asleep(struct sleeper *s);
bool wait_asleep(struct sleeper *s);
bool wait_returned(struct sleeper *s);
bool everybody_back(void);
void assert_returned(struct sleeper *s);

/* The host's messages. */
void tell_dying(pvfault_token_t token, unsigned int cpu);
void expect_at_once(pvfault_token_t token, unsigned int cpu);
void ready_on(pvfault_token_t token, unsigned int cpu);
void ready(pvfault_token_t token);
void refuse(pvfault_token_t token);

/* Scans, and the CPUs that the last one wants to be repaired. */
extern struct cpumask repair;
struct pvfault_scan new_scan(void);
struct pvfault_scan scan_all(void);

unsigned int marks(void);
unsigned int batched(void);
void erase_marks(pvfault_token_t first, pvfault_token_t last);

/* The expected value of each counter in this test; the rest is 0. */
#define WANT_FIELD(name) unsigned long name;
struct want {
	PVFAULT_EVENTS(WANT_FIELD)
	unsigned long woke;	/* READYs that woke somebody; no counter */
	unsigned int asleep;
	unsigned int marks;
	unsigned int batched;	/* slots, asleep or left */
};

unsigned long counted(enum pvfault_event event);
void assert_state(struct want want);
#define assert_counts(...)	assert_state((struct want) { __VA_ARGS__ })

int unit_setup(void **state);
int unit_teardown(void **state);
#define table_test(name) \
	cmocka_unit_test_setup_teardown(name, unit_setup, unit_teardown)

/* The groups of tests. Return: how many failed. */
int test_table(void);
int test_order(void);
int test_marks(void);
int test_batch(void);
int test_scan(void);
int test_anew(void);
int test_bounds(void);

#endif /* PVFAULT_UNIT_H */
