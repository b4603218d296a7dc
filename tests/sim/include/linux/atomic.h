/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SIM_LINUX_ATOMIC_H
#define _SIM_LINUX_ATOMIC_H

#include <linux/types.h>

typedef struct {
	int counter;
} atomic_t;

#define ATOMIC_INIT(i)	{ (i) }

/* In the table only the generation is read like this; a test may stop here. */
static inline int arch_atomic_read(const atomic_t *v)
{
	int i = __atomic_load_n(&v->counter, SIM_RELAXED);

	sim_point(SIM_GENERATION);
	return i;
}

#define atomic_read	arch_atomic_read

/* Promises no order, although x86 gives it. */
static inline void atomic_inc(atomic_t *v)
{
	__atomic_fetch_add(&v->counter, 1, SIM_RELAXED);
}

static inline void atomic_dec(atomic_t *v)
{
	__atomic_fetch_sub(&v->counter, 1, SIM_RELAXED);
}

static inline void atomic_set(atomic_t *v, int i)
{
	__atomic_store_n(&v->counter, i, SIM_RELAXED);
}

static inline int atomic_read_acquire(const atomic_t *v)
{
	return __atomic_load_n(&v->counter, __ATOMIC_ACQUIRE);
}

static inline bool atomic_dec_and_test(atomic_t *v)
{
	bool zero = __atomic_sub_fetch(&v->counter, 1, __ATOMIC_SEQ_CST) == 0;

	sim_count_down();
	sim_point(SIM_STORED);
	return zero;
}

static inline int atomic_inc_return(atomic_t *v)
{
	return __atomic_add_fetch(&v->counter, 1, __ATOMIC_SEQ_CST);
}

/*
 * ThreadSanitizer knows no fences. On x86 a locked instruction on the thread's own
 * memory is as good. It orders nothing in the sanitizer's eyes, so it hides no race.
 */
static inline void smp_mb(void)
{
#ifdef __SANITIZE_THREAD__
	static _Thread_local int own;

	__atomic_exchange_n(&own, 1, __ATOMIC_SEQ_CST);
#else
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

#define smp_mb__after_atomic()	smp_mb()
#define smp_mb__before_atomic()	smp_mb()

#define smp_load_acquire(p)	__atomic_load_n(p, __ATOMIC_ACQUIRE)
#define smp_store_release(p, v)						\
do {									\
	__atomic_store_n(p, v, __ATOMIC_RELEASE);			\
	sim_point(SIM_STORED);						\
} while (0)

#endif
