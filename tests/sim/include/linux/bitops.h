/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SIM_LINUX_BITOPS_H
#define _SIM_LINUX_BITOPS_H

#include <linux/types.h>

#define BITS_PER_LONG		(8 * sizeof(long))
#define BITS_TO_LONGS(n)	(((n) + BITS_PER_LONG - 1) / BITS_PER_LONG)
#define BIT_WORD(nr)		((nr) / BITS_PER_LONG)
#define BIT_MASK(nr)		(1UL << ((nr) % BITS_PER_LONG))

static inline void set_bit(unsigned long nr, unsigned long *bits)
{
	__atomic_fetch_or(bits + BIT_WORD(nr), BIT_MASK(nr), SIM_RELAXED);
}

static inline void clear_bit(unsigned long nr, unsigned long *bits)
{
	__atomic_fetch_and(bits + BIT_WORD(nr), ~BIT_MASK(nr), SIM_RELAXED);
}

static inline bool test_bit(unsigned long nr, const unsigned long *bits)
{
	return __atomic_load_n(bits + BIT_WORD(nr), SIM_RELAXED) & BIT_MASK(nr);
}

static inline bool test_and_set_bit_lock(unsigned long nr, unsigned long *bits)
{
	return __atomic_fetch_or(bits + BIT_WORD(nr), BIT_MASK(nr),
				 __ATOMIC_ACQUIRE) & BIT_MASK(nr);
}

static inline void clear_bit_unlock(unsigned long nr, unsigned long *bits)
{
	__atomic_fetch_and(bits + BIT_WORD(nr), ~BIT_MASK(nr), __ATOMIC_RELEASE);
}

/* Of a number that isn't 0. */
static inline unsigned long __fls(unsigned long x)
{
	return BITS_PER_LONG - 1 - __builtin_clzl(x);
}

/* Not atomic */
static inline bool __test_and_set_bit(unsigned long nr, unsigned long *bits)
{
	bool old = bits[BIT_WORD(nr)] & BIT_MASK(nr);

	bits[BIT_WORD(nr)] |= BIT_MASK(nr);
	return old;
}

static inline unsigned long find_next_zero_bit(const unsigned long *bits,
					       unsigned long n, unsigned long i)
{
	while (i < n && test_bit(i, bits))
		i++;
	return i;
}

static inline unsigned long find_first_zero_bit(const unsigned long *bits,
						unsigned long n)
{
	return find_next_zero_bit(bits, n, 0);
}

#endif
