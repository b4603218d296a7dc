/* SPDX-License-Identifier: GPL-2.0 */
/* For the KUnit tests of the core: see pvfault_test.c. */
#ifndef PVFAULT_TEST_H
#define PVFAULT_TEST_H

#include <kunit/test.h>

#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/jiffies.h>
#include <linux/prandom.h>

#include "../internal.h"

#define WAIT_MS		pvt_wait_ms	/* for what comes at once if all is well */
#define SLACK		(2 * HZ)	/* an emulated machine may be slow */
#define LONG_MS		3600000		/* a deadline that no case reaches */
#define SHORT_MS	1000		/* the shortest deadline there is */
#define MARKS		PVFAULT_MAX_OUTSTANDING
#define NR_SLEEPERS	8

/* Contexts of a #PF in which no task may sleep. */
enum pvt_context {
	PVT_TASK,
	PVT_IRQS_OFF,
	PVT_HARDIRQ,
	PVT_NMI,
	PVT_PREEMPT_OFF,
	PVT_CONTEXTS
};

/* A thread that gets NOT_PRESENT. */
struct pvt_sleeper {
	pvfault_token_t token;
	unsigned int count;		/* of tokens from there on, in turn */
	unsigned int span;		/* if not 0: at random from so many */
	struct rnd_state rnd;
	int told_cpu;			/* that was told; -1: not known */
	bool told;			/* was told at this generation */
	u32 generation;
	bool ready_first;		/* READY from itself first */
	bool all_first;			/* READY for all first */
	bool killed_first;		/* gets a fatal signal first */

	struct task_struct *task;	/* NULL: not running */
	struct completion back;
	unsigned int done;		/* waits that have ended */
	unsigned long waited;		/* jiffies, of the last one */
	unsigned long longest;		/* jiffies, of all */
	unsigned int wrong;		/* returns in a wrong state */
	bool stop;
};

/* Static, so that a thread which never comes back has something to stand on. */
struct pvt {
	bool stuck;
	const struct pvfault_backend *backend;	/* NULL: not registered */
	pvfault_token_t next_token;
	struct pvt_sleeper sleepers[NR_SLEEPERS];
	unsigned int nr_sleepers;
	unsigned long base[PVFAULT_NR_EVENTS];
	unsigned long waits;		/* that had ended before */
	unsigned int marks;
	unsigned long deadline_ms;
	int removed_cpu;		/* to be added again */
};

/* The backend: what it was asked to do, and what it is to do when asked. */
struct pvt_host {
	struct cpumask told;		/* these CPUs now */
	struct cpumask hushed;		/* was called for these */
	struct cpumask repaired;	/* was called on these */
	atomic_t wrong;			/* calls in a wrong context */
	int fail_cpu;			/* cpu_online says no */
	atomic_t lost;			/* the next repair finds this */
	pvfault_token_t lost_token;
	/* A genuine fault here is a notification, that often; tokens go by page. */
	unsigned long address;
	unsigned int pages;		/* from there on; 0: at this address alone */
	void *page;			/* before it, if it is the kernel's */
	unsigned int faults;
	enum pvfault_kind kind;
	pvfault_token_t fault_token;
	unsigned long ip, di;		/* registers at the last one */
};

extern unsigned int pvt_wait_ms;
extern struct pvt pvt;
extern struct pvt_host pvt_host;
extern const struct pvfault_backend pvt_backend;

void pvt_count_from_here(struct kunit *test);
int pvt_begin(struct kunit *test, const struct pvfault_backend *backend);
int pvt_init(struct kunit *test);
int pvt_init_in_kernel(struct kunit *test);
void pvt_exit(struct kunit *test);
enum pvfault_kind pvt_recognise(struct pt_regs *regs, unsigned long error_code,
				unsigned long address, pvfault_token_t *token);

unsigned long pvt_since(enum pvfault_event event);
unsigned long pvt_waits_ended(void);
void pvt_expect_marks(struct kunit *test, unsigned int more);
void pvt_expect_balance(struct kunit *test, unsigned long woke);
void pvt_expect_events(struct kunit *test, unsigned long woke, const unsigned long *expected);
void pvt_expect_asleep(struct kunit *test, unsigned int n);
void pvt_expect_back(struct kunit *test, struct pvt_sleeper *s);
void pvt_expect_still_asleep(struct kunit *test, struct pvt_sleeper *s);
struct pvt_sleeper *pvt_sleeper_new(struct kunit *test, pvfault_token_t token);
void pvt_sleeper_run(struct kunit *test, struct pvt_sleeper *s, int cpu);
struct pvt_sleeper *pvt_start_on(struct kunit *test, pvfault_token_t token, int cpu);
struct pvt_sleeper *pvt_start(struct kunit *test, pvfault_token_t token);
void pvt_drain(struct kunit *test, pvfault_token_t token, unsigned int count);
void pvt_forget(struct kunit *test, pvfault_token_t token, unsigned int count);
void pvt_ready_on(struct kunit *test, int cpu, pvfault_token_t token);
void pvt_flood(struct kunit *test, int cpu, pvfault_token_t token, unsigned int count);
void pvt_guard_page(struct kunit *test);
long pvt_call(int cpu, enum pvt_context where, long (*fn)(void *arg), void *arg);
void pvt_tell(struct kunit *test, pvfault_token_t token, enum pvfault_kind kind,
	      enum pvt_context where);
void pvt_refuse(struct kunit *test, pvfault_token_t token, enum pvt_context where);
void pvt_expect_asleep_in_kernel(struct kunit *test, struct task_struct *task);
void pvt_expect_back_from_kernel(struct kunit *test, struct completion *back);
void pvt_refused(struct kunit *test, void (*touch)(void), enum pvfault_event why);
void pvt_kill_sleeper(struct kunit *test, struct pvt_sleeper *s);
void pvt_register(struct kunit *test);
pvfault_token_t pvt_fresh_tokens(unsigned int n);

/* The end of a case: so many READYs woke somebody, and these were counted. */
#define N(event, n) \
	[PVFAULT_NR_##event] = (n)
#define expect_counts(test, woke, ...)					\
	pvt_expect_events(test, woke,					\
		      (const unsigned long [PVFAULT_NR_EVENTS]) { __VA_ARGS__ })

/* Inline, because with one CPU it never returns. */
static inline int pvt_other_cpu(struct kunit *test)
{
	unsigned int cpu = cpumask_any_but(cpu_online_mask, 0);

	if (cpu >= nr_cpu_ids)
		kunit_skip(test, "needs a second CPU");
	return cpu;
}

#endif /* PVFAULT_TEST_H */
