/* SPDX-License-Identifier: GPL-2.0 */
/* Shared by the files of the core. Backends see include/linux/pvfault.h only. */
#ifndef PVFAULT_INTERNAL_H
#define PVFAULT_INTERNAL_H

#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/compiler.h>
#include <linux/cpumask.h>
#include <linux/jiffies.h>
#include <linux/percpu.h>
#include <linux/pvfault.h>
#include <linux/spinlock.h>
#include <linux/types.h>

struct notifier_block;
struct page;
struct pt_regs;
struct seq_file;
struct task_struct;

#include <trace/events/pvfault.h>

/*
 * Everything that happens is counted and can be traced, under one name. A new one needs
 * a line in include/trace/events/pvfault.h, and a row in admin.rst. The reasons
 * rejected_* stay together. Once all is quiet these balance:
 *
 *	not_present + probe_held = sleep + early_hit + rejected
 *	sleep       = wake + retry + probe + abandoned (+ those still asleep)
 *	ready       = woke somebody + early + dropped
 *	rejected    = all of rejected_*
 */
#define PVFAULT_EVENTS(X)						\
	X(not_present)	/* the host said NOT_PRESENT */			\
	X(deferred)	/* of these: not by a #PF of the task itself */	\
	X(sleep)	/* a task began to wait */			\
	X(sleep_kernel)	/* of these: in kernel mode; a lone one when it's over */ \
	X(sleep_alloc)	/* of these: for a page that is cleared next */	\
	X(sleep_read)	/* of these: for a page that read() copies next */ \
	X(early_hit)	/* no wait: READY, single or for all, came first */ \
	X(wake)		/* a wait ended by READY, single or for all */	\
	X(retry)	/* a wait ended by its deadline */		\
	X(probe)	/* a wait interrupted, to try for its CPU */	\
	X(probe_held)	/* of these: the page is still missing, it waits on */ \
	X(abandoned)	/* a wait ended by a fatal signal */		\
	X(rejected)	/* NOT_PRESENT where no task may sleep */	\
	X(rejected_irqs)	/* because interrupts were off */	\
	X(rejected_mode)	/* in kernel mode, which is off */	\
	X(rejected_no_mm)	/* in a task without user memory */	\
	X(rejected_insn)	/* by no access that may sleep */	\
	X(rejected_atomic)	/* page faults disabled, or RCU */	\
	X(rejected_state)	/* by a task about to sleep or stop */	\
	X(ready)	/* the host said READY for one page */		\
	X(early)	/* READY before NOT_PRESENT: remembered */	\
	X(dropped)	/* READY for an abandoned or known token */	\
	X(overwritten)	/* a remembered token gave way to a newer one */ \
	X(ready_late)	/* by a #PF with interrupts off: READY for all */ \
	X(wake_all)	/* READY for all */				\
	X(repair)	/* a CPU was asked to look for a lost READY */	\
	X(ahead)	/* a wait that was added to another: touched ahead */ \
	X(ahead_present)	/* a page touched ahead was there */	\
	X(ahead_back)	/* a free page touched ahead was given back */

#define PVFAULT_EVENT_ENUM(name) PVFAULT_NR_##name,
enum pvfault_event {
	PVFAULT_EVENTS(PVFAULT_EVENT_ENUM)
	PVFAULT_NR_EVENTS
};

struct pvfault_counters {
	unsigned long n[PVFAULT_NR_EVENTS];
};

DECLARE_PER_CPU(struct pvfault_counters, pvfault_counters);

/* Count and trace @event. Any context. */
#define pvfault_note(event, token)					\
do {									\
	this_cpu_inc(pvfault_counters.n[PVFAULT_NR_##event]);		\
	trace_pvfault_##event(token);					\
} while (0)

/*
 * How long tasks waited, in ticks: two loads of jiffies are all that a wait pays for its
 * time. What is shorter than a tick is right on average only: pvfault_sleep and
 * pvfault_wake in a trace are exact.
 */
#define PVFAULT_WAIT_BUCKETS	BITS_PER_LONG	/* fls() of a number of ticks */

enum pvfault_wait_mode {
	PVFAULT_WAIT_USER,
	PVFAULT_WAIT_KERNEL,
	PVFAULT_WAIT_MODES
};

struct pvfault_waits {
	/* Together as many as the waits that have ended: wake + retry + abandoned. */
	unsigned long n[PVFAULT_WAIT_MODES][PVFAULT_WAIT_BUCKETS];
	unsigned long ticks[PVFAULT_WAIT_MODES];
	unsigned long longest;		/* ticks, since somebody asked */
};

DECLARE_PER_CPU(struct pvfault_waits, pvfault_waits);

/* The notified CPU is unknown, so that repairs must go to all CPUs. */
#define PVFAULT_ANY_CPU	(-1)

/* A task's notification. */
struct pvfault_told {
	pvfault_token_t token;
	u32 generation;			/* pvfault_generation() at that moment */
	int cpu;			/* that was notified, or PVFAULT_ANY_CPU */
	bool user;			/* in user mode: it holds nothing */
	unsigned long since;		/* jiffies at that moment */
};

/*
 * A wait for what was @told is over. Context: the task that waited, interrupts on; or the
 * waker of a batch.
 *
 * It may go to another CPU at any moment. Then it has been compared with the longest
 * wait of either CPU, which is good enough: the longest of all is wanted.
 */
static __always_inline void pvfault_waited(const struct pvfault_told *told)
{
	unsigned long ticks = jiffies - told->since, flags;
	/* That is fls(), in fewer instructions, and never past the end. */
	unsigned long bucket = __fls(2 * ticks + 1);

	if (told->user) {
		this_cpu_inc(pvfault_waits.n[PVFAULT_WAIT_USER][bucket]);
		this_cpu_add(pvfault_waits.ticks[PVFAULT_WAIT_USER], ticks);
	} else {
		this_cpu_inc(pvfault_waits.n[PVFAULT_WAIT_KERNEL][bucket]);
		this_cpu_add(pvfault_waits.ticks[PVFAULT_WAIT_KERNEL], ticks);
	}
	if (likely(ticks <= raw_cpu_read(pvfault_waits.longest)))
		return;
	local_irq_save(flags);
	if (ticks > raw_cpu_read(pvfault_waits.longest))
		raw_cpu_write(pvfault_waits.longest, ticks);
	local_irq_restore(flags);
}

/* How a wait ended. */
enum pvfault_end {
	PVFAULT_NO_WAIT,		/* READY came first */
	PVFAULT_OVER,			/* retry, for whatever reason */
	PVFAULT_PROBES,			/* retry, and pvfault_probe_begin() */
};

/* table.c: tokens, sleepers and what is remembered of others. */
struct pvfault_scan {
	/* in */
	unsigned long repair_age;	/* jiffies */
	unsigned int budget;		/* sleepers to look at */
	/* kept between calls */
	unsigned int bucket;		/* where to go on; 0: from the start */
	/* out */
	unsigned int sleepers;		/* seen in this call */
	bool repair_any;		/* the notified CPU is unknown */
	struct cpumask *repair;		/* CPUs that may have lost a READY */
};

extern atomic_t pvfault_generation_count;

/* pvfault_generation() without a call. */
static __always_inline u32 pvfault_generation_read(void)
{
	return arch_atomic_read(&pvfault_generation_count);
}

/* batch.c: one task that waits for several tokens. */
#define PVFAULT_BATCH	16	/* tokens at most: some 180 bytes of the task's stack */

struct pvfault_batch {
	atomic_t pending;		/* of these, not READY yet */
	unsigned int n;
	struct pvfault_told told;	/* of the first one */
	pvfault_token_t token[PVFAULT_BATCH];
};

/**
 * pvfault_batch_init() - begin a batch
 * @b: on the current task's stack
 *
 * Context: any.
 */
static inline void pvfault_batch_init(struct pvfault_batch *b)
{
	atomic_set(&b->pending, 0);
	b->n = 0;
}

bool pvfault_batch_room(const struct pvfault_batch *b);
int pvfault_batch_add(struct pvfault_batch *b, const struct pvfault_told *told);
unsigned int pvfault_batch_wait(struct pvfault_batch *b);

int pvfault_table_init(void);
enum pvfault_end pvfault_table_sleep(const struct pvfault_told *told);
void pvfault_table_forget(pvfault_token_t token, u32 generation);
bool pvfault_table_scan(struct pvfault_scan *scan);
unsigned int pvfault_table_outstanding(void);
void pvfault_table_show(struct seq_file *m);
unsigned int pvfault_table_marks(unsigned int cpu);
unsigned int pvfault_table_batched(unsigned int cpu);

/* watch.c: the two deadlines of every wait, and READY for all. */
void pvfault_watch_arm(void);
void pvfault_watch_kick(void);
void pvfault_watch_sync(int cpu);
unsigned long pvfault_deadline_ms(void);
int pvfault_set_deadline_ms(unsigned long ms);

extern unsigned long pvfault_deadline;	/* jiffies */

/* probe.c: what happens at the deadline. */
enum pvfault_turn {
	PVFAULT_SLEEP_ON,
	PVFAULT_GIVE_UP,		/* retry */
	PVFAULT_TRY,			/* retry, and report; see pvfault_probe_begin() */
};

extern atomic_t pvfault_probing;

void pvfault_probe_init(void);
void pvfault_probe_keep_warm(int cpu);
void pvfault_probe_offer(const struct pvfault_told *told, struct task_struct *task);
enum pvfault_turn pvfault_probe_turn(const struct pvfault_told *told);
void pvfault_probe_cancel(const struct pvfault_told *told);
void pvfault_probe_over(const struct pvfault_told *told);
void pvfault_probe_begin(int cpu, const struct pt_regs *regs);
void __pvfault_probe_missing(void);
unsigned int pvfault_probes_running(void);

/* The current task is about to wait: if it probed, its page is still missing. */
static inline void pvfault_probe_missing(void)
{
	if (unlikely(atomic_read(&pvfault_probing)))
		__pvfault_probe_missing();
}

/* Has a wait that began at @since, in jiffies, passed its deadline? */
static inline bool pvfault_overdue(unsigned long since)
{
	return time_after_eq(jiffies, since + READ_ONCE(pvfault_deadline));
}

/* hook.c: hooks that are armed by evidence. Tests alone write the period. */
enum pvfault_hooks {
	PVFAULT_HOOK_ALLOC,
	PVFAULT_HOOK_READ,
};

extern unsigned long pvfault_hook_idle;	/* jiffies */
void pvfault_hook_arm(enum pvfault_hooks which);
void pvfault_hooks_stop(void);

/* alloc.c: pages that are about to be cleared. */
void pvfault_alloc_refused(const struct pt_regs *regs);

/* ahead.c: pages that are touched before they are needed, several at once. */
enum pvfault_touch {
	PVFAULT_TOUCH_NONE,
	PVFAULT_TOUCH_ALLOC,		/* clears the first octet of a free page */
	PVFAULT_TOUCH_READ,		/* reads that of a page of the page cache */
};

extern unsigned int pvfault_ahead;	/* pages at once */
int pvfault_set_ahead(unsigned int pages);
bool pvfault_touch_alloc(void *page, struct pvfault_batch *b);
bool pvfault_touch_read(const void *page, struct pvfault_batch *b);
enum pvfault_touch pvfault_touch(const struct pt_regs *regs);
int pvfault_ahead_told(struct pt_regs *regs, const struct pvfault_told *told);
void pvfault_ahead_alloc(struct page *page, unsigned int order, gfp_t gfp);

/* where.c: where a task may sleep. */
bool pvfault_may_sleep(struct pt_regs *regs, pvfault_token_t token);
bool pvfault_kernel_possible(void);

/* mode.c: where tasks may sleep, boot's choice and people's. */
enum pvfault_mode {
	PVFAULT_MODE_OFF,
	PVFAULT_MODE_USER,
	PVFAULT_MODE_KERNEL,
};

extern enum pvfault_mode pvfault_mode;	/* tests write it, too */
const char *pvfault_mode_name(void);
int pvfault_set_mode(const char *name);
bool pvfault_off_at_boot(void);
bool pvfault_mode_follow(void);

/* core.c: the backend slot. */
const char *pvfault_backend_name(void);
const char *pvfault_backend_why_none(void);
void pvfault_backend_repair(void);
void pvfault_backend_keep_warm(void);
void pvfault_backend_quiet(bool off);
void pvfault_backend_switch(void);

/* core.c: what the kernel calls when it suspends, restarts, crashes; and so do tests. */
int pvfault_pm(struct notifier_block *nb, unsigned long event, void *unused);
int pvfault_reboot(struct notifier_block *nb, unsigned long code, void *unused);
void pvfault_crash_disable(void);
void pvfault_reboot_undo(void);

/* stats.c */
unsigned long pvfault_count(enum pvfault_event event);
unsigned long pvfault_wait_count(unsigned int bucket, enum pvfault_wait_mode mode);
unsigned long pvfault_wait_ticks(enum pvfault_wait_mode mode);
unsigned long pvfault_wait_longest(void);
unsigned long pvfault_wait_longest_recent(void);

#endif /* PVFAULT_INTERNAL_H */
